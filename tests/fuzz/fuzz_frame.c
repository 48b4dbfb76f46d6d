// SPDX-License-Identifier: Apache-2.0
//
// WebSocket frames: byte 0 says who sends and how the rest is cut.
//
// However it is cut, the counts and violations are the same, and they are those of a reader that
// has the whole stream at once. Stopping at boundaries stops where that reader sees frames end.
#include <assert.h>
#include <string.h>

#include "ws/frame.h"

struct seen {
    struct frame_walker walker;
    unsigned violations, hash;
};

static struct seen walk(enum frame_sender sender, const uint8_t *bytes, size_t size, size_t step) {
    struct seen seen = {0};
    size_t at = 0;
    frame_walker_init(&seen.walker, sender);
    while (at < size) {
        size_t used, left = size - at;
        enum frame_verdict verdict = frame_walk(&seen.walker, bytes + at, step < left ? step : left,
                                                FRAME_STOP_NEVER, &used);
        assert(used > 0);
        at += used;
        if (verdict == FRAME_VIOLATION) {
            seen.violations++;
            seen.hash = seen.hash * 31 + seen.walker.violation + (unsigned)at * 7;
            assert(seen.walker.violation_back > 0 && seen.walker.violation_back <= at);
            assert(frame_violation_phrase(seen.walker.violation)[0]);
        }
    }
    return seen;
}

// The end of the frame that starts at `at`; 0 when it is not whole or has no possible length.
static size_t frame_end(const uint8_t *bytes, size_t size, size_t at) {
    size_t left = size - at;
    if (left < 2)
        return 0;
    unsigned short_length = bytes[at + 1] & 127;
    size_t wide = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    size_t header = 2 + wide + (bytes[at + 1] & 128 ? 4 : 0);
    if (left < header)
        return 0;
    uint64_t length = wide ? 0 : short_length;
    for (size_t i = 0; i < wide; i++)
        length = length * 256 + bytes[at + 2 + i];
    return length > left - header ? 0 : at + header + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    enum frame_sender sender = data[0] & 1 ? FRAME_FROM_CLIENT : FRAME_FROM_SERVER;
    size_t step = 1 + (data[0] >> 1);
    data++;
    size--;
    struct seen whole = walk(sender, data, size, size), cut = walk(sender, data, size, step);
    assert(whole.violations == cut.violations && whole.hash == cut.hash);
    assert(memcmp(&whole.walker, &cut.walker, sizeof whole.walker) == 0);

    struct frame_walker walker;
    size_t at = 0, end, used, frames = 0;
    frame_walker_init(&walker, sender);
    while (at < size && (end = frame_end(data, size, at)) != 0) {
        frame_walk(&walker, data + at, size - at, FRAME_STOP_BOUNDARY, &used);
        assert(used == 0 && frame_at_boundary(&walker));
        frame_walk(&walker, data + at, 1, FRAME_STOP_NEVER, &used);
        for (at += used; at < end; at += used) {
            frame_walk(&walker, data + at, size - at, FRAME_STOP_BOUNDARY, &used);
            assert(used > 0);
        }
        assert(at == end && walker.frames == ++frames);
    }
    assert(whole.walker.frames == frames && whole.walker.payload_bytes <= size);
    assert(frame_at_boundary(&whole.walker) == (at == size));
    return 0;
}
