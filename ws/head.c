// SPDX-License-Identifier: Apache-2.0
#include "ws/head.h"

#include <stdlib.h>

#include "ws/head_line.h"
#include "ws/octet.h"

enum { FIRST_CAPACITY_BYTES = 1024 };

static void init(struct head *head, enum head_kind kind, size_t max_bytes);
static enum head_verdict take(struct head *head, const char *bytes, size_t size);
static bool reserve(struct head *head, size_t size);
static void rebase(struct head *head, char *buffer);
static enum head_verdict line_ended(struct head *head);
static enum head_verdict refuse_over_limit(struct head *head);
static enum head_verdict refuse_parse(struct head *head, llhttp_errno_t error);
static enum head_verdict refuse_start_line(struct head *head, llhttp_errno_t error);
static int on_url(llhttp_t *parser, const char *bytes, size_t size);
static int on_header_field(llhttp_t *parser, const char *bytes, size_t size);
static int on_header_value(llhttp_t *parser, const char *bytes, size_t size);
static int on_headers_complete(llhttp_t *parser);

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

void head_request_init(struct head *head, size_t max_bytes) {
    init(head, HEAD_REQUEST, max_bytes);
}

void head_response_init(struct head *head, size_t max_bytes, enum head_method request_method) {
    init(head, HEAD_RESPONSE, max_bytes);
    head->request_method = request_method;
}

static void init(struct head *head, enum head_kind kind, size_t max_bytes) {
    bool is_request = kind == HEAD_REQUEST;
    *head = (struct head){
        .kind = kind,
        .max_bytes = max_bytes,
        .gate.kind = is_request ? GATE_REQUEST : GATE_RESPONSE,
    };
    llhttp_init(&head->parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    head->parser.data = head;
}

void head_free(struct head *head) {
    free(head->buffer);
    head->buffer = NULL;
}

// The gate cuts the bytes into lines; llhttp gets what the gate has passed; then the line is
// judged. So a fault is found at the same byte however the bytes came.
enum head_verdict head_feed(struct head *head, const char *bytes, size_t size, size_t *used) {
    *used = 0;
    while (*used < size) {
        size_t good, room = head->max_bytes - head->length;
        enum gate_event event =
            head_gate_scan(&head->gate, bytes + *used, size - *used, &good, &head->why);
        if (event == GATE_EMPTY) {
            *used += good;
            continue;
        }
        if (take(head, bytes + *used, good < room ? good : room) == HEAD_BAD)
            return HEAD_BAD;
        if (good > room)
            return refuse_over_limit(head);
        *used += good;
        if (event == GATE_BAD)
            return head_refuse(head, HTTP_STATUS_BAD_REQUEST, head->why);
        if (event == GATE_END)
            return head_line_end(head);
        if (event == GATE_ENDED && line_ended(head) == HEAD_BAD)
            return HEAD_BAD;
    }
    return HEAD_MORE;
}

// Keeps bytes the gate has passed and shows them to llhttp.
static enum head_verdict take(struct head *head, const char *bytes, size_t size) {
    if (size == 0)
        return HEAD_MORE;
    if (!reserve(head, size))
        return head_refuse(head, HTTP_STATUS_SERVICE_UNAVAILABLE, "out of memory");
    char *start = head->buffer + head->length;
    memcpy(start, bytes, size);
    head->length += size;
    llhttp_errno_t error = llhttp_execute(&head->parser, start, size);
    if (error == HPE_OK || (error == HPE_PAUSED && head->complete))
        return HEAD_MORE;
    return refuse_parse(head, error);
}

static bool reserve(struct head *head, size_t size) {
    size_t wanted = head->length + size;
    size_t capacity = head->capacity ? head->capacity : FIRST_CAPACITY_BYTES;
    if (wanted <= head->capacity)
        return true;
    while (capacity < wanted)
        capacity *= 2;
    char *buffer = malloc(capacity);
    if (!buffer)
        return false;
    if (head->buffer)
        rebase(head, buffer);
    head->buffer = buffer;
    head->capacity = capacity;
    return true;
}

static void move(struct str *text, const char *from, size_t size, const char *to) {
    uintptr_t at = (uintptr_t)text->ptr - (uintptr_t)from;
    if (text->ptr && at <= size)
        text->ptr = to + at;
}

// Moves the bytes to `buffer`, and with them everything that points at them.
static void rebase(struct head *head, char *buffer) {
    const char *old = head->buffer;
    size_t size = head->length;
    memcpy(buffer, old, size);
    struct str *texts[] = {&head->method_name, &head->target, &head->path,
                           &head->query,       &head->reason, &head->authority};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        move(texts[i], old, size, buffer);
    for (unsigned i = 0; i < head->option_count; i++)
        move(&head->options[i], old, size, buffer);
    // One more than counted: the field being read.
    for (unsigned i = 0; i <= head->field_count && i < HEAD_FIELDS_MAX; i++) {
        move(&head->fields[i].name, old, size, buffer);
        move(&head->fields[i].value, old, size, buffer);
    }
    free(head->buffer);
}

static enum head_verdict line_ended(struct head *head) {
    struct str line = {head->buffer + head->line_start, head->length - head->line_start - 2};
    head->line_start = head->length;
    if (head->start_line_over)
        return head_line_field(head, line);
    head->start_line_over = true;
    return head_line_start(head, line);
}

static enum head_verdict refuse_over_limit(struct head *head) {
    if (head->start_line_over)
        return head_refuse(head, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE,
                           "head over the limit");
    return head_refuse(head, HTTP_STATUS_URI_TOO_LONG, "request line over the limit");
}

// llhttp has refused a byte.
static enum head_verdict refuse_parse(struct head *head, llhttp_errno_t error) {
    if (error == HPE_USER) // one of our callbacks, which has said why
        return HEAD_BAD;
    if (!head->start_line_over)
        return refuse_start_line(head, error);
    enum field_kind kind = FIELD_PLAIN;
    if (head->field_count < HEAD_FIELDS_MAX)
        kind = field_kind_exact(head->fields[head->field_count].name);
    const char *why = head_line_conflict(head, kind);
    if (!why && kind == FIELD_CONTENT_LENGTH)
        why = "malformed Content-Length";
    if (!why && kind == FIELD_TRANSFER_ENCODING)
        why = "Transfer-Encoding does not end with chunked";
    return head_refuse(head, HTTP_STATUS_BAD_REQUEST, why ? why : "malformed field");
}

static enum head_verdict refuse_start_line(struct head *head, llhttp_errno_t error) {
    // A wrong method or target is found at the byte the position names, a wrong version after it.
    const char *at = llhttp_get_error_pos(&head->parser), *end = head->buffer + head->length;
    if (error == HPE_INVALID_METHOD && at < end && octet_is(*at, OCTET_TOKEN))
        return head_refuse(head, HTTP_STATUS_NOT_IMPLEMENTED, "unknown method");
    if (error == HPE_INVALID_METHOD)
        return head_refuse(head, HTTP_STATUS_BAD_REQUEST, "malformed method");
    if (error == HPE_INVALID_URL)
        return head_refuse(head, HTTP_STATUS_BAD_REQUEST, "malformed target");
    if (error != HPE_INVALID_VERSION)
        return head_refuse(head, HTTP_STATUS_BAD_REQUEST, "malformed start line");
    bool is_whole = at - head->buffer >= 3 && octet_is(at[-3], OCTET_DIGIT) && at[-2] == '.' &&
                    octet_is(at[-1], OCTET_DIGIT);
    bool is_known = is_whole && at[-3] == '1' && (at[-1] == '0' || at[-1] == '1');
    if (is_whole && !is_known)
        return head_refuse(head, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, "not HTTP/1.0 or 1.1");
    return head_refuse(head, HTTP_STATUS_BAD_REQUEST, "malformed HTTP version");
}

// llhttp gives a text in one piece or several, which lie side by side in our buffer.
static void extend(struct str *text, const char *bytes, size_t size) {
    if (size == 0)
        return;
    if (text->len == 0)
        text->ptr = bytes;
    text->len += size;
}

static int on_url(llhttp_t *parser, const char *bytes, size_t size) {
    struct head *head = parser->data;
    extend(&head->target, bytes, size);
    return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *bytes, size_t size) {
    struct head *head = parser->data;
    if (head->field_count == HEAD_FIELDS_MAX) {
        head_refuse(head, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE, "too many fields");
        return HPE_USER;
    }
    extend(&head->fields[head->field_count].name, bytes, size);
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *bytes, size_t size) {
    struct head *head = parser->data;
    if (head->field_count < HEAD_FIELDS_MAX)
        extend(&head->fields[head->field_count].value, bytes, size);
    return HPE_OK;
}

static int on_headers_complete(llhttp_t *parser) {
    struct head *head = parser->data;
    head->complete = true;
    return HPE_PAUSED;
}

bool head_is_empty(const struct head *head) {
    return head->length == 0;
}

const struct head_field *head_find(const struct head *head, struct str name) {
    for (unsigned i = 0; i < head->field_count; i++) {
        if (str_ieq(head->fields[i].name, name))
            return &head->fields[i];
    }
    return NULL;
}

unsigned head_count(const struct head *head, struct str name) {
    unsigned count = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        count += str_ieq(head->fields[i].name, name);
    return count;
}

bool head_has_option(const struct head *head, struct str option) {
    for (unsigned i = 0; i < head->option_count; i++) {
        if (str_ieq(head->options[i], option))
            return true;
    }
    return false;
}

bool head_lists(const struct head *head, struct str name, struct str token) {
    struct str rest, member;
    for (unsigned i = 0; i < head->field_count; i++) {
        if (!str_ieq(head->fields[i].name, name))
            continue;
        rest = head->fields[i].value;
        while (head_list_next(&rest, &member)) {
            if (str_ieq(member, token))
                return true;
        }
    }
    return false;
}

bool head_list_next(struct str *rest, struct str *member) {
    while (rest->len > 0) {
        size_t at = 0;
        bool is_quoted = false;
        for (; at < rest->len && (is_quoted || rest->ptr[at] != ','); at++) {
            if (rest->ptr[at] == '"')
                is_quoted = !is_quoted;
            else if (is_quoted && rest->ptr[at] == '\\' && at + 1 < rest->len)
                at++;
        }
        *member = head_trim((struct str){rest->ptr, at});
        *rest = str_skip(*rest, at + 1);
        if (member->len > 0)
            return true;
    }
    return false;
}
