// SPDX-License-Identifier: Apache-2.0
//
// Heads: byte 0 chooses request or response and who sends it, byte 1 how the rest is cut.
//
// However it is cut, the outcome is the same; what passes is lines by the plainest reading there
// is; and what we write of it we read again as the same message, with nothing in it that was not a
// field before.
#include <assert.h>
#include <stdlib.h>

#include "ws/head_write.h"
#include "ws/upgrade.h"

enum { MAX_BYTES = 4096 };

enum option { RESPONSE = 1, TRUSTED = 2, WEBSOCKET = 4, TO_HEAD = 8, HTTP_1_0 = 16, STRIP = 32 };

static enum head_verdict feed(struct head *head, unsigned options, struct str in, size_t step,
                              size_t *used) {
    enum head_verdict verdict = HEAD_MORE;
    *used = 0;
    if (options & RESPONSE)
        head_response_init(head, MAX_BYTES, options & TO_HEAD ? METHOD_HEAD : METHOD_GET);
    else
        head_request_init(head, MAX_BYTES);
    while (verdict == HEAD_MORE && *used < in.len) {
        size_t part, size = step < in.len - *used ? step : in.len - *used;
        char *piece = malloc(size);
        memcpy(piece, in.ptr + *used, size);
        verdict = head_feed(head, piece, size, &part);
        free(piece);
        if (verdict != HEAD_BAD)
            *used += part;
    }
    return verdict;
}

static void check_same(const struct head *a, const struct head *b) {
    assert(a->status == b->status && a->minor == b->minor && a->framing == b->framing);
    assert(a->content_length == b->content_length && a->keep_alive == b->keep_alive);
    assert(a->field_count == b->field_count && a->option_count == b->option_count);
    assert(str_eq(a->method_name, b->method_name) && str_eq(a->target, b->target));
    assert(str_eq(a->path, b->path) && str_eq(a->query, b->query) && str_eq(a->host, b->host));
    assert(str_eq(a->authority, b->authority) && a->port == b->port);
    assert(str_eq(a->reason, b->reason) && a->upgrade_websocket == b->upgrade_websocket);
    for (unsigned i = 0; i < a->field_count; i++) {
        assert(str_eq(a->fields[i].name, b->fields[i].name));
        assert(str_eq(a->fields[i].value, b->fields[i].value));
    }
}

// Lines end with CRLF, which stands nowhere else; field lines have a name; the last line is empty.
// Returns how many field lines there are.
static unsigned check_lines(struct str text) {
    unsigned lines = 0;
    if (str_starts(text, STR("\r\n")))
        text = str_skip(text, 2);
    for (;; lines++) {
        const char *end = memmem(text.ptr, text.len, "\r\n", 2);
        assert(end);
        struct str line = {text.ptr, (size_t)(end - text.ptr)};
        for (size_t i = 0; i < line.len; i++) {
            unsigned char byte = (unsigned char)line.ptr[i];
            assert((byte >= ' ' && byte != 0x7f) || byte == '\t');
        }
        text = str_skip(text, line.len + 2);
        if (line.len == 0)
            break;
        const char *colon = memchr(line.ptr, ':', line.len);
        assert(lines == 0 || (colon && colon > line.ptr && colon[-1] != ' '));
        assert(line.ptr[0] != ' ' && line.ptr[0] != '\t');
    }
    assert(text.len == 0 && lines >= 1);
    return lines - 1;
}

static struct str text_of(const char *text, size_t size) {
    return (struct str){text, size};
}

// A field of ours, or one that came in with this value.
static bool is_known(const struct head *head, const struct head_field *field) {
    static const char *const own[] = {
        "Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP",
        "Via",  "Content-Length",  "Transfer-Encoding", "Upgrade",          "Connection",
        "Date",
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (str_ieq(field->name, str_from(own[i])))
            return true;
    }
    for (unsigned i = 0; i < head->field_count; i++) {
        if (str_eq(head->fields[i].name, field->name) &&
            str_eq(head->fields[i].value, field->value))
            return true;
    }
    return false;
}

static void check_written(const struct head *head, unsigned options, struct str written) {
    struct head again;
    size_t used;
    check_lines(written);
    if (head->kind == HEAD_RESPONSE)
        head_response_init(&again, written.len, head->request_method);
    else
        head_request_init(&again, written.len);
    enum head_verdict verdict = head_feed(&again, written.ptr, written.len, &used);
    if (verdict == HEAD_BAD) // our own fields can be one too many
        assert(head->field_count > HEAD_FIELDS_MAX - 10 && again.status != 400);
    if (verdict == HEAD_BAD)
        return head_free(&again);

    assert(verdict == HEAD_DONE && used == written.len);
    bool dechunked = options & HTTP_1_0 && head->framing == BODY_CHUNKED;
    assert(dechunked || again.framing == head->framing);
    assert(again.framing != BODY_LENGTH || again.content_length == head->content_length);
    if (head->kind == HEAD_REQUEST) {
        assert(str_eq(again.method_name, head->method_name));
        assert(str_eq(again.query, head->query) && again.has_query == head->has_query);
        assert(head->host.len == 0 || (str_eq(again.host, head->host) && again.port == head->port));
        assert(options & STRIP || str_eq(again.path, head->path));
        assert(again.path.ptr[0] == '/' || str_eq(again.path, STR("*")));
    } else {
        assert(again.status == head->status && str_eq(again.reason, head->reason));
    }
    for (unsigned i = 0; i < again.field_count; i++)
        assert(is_known(head, &again.fields[i]));
    head_free(&again);
}

static void write_on(const struct head *head, unsigned options) {
    char out[MAX_BYTES + HEAD_WRITE_EXTRA_BYTES + 128];
    ssize_t size;
    if (head->kind == HEAD_RESPONSE) {
        struct head_return back = {
            .client_minor = options & HTTP_1_0 ? 0 : 1,
            .purpose = options & WEBSOCKET ? PURPOSE_WEBSOCKET : PURPOSE_HTTP,
            .date = STR("Sun, 06 Nov 1994 08:49:37 GMT"),
        };
        size = head_write_response(head, &back, out, sizeof out);
    } else {
        struct head_forward forward = {
            .strip_bytes = options & STRIP ? 3 : 0,
            .peer = STR("192.0.2.1"),
            .scheme = STR("https"),
            .default_host = STR("default.example"),
            .trust = options & TRUSTED ? PEER_TRUSTED : PEER_UNTRUSTED,
            .purpose = options & WEBSOCKET ? PURPOSE_WEBSOCKET : PURPOSE_HTTP,
        };
        size = head_write_request(head, &forward, out, sizeof out);
    }
    assert(size > 0);
    check_written(head, options, text_of(out, (size_t)size));
}

static void redirect(const struct head *head) {
    char out[8 * MAX_BYTES];
    struct head_reply reply = {.status = 308, .client_minor = 1};
    ssize_t size = head_write_redirect(&reply, STR("${scheme}://${host}:${port}${path}${query}"),
                                       STR("https"), head, out, sizeof out);
    assert(size > 0 || head->host.len == 0);
    if (size > 0)
        assert(check_lines(text_of(out, (size_t)size)) == 2);
}

static void check_upgrade(const struct head *head) {
    const char *why = NULL;
    unsigned status = upgrade_request_check(head, &why);
    assert(status == UPGRADE_OK || (status >= 400 && why));
    if (status == UPGRADE_OK) {
        struct upgrade_offer offer;
        upgrade_offer_init(&offer, head);
        assert(strlen(offer.accept) == UPGRADE_ACCEPT_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    struct head whole, cut;
    size_t whole_used, cut_used, step = data[1] ? data[1] : 1;
    unsigned options = data[0];
    struct str in = text_of((const char *)data + 2, size - 2);
    enum head_verdict verdict = feed(&whole, options, in, in.len, &whole_used);
    enum head_verdict cut_verdict = feed(&cut, options, in, step, &cut_used);
    assert(verdict == cut_verdict);
    if (verdict == HEAD_BAD) {
        assert(whole.status == cut.status && whole.why && strcmp(whole.why, cut.why) == 0);
        assert(options & RESPONSE ? whole.status == 502 : whole.status >= 400);
    } else {
        assert(whole_used == cut_used);
        check_same(&whole, &cut);
    }
    if (verdict == HEAD_DONE) {
        assert(check_lines(text_of(in.ptr, whole_used)) == whole.field_count);
        write_on(&cut, options);
        if (whole.kind == HEAD_REQUEST) {
            redirect(&cut);
            check_upgrade(&cut);
        }
    }
    head_free(&whole);
    head_free(&cut);
    return 0;
}
