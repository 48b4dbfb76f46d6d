// SPDX-License-Identifier: Apache-2.0
#include "ws/head_check.h"

#include <arpa/inet.h>
#include <errno.h>

#include "ws/octet.h"

// The first byte of a TLS record that carries a ClientHello.
enum { TLS_HANDSHAKE = 0x16 };

static const uint64_t LENGTH_MAX = INT64_MAX;

enum { LABEL_BYTES_MAX = 63, PORT_DIGITS_MAX = 5 };

static size_t gate_skip(const struct head_gate *gate, const char *bytes, size_t size);
static enum gate_event gate_step(struct head_gate *gate, char byte);
static enum gate_event gate_go(struct head_gate *gate, bool accepted, enum gate_place place);
static const char *gate_fault(const struct head_gate *gate, char byte);

enum gate_event head_gate_scan(struct head_gate *gate, const char *bytes, size_t size, size_t *good,
                               const char **why) {
    enum gate_event event = GATE_MORE;
    size_t at = 0;
    while (event == GATE_MORE) {
        at += gate_skip(gate, bytes + at, size - at);
        if (at == size)
            break;
        event = gate_step(gate, bytes[at]);
        at += event != GATE_BAD;
    }
    *good = at;
    if (event == GATE_BAD)
        *why = gate_fault(gate, bytes[at]);
    return event;
}

// How many of the bytes leave the gate where it is.
static size_t gate_skip(const struct head_gate *gate, const char *bytes, size_t size) {
    unsigned classes = 0;
    if (gate->place == GATE_START)
        classes = gate->kind == GATE_REQUEST ? OCTET_LINE : OCTET_VALUE;
    else if (gate->place == GATE_NAME)
        classes = OCTET_TOKEN;
    else if (gate->place == GATE_VALUE)
        classes = OCTET_VALUE;
    size_t at = 0;
    while (at < size && octet_is(bytes[at], classes))
        at++;
    return at;
}

// A byte that moves the gate on, or is refused.
static enum gate_event gate_step(struct head_gate *gate, char byte) {
    switch (gate->place) {
    case GATE_FIRST:
        if (byte == '\r' && gate->kind == GATE_REQUEST && !gate->empty_line_seen) {
            gate->place = GATE_EMPTY_LF;
            return GATE_EMPTY;
        }
        return gate_go(gate, octet_is(byte, OCTET_TOKEN), GATE_START);
    case GATE_EMPTY_LF:
        if (byte != '\n')
            return GATE_BAD;
        gate->empty_line_seen = true;
        gate->place = GATE_FIRST;
        return GATE_EMPTY;
    case GATE_START:
    case GATE_VALUE:
        return gate_go(gate, byte == '\r', GATE_LF);
    case GATE_LINE:
        if (byte == '\r')
            return gate_go(gate, true, GATE_LAST_LF);
        return gate_go(gate, octet_is(byte, OCTET_TOKEN), GATE_NAME);
    case GATE_NAME:
        return gate_go(gate, byte == ':', GATE_VALUE);
    case GATE_LF:
        gate->place = byte == '\n' ? GATE_LINE : GATE_LF;
        return byte == '\n' ? GATE_ENDED : GATE_BAD;
    case GATE_LAST_LF:
        return byte == '\n' ? GATE_END : GATE_BAD;
    }
    return GATE_BAD;
}

static enum gate_event gate_go(struct head_gate *gate, bool accepted, enum gate_place place) {
    if (!accepted)
        return GATE_BAD;
    gate->place = place;
    return GATE_MORE;
}

static const char *gate_fault(const struct head_gate *gate, char byte) {
    enum gate_place place = gate->place;
    if (place == GATE_FIRST && byte == TLS_HANDSHAKE)
        return "TLS on a plain-text port";
    if (place == GATE_EMPTY_LF || place == GATE_LF || place == GATE_LAST_LF)
        return "bare CR";
    if (byte == '\n')
        return "bare LF";
    if (byte == '\0')
        return "NUL in a head";
    if (byte == '\r' && place == GATE_FIRST)
        return "empty line before a head";
    if (byte == '\r')
        return "field line without a colon";
    if (place == GATE_LINE && (byte == ' ' || byte == '\t'))
        return "folded line";
    if (place == GATE_LINE && byte == ':')
        return "field without a name";
    if (place == GATE_NAME && (byte == ' ' || byte == '\t'))
        return "space before the colon";
    if (place == GATE_LINE || place == GATE_NAME)
        return "bad character in a field name";
    return place == GATE_VALUE ? "control character in a field" : "bad character in the start line";
}

struct str head_trim(struct str text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = str_skip(text, 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool head_is_token(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!octet_is(text.ptr[i], OCTET_TOKEN))
            return false;
    }
    return text.len > 0;
}

bool head_read_length(struct str text, uint64_t *length) {
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!octet_is(text.ptr[i], OCTET_DIGIT))
            return false;
        uint64_t digit = text.ptr[i] - '0';
        if (value > (LENGTH_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *length = value;
    return text.len > 0;
}

enum coding_verdict head_read_coding(struct str value) {
    static const struct str chunked = {"chunked", 7};
    if (str_ieq(value, chunked))
        return CODING_CHUNKED;
    // Anything else well-formed that does not name chunked is a coding we do not have.
    for (size_t i = 0; i + chunked.len <= value.len; i++) {
        if (strncasecmp(value.ptr + i, chunked.ptr, chunked.len) == 0) {
            bool is_last = i + chunked.len == value.len;
            return is_last && i > 0 && memchr(value.ptr, ',', i) ? CODING_UNKNOWN : CODING_BAD;
        }
    }
    return head_is_token(value) ? CODING_UNKNOWN : CODING_BAD;
}

static int read_name(struct str host, char *text, size_t capacity);
static int read_address(struct str host, char *text, size_t capacity);
static bool read_port(struct str digits, uint16_t *port);

int head_read_authority(struct str authority, char *text, size_t capacity, uint16_t *port) {
    *port = 0;
    if (authority.len == 0)
        return -EINVAL;
    bool is_bracketed = authority.ptr[0] == '[';
    const char *end = memchr(authority.ptr, is_bracketed ? ']' : ':', authority.len);
    struct str host = authority, rest = {NULL, 0};
    if (end) {
        host.len = (size_t)(end - authority.ptr) + is_bracketed;
        rest = str_skip(authority, host.len);
    }
    if (rest.len > 0 && (rest.ptr[0] != ':' || !read_port(str_skip(rest, 1), port)))
        return -EINVAL;
    return is_bracketed ? read_address(host, text, capacity) : read_name(host, text, capacity);
}

// A DNS name or IPv4 address. Underscores are in use (compose services), percent-encoding is not.
static int read_name(struct str host, char *text, size_t capacity) {
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len >= capacity)
        return -EINVAL;
    size_t label_bytes = 0;
    for (size_t i = 0; i < host.len; i++) {
        char byte = host.ptr[i];
        bool is_dot = byte == '.';
        if (!is_dot && !octet_is(byte, OCTET_ALPHA | OCTET_DIGIT) && byte != '-' && byte != '_')
            return -EINVAL;
        if ((is_dot && label_bytes == 0) || label_bytes > LABEL_BYTES_MAX)
            return -EINVAL;
        label_bytes = is_dot ? 0 : label_bytes + 1;
        text[i] = octet_lower(byte);
    }
    return label_bytes == 0 || label_bytes > LABEL_BYTES_MAX ? -EINVAL : (int)host.len;
}

// An IPv6 address in brackets, written the one standard way (RFC 5952).
static int read_address(struct str host, char *text, size_t capacity) {
    char inner[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len < 4 || host.len - 2 >= sizeof inner || capacity < sizeof inner + 2)
        return -EINVAL;
    memcpy(inner, host.ptr + 1, host.len - 2);
    inner[host.len - 2] = '\0';
    if (host.ptr[host.len - 1] != ']' || inet_pton(AF_INET6, inner, &address) != 1)
        return -EINVAL;
    inet_ntop(AF_INET6, &address, inner, sizeof inner);
    size_t size = strlen(inner);
    text[0] = '[';
    memcpy(text + 1, inner, size);
    text[size + 1] = ']';
    return (int)size + 2;
}

// "host:" without digits is legal (RFC 3986 §3.2.3) and says nothing.
static bool read_port(struct str digits, uint16_t *port) {
    uint64_t value;
    if (digits.len == 0)
        return true;
    if (digits.len > PORT_DIGITS_MAX || !head_read_length(digits, &value))
        return false;
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}
