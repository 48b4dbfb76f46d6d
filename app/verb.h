// SPDX-License-Identifier: Apache-2.0
//
// What can be asked of `ringway` on the command line, one function per verb. Each gets the
// arguments behind its name and returns the exit status: 0 done, 1 failed, 2 wrong usage.
#ifndef RINGWAY_APP_VERB_H
#define RINGWAY_APP_VERB_H

int verb_run(int count, char **arguments);
int verb_check(int count, char **arguments);
int verb_reload(int count, char **arguments);
int verb_status(int count, char **arguments);
int verb_cert(int count, char **arguments);
int verb_demo(int count, char **arguments);
int verb_schema(int count, char **arguments);
int verb_version(int count, char **arguments);

#endif
