// SPDX-License-Identifier: Apache-2.0
//
// The opening handshake (RFC 6455 §4), both ends of it: the client's request and its answer's
// check, the backend's check and answer. Bytes in, verdict out.
#ifndef RINGWAY_BENCH_UPGRADE_H
#define RINGWAY_BENCH_UPGRADE_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPGRADE_KEY_TEXT 25    // 16 bytes as base64, and the terminator
#define UPGRADE_ACCEPT_TEXT 29 // a SHA-1 as base64, and the terminator
#define UPGRADE_HEAD_MAX 8192  // longer heads are refused

enum upgrade_verdict {
    UPGRADE_WANTS_MORE, // the head is not complete
    UPGRADE_DONE,
    UPGRADE_REFUSED, // well-formed, but no WebSocket: `status` says what it was
    UPGRADE_BROKEN,  // against RFC 6455 or RFC 9112
};

struct upgrade_result {
    size_t head_bytes; // once complete: bytes of the head; what follows are frames
    unsigned status;   // of the answer
    struct str path;   // of the request, with the query: in the input
    struct str
        location;    // UPGRADE_REFUSED: where the answer sends the client, in the input; or empty
    const char *why; // UPGRADE_BROKEN; static
};

// A fresh Sec-WebSocket-Key from 16 random bytes.
void upgrade_key_make(char key[UPGRADE_KEY_TEXT], const uint8_t random[16]);

// The Sec-WebSocket-Accept that answers `key` (§4.2.2).
void upgrade_accept_make(char accept[UPGRADE_ACCEPT_TEXT], struct str key);

// Writes the request to `out`; `fields` are more header lines, each ended by CR LF, or "". Returns
// its length, or 0 when it does not fit.
size_t upgrade_request_write(char *out, size_t size, const char *authority, const char *path,
                             const char *key, const char *fields);

// Checks what the server has sent so far against the `key` and `fields` that it was asked with.
enum upgrade_verdict upgrade_response_check(struct str input, const char *key, const char *fields,
                                            struct upgrade_result *result);

// Whether it is the request's own field, which may not stand among `fields`.
bool upgrade_writes_field(struct str name);

// Checks what a client has sent so far; when done, `accept` is for the answer.
enum upgrade_verdict upgrade_request_check(struct str input, char accept[UPGRADE_ACCEPT_TEXT],
                                           struct upgrade_result *result);

#endif
