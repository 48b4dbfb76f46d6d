// SPDX-License-Identifier: Apache-2.0
//
// Masked frames to unmasked ones; see the header. The frame walker judges, this only translates.
#include "app/demo_echo.h"

#include <assert.h>
#include <string.h>

#define FIN_AND_RSV 0xF0
#define OPCODE 0x0F
#define MASK_BIT 0x80
#define OPCODE_PING 0x9
#define OPCODE_PONG 0xA
#define CLOSE_PROTOCOL_ERROR 1002 // RFC 6455 §7.4.1

void echo_start(struct echo *echo) {
    *echo = (struct echo){0};
    frame_walker_init(&echo->walker, FRAME_FROM_CLIENT);
}

static size_t frames_translate(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out);

enum echo_verdict echo_feed(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out,
                            size_t *out_size) {
    size_t used;
    enum frame_verdict verdict = frame_walk(&echo->walker, in, size, FRAME_STOP_NEVER, &used);
    if (verdict == FRAME_OK) {
        *out_size = frames_translate(echo, in, size, out);
        return frame_closed(&echo->walker) ? ECHO_CLOSED : ECHO_MORE;
    }
    size_t good = used > echo->walker.violation_back ? used - echo->walker.violation_back : 0;
    *out_size = frames_translate(echo, in, good, out);
    if (echo->payload_left == 0 && !frame_closed(&echo->walker))
        *out_size +=
            frame_close_write(CLOSE_PROTOCOL_ERROR, NULL, FRAME_UNMASKED, 0, out + *out_size);
    return ECHO_BROKEN;
}

static bool header_take(struct echo *echo, uint8_t byte);
static size_t header_write(struct echo *echo, uint8_t *out);
static size_t payload_unmask(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out);

static size_t frames_translate(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out) {
    uint8_t *start = out;
    size_t at = 0;
    while (at < size) {
        if (echo->payload_left == 0) {
            if (header_take(echo, in[at++]))
                out += header_write(echo, out);
            continue;
        }
        size_t count = size - at < echo->payload_left ? size - at : (size_t)echo->payload_left;
        out += payload_unmask(echo, in + at, count, out);
        at += count;
    }
    return (size_t)(out - start);
}

static unsigned length_bytes(const struct echo *echo) {
    unsigned length = echo->header[1] & ~MASK_BIT;
    return length == 127 ? 8 : length == 126 ? 2 : 0;
}

// Collects the header: 2 bytes, the extended length, 4 of the mask. True when it is complete.
static bool header_take(struct echo *echo, uint8_t byte) {
    assert(echo->header_bytes < sizeof(echo->header));
    echo->header[echo->header_bytes++] = byte;
    return echo->header_bytes >= 2 && echo->header_bytes == 2 + length_bytes(echo) + 4;
}

// Writes the header without the mask and starts the payload. Returns the bytes written.
static size_t header_write(struct echo *echo, uint8_t *out) {
    unsigned extended = length_bytes(echo);
    echo->payload_left = extended == 0 ? echo->header[1] & ~MASK_BIT : 0;
    for (unsigned i = 0; i < extended; i++)
        echo->payload_left = echo->payload_left << 8 | echo->header[2 + i];
    uint8_t opcode = echo->header[0] & OPCODE;
    echo->mask_place = 0;
    echo->header_bytes = 0; // the mask stays in place until the next frame begins
    echo->swallowed = opcode == OPCODE_PONG;
    if (echo->swallowed)
        return 0;
    memcpy(out, echo->header, 2 + extended);
    if (opcode == OPCODE_PING)
        out[0] = (echo->header[0] & FIN_AND_RSV) | OPCODE_PONG;
    out[1] &= ~MASK_BIT;
    return 2 + extended;
}

static size_t payload_unmask(struct echo *echo, const uint8_t *in, size_t size, uint8_t *out) {
    const uint8_t *mask = echo->header + 2 + length_bytes(echo);
    echo->payload_left -= size;
    if (echo->swallowed)
        return 0;
    for (size_t i = 0; i < size; i++)
        out[i] = in[i] ^ mask[(echo->mask_place + i) % 4];
    echo->mask_place = (echo->mask_place + size) % 4;
    return size;
}
