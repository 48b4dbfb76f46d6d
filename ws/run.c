// SPDX-License-Identifier: Apache-2.0
#include "ws/run.h"

#include "core/pipe_pool.h"
#include "ws/leg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX 16

struct run {
    uint8_t size, passed; // bytes of `headers`
    uint8_t headers[HEADERS_MAX * FRAME_HEADER_BYTES_MAX];
};

_Static_assert(sizeof((struct run *)0)->headers <= UINT8_MAX, "size and passed hold it");

// Adds the frame whose header, or the rest of it, lies `offset` bytes ahead. `*ahead` then stands
// at the start of its payload. False, and nothing has changed: it is not all there, too small, to
// be seen by the relay, or more than a pipe holds together with what is before.
static bool header_add(struct run *run, struct frame_walker *ahead, struct leg *source,
                       uint64_t offset, uint64_t frame_min_bytes) {
    uint8_t *header = run->headers + run->size;
    size_t n = leg_peek(source, offset, header, FRAME_HEADER_BYTES_MAX);
    if (n == 0)
        return false;
    struct frame_walker frame = *ahead;
    size_t used;
    if (frame_walk(&frame, header, n, FRAME_STOP_PAYLOAD, &used) == FRAME_VIOLATION ||
        !frame_in_payload(&frame) || frame.frames != ahead->frames ||
        frame.payload_left < frame_min_bytes ||
        (offset > 0 && offset + used + frame.payload_left > PIPE_BYTES))
        return false;
    *ahead = frame;
    run->size += (uint8_t)used;
    return true;
}

uint64_t run_find(const struct frame_walker *walker, struct leg *source, uint64_t frame_min_bytes,
                  struct run **run) {
    struct run found = {0};
    struct frame_walker ahead = *walker;
    uint64_t n = 0;
    if (frame_in_payload(&ahead)) {
        n = ahead.payload_left;
        frame_skip(&ahead, n);
    }
    for (int frames = 0; n < PIPE_BYTES && frames < HEADERS_MAX; frames++) {
        uint8_t before = found.size;
        if (!header_add(&found, &ahead, source, n, frame_min_bytes))
            break;
        n += (uint64_t)(found.size - before) + ahead.payload_left;
        frame_skip(&ahead, ahead.payload_left);
    }
    *run = found.size > 0 ? malloc(sizeof **run) : NULL;
    if (*run)
        **run = found;
    else if (found.size > 0)
        return frame_in_payload(walker) ? walker->payload_left : 0;
    return n;
}

void run_pass(struct run *run, struct frame_walker *walker, size_t n) {
    while (n > 0) {
        size_t part = n;
        if (frame_in_payload(walker)) {
            part = n < walker->payload_left ? n : (size_t)walker->payload_left;
            frame_skip(walker, part);
        } else {
            assert(run && run->passed < run->size);
            size_t left = run->size - run->passed;
            frame_walk(walker, run->headers + run->passed, n < left ? n : left, FRAME_STOP_PAYLOAD,
                       &part);
            run->passed += (uint8_t)part;
        }
        n -= part;
    }
}

void run_free(struct run *run) {
    free(run);
}
