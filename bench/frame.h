// SPDX-License-Identifier: Apache-2.0
//
// WebSocket frames as a client and a backend see them (RFC 6455 §5): heads written, a stream of
// bytes cut into heads and payload. Written apart from the gateway's own walker, on purpose: what
// one gets wrong the other must notice.
#ifndef RINGWAY_BENCH_FRAME_H
#define RINGWAY_BENCH_FRAME_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_MAX 14
#define FRAME_CONTROL_MAX 125

enum frame_opcode {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

struct frame {
    uint64_t length; // of the payload
    uint8_t opcode;
    bool fin, masked;
    uint8_t key[4]; // when masked
};

static inline bool frame_is_control(const struct frame *frame) {
    return frame->opcode >= OPCODE_CLOSE;
}

// Writes the head in its shortest form and returns its length.
size_t frame_head_write(uint8_t out[FRAME_HEAD_MAX], const struct frame *frame);

// out[i] = in[i] XOR key[(position + i) % 4] (§5.3): masks and unmasks. The two may not overlap.
void frame_mask(uint8_t *restrict out, const uint8_t *restrict in, size_t n, const uint8_t key[4],
                uint64_t position);

enum frame_event {
    FRAME_WANTS_MORE, // the input is used up
    FRAME_HEAD,       // `frame` is filled
    FRAME_PAYLOAD,    // `payload` is the next part, still masked, `position` where it begins
    FRAME_END,        // the frame is complete
    FRAME_BROKEN,     // against §5; `why` says what. The reader is of no more use
};

// Zero-initialised memory is a reader at the start of a stream.
struct frame_reader {
    struct frame frame;
    struct str payload;
    uint64_t position;
    const char *why;
    uint64_t left; // payload bytes to come
    uint8_t head[FRAME_HEAD_MAX];
    uint8_t head_have;
    bool in_frame;   // head read, end not told
    bool in_message; // a data frame without FIN has been read
};

// Takes bytes off the front of `input` up to the next event. `payload` points into the input.
// Extensions are never negotiated here, so reserved bits are an error.
enum frame_event frame_next(struct frame_reader *reader, struct str *input);

#endif
