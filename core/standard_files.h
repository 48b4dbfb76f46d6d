// SPDX-License-Identifier: Apache-2.0
//
// Descriptors 0 to 2 of a program that was started without some of them.
#ifndef RINGWAY_CORE_STANDARD_FILES_H
#define RINGWAY_CORE_STANDARD_FILES_H

// Takes the number of stdin, stdout and stderr where it is free. The next socket would get it, and
// a peer what is printed there. What is held cannot be written to. First thing in `main`.
void standard_files_hold(void);

#endif
