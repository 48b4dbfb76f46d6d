// SPDX-License-Identifier: Apache-2.0
//
// The error log; see the header. A line is built on the caller's stack and written with one
// write(2); nothing is shared but the target and two settings, so there is no lock.
#include "core/log.h"

#include "core/line.h"
#include "core/log_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

// Together with time, level and keys below LINE_SIZE_MAX, so that a JSON object is always closed.
#define MESSAGE_MAX 2400
#define CLIENT_MAX 96
#define SITE_MAX 256
#define PHASE_MAX 512
#define UPSTREAM_MAX 256
_Static_assert(MESSAGE_MAX + CLIENT_MAX + SITE_MAX + PHASE_MAX + UPSTREAM_MAX + 256 < LINE_SIZE_MAX,
               "a line of longest parts must fit");

#define PEER_LINES_PER_SECOND 20
#define PEER_KINDS 16 // formats a thread counts at the same time

static struct {
    struct log_file file;
    atomic_int level;
    atomic_int format;
} error_log = {
    .file = {.fd = STDERR_FILENO, .streams = true},
    .level = LOG_INFO,
    .format = LOG_TEXT,
};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

int log_open(const struct conf_log *conf) {
    int result = 0;
    if (error_log.file.fd == STDERR_FILENO)
        result = log_file_open(&error_log.file, conf);
    else
        result = log_file_reopen(&error_log.file, conf);
    if (result < 0)
        return result;
    error_log.level = conf->level;
    error_log.format = conf->format;
    return 0;
}

void log_close(void) {
    if (error_log.file.fd != STDERR_FILENO)
        log_file_close(&error_log.file);
    error_log.file.fd = STDERR_FILENO;
    error_log.file.discards = false;
    error_log.level = LOG_INFO;
    error_log.format = LOG_TEXT;
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&error_log.level, memory_order_relaxed) &&
           !atomic_load_explicit(&error_log.file.discards, memory_order_relaxed);
}

static void log_vline(enum log_level level, const struct log_context *context, const char *format,
                      va_list args);

void log_line(enum log_level level, const struct log_context *context, const char *format, ...) {
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    log_vline(level, context, format, args);
    va_end(args);
}

static void add_text(struct line *line, enum log_level level, const struct log_context *context,
                     struct str message);
static void add_json(struct line *line, enum log_level level, const struct log_context *context,
                     struct str message);
static void log_write(struct str line);

static void log_vline(enum log_level level, const struct log_context *context, const char *format,
                      va_list args) {
    static const struct log_context nobody = {.worker = LOG_NO_WORKER};
    int saved_errno = errno;
    // More room than a message may take, so that line_add_escaped sees the excess and marks the
    // cut.
    char message[MESSAGE_MAX + 8];
    vsnprintf(message, sizeof(message), format, args);

    char buffer[LINE_SIZE_MAX];
    struct line line = line_start(buffer, sizeof(buffer));
    if (error_log.format == LOG_JSON)
        add_json(&line, level, context ? context : &nobody, str_from(message));
    else
        add_text(&line, level, context ? context : &nobody, str_from(message));
    log_write(line_end(&line));
    errno = saved_errno;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void add_text_part(struct line *line, const char *before, const char *value,
                          size_t max_bytes);

static void add_text(struct line *line, enum log_level level, const struct log_context *context,
                     struct str message) {
    line_add_time(line, now_us());
    line_printf(line, " %s", level_names[level]);
    if (context->worker != LOG_NO_WORKER)
        line_printf(line, " worker %d", context->worker);
    add_text_part(line, " client ", context->client, CLIENT_MAX);
    add_text_part(line, " site ", context->site, SITE_MAX);
    line_add(line, STR(": "));
    line_add_escaped(line, message, LINE_ESCAPE_TEXT, MESSAGE_MAX);
    add_text_part(line, " while ", context->phase, PHASE_MAX);
    add_text_part(line, " ", context->upstream, UPSTREAM_MAX);
}

static void add_text_part(struct line *line, const char *before, const char *value,
                          size_t max_bytes) {
    if (!value)
        return;
    line_add(line, str_from(before));
    line_add_escaped(line, str_from(value), LINE_ESCAPE_TEXT, max_bytes);
}

static void add_json_part(struct line *line, const char *key, struct str value, size_t max_bytes);

static void add_json(struct line *line, enum log_level level, const struct log_context *context,
                     struct str message) {
    line_add(line, STR("{\"time\":\""));
    line_add_time(line, now_us());
    line_printf(line, "\",\"level\":\"%s\"", level_names[level]);
    if (context->worker != LOG_NO_WORKER)
        line_printf(line, ",\"worker\":%d", context->worker);
    add_json_part(line, "client", str_from(context->client), CLIENT_MAX);
    add_json_part(line, "site", str_from(context->site), SITE_MAX);
    add_json_part(line, "message", message, MESSAGE_MAX);
    add_json_part(line, "phase", str_from(context->phase), PHASE_MAX);
    add_json_part(line, "upstream", str_from(context->upstream), UPSTREAM_MAX);
    line_add(line, STR("}"));
}

static void add_json_part(struct line *line, const char *key, struct str value, size_t max_bytes) {
    if (!value.ptr)
        return;
    line_printf(line, ",\"%s\":\"", key);
    line_add_escaped(line, value, LINE_ESCAPE_JSON, max_bytes);
    line_add(line, STR("\""));
}

static void stderr_write(struct str text);

static void log_write(struct str line) {
    ssize_t taken = log_file_write(&error_log.file, line);
    if (taken == (ssize_t)line.len) {
        log_file_note(&error_log.file, LOG_FILE_WORKS);
        return;
    }
    if (log_file_note(&error_log.file, LOG_FILE_FAILS)) {
        char text[256];
        int size_bytes =
            snprintf(text, sizeof(text), "ringway: cannot write the log: %s; its lines come here\n",
                     strerror(taken < 0 ? (int)-taken : ENOSPC));
        stderr_write((struct str){text, (size_t)size_bytes});
    }
    stderr_write(line);
}

// The last resort: where even this fails, nobody is left to be told.
static void stderr_write(struct str text) {
    ssize_t taken = write(STDERR_FILENO, text.ptr, text.len);
    (void)taken;
}

// How often lines of one format came in the running second.
struct peer_kind {
    const char *format; // the literal's address is the identity; NULL = free
    enum log_level level;
    time_t second;
    unsigned written, suppressed;
};

static _Thread_local struct peer_kind peer_kinds[PEER_KINDS];

static bool peer_may_write(enum log_level level, const char *format);

void log_peer(enum log_level level, const struct log_context *context, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_peer_kind(level, context, format, format, args);
    va_end(args);
}

void log_peer_kind(enum log_level level, const struct log_context *context, const char *kind,
                   const char *format, va_list args) {
    if (log_enabled(level) && peer_may_write(level, kind))
        log_vline(level, context, format, args);
}

static struct peer_kind *peer_kind_find(const char *format);
static void peer_kind_say(struct peer_kind *kind);

static time_t now_second(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

static bool peer_may_write(enum log_level level, const char *format) {
    struct peer_kind *kind = peer_kind_find(format);
    time_t second = now_second();
    if (kind->format != format || kind->second != second) {
        peer_kind_say(kind);
        *kind = (struct peer_kind){.format = format, .level = level, .second = second};
    }
    if (kind->written < PEER_LINES_PER_SECOND) {
        kind->written++;
        return true;
    }
    kind->suppressed++;
    return false;
}

// The entry of this format, or else the one unused for longest.
static struct peer_kind *peer_kind_find(const char *format) {
    struct peer_kind *oldest = &peer_kinds[0];
    for (struct peer_kind *kind = peer_kinds; kind < peer_kinds + PEER_KINDS; kind++) {
        if (kind->format == format)
            return kind;
        if (kind->second < oldest->second)
            oldest = kind;
    }
    return oldest;
}

static void peer_kind_say(struct peer_kind *kind) {
    unsigned suppressed = kind->suppressed;
    kind->suppressed = 0;
    if (suppressed > 0)
        log_line(kind->level, NULL, "%u similar lines suppressed: \"%s\"", suppressed,
                 kind->format);
}

void log_peer_tick(void) {
    time_t second = now_second();
    for (struct peer_kind *kind = peer_kinds; kind < peer_kinds + PEER_KINDS; kind++) {
        if (kind->second != second)
            peer_kind_say(kind);
    }
}
