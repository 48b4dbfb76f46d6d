// SPDX-License-Identifier: Apache-2.0
//
// The echo of a WebSocket, as bytes: frames from a client (masked) become the same frames from a
// server (unmasked) while they stream by, of any size and cut anywhere. A Ping becomes a Pong, a
// Pong is swallowed, a Close is answered by itself (RFC 6455 §5.5). Pure.
//
// Life: zero-initialise `struct echo` and start its walker; `echo_feed` until it is not ECHO_MORE.
#ifndef RINGWAY_APP_DEMO_ECHO_H
#define RINGWAY_APP_DEMO_ECHO_H

#include "ws/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum echo_verdict {
    ECHO_MORE,   // everything was echoed
    ECHO_CLOSED, // the client's Close has been answered: send what there is, then end
    ECHO_BROKEN, // the client breaks RFC 6455: likewise; a Close 1002 is in the output if it may be
};

struct echo {
    struct frame_walker walker; // knows the rules, and where frames end
    uint8_t header[FRAME_HEADER_BYTES_MAX];
    uint8_t header_bytes; // of the frame being read, so far
    uint8_t mask_place;   // of the next payload byte, 0–3
    uint64_t payload_left;
    bool swallowed; // a Pong
};

// How much longer the output can be than the input: a header that began in earlier input.
#define ECHO_EXTRA_BYTES FRAME_CONTROL_BYTES_MAX

// Starts the walker of a zero-initialised echo.
void echo_start(struct echo *echo);

// Echoes `size` bytes from `in` to `out`, which has room for `size + ECHO_EXTRA_BYTES`, and sets
// `*out_size`.
enum echo_verdict echo_feed(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out,
                            size_t *out_size);

#endif
