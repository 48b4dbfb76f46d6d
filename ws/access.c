// SPDX-License-Identifier: Apache-2.0
//
// One access line from one record; the header shows both formats.
#include "ws/access.h"

#include <inttypes.h>

// What a value may take in the line, escapes included. With keys and numbers all of them fit into
// LINE_SIZE_MAX, so a JSON object is always closed.
#define CLIENT_MAX 96
#define SITE_MAX 256
#define HOST_MAX 256
#define METHOD_MAX 32
#define TARGET_MAX 1024
#define UPSTREAM_MAX 96
#define REFERER_MAX 512
#define USER_AGENT_MAX 384
#define TLS_MAX 64
#define REASON_MAX 128
#define FIXED_MAX 1024 // keys, quotes, and at most 15 numbers of 20 digits
_Static_assert(CLIENT_MAX + SITE_MAX + HOST_MAX + METHOD_MAX + TARGET_MAX + UPSTREAM_MAX +
                       REFERER_MAX + USER_AGENT_MAX + 2 * TLS_MAX + REASON_MAX + FIXED_MAX <
                   LINE_SIZE_MAX,
               "a line of longest parts must fit");

static const char *const event_names[] = {
    [ACCESS_REQUEST] = "request",
    [ACCESS_OPEN] = "open",
    [ACCESS_CLOSE] = "close",
};

static const char *const closer_names[] = {
    [ACCESS_BY_CLIENT] = "client",
    [ACCESS_BY_UPSTREAM] = "upstream",
    [ACCESS_BY_GATEWAY] = "gateway",
};

static void text_write(struct line *line, const struct access_record *record);
static void json_write(struct line *line, const struct access_record *record);

struct str access_format(const struct access_record *record, enum log_format format,
                         char out[LINE_SIZE_MAX]) {
    struct line line = line_start(out, LINE_SIZE_MAX);
    if (format == LOG_JSON)
        json_write(&line, record);
    else
        text_write(&line, record);
    return line_end(&line);
}

static void text_add(struct line *line, const char *before, struct str value, size_t max_bytes);
static void text_quote(struct line *line, const char *before, struct str value, size_t max_bytes);
static void text_number(struct line *line, const char *before, unsigned value);
static void text_request_line(struct line *line, const struct access_record *record);
static void text_tls(struct line *line, const struct access_record *record);
static void text_close(struct line *line, const struct access_record *record);

static void text_write(struct line *line, const struct access_record *record) {
    line_add_time(line, record->time_us);
    text_add(line, " ", record->client, CLIENT_MAX);
    text_add(line, " ", record->site, SITE_MAX);
    text_request_line(line, record);
    text_number(line, " ", record->status);
    line_printf(line, " %" PRIu64, record->bytes_out);
    text_quote(line, " ", record->referer, REFERER_MAX);
    text_quote(line, " ", record->user_agent, USER_AGENT_MAX);
    line_printf(line, " %" PRIu64 ".%06us", record->duration_us / 1000000,
                (unsigned)(record->duration_us % 1000000));
    line_printf(line, " conn=%u-%" PRIu64, record->worker, record->serial);
    text_add(line, " host=", record->host, HOST_MAX);
    line_printf(line, " in=%" PRIu64, record->bytes_in);
    text_add(line, " up=", record->upstream, UPSTREAM_MAX);
    text_tls(line, record);
    if (record->event == ACCESS_OPEN)
        line_add(line, STR(" ws=open"));
    if (record->event == ACCESS_CLOSE)
        text_close(line, record);
}

static void text_request_line(struct line *line, const struct access_record *record) {
    if (record->method.len == 0) {
        line_add(line, STR(" \"-\""));
        return;
    }
    line_add(line, STR(" \""));
    line_add_escaped(line, record->method, LINE_ESCAPE_QUOTED, METHOD_MAX);
    line_add(line, STR(" "));
    line_add_escaped(line, record->target, LINE_ESCAPE_QUOTED, TARGET_MAX);
    line_printf(line, " HTTP/1.%u\"", record->http_minor);
}

static void text_tls(struct line *line, const struct access_record *record) {
    text_add(line, " tls=", record->tls_version, TLS_MAX);
    if (record->tls_version.len > 0)
        text_add(line, "/", record->tls_cipher, TLS_MAX);
}

static void text_close(struct line *line, const struct access_record *record) {
    line_printf(line, " ws=close frames=%" PRIu64 "/%" PRIu64 " messages=%" PRIu64 "/%" PRIu64,
                record->frames_in, record->frames_out, record->messages_in, record->messages_out);
    text_number(line, " code=", record->close_code);
    line_printf(line, " by=%s", closer_names[record->closed_by]);
    text_quote(line, " reason=", record->reason, REASON_MAX);
}

static void text_number(struct line *line, const char *before, unsigned value) {
    line_add(line, str_from(before));
    if (value != 0)
        line_printf(line, "%u", value);
    else
        line_add(line, STR("-"));
}

// Outside quotes a space would look like the next field. Only a Host or a broken client could have
// one; quoting then keeps the line readable by machines.
static void text_add(struct line *line, const char *before, struct str value, size_t max_bytes) {
    if (value.len > 0 && (memchr(value.ptr, ' ', value.len) || memchr(value.ptr, '"', value.len))) {
        text_quote(line, before, value, max_bytes);
        return;
    }
    line_add(line, str_from(before));
    line_add_escaped(line, value.len > 0 ? value : STR("-"), LINE_ESCAPE_TEXT, max_bytes);
}

static void text_quote(struct line *line, const char *before, struct str value, size_t max_bytes) {
    line_add(line, str_from(before));
    line_add(line, STR("\""));
    line_add_escaped(line, value.len > 0 ? value : STR("-"), LINE_ESCAPE_QUOTED, max_bytes);
    line_add(line, STR("\""));
}

static void json_text(struct line *line, const char *key, struct str value, size_t max_bytes);
static void json_number(struct line *line, const char *key, uint64_t value);
static void json_number_or_null(struct line *line, const char *key, uint64_t value);
static void json_request(struct line *line, const struct access_record *record);
static void json_close(struct line *line, const struct access_record *record);

static void json_write(struct line *line, const struct access_record *record) {
    line_add(line, STR("{\"time\":\""));
    line_add_time(line, record->time_us);
    line_printf(line, "\",\"event\":\"%s\",\"connection\":\"%u-%" PRIu64 "\"",
                event_names[record->event], record->worker, record->serial);
    json_text(line, "client", record->client, CLIENT_MAX);
    json_text(line, "site", record->site, SITE_MAX);
    json_request(line, record);
    json_number_or_null(line, "status", record->status);
    json_number(line, "bytes_in", record->bytes_in);
    json_number(line, "bytes_out", record->bytes_out);
    line_printf(line, ",\"duration_ms\":%" PRIu64 ".%03u", record->duration_us / 1000,
                (unsigned)(record->duration_us % 1000));
    json_text(line, "upstream", record->upstream, UPSTREAM_MAX);
    json_text(line, "referer", record->referer, REFERER_MAX);
    json_text(line, "user_agent", record->user_agent, USER_AGENT_MAX);
    json_text(line, "tls_version", record->tls_version, TLS_MAX);
    json_text(line, "tls_cipher", record->tls_cipher, TLS_MAX);
    if (record->event == ACCESS_CLOSE)
        json_close(line, record);
    line_add(line, STR("}"));
}

static void json_request(struct line *line, const struct access_record *record) {
    json_text(line, "host", record->host, HOST_MAX);
    json_text(line, "method", record->method, METHOD_MAX);
    json_text(line, "target", record->target, TARGET_MAX);
    if (record->method.len > 0)
        line_printf(line, ",\"protocol\":\"HTTP/1.%u\"", record->http_minor);
    else
        line_add(line, STR(",\"protocol\":null"));
}

static void json_close(struct line *line, const struct access_record *record) {
    json_number(line, "frames_in", record->frames_in);
    json_number(line, "frames_out", record->frames_out);
    json_number(line, "messages_in", record->messages_in);
    json_number(line, "messages_out", record->messages_out);
    json_number_or_null(line, "close_code", record->close_code);
    json_text(line, "closed_by", str_from(closer_names[record->closed_by]), REASON_MAX);
    json_text(line, "reason", record->reason, REASON_MAX);
}

static void json_text(struct line *line, const char *key, struct str value, size_t max_bytes) {
    if (value.len == 0) {
        line_printf(line, ",\"%s\":null", key);
        return;
    }
    line_printf(line, ",\"%s\":\"", key);
    line_add_escaped(line, value, LINE_ESCAPE_JSON, max_bytes);
    line_add(line, STR("\""));
}

static void json_number(struct line *line, const char *key, uint64_t value) {
    line_printf(line, ",\"%s\":%" PRIu64, key, value);
}

static void json_number_or_null(struct line *line, const char *key, uint64_t value) {
    if (value == 0)
        line_printf(line, ",\"%s\":null", key);
    else
        json_number(line, key, value);
}
