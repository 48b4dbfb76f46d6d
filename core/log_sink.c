// SPDX-License-Identifier: Apache-2.0
//
// A worker's buffer of access lines; see the header.
#include "core/log_sink.h"

#include "core/line.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define BUFFER_SIZE (64 * 1024)
_Static_assert(LINE_SIZE_MAX <= PIPE_BUF, "a line on a pipe must be one atomic write");

int log_sink_start(struct log_sink *sink, struct log_file *file) {
    *sink = (struct log_sink){.file = file, .buffer = malloc(BUFFER_SIZE)};
    return sink->buffer ? 0 : -ENOMEM;
}

bool log_sink_wanted(const struct log_sink *sink) {
    return !atomic_load_explicit(&sink->file->discards, memory_order_relaxed);
}

void log_sink_write(struct log_sink *sink, struct str line) {
    assert(line.len > 0 && line.len <= LINE_SIZE_MAX && line.ptr[line.len - 1] == '\n');
    if (sink->size_bytes + line.len > BUFFER_SIZE)
        log_sink_flush(sink);
    if (sink->size_bytes + line.len > BUFFER_SIZE) {
        sink->dropped_lines++;
        return;
    }
    memcpy(sink->buffer + sink->size_bytes, line.ptr, line.len);
    sink->size_bytes += line.len;
}

static struct str piece_next(const struct log_sink *sink, struct str rest);
static void sink_fail(struct log_sink *sink, struct str rest, int error);

void log_sink_flush(struct log_sink *sink) {
    struct str rest = {sink->buffer, sink->size_bytes};
    while (rest.len > 0 && log_file_ready(sink->file)) {
        ssize_t taken = log_file_write(sink->file, piece_next(sink, rest));
        if (taken == -EAGAIN)
            break;
        if (taken <= 0) {
            sink_fail(sink, rest, taken < 0 ? (int)-taken : ENOSPC);
            return;
        }
        rest = str_skip(rest, (size_t)taken);
        if (log_file_note(sink->file, LOG_FILE_WORKS))
            log_line(LOG_WARN, NULL, "the access log can be written again");
    }
    memmove(sink->buffer, rest.ptr, rest.len);
    sink->size_bytes = rest.len;
}

// A file takes everything at once; a stream as many whole lines as surely do not block it.
static struct str piece_next(const struct log_sink *sink, struct str rest) {
    if (!sink->file->streams || rest.len <= PIPE_BUF)
        return rest;
    const char *last = memrchr(rest.ptr, '\n', PIPE_BUF);
    assert(last); // no line is longer
    return (struct str){rest.ptr, (size_t)(last - rest.ptr) + 1};
}

// Lets go of the lines: on a full disk the next ones are as good, and memory is bounded. A line
// that went out in part is ended before the next one.
static void sink_fail(struct log_sink *sink, struct str rest, int error) {
    for (size_t i = 0; i < rest.len; i++)
        sink->dropped_lines += rest.ptr[i] == '\n';
    bool torn = rest.ptr > sink->buffer && rest.ptr[-1] != '\n';
    sink->buffer[0] = '\n';
    sink->size_bytes = torn ? 1 : 0;
    if (log_file_note(sink->file, LOG_FILE_FAILS))
        log_line(LOG_ERROR, NULL, "the access log cannot be written: %s; its lines are lost",
                 strerror(error));
}

void log_sink_end(struct log_sink *sink) {
    log_sink_flush(sink);
    free(sink->buffer);
    sink->buffer = NULL;
}
