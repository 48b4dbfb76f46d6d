// SPDX-License-Identifier: Apache-2.0
#include "ws/frame.h"

#include <assert.h>
#include <string.h>

enum { FIN = 0x80, RESERVED_BITS = 0x70, MASK_BIT = 0x80, LENGTH_16 = 126, LENGTH_64 = 127 };

enum opcode {
    OPCODE_CONTINUATION = 0x0,
    OPCODE_TEXT = 0x1,
    OPCODE_BINARY = 0x2,
    OPCODE_CLOSE = 0x8,
    OPCODE_PING = 0x9,
    OPCODE_PONG = 0xa,
};

// Where in a frame the next byte stands, in the order of the bytes.
enum place {
    PLACE_FIRST, // the boundary: FIN, RSV and opcode come next
    PLACE_SECOND,
    PLACE_LENGTH,
    PLACE_KEY,
    PLACE_PAYLOAD,
    PLACE_LOST, // after a length no frame can have: everything is opaque
};

enum flag {
    FROM_CLIENT = 1 << 0,
    IN_MESSAGE = 1 << 1, // a data frame without FIN came, the one with FIN has not started
    MASKED = 1 << 2,     // this frame
    WIDE = 1 << 3,       // this frame has a 64-bit length
    FAULTY = 1 << 4,     // this frame's violation has been reported: one is enough
    CLOSED = 1 << 5,     // a Close has passed
    UNEXTENDED = 1 << 6, // no extension gives the reserved bits a meaning
};

static enum frame_violation header_byte(struct frame_walker *w, uint8_t byte);
static enum frame_violation first_byte(struct frame_walker *w, uint8_t byte);
static enum frame_violation second_byte(struct frame_walker *w, uint8_t byte);
static enum frame_violation length_done(struct frame_walker *w);
static void key_or_payload(struct frame_walker *w);
static size_t payload(struct frame_walker *w, const uint8_t *bytes, size_t size,
                      enum frame_violation *violation);
static enum frame_violation close_byte(struct frame_walker *w, uint8_t byte);
static void frame_ended(struct frame_walker *w);

static enum opcode opcode_of(const struct frame_walker *w) {
    return w->first & 0x0f;
}

static bool is_control(const struct frame_walker *w) {
    return (w->first & 0x08) != 0;
}

void frame_walker_init(struct frame_walker *walker, enum frame_sender sender) {
    *walker = (struct frame_walker){.flags = sender == FRAME_FROM_CLIENT ? FROM_CLIENT : 0};
}

void frame_walker_reserve_bits(struct frame_walker *walker) {
    walker->flags |= UNEXTENDED;
}

enum frame_verdict frame_walk(struct frame_walker *walker, const uint8_t *bytes, size_t size,
                              enum frame_stop stop, size_t *used) {
    struct frame_walker w = *walker; // the bytes could alias it: a copy stays in registers
    enum frame_violation violation = FRAME_GOOD;
    size_t at = 0;
    while (at < size && violation == FRAME_GOOD) {
        if (w.place == PLACE_FIRST && stop == FRAME_STOP_BOUNDARY)
            break;
        if (w.place == PLACE_PAYLOAD && stop == FRAME_STOP_PAYLOAD)
            break;
        if (w.place < PLACE_PAYLOAD)
            violation = header_byte(&w, bytes[at++]);
        else
            at += payload(&w, bytes + at, size - at, &violation);
        if (w.flags & FAULTY)
            violation = FRAME_GOOD;
    }
    if (violation != FRAME_GOOD) {
        w.flags |= FAULTY; // until the next frame starts
        w.violation = (uint8_t)violation;
        w.violation_back = w.header_bytes + w.close_bytes;
    }
    *walker = w;
    *used = at;
    return violation == FRAME_GOOD ? FRAME_OK : FRAME_VIOLATION;
}

// One byte of a header; ends the frame when it has no payload.
static enum frame_violation header_byte(struct frame_walker *w, uint8_t byte) {
    enum frame_violation violation = FRAME_GOOD;
    w->header_bytes++;
    switch ((enum place)w->place) {
    case PLACE_FIRST:
        violation = first_byte(w, byte);
        break;
    case PLACE_SECOND:
        violation = second_byte(w, byte);
        break;
    case PLACE_LENGTH:
        w->payload_left = w->payload_left << 8 | byte;
        if (--w->todo == 0)
            violation = length_done(w);
        break;
    case PLACE_KEY:
        if (w->todo > 2)
            w->key[4 - w->todo] = byte;
        if (--w->todo == 0)
            w->place = PLACE_PAYLOAD;
        break;
    case PLACE_PAYLOAD:
    case PLACE_LOST:
        assert(!"a header byte");
    }
    if (w->place == PLACE_PAYLOAD && w->payload_left == 0)
        frame_ended(w);
    return violation;
}

static enum frame_violation first_byte(struct frame_walker *w, uint8_t byte) {
    bool in_message = w->flags & IN_MESSAGE, fin = byte & FIN;
    w->first = byte;
    w->header_bytes = 1;
    w->close_bytes = 0;
    w->payload_left = 0;
    w->flags &= ~(MASKED | WIDE | FAULTY);
    w->place = PLACE_SECOND;

    enum opcode opcode = opcode_of(w);
    bool is_data = opcode <= OPCODE_BINARY;
    if (is_data)
        w->flags = (w->flags & ~IN_MESSAGE) | (fin ? 0 : IN_MESSAGE);
    if (w->flags & CLOSED)
        return FRAME_AFTER_CLOSE;
    if (byte & RESERVED_BITS && w->flags & UNEXTENDED)
        return FRAME_RESERVED_BIT;
    if (!is_data && opcode != OPCODE_CLOSE && opcode != OPCODE_PING && opcode != OPCODE_PONG)
        return FRAME_RESERVED_OPCODE;
    if (!is_data)
        return fin ? FRAME_GOOD : FRAME_CONTROL_FRAGMENTED;
    if (opcode == OPCODE_CONTINUATION)
        return in_message ? FRAME_GOOD : FRAME_CONTINUATION_WITHOUT_START;
    return in_message ? FRAME_START_INSIDE_MESSAGE : FRAME_GOOD;
}

static enum frame_violation second_byte(struct frame_walker *w, uint8_t byte) {
    uint8_t length = byte & 0x7f;
    bool masked = byte & MASK_BIT;
    w->key[0] = w->key[1] = 0;
    if (masked)
        w->flags |= MASKED;
    if (length == LENGTH_64)
        w->flags |= WIDE;
    if (length >= LENGTH_16) {
        w->todo = length == LENGTH_64 ? 8 : 2;
        w->place = PLACE_LENGTH;
    } else {
        w->payload_left = length;
        key_or_payload(w);
    }

    if (masked != !!(w->flags & FROM_CLIENT))
        return masked ? FRAME_MASKED_FROM_SERVER : FRAME_UNMASKED_FROM_CLIENT;
    if (is_control(w) && length > FRAME_CONTROL_PAYLOAD_MAX)
        return FRAME_CONTROL_TOO_LONG;
    if (opcode_of(w) == OPCODE_CLOSE && length == 1)
        return FRAME_CLOSE_LENGTH_1;
    return FRAME_GOOD;
}

static enum frame_violation length_done(struct frame_walker *w) {
    bool wide = w->flags & WIDE;
    if (w->payload_left > INT64_MAX) {
        w->place = PLACE_LOST;
        return FRAME_LENGTH_TOO_LARGE;
    }
    key_or_payload(w);
    return w->payload_left < (wide ? 0x10000 : LENGTH_16) ? FRAME_LENGTH_NOT_MINIMAL : FRAME_GOOD;
}

static void key_or_payload(struct frame_walker *w) {
    w->place = w->flags & MASKED ? PLACE_KEY : PLACE_PAYLOAD;
    w->todo = 4;
}

// Walks as much of the payload as there is, in bulk but for a close code; returns how much.
static size_t payload(struct frame_walker *w, const uint8_t *bytes, size_t size,
                      enum frame_violation *violation) {
    if (w->place == PLACE_LOST) {
        w->payload_bytes += size;
        return size;
    }
    size_t part = size < w->payload_left ? size : (size_t)w->payload_left;
    if (opcode_of(w) == OPCODE_CLOSE && w->close_bytes < 2) {
        part = 1;
        *violation = close_byte(w, *bytes);
    }
    w->payload_bytes += part;
    w->payload_left -= part;
    if (w->payload_left == 0)
        frame_ended(w);
    return part;
}

static enum frame_violation close_byte(struct frame_walker *w, uint8_t byte) {
    byte ^= w->key[w->close_bytes];
    if (w->close_bytes++ == 0) {
        w->key[0] = byte;
        return FRAME_GOOD;
    }
    uint16_t code = (uint16_t)(w->key[0] << 8 | byte);
    w->close_code = code;
    // RFC 6455 §7.4 and the IANA registry: 1004 to 1006 and 1015 never travel.
    bool registered = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    return registered || (code >= 3000 && code <= 4999) ? FRAME_GOOD : FRAME_CLOSE_CODE;
}

static void frame_ended(struct frame_walker *w) {
    w->place = PLACE_FIRST;
    w->frames++;
    if (opcode_of(w) <= OPCODE_BINARY && w->first & FIN)
        w->messages++;
    if (opcode_of(w) == OPCODE_CLOSE)
        w->flags |= CLOSED;
}

bool frame_at_boundary(const struct frame_walker *walker) {
    return walker->place == PLACE_FIRST;
}

bool frame_in_payload(const struct frame_walker *walker) {
    return walker->place == PLACE_PAYLOAD;
}

void frame_skip(struct frame_walker *walker, uint64_t size_bytes) {
    assert(walker->place == PLACE_PAYLOAD && size_bytes <= walker->payload_left);
    walker->payload_bytes += size_bytes;
    walker->payload_left -= size_bytes;
    walker->close_bytes = 2; // a close code that was skipped stays unknown
    if (walker->payload_left == 0)
        frame_ended(walker);
}

bool frame_closed(const struct frame_walker *walker) {
    return walker->flags & CLOSED;
}

const char *frame_violation_phrase(enum frame_violation violation) {
    static const char *const phrases[] = {
        [FRAME_GOOD] = "no violation",
        [FRAME_UNMASKED_FROM_CLIENT] = "unmasked frame from a client",
        [FRAME_MASKED_FROM_SERVER] = "masked frame from a server",
        [FRAME_RESERVED_BIT] = "reserved bit without an extension",
        [FRAME_RESERVED_OPCODE] = "reserved opcode",
        [FRAME_CONTROL_TOO_LONG] = "control frame over 125 bytes",
        [FRAME_CONTROL_FRAGMENTED] = "fragmented control frame",
        [FRAME_CONTINUATION_WITHOUT_START] = "continuation of no message",
        [FRAME_START_INSIDE_MESSAGE] = "new message inside a fragmented one",
        [FRAME_LENGTH_NOT_MINIMAL] = "length not in its shortest form",
        [FRAME_LENGTH_TOO_LARGE] = "length of 2^63 or more",
        [FRAME_CLOSE_LENGTH_1] = "close frame with half a code",
        [FRAME_CLOSE_CODE] = "close code that must not be sent",
        [FRAME_AFTER_CLOSE] = "frame after a close frame",
    };
    return phrases[violation];
}

static size_t control_write(enum opcode opcode, const uint8_t *text, size_t size,
                            enum frame_mask mask, uint32_t key,
                            uint8_t out[FRAME_CONTROL_BYTES_MAX]);
static size_t cut_on_character(const char *text, size_t max);

size_t frame_close_write(uint16_t code, const char *reason, enum frame_mask mask, uint32_t key,
                         uint8_t out[FRAME_CONTROL_BYTES_MAX]) {
    uint8_t text[FRAME_CONTROL_PAYLOAD_MAX];
    // 1005, 1006 and 1015 say what did not travel (RFC 6455 §7.4.1).
    assert(code != 1005 && code != 1006 && code != 1015);
    if (code == 0)
        return control_write(OPCODE_CLOSE, text, 0, mask, key, out);
    text[0] = (uint8_t)(code >> 8);
    text[1] = (uint8_t)code;
    size_t size = reason ? cut_on_character(reason, sizeof text - 2) : 0;
    if (size > 0)
        memcpy(text + 2, reason, size);
    return control_write(OPCODE_CLOSE, text, 2 + size, mask, key, out);
}

size_t frame_ping_write(enum frame_mask mask, uint32_t key, uint8_t out[FRAME_CONTROL_BYTES_MAX]) {
    return control_write(OPCODE_PING, NULL, 0, mask, key, out);
}

static size_t control_write(enum opcode opcode, const uint8_t *text, size_t size,
                            enum frame_mask mask, uint32_t key,
                            uint8_t out[FRAME_CONTROL_BYTES_MAX]) {
    size_t at = 0;
    uint8_t key_bytes[4] = {0};
    assert(size <= FRAME_CONTROL_PAYLOAD_MAX);
    out[at++] = (uint8_t)(FIN | opcode);
    out[at++] = (uint8_t)((mask == FRAME_MASKED ? MASK_BIT : 0) | size);
    if (mask == FRAME_MASKED) {
        memcpy(key_bytes, &key, sizeof key_bytes); // random: its byte order is no matter
        memcpy(out + at, key_bytes, sizeof key_bytes);
        at += sizeof key_bytes;
    }
    for (size_t i = 0; i < size; i++)
        out[at++] = text[i] ^ key_bytes[i % 4];
    return at;
}

// The longest start of `text` that has at most `max` bytes and ends with a whole UTF-8 character.
static size_t cut_on_character(const char *text, size_t max) {
    size_t size = strnlen(text, max + 1);
    if (size <= max)
        return size;
    size = max;
    while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}
