// SPDX-License-Identifier: Apache-2.0
//
// The error log: one for the process, any thread may write. Every line says when, how bad, which
// worker, which client, and what was being done (the phase phrase):
//
//   2026-11-21T08:46:53.123Z warn worker 1 client 203.0.113.9:5123 site a.example: connection
//   refused while connecting to upstream 127.0.0.1:3001                              (one line)
//
//   {"time":"2026-11-21T08:46:53.123Z","level":"warn","worker":1,"client":"203.0.113.9:5123",
//    "site":"a.example","message":"connection refused","phase":"connecting to upstream",
//    "upstream":"127.0.0.1:3001"}                                  (one line; absent keys left out)
//
// Before `log_open` and after `log_close`, lines go to stderr as text from level info on. A target
// that cannot be written is said once on stderr, and its lines go there until it works again.
#ifndef RINGWAY_CORE_LOG_H
#define RINGWAY_CORE_LOG_H

#include "core/config.h"

#include <stdarg.h>
#include <stdbool.h>

#define LOG_NO_WORKER (-1)

// Who and what a line is about. All strings are borrowed for the call; NULL leaves a part out.
struct log_context {
    int worker;           // LOG_NO_WORKER on other threads
    const char *client;   // "203.0.113.9:5123"
    const char *site;     // the site's name, once known
    const char *phase;    // follows "while": "reading the request head"
    const char *upstream; // address being used, follows the phase: "127.0.0.1:3001"
};

// Opens the target, or replaces the one open: for a reload, and with the same `conf` on SIGHUP so
// that a rotated file is made anew. Lines written meanwhile go whole to the old or the new target.
// Negative errno when the file cannot be opened; then nothing changes. Main thread.
int log_open(const struct conf_log *conf);

// Back to stderr. Main thread, at the end.
void log_close(void);

// May a line of this level be written? For callers whose arguments cost something.
bool log_enabled(enum log_level level);

// Writes one line; `context` NULL means none of it is known. Bytes that could break the line are
// escaped, the message is cut at about 2 KB. errno is kept.
void log_line(enum log_level level, const struct log_context *context, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The same for what a peer can cause at will: at most 20 lines a second per thread and format, the
// rest is counted and said in one line.
void log_peer(enum log_level level, const struct log_context *context, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The same with the lines counted together that have the same `kind`, a constant text.
void log_peer_kind(enum log_level level, const struct log_context *context, const char *kind,
                   const char *format, va_list args) __attribute__((format(printf, 4, 0)));

// Says what `log_peer` suppressed on this thread in seconds that are over. Once a second per
// worker, and when it ends.
void log_peer_tick(void);

#endif
