// SPDX-License-Identifier: Apache-2.0
//
// The strict checks llhttp does not make, or not in every version: bytes and line ends (the gate),
// and the values that decide where a request goes and where its body ends.
#ifndef RINGWAY_WS_HEAD_CHECK_H
#define RINGWAY_WS_HEAD_CHECK_H

#include <stdint.h>

#include "core/str.h"

// Where in the head the next byte stands, in the order of the bytes.
enum gate_place {
    GATE_FIRST,    // nothing yet, or only the one empty line a request may be preceded by
    GATE_EMPTY_LF, // the CR of that line was seen
    GATE_START,    // inside the start line
    GATE_LINE,     // first byte of a field line, or the CR of the empty line that ends the head
    GATE_NAME,     // inside a field name
    GATE_VALUE,    // after the colon
    GATE_LF,       // a CR was seen, only LF may follow
    GATE_LAST_LF,  // the same, in the empty line that ends the head
};

enum gate_kind { GATE_REQUEST, GATE_RESPONSE };

// Zero but for `kind` to begin with.
struct head_gate {
    enum gate_kind kind;
    enum gate_place place;
    bool empty_line_seen;
};

enum gate_event {
    GATE_MORE,  // all bytes are good, no line ended
    GATE_EMPTY, // the bytes counted are of the empty line before a request: no part of the head
    GATE_ENDED, // a line ended with the last byte counted
    GATE_END,   // the head ended with the last byte counted
    GATE_BAD,   // the byte after those counted is bad
};

// Looks at bytes until a line ends or one is refused (RFC 9112 §2.2, §5; RFC 9110 §5.5): CRLF only,
// no control characters, no folding, no space in or around names. `*good` counts the accepted
// ones. On GATE_BAD `*why` is a constant phrase.
enum gate_event head_gate_scan(struct head_gate *gate, const char *bytes, size_t size, size_t *good,
                               const char **why);

// `text` without the white space at its ends (RFC 9110 §5.6.3).
struct str head_trim(struct str text);

// Whether `text` is a token (RFC 9110 §5.6.2), so not empty.
bool head_is_token(struct str text);

// Reads digits only, nothing else, up to 2^63-1. False if it is not that (RFC 9110 §8.6).
bool head_read_length(struct str text, uint64_t *length);

enum coding_verdict { CODING_CHUNKED, CODING_UNKNOWN, CODING_BAD };

// Reads a Transfer-Encoding value: only a single `chunked` is understood (RFC 9112 §6.1).
enum coding_verdict head_read_coding(struct str value);

// Splits `host[:port]` (RFC 9110 §7.2) and writes the normal form of the host to `text`, a buffer
// of `capacity` bytes: lower case, no final dot, IPv6 in brackets and in standard form. Returns its
// length, or -EINVAL for whatever cannot be a host (user information, bad labels, bad port).
// `*port` is 0 when not given.
int head_read_authority(struct str authority, char *text, size_t capacity, uint16_t *port);

#endif
