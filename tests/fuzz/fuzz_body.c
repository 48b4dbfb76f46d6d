// SPDX-License-Identifier: Apache-2.0
//
// Chunked bodies: byte 0 says how the rest is cut, byte 1 limits the payload.
//
// However it is cut, the outcome is the same; a body that ends is one by the plainest reading there
// is, and the payload found is that reading's.
#include <assert.h>
#include <stdlib.h>

#include "ws/body.h"

struct outcome {
    enum body_verdict verdict;
    size_t used, payload_bytes;
    char *payload;
    const char *why;
};

static struct outcome feed(const char *bytes, size_t size, size_t step, uint64_t max_bytes) {
    struct body body;
    struct outcome outcome = {.verdict = BODY_MORE, .payload = malloc(size + 1)};
    body_init(&body, BODY_CHUNKED, 0, max_bytes);
    while (outcome.verdict == BODY_MORE && outcome.used < size) {
        size_t part, left = size - outcome.used;
        struct str payload;
        outcome.verdict = body_feed_payload(&body, bytes + outcome.used, step < left ? step : left,
                                            &part, &payload);
        assert(outcome.verdict != BODY_MORE || part > 0);
        memcpy(outcome.payload + outcome.payload_bytes, payload.ptr, payload.len);
        outcome.payload_bytes += payload.len;
        outcome.used += part;
    }
    assert(outcome.payload_bytes == body.payload_bytes && body.payload_bytes <= max_bytes);
    outcome.why = body.why;
    return outcome;
}

// Reads a whole chunked body without looking at extensions and trailers closely.
static void check_plain(const char *bytes, const struct outcome *outcome) {
    const char *at = bytes, *end = bytes + outcome->used;
    size_t collected = 0;
    for (;;) {
        char *after;
        unsigned long long size = strtoull(at, &after, 16);
        assert(after > at && (*after == ';' || *after == '\r'));
        at = (const char *)memmem(after, (size_t)(end - after), "\r\n", 2) + 2;
        if (size == 0)
            break;
        assert(size <= (size_t)(end - at));
        assert(memcmp(outcome->payload + collected, at, size) == 0);
        collected += size;
        assert(memcmp(at + size, "\r\n", 2) == 0);
        at += size + 2;
    }
    assert(collected == outcome->payload_bytes);
    while (memcmp(at, "\r\n", 2) != 0) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        assert(line_end && memchr(at, ':', (size_t)(line_end - at)));
        at = line_end + 2;
    }
    assert(at + 2 == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    size_t step = data[0] ? data[0] : 1;
    uint64_t max_bytes = data[1] < 128 ? UINT64_MAX : data[1];
    const char *bytes = (const char *)data + 2;
    struct outcome whole = feed(bytes, size - 2, size, max_bytes);
    struct outcome cut = feed(bytes, size - 2, step, max_bytes);
    assert(whole.verdict == cut.verdict && whole.used == cut.used);
    assert(whole.payload_bytes == cut.payload_bytes);
    assert(memcmp(whole.payload, cut.payload, whole.payload_bytes) == 0);
    assert(whole.why == cut.why && (whole.verdict == BODY_BAD) == (whole.why != NULL));
    if (whole.verdict == BODY_DONE)
        check_plain(bytes, &whole);
    free(whole.payload);
    free(cut.payload);
    return 0;
}
