// SPDX-License-Identifier: Apache-2.0
//
// Answers of our own: errors, redirects, fixed texts. Declared in ws/head_write.h.
#include "ws/head_write.h"

#include <stdio.h>

#include "ws/octet.h"
#include "ws/out.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

static void write_start(struct out *out, const struct head_reply *reply);
static void write_extra(struct out *out, const struct head_reply *reply);
static void write_body(struct out *out, const struct head_reply *reply, struct str type,
                       struct str body);
static int write_location(struct out *out, struct str location, struct str scheme,
                          const struct head *request);

ssize_t head_write_error(const struct head_reply *reply, char *out, size_t capacity) {
    struct out to = {.bytes = out, .capacity = capacity};
    struct head_reply closing = *reply;
    closing.persistence = CONNECTION_CLOSE;
    char text[64];
    int size =
        snprintf(text, sizeof text, "%u %s\n", reply->status, head_status_phrase(reply->status));
    write_start(&to, &closing);
    write_extra(&to, reply);
    write_body(&to, &closing, STR("text/plain; charset=utf-8"), (struct str){text, (size_t)size});
    return out_end(&to);
}

ssize_t head_write_redirect(const struct head_reply *reply, struct str location, struct str scheme,
                            const struct head *request, char *out, size_t capacity) {
    struct out to = {.bytes = out, .capacity = capacity};
    write_start(&to, reply);
    out_text(&to, "Location: ");
    int error = write_location(&to, location, scheme, request);
    if (error)
        return error;
    out_text(&to, "\r\n");
    write_body(&to, reply, STR(""), STR(""));
    return out_end(&to);
}

ssize_t head_write_respond(const struct head_reply *reply, struct str content_type, struct str body,
                           char *out, size_t capacity) {
    struct out to = {.bytes = out, .capacity = capacity};
    write_start(&to, reply);
    write_body(&to, reply, content_type, body);
    return out_end(&to);
}

static void write_start(struct out *out, const struct head_reply *reply) {
    out_text(out, "HTTP/1.1 ");
    out_number(out, reply->status);
    out_text(out, " ");
    out_text(out, head_status_phrase(reply->status));
    out_text(out, "\r\n");
    if (reply->date.len > 0)
        out_field(out, STR("Date"), reply->date);
}

// What some statuses must or should say besides.
static void write_extra(struct out *out, const struct head_reply *reply) {
    switch (reply->status) {
    case 405:
        out_field(out, STR("Allow"), reply->allow.len > 0 ? reply->allow : STR("GET"));
        break;
    case 426: // RFC 6455 §4.4; RFC 9110 §15.5.22
        out_text(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
        break;
    case 503:
        if (reply->retry_after_s > 0) {
            out_text(out, "Retry-After: ");
            out_number(out, reply->retry_after_s);
            out_text(out, "\r\n");
        }
        break;
    }
}

// The rest of the head, and the body where there may be one (RFC 9110 §6.4.1).
static void write_body(struct out *out, const struct head_reply *reply, struct str type,
                       struct str body) {
    bool has_body = reply->status != 204 && reply->status != 304;
    if (body.len > 0 && type.len > 0)
        out_field(out, STR("Content-Type"), type);
    if (has_body) {
        out_text(out, "Content-Length: ");
        out_number(out, body.len);
        out_text(out, "\r\n");
    }
    if (reply->persistence == CONNECTION_CLOSE)
        out_text(out, "Connection: close\r\n");
    else if (reply->client_minor == 0)
        out_text(out, "Connection: keep-alive\r\n");
    out_text(out, "\r\n");
    if (has_body && reply->request_method != METHOD_HEAD)
        out_str(out, body);
}

// A location is a row of parts: literal text, or ${name}.
enum variable {
    VARIABLE_NONE, // literal text
    VARIABLE_SCHEME,
    VARIABLE_HOST,
    VARIABLE_PORT,
    VARIABLE_PATH,
    VARIABLE_QUERY,
    VARIABLE_UNKNOWN,
};

struct part {
    enum variable variable;
    struct str text;
};

// Whether anything stands before ${path}.
enum path_place { PATH_LEADS, PATH_FOLLOWS };

static bool part_next(struct str *rest, struct part *part);
static enum variable variable_named(struct str name);
static bool is_visible(struct str text);
static void write_port(struct out *out, struct str scheme, const struct head *request);
static void write_path(struct out *out, struct str path, enum path_place place);
static void write_encoded(struct out *out, struct str text);

bool head_redirect_is_valid(struct str location) {
    struct part part;
    if (location.len == 0)
        return false;
    while (part_next(&location, &part)) {
        if (part.variable == VARIABLE_UNKNOWN || !is_visible(part.text))
            return false;
    }
    return true;
}

size_t head_redirect_bytes_max(struct str location, const struct head *request) {
    size_t capacity = location.len + HEAD_WRITE_EXTRA_BYTES;
    struct part part;
    while (part_next(&location, &part))
        if (part.variable != VARIABLE_NONE) // each byte may be encoded as three
            capacity += 3 * request->length;
    return capacity;
}

// 0, or -EINVAL.
static int write_location(struct out *out, struct str location, struct str scheme,
                          const struct head *request) {
    struct part part;
    size_t start = out->length;
    if (!head_redirect_is_valid(location))
        return -EINVAL;
    while (part_next(&location, &part)) {
        switch (part.variable) {
        case VARIABLE_NONE:
            out_str(out, part.text);
            break;
        case VARIABLE_SCHEME:
            out_str(out, scheme);
            break;
        case VARIABLE_HOST:
            if (request->host.len == 0)
                return -EINVAL;
            out_str(out, request->host);
            break;
        case VARIABLE_PORT:
            write_port(out, scheme, request);
            break;
        case VARIABLE_PATH:
            write_path(out, request->path, out->length == start ? PATH_LEADS : PATH_FOLLOWS);
            break;
        case VARIABLE_QUERY:
            out_text(out, request->has_query ? "?" : "");
            write_encoded(out, request->query);
            break;
        case VARIABLE_UNKNOWN:
            return -EINVAL;
        }
    }
    return 0;
}

// Takes the next part off `*rest`; false at the end. A '$' without '{' is text.
static bool part_next(struct str *rest, struct part *part) {
    static const struct str open = {"${", 2};
    if (rest->len == 0)
        return false;
    const char *next = memmem(rest->ptr, rest->len, open.ptr, open.len);
    if (next != rest->ptr) {
        size_t size = next ? (size_t)(next - rest->ptr) : rest->len;
        *part = (struct part){VARIABLE_NONE, {rest->ptr, size}};
        *rest = str_skip(*rest, size);
        return true;
    }
    const char *end = memchr(rest->ptr, '}', rest->len);
    size_t size = end ? (size_t)(end - rest->ptr) + 1 : rest->len;
    struct str name = {rest->ptr + open.len, end ? size - open.len - 1 : 0};
    *part = (struct part){variable_named(name), name};
    *rest = str_skip(*rest, size);
    return true;
}

static enum variable variable_named(struct str name) {
    static const struct {
        struct str name;
        enum variable variable;
    } known[] = {
        {{"scheme", 6}, VARIABLE_SCHEME}, {{"host", 4}, VARIABLE_HOST},
        {{"port", 4}, VARIABLE_PORT},     {{"path", 4}, VARIABLE_PATH},
        {{"query", 5}, VARIABLE_QUERY},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq(name, known[i].name))
            return known[i].variable;
    }
    return VARIABLE_UNKNOWN;
}

static bool is_visible(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ' || !octet_is(text.ptr[i], OCTET_LINE))
            return false;
    }
    return true;
}

static void write_port(struct out *out, struct str scheme, const struct head *request) {
    uint16_t implied = str_eq(scheme, STR("https")) ? PORT_HTTPS : PORT_HTTP;
    out_number(out, request->port ? request->port : implied);
}

// A location that begins with "//" would name another host.
static void write_path(struct out *out, struct str path, enum path_place place) {
    if (str_eq(path, STR("*")))
        path = STR("/");
    while (place == PATH_LEADS && str_starts(path, STR("//")))
        path = str_skip(path, 1);
    write_encoded(out, path);
}

// Encodes what a target may carry in practice and a URI must not (RFC 3986 §2).
static void write_encoded(struct out *out, struct str text) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        char encoded[] = {'%', digits[byte >> 4], digits[byte & 15]};
        if (strchr("\"<>\\^`{|}", byte))
            out_str(out, (struct str){encoded, sizeof encoded});
        else
            out_str(out, (struct str){text.ptr + i, 1});
    }
}

const char *head_status_phrase(unsigned status) {
    static const struct {
        unsigned status;
        const char *phrase;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].status == status)
            return known[i].phrase;
    }
    return "";
}
