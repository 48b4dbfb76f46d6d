// SPDX-License-Identifier: Apache-2.0
#include "ws/head_line.h"

#include "ws/octet.h"

// What follows the target in a request line, and begins a status line.
enum { VERSION_BYTES = sizeof " HTTP/1.1" - 1, STATUS_AT = sizeof "HTTP/1.1 " - 1 };

static enum head_verdict request_line(struct head *head, struct str line);
static enum head_verdict read_method(struct head *head);
static enum head_verdict read_target(struct head *head);
static enum head_verdict read_absolute(struct head *head, struct str rest);
static void read_path(struct head *head, struct str rest);
static enum head_verdict status_line(struct head *head, struct str line);
static enum head_verdict read_host(struct head *head, struct str value);
static enum head_verdict read_options(struct head *head, struct str value);
static enum head_verdict read_framing(struct head *head, enum field_kind kind, struct str value);
static enum head_verdict request_end(struct head *head);
static enum head_verdict response_end(struct head *head);
static bool is_persistent(const struct head *head);

static enum head_verdict bad(struct head *head, const char *why) {
    return head_refuse(head, HTTP_STATUS_BAD_REQUEST, why);
}

enum head_verdict head_refuse(struct head *head, unsigned status, const char *why) {
    head->status = head->kind == HEAD_RESPONSE ? HTTP_STATUS_BAD_GATEWAY : status;
    head->why = why;
    return HEAD_BAD;
}

enum head_verdict head_line_start(struct head *head, struct str line) {
    return head->kind == HEAD_REQUEST ? request_line(head, line) : status_line(head, line);
}

// method SP target SP HTTP/1.x, with exactly these two spaces: llhttp allows more in some versions.
static enum head_verdict request_line(struct head *head, struct str line) {
    const char *space = memchr(line.ptr, ' ', line.len);
    if (!space || head->target.ptr != space + 1)
        return bad(head, "malformed start line");
    head->method_name = (struct str){line.ptr, (size_t)(space - line.ptr)};
    struct str version = str_skip(line, head->method_name.len + 1 + head->target.len);
    if (version.len == 0)
        return head_refuse(head, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, "HTTP/0.9");
    if (version.len != VERSION_BYTES || !str_starts(version, STR(" HTTP/")))
        return bad(head, "malformed start line");
    if (!str_starts(version, STR(" HTTP/1.")))
        return head_refuse(head, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, "not HTTP/1.0 or 1.1");
    head->minor = llhttp_get_http_minor(&head->parser) > 0;
    return read_method(head) == HEAD_BAD ? HEAD_BAD : read_target(head);
}

static enum head_verdict read_method(struct head *head) {
    switch (llhttp_get_method(&head->parser)) {
    case HTTP_GET:
        head->method = METHOD_GET;
        break;
    case HTTP_HEAD:
        head->method = METHOD_HEAD;
        break;
    case HTTP_OPTIONS:
        head->method = METHOD_OPTIONS;
        break;
    case HTTP_POST:
        head->method = METHOD_POST;
        break;
    case HTTP_CONNECT: // a gateway is no tunnel
        return head_refuse(head, HTTP_STATUS_NOT_IMPLEMENTED, "CONNECT");
    case HTTP_TRACE: // would show a client the fields we add
        return head_refuse(head, HTTP_STATUS_NOT_IMPLEMENTED, "TRACE");
    default:
        head->method = METHOD_OTHER;
    }
    return HEAD_MORE;
}

// RFC 9112 §3.2: the origin-form, the absolute-form, or for OPTIONS the asterisk-form.
static enum head_verdict read_target(struct head *head) {
    struct str target = head->target;
    if (memchr(target.ptr, '#', target.len))
        return bad(head, "fragment in the target");
    if (target.ptr[0] == '/') {
        read_path(head, target);
        return HEAD_MORE;
    }
    if (str_eq(target, STR("*")) && head->method == METHOD_OPTIONS) {
        head->path = target;
        return HEAD_MORE;
    }
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct str scheme = schemes[i];
        if (target.len > scheme.len && str_ieq((struct str){target.ptr, scheme.len}, scheme))
            return read_absolute(head, str_skip(target, scheme.len));
    }
    return bad(head, "malformed target");
}

// What follows the scheme. The authority here outranks Host (RFC 9112 §3.2.2).
static enum head_verdict read_absolute(struct head *head, struct str rest) {
    size_t size = 0;
    while (size < rest.len && rest.ptr[size] != '/' && rest.ptr[size] != '?')
        size++;
    head->authority = (struct str){rest.ptr, size};
    int host_bytes =
        head_read_authority(head->authority, head->host_text, sizeof head->host_text, &head->port);
    if (host_bytes < 0)
        return bad(head, "malformed host in the target");
    head->host = (struct str){head->host_text, (size_t)host_bytes};
    rest = str_skip(rest, size);
    if (rest.len == 0 && head->method == METHOD_OPTIONS)
        head->path = STR("*"); // RFC 9112 §3.2.4
    else
        read_path(head, rest);
    return HEAD_MORE;
}

static void read_path(struct head *head, struct str rest) {
    const char *mark = memchr(rest.ptr, '?', rest.len);
    head->path = (struct str){rest.ptr, mark ? (size_t)(mark - rest.ptr) : rest.len};
    head->has_query = mark != NULL;
    head->query = str_skip(rest, head->path.len + 1);
    if (head->path.len == 0)
        head->path = STR("/");
}

// HTTP/1.x SP status [SP reason]: the reason may be missing with its space, as some servers have
// it.
static enum head_verdict status_line(struct head *head, struct str line) {
    struct str status = str_skip(line, STATUS_AT);
    bool is_http = str_starts(line, STR("HTTP/1.")) && status.len >= 3 && status.ptr[-1] == ' ';
    if (!is_http || (status.len > 3 && status.ptr[3] != ' '))
        return bad(head, "malformed status line");
    head->minor = llhttp_get_http_minor(&head->parser) > 0;
    head->status = 0;
    for (int i = 0; i < 3; i++) {
        if (!octet_is(status.ptr[i], OCTET_DIGIT))
            return bad(head, "malformed status line");
        head->status = head->status * 10 + (unsigned)(status.ptr[i] - '0');
    }
    head->reason = str_skip(status, 4);
    return head->status < 100 ? bad(head, "malformed status line") : HEAD_MORE;
}

enum head_verdict head_line_field(struct head *head, struct str line) {
    struct head_field *field = &head->fields[head->field_count];
    const char *colon = memchr(line.ptr, ':', line.len);
    struct str name = {line.ptr, colon ? (size_t)(colon - line.ptr) : 0};
    struct str value = head_trim(str_skip(line, name.len + 1));
    bool is_empty = value.len == 0;
    if (field->name.ptr != name.ptr || field->name.len != name.len ||
        (!is_empty && (field->value.ptr != value.ptr || field->value.len < value.len)))
        return bad(head, "malformed field");
    field->value = value;
    head->field_count++;

    bool is_request = head->kind == HEAD_REQUEST;
    enum field_kind kind = field_kind_exact(name);
    switch (kind) {
    case FIELD_HOST:
        return is_request ? read_host(head, value) : HEAD_MORE;
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
        return read_framing(head, kind, value);
    case FIELD_CONNECTION:
        return read_options(head, value);
    case FIELD_EXPECT:
        if (!is_request || head->minor == 0) // RFC 9110 §10.1.1
            return HEAD_MORE;
        head->expect_continue = str_ieq(value, STR("100-continue"));
        return head->expect_continue
                   ? HEAD_MORE
                   : head_refuse(head, HTTP_STATUS_EXPECTATION_FAILED, "unknown expectation");
    default:
        return HEAD_MORE;
    }
}

static enum head_verdict read_host(struct head *head, struct str value) {
    char text[sizeof head->host_text];
    uint16_t port;
    if (head->host_seen)
        return bad(head, "repeated Host");
    head->host_seen = true;
    int host_bytes = head_read_authority(value, text, sizeof text, &port);
    if (host_bytes < 0)
        return bad(head, "malformed Host");
    if (head->authority.len > 0) // the target has said it
        return HEAD_MORE;
    memcpy(head->host_text, text, (size_t)host_bytes);
    head->host = (struct str){head->host_text, (size_t)host_bytes};
    head->authority = value;
    head->port = port;
    return HEAD_MORE;
}

static enum head_verdict read_options(struct head *head, struct str value) {
    struct str option;
    while (head_list_next(&value, &option)) {
        if (!head_is_token(option))
            return bad(head, "malformed Connection");
        if (head->option_count == HEAD_OPTIONS_MAX)
            return bad(head, "too many Connection options");
        head->options[head->option_count++] = option;
    }
    return HEAD_MORE;
}

const char *head_line_conflict(const struct head *head, enum field_kind kind) {
    bool is_length = kind == FIELD_CONTENT_LENGTH, is_coding = kind == FIELD_TRANSFER_ENCODING;
    if ((is_length && head->coding_seen) || (is_coding && head->has_content_length))
        return "Content-Length with Transfer-Encoding";
    // Also when both say the same: nobody honest sends it, and not all backends compare.
    if (is_length && head->has_content_length)
        return "repeated Content-Length";
    return is_coding && head->coding_seen ? "repeated Transfer-Encoding" : NULL;
}

// RFC 9112 §6.1, §6.2.
static enum head_verdict read_framing(struct head *head, enum field_kind kind, struct str value) {
    const char *conflict = head_line_conflict(head, kind);
    if (conflict)
        return bad(head, conflict);
    if (kind == FIELD_CONTENT_LENGTH) {
        head->has_content_length = head_read_length(value, &head->content_length);
        return head->has_content_length ? HEAD_MORE : bad(head, "malformed Content-Length");
    }
    head->coding_seen = true;
    if (head->minor == 0)
        return bad(head, "Transfer-Encoding in HTTP/1.0");
    switch (head_read_coding(value)) {
    case CODING_CHUNKED:
        return HEAD_MORE;
    case CODING_UNKNOWN:
        return head_refuse(head, HTTP_STATUS_NOT_IMPLEMENTED, "unknown transfer coding");
    case CODING_BAD:
        break;
    }
    return bad(head, "malformed Transfer-Encoding");
}

enum head_verdict head_line_end(struct head *head) {
    if (!head->complete || !head->start_line_over)
        return bad(head, "malformed head");
    head->upgrade_websocket = head_lists(head, STR("Upgrade"), STR("websocket"));
    return head->kind == HEAD_REQUEST ? request_end(head) : response_end(head);
}

static enum head_verdict request_end(struct head *head) {
    if (head->minor > 0 && !head->host_seen)
        return bad(head, "no Host");
    if (head->coding_seen)
        head->framing = BODY_CHUNKED;
    else
        head->framing = head->has_content_length ? BODY_LENGTH : BODY_NONE;
    if (head->framing == BODY_NONE || (head->has_content_length && head->content_length == 0))
        head->expect_continue = false; // nothing to wait for
    head->keep_alive = is_persistent(head);
    return HEAD_DONE;
}

// RFC 9112 §6.3, in its order.
static enum head_verdict response_end(struct head *head) {
    unsigned status = head->status;
    if (status < 200 || status == 204 || status == 304 || head->request_method == METHOD_HEAD)
        head->framing = BODY_NONE;
    else if (head->coding_seen)
        head->framing = BODY_CHUNKED;
    else
        head->framing = head->has_content_length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
    head->keep_alive = head->framing != BODY_UNTIL_CLOSE && status != 101 && is_persistent(head);
    return HEAD_DONE;
}

// RFC 9112 §9.3.
static bool is_persistent(const struct head *head) {
    if (head_has_option(head, STR("close")))
        return false;
    return head->minor > 0 || head_has_option(head, STR("keep-alive"));
}
