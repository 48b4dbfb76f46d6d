// SPDX-License-Identifier: Apache-2.0
#include "ws/body.h"

#include <assert.h>

#include "ws/field.h"
#include "ws/octet.h"

// A chunk size has at most the digits of 2^63-1.
enum { SIZE_DIGITS_MAX = 16 };

// All extensions together may be this long plus as many bytes as the payload so far, so that a
// stream of tiny chunks with long extensions costs its sender at least as much as us.
enum { EXTENSION_ALLOWANCE_BYTES = 16384 };

// Where in the chunked grammar (RFC 9112 §7.1) the next byte stands, in the order of the bytes.
enum place {
    PLACE_SIZE,
    PLACE_EXT_NAME_START,
    PLACE_EXT_NAME,
    PLACE_EXT_VALUE_START,
    PLACE_EXT_VALUE,
    PLACE_EXT_QUOTED,
    PLACE_EXT_ESCAPED,
    PLACE_EXT_UNQUOTED, // after the closing quote
    PLACE_SIZE_LF,
    PLACE_PAYLOAD,
    PLACE_PAYLOAD_CR,
    PLACE_PAYLOAD_LF,
    PLACE_TRAILER_START,
    PLACE_TRAILER_NAME,
    PLACE_TRAILER_VALUE,
    PLACE_TRAILER_LF,
    PLACE_LAST_LF,
    PLACE_END,
};

static enum body_verdict chunked_feed(struct body *body, const char *bytes, size_t size,
                                      size_t *used, struct str *payload);
static enum body_verdict chunked_byte(struct body *body, char byte);
static enum body_verdict size_byte(struct body *body, char byte);
static enum body_verdict size_ended(struct body *body);
static enum body_verdict extension_byte(struct body *body, char byte);
static enum body_verdict extension_next(struct body *body, char byte);
static enum body_verdict trailer_byte(struct body *body, char byte);
static enum body_verdict trailer_name_byte(struct body *body, char byte);
static void payload_take(struct body *body, const char *bytes, size_t size, size_t *used,
                         struct str *payload);

static enum body_verdict bad(struct body *body, const char *why) {
    body->why = why;
    return BODY_BAD;
}

static enum body_verdict go(struct body *body, enum place place) {
    body->place = place;
    return BODY_MORE;
}

void body_init(struct body *body, enum body_framing framing, uint64_t content_length,
               uint64_t max_bytes) {
    *body = (struct body){.framing = framing, .max_bytes = max_bytes};
    if (framing == BODY_LENGTH)
        body->left = content_length;
}

enum body_verdict body_feed(struct body *body, const char *bytes, size_t size, size_t *used) {
    size_t at = 0, part = 0;
    struct str payload;
    enum body_verdict verdict;
    do {
        verdict = body_feed_payload(body, bytes + at, size - at, &part, &payload);
        at += part;
    } while (verdict == BODY_MORE && at < size);
    *used = at;
    return verdict;
}

enum body_verdict body_feed_payload(struct body *body, const char *bytes, size_t size, size_t *used,
                                    struct str *payload) {
    *used = 0;
    *payload = (struct str){bytes, 0};
    switch (body->framing) {
    case BODY_NONE:
        return BODY_DONE;
    case BODY_LENGTH:
        if (body->left > body->max_bytes - body->payload_bytes)
            return BODY_TOO_LARGE;
        payload_take(body, bytes, size, used, payload);
        return body->left == 0 ? BODY_DONE : BODY_MORE;
    case BODY_CHUNKED:
        return chunked_feed(body, bytes, size, used, payload);
    case BODY_UNTIL_CLOSE:
        body->left = body->max_bytes - body->payload_bytes;
        payload_take(body, bytes, size, used, payload);
        return *used < size ? BODY_TOO_LARGE : BODY_MORE;
    }
    assert(!"a framing");
    return BODY_BAD;
}

uint64_t body_payload_left(const struct body *body) {
    bool known = body->framing == BODY_LENGTH ||
                 (body->framing == BODY_CHUNKED && body->place == PLACE_PAYLOAD);
    return known ? body->left : 0;
}

enum body_verdict body_skip(struct body *body, uint64_t size) {
    assert(size <= body_payload_left(body));
    body->left -= size;
    body->payload_bytes += size;
    if (body->left > 0)
        return BODY_MORE;
    return body->framing == BODY_LENGTH ? BODY_DONE : go(body, PLACE_PAYLOAD_CR);
}

static enum body_verdict chunked_feed(struct body *body, const char *bytes, size_t size,
                                      size_t *used, struct str *payload) {
    size_t at = 0;
    enum body_verdict verdict = body->place == PLACE_END ? BODY_DONE : BODY_MORE;
    while (at < size && verdict == BODY_MORE && body->place != PLACE_PAYLOAD) {
        verdict = chunked_byte(body, bytes[at]);
        at += verdict == BODY_MORE || verdict == BODY_DONE;
    }
    *used = at;
    if (verdict == BODY_MORE && body->place == PLACE_PAYLOAD) {
        payload_take(body, bytes + at, size - at, &at, payload);
        *used += at;
        if (body->left == 0)
            body->place = PLACE_PAYLOAD_CR;
    }
    return verdict;
}

static void payload_take(struct body *body, const char *bytes, size_t size, size_t *used,
                         struct str *payload) {
    size_t part = size < body->left ? size : (size_t)body->left;
    body->left -= part;
    body->payload_bytes += part;
    *payload = (struct str){bytes, part};
    *used = part;
}

// One byte that is not payload.
static enum body_verdict chunked_byte(struct body *body, char byte) {
    switch ((enum place)body->place) {
    case PLACE_SIZE:
        return size_byte(body, byte);
    case PLACE_SIZE_LF:
        return byte == '\n' ? size_ended(body) : bad(body, "bare CR after a chunk size");
    case PLACE_PAYLOAD_CR:
        return byte == '\r' ? go(body, PLACE_PAYLOAD_LF) : bad(body, "chunk longer than its size");
    case PLACE_PAYLOAD_LF:
        body->size_digits = 0;
        body->section_bytes = 0;
        return byte == '\n' ? go(body, PLACE_SIZE) : bad(body, "bare CR after a chunk");
    case PLACE_EXT_NAME_START:
    case PLACE_EXT_NAME:
    case PLACE_EXT_VALUE_START:
    case PLACE_EXT_VALUE:
    case PLACE_EXT_QUOTED:
    case PLACE_EXT_ESCAPED:
    case PLACE_EXT_UNQUOTED:
        return extension_byte(body, byte);
    case PLACE_TRAILER_START:
    case PLACE_TRAILER_NAME:
    case PLACE_TRAILER_VALUE:
    case PLACE_TRAILER_LF:
    case PLACE_LAST_LF:
        return trailer_byte(body, byte);
    case PLACE_PAYLOAD:
    case PLACE_END:
        break;
    }
    assert(!"a byte of chunked framing");
    return BODY_BAD;
}

static enum body_verdict size_byte(struct body *body, char byte) {
    if (octet_is(byte, OCTET_HEX)) {
        unsigned digit = octet_is(byte, OCTET_DIGIT) ? byte - '0' : octet_lower(byte) - 'a' + 10;
        if (body->size_digits++ == SIZE_DIGITS_MAX || body->left > INT64_MAX >> 4)
            return bad(body, "chunk size too large");
        body->left = body->left << 4 | digit;
        return BODY_MORE;
    }
    if (body->size_digits == 0)
        return bad(body, "chunk without a size");
    return extension_next(body, byte);
}

// The line of a chunk's size has ended.
static enum body_verdict size_ended(struct body *body) {
    if (body->left == 0) {
        body->section_bytes = 0;
        return go(body, PLACE_TRAILER_START);
    }
    if (body->left > body->max_bytes - body->payload_bytes)
        return BODY_TOO_LARGE;
    return go(body, PLACE_PAYLOAD);
}

// Extensions by the letter, but without the optional white space, which parsers read differently.
static enum body_verdict extension_byte(struct body *body, char byte) {
    body->extension_bytes++;
    if (++body->section_bytes > BODY_EXTENSION_BYTES_MAX)
        return bad(body, "chunk extension too long");
    if (body->extension_bytes > EXTENSION_ALLOWANCE_BYTES + body->payload_bytes)
        return bad(body, "more chunk extensions than payload");

    bool is_token = octet_is(byte, OCTET_TOKEN);
    switch ((enum place)body->place) {
    case PLACE_EXT_NAME_START:
        return is_token ? go(body, PLACE_EXT_NAME) : bad(body, "malformed chunk extension");
    case PLACE_EXT_NAME:
        if (byte == '=')
            return go(body, PLACE_EXT_VALUE_START);
        return is_token ? BODY_MORE : extension_next(body, byte);
    case PLACE_EXT_VALUE_START:
        if (byte == '"')
            return go(body, PLACE_EXT_QUOTED);
        return is_token ? go(body, PLACE_EXT_VALUE) : bad(body, "malformed chunk extension");
    case PLACE_EXT_VALUE:
        return is_token ? BODY_MORE : extension_next(body, byte);
    case PLACE_EXT_QUOTED:
        if (byte == '"')
            return go(body, PLACE_EXT_UNQUOTED);
        if (byte == '\\')
            return go(body, PLACE_EXT_ESCAPED);
        return octet_is(byte, OCTET_VALUE) ? BODY_MORE : bad(body, "malformed chunk extension");
    case PLACE_EXT_ESCAPED:
        return octet_is(byte, OCTET_VALUE) ? go(body, PLACE_EXT_QUOTED)
                                           : bad(body, "malformed chunk extension");
    default:
        return extension_next(body, byte);
    }
}

// After the size or a whole extension: another extension or the end of the line.
static enum body_verdict extension_next(struct body *body, char byte) {
    if (byte == ';')
        return go(body, PLACE_EXT_NAME_START);
    if (byte == '\r')
        return go(body, PLACE_SIZE_LF);
    return bad(body, byte == '\n' ? "bare LF after a chunk size" : "malformed chunk size");
}

static enum body_verdict trailer_byte(struct body *body, char byte) {
    if (++body->section_bytes > BODY_TRAILER_BYTES_MAX)
        return bad(body, "trailers too long");
    switch ((enum place)body->place) {
    case PLACE_TRAILER_START:
        body->name_bytes = 0;
        if (byte == '\r')
            return go(body, PLACE_LAST_LF);
        if (!octet_is(byte, OCTET_TOKEN))
            return bad(body, "malformed trailer");
        body->place = PLACE_TRAILER_NAME;
        return trailer_name_byte(body, byte);
    case PLACE_TRAILER_NAME:
        return trailer_name_byte(body, byte);
    case PLACE_TRAILER_VALUE:
        if (byte == '\r')
            return go(body, PLACE_TRAILER_LF);
        return octet_is(byte, OCTET_VALUE) ? BODY_MORE : bad(body, "malformed trailer");
    case PLACE_TRAILER_LF:
        return byte == '\n' ? go(body, PLACE_TRAILER_START) : bad(body, "bare CR in a trailer");
    default:
        if (byte != '\n')
            return bad(body, "bare CR in a trailer");
        body->place = PLACE_END;
        return BODY_DONE;
    }
}

// Trailers pass unread, so one that a backend could merge into the head must not be in them.
static enum body_verdict trailer_name_byte(struct body *body, char byte) {
    if (byte == ':') {
        struct str name = {body->name, body->name_bytes};
        bool known = name.len <= sizeof body->name && field_kind_folded(name) != FIELD_PLAIN;
        return known ? bad(body, "trailer that belongs in the head")
                     : go(body, PLACE_TRAILER_VALUE);
    }
    if (!octet_is(byte, OCTET_TOKEN))
        return bad(body, "malformed trailer");
    if (body->name_bytes < sizeof body->name)
        body->name[body->name_bytes] = byte;
    if (body->name_bytes <= sizeof body->name)
        body->name_bytes++;
    return BODY_MORE;
}
