// SPDX-License-Identifier: Apache-2.0
//
// Files that the configuration names and that must be there when it is read.
#ifndef RINGWAY_CORE_CONFIG_FILES_H
#define RINGWAY_CORE_CONFIG_FILES_H

#include "core/config_read.h"

// Records a problem unless `path` is a file that can be opened for reading. Blocking.
void config_file_check(struct config_reader *reader, struct conf_pos pos, const char *path);

#endif
