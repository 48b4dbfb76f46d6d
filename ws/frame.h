// SPDX-License-Identifier: Apache-2.0
//
// Walks a stream of WebSocket frames (RFC 6455 §5) in one direction without touching its payload:
// it reads 2 to 14 header bytes a frame and skips the rest in bulk. So the relay always knows where
// a frame ends, what passed, and whether the peer keeps to the protocol.
//
// Life: one walker per direction, `frame_walker_init` after the 101, then `frame_walk` with every
// buffer that passes. Holds nothing, needs no end. Pure; any thread.
#ifndef RINGWAY_WS_FRAME_H
#define RINGWAY_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_verdict { FRAME_OK, FRAME_VIOLATION };

// Who sends what is walked: clients must mask, servers must not (RFC 6455 §5.1).
enum frame_sender { FRAME_FROM_CLIENT, FRAME_FROM_SERVER };

enum frame_stop {
    FRAME_STOP_NEVER,    // walk everything
    FRAME_STOP_BOUNDARY, // stop at the first frame boundary, which may be where we stand
    FRAME_STOP_PAYLOAD,  // stop at the first byte of a payload, or inside one where we stand
};

enum frame_violation {
    FRAME_GOOD,
    FRAME_UNMASKED_FROM_CLIENT,
    FRAME_MASKED_FROM_SERVER,
    FRAME_RESERVED_BIT,
    FRAME_RESERVED_OPCODE,
    FRAME_CONTROL_TOO_LONG,
    FRAME_CONTROL_FRAGMENTED,
    FRAME_CONTINUATION_WITHOUT_START,
    FRAME_START_INSIDE_MESSAGE,
    FRAME_LENGTH_NOT_MINIMAL,
    FRAME_LENGTH_TOO_LARGE, // 2^63 or more: nothing after it can be told apart
    FRAME_CLOSE_LENGTH_1,
    FRAME_CLOSE_CODE,
    FRAME_AFTER_CLOSE,
};

// One per direction of every relayed connection, so kept small. Read the fields; only ws/frame.c
// writes them.
struct frame_walker {
    uint64_t payload_left;  // of the frame it stands in; see frame_in_payload
    uint64_t payload_bytes; // walked so far
    uint64_t frames;        // that ended
    uint64_t messages;      // data messages whose last frame ended
    uint16_t close_code;    // of a Close that passed; 0 = it had none, or none passed
    uint8_t violation;      // enum frame_violation, the latest
    uint8_t violation_back; // bytes walked of the offending frame when it was found
    uint8_t place;          // ws/frame.c
    uint8_t todo;           // bytes still to come of the length or the mask key
    uint8_t first;          // header byte 0 of this frame: FIN, RSV, opcode
    uint8_t header_bytes;   // of this frame, walked so far
    uint8_t close_bytes;    // of the close code, walked so far
    uint8_t key[2];         // of the mask: what the close code needs
    uint8_t flags;          // ws/frame.c
};

_Static_assert(sizeof(struct frame_walker) <= 48, "two of these in every idle connection");

// Starts before the first frame that `sender` sends after the 101.
void frame_walker_init(struct frame_walker *walker, enum frame_sender sender);

// No extension was agreed on: a reserved bit is a violation (RFC 6455 §5.2). Without this call they
// are taken for an extension's.
void frame_walker_reserve_bits(struct frame_walker *walker);

// Walks up to `size` bytes; `*used` is how many. FRAME_OK: all of them, or up to where it was to
// stop. FRAME_VIOLATION: stopped after the byte that showed `walker->violation`; calling again with
// the rest goes on counting as far as that can be done. A relay that wants to stop before the
// offending frame takes back `violation_back` bytes, as far as it still has them.
enum frame_verdict frame_walk(struct frame_walker *walker, const uint8_t *bytes, size_t size,
                              enum frame_stop stop, size_t *used);

// Whether it stands between two frames, where a frame of our own may go.
bool frame_at_boundary(const struct frame_walker *walker);

// Whether it stands inside a payload, of which `payload_left` bytes follow.
bool frame_in_payload(const struct frame_walker *walker);

// Tells the walker that `size_bytes` of the current payload passed without it (splice). At most
// `payload_left`.
void frame_skip(struct frame_walker *walker, uint64_t size_bytes);

// Whether a Close frame has passed in full.
bool frame_closed(const struct frame_walker *walker);

// A constant phrase for the log.
const char *frame_violation_phrase(enum frame_violation violation);

enum frame_mask { FRAME_UNMASKED, FRAME_MASKED };

enum {
    FRAME_HEADER_BYTES_MAX = 14,
    FRAME_CONTROL_PAYLOAD_MAX = 125,
    FRAME_CONTROL_BYTES_MAX = 6 + FRAME_CONTROL_PAYLOAD_MAX, // header, mask key, payload
};

// Writes a Close frame with `code` (0: an empty one) and a reason (NULL: none; cut at 123 bytes on
// a character's edge). Masked toward a server, with the key given (RFC 6455 §5.3). Returns its
// size.
size_t frame_close_write(uint16_t code, const char *reason, enum frame_mask mask, uint32_t key,
                         uint8_t out[FRAME_CONTROL_BYTES_MAX]);

// Writes a Ping with an empty payload. Returns its size.
size_t frame_ping_write(enum frame_mask mask, uint32_t key, uint8_t out[FRAME_CONTROL_BYTES_MAX]);

#endif
