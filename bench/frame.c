// SPDX-License-Identifier: Apache-2.0
#include "bench/frame.h"

#include <endian.h>

size_t frame_head_write(uint8_t out[FRAME_HEAD_MAX], const struct frame *frame) {
    size_t n = 2;
    uint8_t mask_bit = frame->masked ? 0x80 : 0;
    out[0] = (uint8_t)((frame->fin ? 0x80 : 0) | frame->opcode);
    if (frame->length < 126) {
        out[1] = mask_bit | (uint8_t)frame->length;
    } else if (frame->length <= UINT16_MAX) {
        uint16_t length = htobe16((uint16_t)frame->length);
        out[1] = mask_bit | 126;
        memcpy(out + n, &length, sizeof length);
        n += sizeof length;
    } else {
        uint64_t length = htobe64(frame->length);
        out[1] = mask_bit | 127;
        memcpy(out + n, &length, sizeof length);
        n += sizeof length;
    }
    if (frame->masked) {
        memcpy(out + n, frame->key, sizeof frame->key);
        n += sizeof frame->key;
    }
    return n;
}

void frame_mask(uint8_t *restrict out, const uint8_t *restrict in, size_t n, const uint8_t key[4],
                uint64_t position) {
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = key[(position + i) % 4];
    uint64_t wide;
    memcpy(&wide, turned, sizeof wide);

    size_t i = 0;
    for (; i + sizeof wide <= n; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, in + i, sizeof word);
        word ^= wide;
        memcpy(out + i, &word, sizeof word);
    }
    for (; i < n; i++)
        out[i] = in[i] ^ turned[i % 4];
}

static size_t head_size(const uint8_t head[2]) {
    uint8_t code = head[1] & 0x7f;
    return 2 + (code == 126 ? 2 : code == 127 ? 8 : 0) + (head[1] & 0x80 ? 4 : 0);
}

static enum frame_event broken(struct frame_reader *reader, const char *why) {
    reader->why = why;
    return FRAME_BROKEN;
}

// Payload length (§5.2), which must be in its shortest form. False when it is not.
static bool length_decode(struct frame_reader *reader) {
    struct frame *frame = &reader->frame;
    uint8_t code = reader->head[1] & 0x7f;
    frame->length = code;
    if (code == 126) {
        uint16_t length;
        memcpy(&length, reader->head + 2, sizeof length);
        frame->length = be16toh(length);
        return frame->length >= 126;
    }
    if (code == 127) {
        uint64_t length;
        memcpy(&length, reader->head + 2, sizeof length);
        frame->length = be64toh(length);
        return frame->length > UINT16_MAX && frame->length <= INT64_MAX;
    }
    return true;
}

static enum frame_event head_decode(struct frame_reader *reader) {
    struct frame *frame = &reader->frame;
    const uint8_t *head = reader->head;
    frame->fin = head[0] & 0x80;
    frame->opcode = head[0] & 0x0f;
    frame->masked = head[1] & 0x80;
    if (frame->masked)
        memcpy(frame->key, head + head_size(head) - 4, sizeof frame->key);
    if (!length_decode(reader))
        return broken(reader, "payload length not in its shortest form");
    if (head[0] & 0x70)
        return broken(reader, "reserved bit set without an extension");
    if (frame->opcode > OPCODE_PONG ||
        (frame->opcode > OPCODE_BINARY && frame->opcode < OPCODE_CLOSE))
        return broken(reader, "reserved opcode");
    if (frame_is_control(frame)) {
        if (!frame->fin || frame->length > FRAME_CONTROL_MAX)
            return broken(reader, "control frame fragmented or longer than 125 bytes");
    } else {
        if (reader->in_message != (frame->opcode == OPCODE_CONTINUATION))
            return broken(reader, "continuation frame out of place");
        reader->in_message = !frame->fin;
    }
    reader->in_frame = true;
    reader->head_have = 0;
    reader->position = 0;
    reader->left = frame->length;
    return FRAME_HEAD;
}

static void take(struct str *input, size_t n) {
    input->ptr += n;
    input->len -= n;
}

static enum frame_event head_next(struct frame_reader *reader, struct str *input) {
    for (;;) {
        size_t size = reader->head_have < 2 ? 2 : head_size(reader->head);
        if (reader->head_have == size)
            return head_decode(reader);
        if (input->len == 0)
            return FRAME_WANTS_MORE;
        size_t n = size - reader->head_have;
        if (n > input->len)
            n = input->len;
        memcpy(reader->head + reader->head_have, input->ptr, n);
        reader->head_have += (uint8_t)n;
        take(input, n);
    }
}

enum frame_event frame_next(struct frame_reader *reader, struct str *input) {
    if (!reader->in_frame)
        return head_next(reader, input);
    if (reader->left == 0) {
        reader->in_frame = false;
        return FRAME_END;
    }
    if (input->len == 0)
        return FRAME_WANTS_MORE;
    size_t n = reader->left < input->len ? (size_t)reader->left : input->len;
    reader->payload = (struct str){input->ptr, n};
    reader->position = reader->frame.length - reader->left;
    reader->left -= n;
    take(input, n);
    return FRAME_PAYLOAD;
}
