// SPDX-License-Identifier: Apache-2.0
//
// Where access lines go. A `log_file` is the target all workers share: its descriptor number never
// changes, so that another file can be put behind it (dup3 is atomic) while workers write. A
// `log_sink` is one worker's buffer in front of it: whole lines, written with one write(2) on
// O_APPEND, so no lock is needed and no lines mix.
//
// Life: main opens the file before workers start and closes it after they ended; each worker starts
// and ends its sink.
#ifndef RINGWAY_CORE_LOG_SINK_H
#define RINGWAY_CORE_LOG_SINK_H

#include "core/config.h"
#include "core/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_file {
    int fd;               // constant from open to close
    atomic_bool discards; // LOG_TARGET_NONE
    atomic_bool streams;  // a pipe, socket or terminal: whoever reads it may stall
    atomic_bool fails;    // the last write failed, which has been said
};

// Opens the target `conf` names. Negative errno when a file cannot be opened. Main thread.
int log_file_open(struct log_file *file, const struct conf_log *conf);

// Puts another target, or the same path anew (rotation), behind the descriptor. On failure the old
// one stays and the negative errno is returned. Main thread; sinks may write meanwhile.
int log_file_reopen(struct log_file *file, const struct conf_log *conf);

void log_file_close(struct log_file *file);

struct log_sink {
    struct log_file *file; // borrowed
    char *buffer;
    size_t size_bytes;
    uint64_t dropped_lines; // lost because the target failed or its reader stalled
};

// Allocates the buffer; -ENOMEM. The worker's thread owns the sink from here on.
int log_sink_start(struct log_sink *sink, struct log_file *file);

// Is anybody going to read lines? False with `access_log: {target: none}`.
bool log_sink_wanted(const struct log_sink *sink);

// Takes one line with its newline, at most LINE_SIZE_MAX bytes; copied. Writes out when the buffer
// is full, and drops the line when the target does not take it.
void log_sink_write(struct log_sink *sink, struct str line);

// Writes what is buffered. Once per second or idle loop; never waits for a stalled reader: what it
// does not take stays for the next time.
void log_sink_flush(struct log_sink *sink);

// Flushes and frees.
void log_sink_end(struct log_sink *sink);

#endif
