// SPDX-License-Identifier: Apache-2.0
//
// A target for lines that all threads share: a file, stderr, stdout, nothing. Its descriptor number
// never changes while it is open, so that another file can be put behind it (dup3 is atomic) while
// others write: nobody needs a lock, and a line goes whole to the old or to the new file.
#ifndef RINGWAY_CORE_LOG_FILE_H
#define RINGWAY_CORE_LOG_FILE_H

#include "core/config.h"
#include "core/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct log_file {
    atomic_int fd;
    atomic_bool discards; // LOG_TARGET_NONE
    atomic_bool streams;  // a pipe, socket or terminal, whose reader may stall
    atomic_bool fails;    // the last write failed
};

// Opens the target `conf` names; a file is created 0640. Negative errno when that fails. Main
// thread.
int log_file_open(struct log_file *file, const struct conf_log *conf);

// Puts another target, or the same path anew (rotation), behind the descriptor. On failure the old
// one stays and the negative errno is returned. Main thread; others may write meanwhile.
int log_file_reopen(struct log_file *file, const struct conf_log *conf);

// Closes the descriptor. No other thread may be writing any more. Main thread.
void log_file_close(struct log_file *file);

// One write(2), on O_APPEND. Returns the bytes taken or a negative errno. Any thread.
ssize_t log_file_write(struct log_file *file, struct str bytes);

// May a write of up to PIPE_BUF bytes be expected not to block? Always for files.
bool log_file_ready(const struct log_file *file);

// Notes how the last write went. True when that is a change, which is then to be said.
enum log_file_health { LOG_FILE_WORKS, LOG_FILE_FAILS };
bool log_file_note(struct log_file *file, enum log_file_health health);

#endif
