// SPDX-License-Identifier: Apache-2.0
//
// One worker's buffer in front of the access log: whole lines, written out with one write(2) each
// time, so that workers need no lock and their lines do not mix.
//
// Life: main opens the `log_file` before workers start and closes it after they ended; each worker
// starts and ends its own sink.
#ifndef RINGWAY_CORE_LOG_SINK_H
#define RINGWAY_CORE_LOG_SINK_H

#include "core/log_file.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
