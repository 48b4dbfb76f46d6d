// SPDX-License-Identifier: Apache-2.0
#include "ws/head_write.h"

#include "ws/field.h"
#include "ws/out.h"

// The name we give ourselves in Via (RFC 9110 §7.6.3).
#define VIA_NAME "ringway"

static void write_target(struct out *out, const struct head *head, size_t strip_bytes);
static bool passes_upstream(const struct head *head, const struct head_forward *forward,
                            const struct head_field *field);
static void write_origin(struct out *out, const struct head *head,
                         const struct head_forward *forward, struct str host);
static bool is_kept(const struct head *head, const struct head_forward *forward,
                    enum field_kind kind);
static void write_appended(struct out *out, const struct head *head,
                           const struct head_forward *forward, enum field_kind kind,
                           struct str name, struct str own);
static bool passes_downstream(const struct head *head, const struct head_field *field);
static void write_length(struct out *out, const struct head *head, const struct head_return *back);
static void write_connection(struct out *out, const struct head *head,
                             const struct head_return *back);

static struct str via(const struct head *head) {
    return head->minor > 0 ? STR("1.1 " VIA_NAME) : STR("1.0 " VIA_NAME);
}

ssize_t head_write_request(const struct head *head, const struct head_forward *forward, char *out,
                           size_t capacity) {
    struct out to = {.bytes = out, .capacity = capacity};
    struct str host = head->authority.len > 0 ? head->authority : forward->default_host;
    out_str(&to, head->method_name);
    out_text(&to, " ");
    write_target(&to, head, forward->strip_bytes);
    out_text(&to, " HTTP/1.1\r\n");
    out_field(&to, STR("Host"), host);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (passes_upstream(head, forward, field))
            out_field(&to, field->name, field->value);
    }
    write_origin(&to, head, forward, host);
    if (head->framing == BODY_CHUNKED) {
        out_text(&to, "Transfer-Encoding: chunked\r\n");
    } else if (head->framing == BODY_LENGTH) {
        out_text(&to, "Content-Length: ");
        out_number(&to, head->content_length);
        out_text(&to, "\r\n");
    }
    if (forward->purpose == PURPOSE_WEBSOCKET)
        out_text(&to, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    else if (forward->persistence == CONNECTION_CLOSE)
        out_text(&to, "Connection: close\r\n");
    out_text(&to, "\r\n");
    return out_end(&to);
}

static void write_target(struct out *out, const struct head *head, size_t strip_bytes) {
    if (str_eq(head->path, STR("*"))) {
        out_str(out, head->path);
        return;
    }
    struct str path = str_skip(head->path, strip_bytes);
    if (path.len == 0 || path.ptr[0] != '/')
        out_text(out, "/");
    out_str(out, path);
    if (head->has_query) {
        out_text(out, "?");
        out_str(out, head->query);
    }
}

// Whether a field goes on as it came. What is written anew elsewhere does not.
static bool passes_upstream(const struct head *head, const struct head_forward *forward,
                            const struct head_field *field) {
    bool is_trusted = forward->trust == PEER_TRUSTED;
    enum field_kind kind = field_kind_folded(field->name);
    if (head_has_option(head, field->name))
        return false;
    switch (kind) {
    case FIELD_HOST:
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_CONNECTION:
    case FIELD_UPGRADE:
    case FIELD_HOP:
        return false;
    case FIELD_EXPECT:
        return head->minor > 0; // RFC 9110 §10.1.1
    case FIELD_X_FORWARDED_FOR:
    case FIELD_VIA:
        return is_trusted && field_kind_exact(field->name) == FIELD_PLAIN;
    case FIELD_X_FORWARDED_PROTO:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_X_FORWARDED_OTHER:
    case FIELD_X_REAL_IP:
        return is_trusted;
    case FIELD_DATE:
    case FIELD_CONTROL:
    case FIELD_PLAIN:
        break;
    }
    return true;
}

// Where the request came from, and by which way.
static void write_origin(struct out *out, const struct head *head,
                         const struct head_forward *forward, struct str host) {
    write_appended(out, head, forward, FIELD_X_FORWARDED_FOR, STR("X-Forwarded-For"),
                   forward->peer);
    if (!is_kept(head, forward, FIELD_X_FORWARDED_PROTO))
        out_field(out, STR("X-Forwarded-Proto"), forward->scheme);
    if (host.len > 0 && !is_kept(head, forward, FIELD_X_FORWARDED_HOST))
        out_field(out, STR("X-Forwarded-Host"), host);
    if (!is_kept(head, forward, FIELD_X_REAL_IP))
        out_field(out, STR("X-Real-IP"), forward->peer);
    write_appended(out, head, forward, FIELD_VIA, STR("Via"), via(head));
}

static bool is_trusted_field(const struct head *head, const struct head_forward *forward,
                             const struct head_field *field, enum field_kind kind) {
    return forward->trust == PEER_TRUSTED && field_kind_exact(field->name) == kind &&
           !head_has_option(head, field->name);
}

// Whether the peer's own field of this kind went on.
static bool is_kept(const struct head *head, const struct head_forward *forward,
                    enum field_kind kind) {
    for (unsigned i = 0; i < head->field_count; i++) {
        if (is_trusted_field(head, forward, &head->fields[i], kind))
            return true;
    }
    return false;
}

// One line with the values of a trusted peer's fields of this kind, and `own` after them.
static void write_appended(struct out *out, const struct head *head,
                           const struct head_forward *forward, enum field_kind kind,
                           struct str name, struct str own) {
    out_str(out, name);
    out_text(out, ": ");
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (field->value.len == 0 || !is_trusted_field(head, forward, field, kind))
            continue;
        out_str(out, field->value);
        out_text(out, ", ");
    }
    out_str(out, own);
    out_text(out, "\r\n");
}

ssize_t head_write_response(const struct head *head, const struct head_return *back, char *out,
                            size_t capacity) {
    struct out to = {.bytes = out, .capacity = capacity};
    bool has_date = head_find(head, STR("Date")) != NULL;
    out_text(&to, "HTTP/1.1 ");
    out_number(&to, head->status);
    out_text(&to, " ");
    out_str(&to, head->reason);
    out_text(&to, "\r\n");
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (passes_downstream(head, field))
            out_field(&to, field->name, field->value);
    }
    if (!has_date && head->status >= 200)
        out_field(&to, STR("Date"), back->date);
    out_field(&to, STR("Via"), via(head));
    write_length(&to, head, back);
    write_connection(&to, head, back);
    out_text(&to, "\r\n");
    return out_end(&to);
}

static bool passes_downstream(const struct head *head, const struct head_field *field) {
    switch (field_kind_exact(field->name)) {
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_CONNECTION:
    case FIELD_HOP:
        return false;
    case FIELD_UPGRADE:
        return head->status == 426; // which must say to what (RFC 9110 §15.5.22)
    default:
        return !head_has_option(head, field->name);
    }
}

static void write_length(struct out *out, const struct head *head, const struct head_return *back) {
    unsigned status = head->status;
    // Not in 1xx and 204 (RFC 9110 §8.6); in 304 and to HEAD it tells what GET would have.
    bool may_have_length = status >= 200 && status != 204 && !head->coding_seen;
    if (may_have_length && head->has_content_length) {
        out_text(out, "Content-Length: ");
        out_number(out, head->content_length);
        out_text(out, "\r\n");
    } else if (head->framing == BODY_CHUNKED && back->client_minor > 0) {
        out_text(out, "Transfer-Encoding: chunked\r\n");
    }
}

static void write_connection(struct out *out, const struct head *head,
                             const struct head_return *back) {
    if (head->status == 101 && back->purpose == PURPOSE_WEBSOCKET) {
        out_text(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
        return;
    }
    if (head->status < 200)
        return;
    if (back->persistence == CONNECTION_CLOSE || head_return_closes(head, back))
        out_text(out, "Connection: close\r\n");
    else if (back->client_minor == 0)
        out_text(out, "Connection: keep-alive\r\n");
    if (head->status == 426)
        out_text(out, "Connection: Upgrade\r\n");
}

bool head_return_closes(const struct head *head, const struct head_return *back) {
    return head->framing == BODY_UNTIL_CLOSE ||
           (head->framing == BODY_CHUNKED && back->client_minor == 0);
}
