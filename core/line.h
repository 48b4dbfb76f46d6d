// SPDX-License-Identifier: Apache-2.0
//
// Builds one log line in a buffer of the caller's: what does not fit is cut, what a peer supplied
// is escaped, so that one event is always one line of valid UTF-8, whatever the bytes were.
#ifndef RINGWAY_CORE_LINE_H
#define RINGWAY_CORE_LINE_H

#include "core/str.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// The longest line anything logs, newline included: PIPE_BUF, up to which a write to a pipe is
// atomic (pipe(7)), so lines of different threads never mix.
#define LINE_SIZE_MAX 4096

enum line_escape {
    LINE_ESCAPE_TEXT,   // \xHH for control and non-UTF-8 bytes, \\ for the backslash
    LINE_ESCAPE_QUOTED, // as text, and \" for the quote: goes between double quotes
    LINE_ESCAPE_JSON,   // a JSON string's inside (RFC 8259 §7); invalid UTF-8 becomes U+FFFD
};

// `size_bytes` never passes `capacity_bytes` less one, which is kept for the newline.
struct line {
    char *ptr;
    size_t size_bytes, capacity_bytes;
};

// Starts an empty line in `buffer`, at least one byte.
struct line line_start(char *buffer, size_t capacity_bytes);

// Appends `s` as it is: for text of our own.
void line_add(struct line *line, struct str s);

// Appends formatted text of our own, as it is.
void line_printf(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Appends `s` escaped, at most `max_bytes` of output; a longer one is cut between characters and
// ends in "…", which counts too.
void line_add_escaped(struct line *line, struct str s, enum line_escape escape, size_t max_bytes);

// Appends the UTC time, RFC 3339 with milliseconds: 2026-11-21T08:46:53.123Z.
void line_add_time(struct line *line, int64_t unix_time_us);

// Appends the newline and returns the line; it lives in the caller's buffer.
struct str line_end(struct line *line);

#endif
