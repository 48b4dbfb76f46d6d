// SPDX-License-Identifier: Apache-2.0
//
// The verbs of ringway-bench: command line in, exit code out. 0: done, and nothing went wrong; 1:
// some connection failed, or the run did; 2: the command line is wrong.
#ifndef RINGWAY_BENCH_COMMAND_H
#define RINGWAY_BENCH_COMMAND_H

enum { EXIT_USAGE = 2 };

// argv[0] is the verb. Blocking, main thread.
int command_load(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_merge(int argc, char **argv);

#endif
