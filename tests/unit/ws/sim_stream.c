// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include <string.h>

// Adds one frame with random payload.
static void frame_add(struct stream *stream, uint8_t first, size_t size) {
    uint8_t mask = stream->masked ? 0x80 : 0, byte;
    uint8_t header[10] = {first, (uint8_t)(mask | (size < 126 ? size : size < 65536 ? 126 : 127))};
    size_t header_size = size < 126 ? 2 : size < 65536 ? 4 : 10;
    for (size_t i = 2; i < header_size; i++)
        header[i] = (uint8_t)(size >> 8 * (header_size - 1 - i));
    buffer_add(&stream->bytes, header, header_size);
    for (int i = 0; i < 4 && stream->masked; i++) {
        byte = (uint8_t)fake_random(256);
        buffer_add(&stream->bytes, &byte, 1);
    }
    uint8_t start = (uint8_t)fake_random(256);
    for (size_t i = 0; i < size; i++) {
        byte = (uint8_t)(start + i * 3);
        buffer_add(&stream->bytes, &byte, 1);
    }
}

// A Close with code 1000.
static void close_add(struct stream *stream) {
    uint8_t masked[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}, bare[] = {0x88, 0x02, 0x03, 0xe8};
    if (stream->masked)
        buffer_add(&stream->bytes, masked, sizeof masked);
    else
        buffer_add(&stream->bytes, bare, sizeof bare);
}

// `alike` is what most frames have, or 0.
static size_t frame_size_draw(size_t max, size_t alike) {
    if (alike > 0 && fake_random(10) > 0)
        return alike < max ? alike : max;
    switch (fake_random(6)) {
    case 0:
        return 0;
    case 1:
        return fake_random((uint32_t)max + 1);
    case 2:
        return 120 + fake_random(12);
    default:
        return fake_random(126);
    }
}

void stream_plan(struct stream *stream, bool masked, size_t size, bool may_violate) {
    bool in_message = false;
    // Large ones behind each other, which may go together, and small ones.
    size_t alike = size > 3000 && fake_random(4) > 0 ? 2000 + fake_random(4000) : 0;
    *stream = (struct stream){.masked = masked, .violation_at = SIZE_MAX};
    while (stream->bytes.size < size) {
        size_t payload = frame_size_draw(size - stream->bytes.size, alike);
        bool final = fake_random(3) > 0;
        if (fake_random(alike ? 20 : 5) == 0) {
            frame_add(stream, fake_random(2) ? 0x89 : 0x8a, payload < 125 ? payload : 125);
        } else {
            frame_add(stream, (uint8_t)((final ? 0x80 : 0) | (in_message ? 0 : 1 + fake_random(2))),
                      payload);
            in_message = !final;
        }
        if (may_violate && fake_random(alike ? 16 : 4) == 0) {
            stream->violation_at = stream->bytes.size;
            frame_add(stream, 0x83, fake_random(100)); // a reserved opcode
            return;
        }
    }
    if (fake_random(3) > 0)
        close_add(stream);
}

// The size of the frame at `at` of a stream that is whole.
static size_t frame_size(const struct stream *stream, size_t at) {
    const uint8_t *frame = stream->bytes.bytes + at;
    size_t length = frame[1] & 0x7f, header = 2;
    if (length >= 126) {
        header = length == 126 ? 4 : 10;
        length = 0;
        for (size_t i = 2; i < header; i++)
            length = length << 8 | frame[i];
    }
    return header + (frame[1] & 0x80 ? 4 : 0) + length;
}

// Whether all of `bytes` is a Close with a code the gateway uses, or the beginning of one.
static bool is_own_close(const uint8_t *bytes, size_t n, bool masked) {
    if (n >= 1 && bytes[0] != 0x88)
        return false;
    if (n >= 2 && (bytes[1] >> 7 != masked || (bytes[1] & 0x7f) < 2))
        return false;
    size_t header = masked ? 6 : 2;
    if (n >= 2 && n > header + (bytes[1] & 0x7f))
        return false;
    if (n < header + 2)
        return true;
    unsigned mask = masked ? (unsigned)bytes[2] << 8 | bytes[3] : 0;
    unsigned code = ((unsigned)bytes[header] << 8 | bytes[header + 1]) ^ mask;
    return code == 1001 || code == 1002;
}

bool stream_judge(const struct stream *stream, const struct buffer *arrived, bool strict) {
    const struct buffer *sent = &stream->bytes;
    size_t same = 0;
    while (same < arrived->size && same < sent->size && arrived->bytes[same] == sent->bytes[same])
        same++;
    if (strict && stream->violation_at != SIZE_MAX && same > stream->violation_at + 14)
        fake_fail("what breaks RFC 6455 has passed");
    if (same == arrived->size)
        return false;
    for (size_t at = 0; at <= same; at += frame_size(stream, at)) {
        if (is_own_close(arrived->bytes + at, arrived->size - at, stream->masked))
            return true;
        // After a Close nothing may follow.
        if (at == sent->size || sent->bytes[at] == 0x88)
            break;
    }
    fake_fail("a frame stream differs at byte %zu of %zu (%zu were sent)", same, arrived->size,
              sent->size);
}
