// SPDX-License-Identifier: Apache-2.0
//
// Finds where a message body ends (RFC 9112 §6, §7) while its bytes are passed on as they are.
// Because they are, the chunked grammar is checked at every byte that is not payload; payload is
// skipped in bulk.
//
// Life: `body_init` with the framing of the head, `body_feed` with what arrives until it is not
// BODY_MORE. Holds nothing, needs no end. Pure; any thread.
#ifndef RINGWAY_WS_BODY_H
#define RINGWAY_WS_BODY_H

#include <stdint.h>

#include "core/str.h"
#include "ws/head.h"

enum body_verdict {
    BODY_MORE,      // all bytes taken, the body goes on
    BODY_DONE,      // the body ended after `*used` bytes; the rest belongs to the next message
    BODY_BAD,       // broken chunked framing after `*used` good bytes; `why` is set
    BODY_TOO_LARGE, // the payload is, or says it will be, longer than allowed
};

enum {
    BODY_EXTENSION_BYTES_MAX = 1024, // extensions of one chunk
    BODY_TRAILER_BYTES_MAX = 8192,   // the trailer section
};

struct body {
    enum body_framing framing;
    uint8_t place;            // within the chunked grammar; ws/body.c
    uint8_t size_digits;      // of the chunk size being read
    uint8_t name_bytes;       // of the trailer field name being read
    uint64_t left;            // payload bytes still to come of this chunk or length
    uint64_t payload_bytes;   // walked so far, without framing
    uint64_t max_bytes;       // of payload
    uint64_t extension_bytes; // of all chunks so far
    uint32_t section_bytes;   // of this chunk's extensions, or of the trailers
    char name[32];            // of a trailer field; longer ones are of no interest
    const char *why;          // on BODY_BAD: a constant phrase for the log
};

// Starts a body framed as its head says; `content_length` counts for BODY_LENGTH only. More payload
// than `max_bytes` is BODY_TOO_LARGE: for BODY_LENGTH at the first feed, even of nothing.
void body_init(struct body *body, enum body_framing framing, uint64_t content_length,
               uint64_t max_bytes);

// Takes the next `size` bytes. BODY_NONE and a length of 0 are BODY_DONE at once, with nothing
// used. A body until close stays BODY_MORE. `*used` bytes may be passed on in every case.
enum body_verdict body_feed(struct body *body, const char *bytes, size_t size, size_t *used);

// How many payload bytes are sure to come next, with no framing between; 0 where nobody knows.
uint64_t body_payload_left(const struct body *body);

// Tells the body that `size` of them passed without it (splice). BODY_DONE: that was its end.
enum body_verdict body_skip(struct body *body, uint64_t size);

// The same as body_feed, for a peer that cannot read chunks: stops after the first stretch of
// payload, which is in `*payload` (a part of `bytes`, possibly empty). Call it again with the rest
// while it says BODY_MORE and bytes are left.
enum body_verdict body_feed_payload(struct body *body, const char *bytes, size_t size, size_t *used,
                                    struct str *payload);

#endif
