// SPDX-License-Identifier: Apache-2.0
//
// The frame walker against RFC 6455: its examples, every violation, and random streams from a
// generator that knows nothing of the walker.
#include "ws/frame.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    const char *ptr;
    size_t len;
};

#define IN(literal)                                                                                \
    { literal, sizeof(literal) - 1 }

// Walks in pieces of `step`, each a copy of exactly its size; counts and goes on after violations.
static unsigned walk_all(struct frame_walker *walker, struct bytes in, size_t first, size_t step) {
    unsigned violations = 0;
    size_t at = 0, size = first;
    while (at < in.len) {
        size_t used;
        size = size < in.len - at ? size : in.len - at;
        uint8_t *piece = malloc(size);
        memcpy(piece, in.ptr + at, size);
        violations += frame_walk(walker, piece, size, FRAME_STOP_NEVER, &used) == FRAME_VIOLATION;
        free(piece);
        if (used == 0 || used > size) // ck_assert is slow: it writes to a pipe
            ck_abort_msg("used %zu of %zu", used, size);
        at += used;
        size = step;
    }
    return violations;
}

// --- RFC 6455 §5.7: the examples ----------------------------------------------------------------

struct example {
    enum frame_sender sender;
    struct bytes in;
    unsigned frames, messages, payload_bytes;
};

static const struct example examples[] = {
    {FRAME_FROM_SERVER, IN("\x81\x05Hello"), 1, 1, 5},
    {FRAME_FROM_CLIENT, IN("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), 1, 1, 5},
    {FRAME_FROM_SERVER, IN("\x01\x03Hel\x80\x02lo"), 2, 1, 5},
    {FRAME_FROM_SERVER, IN("\x89\x05Hello"), 1, 0, 5},
    {FRAME_FROM_CLIENT, IN("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), 1, 0, 5},
    {FRAME_FROM_SERVER, IN("\x81\x00"), 1, 1, 0},
    {FRAME_FROM_CLIENT, IN("\x81\x80\x01\x02\x03\x04"), 1, 1, 0},
    // A control frame between fragments, and compressed (RSV1) messages.
    {FRAME_FROM_SERVER, IN("\x41\x02\x01\x02\x89\x00\x00\x01x\x80\x00"), 4, 1, 3},
};

START_TEST(examples_are_walked) {
    const struct example *example = &examples[_i];
    for (size_t first = 1; first <= example->in.len; first++) {
        struct frame_walker walker;
        frame_walker_init(&walker, example->sender);
        ck_assert_uint_eq(walk_all(&walker, example->in, first, first == 1 ? 1 : 100), 0);
        ck_assert(frame_at_boundary(&walker));
        ck_assert_uint_eq(walker.frames, example->frames);
        ck_assert_uint_eq(walker.messages, example->messages);
        ck_assert_uint_eq(walker.payload_bytes, example->payload_bytes);
    }
}
END_TEST

// --- violations ---------------------------------------------------------------------------------

struct broken {
    enum frame_sender sender;
    struct bytes in;
    enum frame_violation violation;
    size_t shown;  // bytes up to the one that shows it
    unsigned back; // of these in the offending frame
};

static const struct broken broken[] = {
    {FRAME_FROM_CLIENT, IN("\x81\x05Hello"), FRAME_UNMASKED_FROM_CLIENT, 2, 2},
    {FRAME_FROM_SERVER, IN("\x81\x85\1\2\3\4Hello"), FRAME_MASKED_FROM_SERVER, 2, 2},
    {FRAME_FROM_SERVER, IN("\x83\x01x"), FRAME_RESERVED_OPCODE, 1, 1},
    {FRAME_FROM_SERVER, IN("\x87\x00"), FRAME_RESERVED_OPCODE, 1, 1},
    {FRAME_FROM_SERVER, IN("\x8b\x00"), FRAME_RESERVED_OPCODE, 1, 1},
    {FRAME_FROM_SERVER, IN("\x81\x01x\x8f\x00"), FRAME_RESERVED_OPCODE, 4, 1},
    {FRAME_FROM_SERVER, IN("\x09\x00"), FRAME_CONTROL_FRAGMENTED, 1, 1},
    {FRAME_FROM_SERVER, IN("\x80\x01x"), FRAME_CONTINUATION_WITHOUT_START, 1, 1},
    {FRAME_FROM_SERVER, IN("\x81\x01x\x80\x01x"), FRAME_CONTINUATION_WITHOUT_START, 4, 1},
    {FRAME_FROM_SERVER, IN("\x01\x01x\x82\x01x"), FRAME_START_INSIDE_MESSAGE, 4, 1},
    {FRAME_FROM_SERVER, IN("\x82\x7e\x00\x01x"), FRAME_LENGTH_NOT_MINIMAL, 4, 4},
    {FRAME_FROM_SERVER, IN("\x82\x7f\0\0\0\0\0\0\0\x01x"), FRAME_LENGTH_NOT_MINIMAL, 10, 10},
    {FRAME_FROM_SERVER, IN("\x88\x01\x03"), FRAME_CLOSE_LENGTH_1, 2, 2},
    {FRAME_FROM_SERVER, IN("\x88\x02\x03\xe7"), FRAME_CLOSE_CODE, 4, 4}, // 999
    {FRAME_FROM_SERVER, IN("\x88\x02\x03\xec"), FRAME_CLOSE_CODE, 4, 4}, // 1004
    {FRAME_FROM_SERVER, IN("\x88\x02\x03\xed"), FRAME_CLOSE_CODE, 4, 4}, // 1005
    {FRAME_FROM_SERVER, IN("\x88\x02\x03\xee"), FRAME_CLOSE_CODE, 4, 4}, // 1006
    {FRAME_FROM_SERVER,
     IN("\x88\x05\x03\xf7"
        "abc"),
     FRAME_CLOSE_CODE, 4, 4},                                                            // 1015
    {FRAME_FROM_SERVER, IN("\x88\x02\x0b\xb7"), FRAME_CLOSE_CODE, 4, 4},                 // 2999
    {FRAME_FROM_SERVER, IN("\x88\x02\x13\x88"), FRAME_CLOSE_CODE, 4, 4},                 // 5000
    {FRAME_FROM_CLIENT, IN("\x88\x82\x11\x22\x33\x44\x12\xcc"), FRAME_CLOSE_CODE, 8, 8}, // 1006
    {FRAME_FROM_SERVER, IN("\x88\x00\x81\x01x"), FRAME_AFTER_CLOSE, 3, 1},
};

START_TEST(violations_are_found_and_walked_over) {
    const struct broken *b = &broken[_i];
    for (size_t first = 1; first <= b->in.len; first++) {
        struct frame_walker walker;
        size_t used, at = 0;
        enum frame_verdict verdict = FRAME_OK;
        frame_walker_init(&walker, b->sender);
        while (verdict == FRAME_OK) {
            ck_assert(at < b->in.len);
            size_t size = at == 0 ? first : b->in.len - at;
            verdict =
                frame_walk(&walker, (const uint8_t *)b->in.ptr + at, size, FRAME_STOP_NEVER, &used);
            at += used;
        }
        ck_assert_uint_eq(at, b->shown);
        ck_assert_uint_eq(walker.violation, b->violation);
        ck_assert_uint_eq(walker.violation_back, b->back);
        // One violation a frame; afterwards it knows where it is.
        if (at < b->in.len) {
            struct bytes rest = {b->in.ptr + at, b->in.len - at};
            ck_assert_uint_eq(walk_all(&walker, rest, rest.len, 1), 0);
        }
        ck_assert(frame_at_boundary(&walker));
    }
}
END_TEST

START_TEST(reserved_bits_need_an_extension) {
    static const struct bytes plain = IN("\x81\x01x\x82\x00\x89\x00"),
                              marked = IN("\xc1\x01x\xa2\x00\x99\x00");
    for (int extended = 0; extended <= 1; extended++) {
        struct frame_walker walker;
        frame_walker_init(&walker, FRAME_FROM_SERVER);
        if (!extended)
            frame_walker_reserve_bits(&walker);
        ck_assert_uint_eq(walk_all(&walker, plain, plain.len, 1), 0);
        ck_assert_uint_eq(walk_all(&walker, marked, 1, 1), extended ? 0 : 3);
        ck_assert(extended || walker.violation == FRAME_RESERVED_BIT);
        ck_assert_uint_eq(walker.frames, 6);
    }
}
END_TEST

START_TEST(long_control_frame_is_walked_over) {
    char in[4 + 200] = "\x89\x7e\x00\xc8";
    struct frame_walker walker;
    frame_walker_init(&walker, FRAME_FROM_SERVER);
    ck_assert_uint_eq(walk_all(&walker, (struct bytes){in, sizeof in}, 3, 50), 1);
    ck_assert_uint_eq(walker.violation, FRAME_CONTROL_TOO_LONG);
    ck_assert(frame_at_boundary(&walker));
}
END_TEST

START_TEST(impossible_length_makes_the_rest_opaque) {
    struct frame_walker walker;
    struct bytes in = IN("\x82\x7f\x80\0\0\0\0\0\0\0\x81\x01x\x81\x01x");
    frame_walker_init(&walker, FRAME_FROM_SERVER);
    ck_assert_uint_eq(walk_all(&walker, in, in.len, 1), 1);
    ck_assert_uint_eq(walker.violation, FRAME_LENGTH_TOO_LARGE);
    ck_assert(!frame_at_boundary(&walker) && !frame_in_payload(&walker));
    ck_assert_uint_eq(walker.frames, 0);
}
END_TEST

START_TEST(largest_length_is_walked) {
    struct frame_walker walker;
    struct bytes in = IN("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff");
    frame_walker_init(&walker, FRAME_FROM_SERVER);
    ck_assert_uint_eq(walk_all(&walker, in, in.len, 1), 0);
    ck_assert(frame_in_payload(&walker));
    ck_assert_uint_eq(walker.payload_left, INT64_MAX);
    frame_skip(&walker, (uint64_t)INT64_MAX - 1);
    ck_assert(!frame_at_boundary(&walker));
    ck_assert_uint_eq(walk_all(&walker, (struct bytes)IN("x\x89\x00"), 3, 1), 0);
    ck_assert(frame_at_boundary(&walker));
    ck_assert_uint_eq(walker.frames, 2);
}
END_TEST

// --- close codes --------------------------------------------------------------------------------

START_TEST(close_code_is_remembered) {
    static const uint16_t codes[] = {1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        for (enum frame_mask mask = FRAME_UNMASKED; mask <= FRAME_MASKED; mask++) {
            uint8_t frame[FRAME_CONTROL_BYTES_MAX];
            struct frame_walker walker;
            size_t size = frame_close_write(codes[i], "bye", mask, 0xdeadbeef, frame);
            frame_walker_init(&walker,
                              mask == FRAME_MASKED ? FRAME_FROM_CLIENT : FRAME_FROM_SERVER);
            ck_assert(!frame_closed(&walker));
            struct bytes in = {(char *)frame, size};
            ck_assert_uint_eq(walk_all(&walker, in, 1, i % 2 ? 1 : 100), 0);
            ck_assert(frame_closed(&walker));
            ck_assert_uint_eq(walker.close_code, codes[i]);
            ck_assert_uint_eq(walker.messages, 0);
        }
    }
}
END_TEST

START_TEST(control_frames_are_written) {
    uint8_t out[FRAME_CONTROL_BYTES_MAX];
    ck_assert_uint_eq(frame_close_write(1001, "away", FRAME_UNMASKED, 0, out), 8);
    ck_assert_mem_eq(out,
                     "\x88\x06\x03\xe9"
                     "away",
                     8);
    ck_assert_uint_eq(frame_close_write(0, NULL, FRAME_UNMASKED, 0, out), 2);
    ck_assert_mem_eq(out, "\x88\x00", 2);
    uint32_t key;
    memcpy(&key, "\x01\x02\x03\x04", sizeof key);
    ck_assert_uint_eq(frame_close_write(1000, "x", FRAME_MASKED, key, out), 9);
    ck_assert_mem_eq(out, "\x88\x83\x01\x02\x03\x04\x02\xea\x7b", 9);
    ck_assert_uint_eq(frame_ping_write(FRAME_UNMASKED, 0, out), 2);
    ck_assert_mem_eq(out, "\x89\x00", 2);
    ck_assert_uint_eq(frame_ping_write(FRAME_MASKED, key, out), 6);
    ck_assert_mem_eq(out, "\x89\x80\x01\x02\x03\x04", 6);
}
END_TEST

// A Close's reason is UTF-8 (RFC 6455 §5.5.1), also when it is cut.
START_TEST(long_reasons_are_cut_between_characters) {
    uint8_t out[FRAME_CONTROL_BYTES_MAX];
    char reason[200];
    memset(reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    ck_assert_uint_eq(frame_close_write(1001, reason, FRAME_UNMASKED, 0, out), 2 + 125);
    ck_assert_uint_eq(out[1], 125);
    reason[123] = '\0'; // just fits
    ck_assert_uint_eq(frame_close_write(1001, reason, FRAME_UNMASKED, 0, out), 2 + 125);
    reason[123] = 'r';
    memcpy(reason + 121, "\xe2\x82\xac", 3); // bytes 121 to 123: one too many
    ck_assert_uint_eq(frame_close_write(1001, reason, FRAME_UNMASKED, 0, out), 2 + 123);
    memcpy(reason + 120, "\xe2\x82\xacr", 4); // fits to the byte
    ck_assert_uint_eq(frame_close_write(1001, reason, FRAME_UNMASKED, 0, out), 2 + 125);
}
END_TEST

// --- random streams -----------------------------------------------------------------------------

// What a stream holds, known from making it.
struct stream {
    uint8_t *bytes;
    size_t size, capacity;
    size_t *ends; // of each frame
    size_t frames, messages, payload_bytes;
};

static uint32_t random_next(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void stream_put(struct stream *stream, const void *bytes, size_t size) {
    while (stream->size + size > stream->capacity) {
        stream->capacity = stream->capacity * 2 + 4096;
        stream->bytes = realloc(stream->bytes, stream->capacity);
    }
    memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
}

static void stream_frame(struct stream *stream, unsigned first, uint64_t length, bool masked,
                         uint32_t *seed) {
    uint8_t header[14] = {(uint8_t)first}, *at = header + 2;
    unsigned wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
    header[1] = (uint8_t)((masked ? 128 : 0) + (wide == 0 ? length : wide == 2 ? 126 : 127));
    for (unsigned i = 0; i < wide; i++)
        *at++ = (uint8_t)(length >> 8 * (wide - 1 - i));
    for (unsigned i = 0; masked && i < 4; i++)
        *at++ = (uint8_t)random_next(seed);
    stream_put(stream, header, (size_t)(at - header));
    for (uint64_t i = 0; i < length; i++)
        stream_put(stream, &(uint8_t){(uint8_t)random_next(seed)}, 1);
    stream->ends = realloc(stream->ends, (stream->frames + 1) * sizeof *stream->ends);
    stream->ends[stream->frames++] = stream->size;
    stream->payload_bytes += length;
}

static uint64_t random_length(uint32_t *seed) {
    static const uint64_t edges[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    uint32_t choice = random_next(seed) % 80;
    return choice < 8 ? edges[choice] : random_next(seed) % 300;
}

static void stream_make(struct stream *stream, bool masked, uint32_t seed) {
    bool in_message = false;
    for (unsigned left = 1 + random_next(&seed) % 30; left > 0; left--) {
        unsigned rsv = random_next(&seed) % 4 == 0 ? 0x40 : 0;
        if (random_next(&seed) % 5 == 0) {
            unsigned opcode = random_next(&seed) % 2 ? 9 : 10;
            stream_frame(stream, 0x80 | opcode, random_next(&seed) % 126, masked, &seed);
            continue;
        }
        unsigned fin = random_next(&seed) % 3 ? 0x80 : 0;
        unsigned opcode = in_message ? 0 : 1 + random_next(&seed) % 2;
        stream_frame(stream, fin | rsv | opcode, random_length(&seed), masked, &seed);
        stream->messages += fin != 0;
        in_message = !fin;
    }
}

static void check_walked(const struct stream *stream, const struct frame_walker *walker) {
    ck_assert(frame_at_boundary(walker));
    ck_assert_uint_eq(walker->frames, stream->frames);
    ck_assert_uint_eq(walker->messages, stream->messages);
    ck_assert_uint_eq(walker->payload_bytes, stream->payload_bytes);
}

// However a stream is cut, the counts are those of its making; with FRAME_STOP_BOUNDARY every walk
// ends where a frame ends, and with FRAME_STOP_PAYLOAD before each payload, which can be skipped.
START_TEST(random_streams_are_walked) {
    for (uint32_t seed = 1; seed <= 120; seed++) {
        bool masked = seed % 2;
        struct stream stream = {0};
        struct frame_walker walker;
        stream_make(&stream, masked, seed * 2654435761u);
        enum frame_sender sender = masked ? FRAME_FROM_CLIENT : FRAME_FROM_SERVER;

        uint32_t cut = seed;
        size_t steps[] = {stream.size, 1, 1 + random_next(&cut) % 5000};
        for (size_t i = 0; i < 3; i++) {
            frame_walker_init(&walker, sender);
            struct bytes in = {(char *)stream.bytes, stream.size};
            ck_assert_uint_eq(walk_all(&walker, in, steps[i], steps[i]), 0);
            check_walked(&stream, &walker);
        }

        frame_walker_init(&walker, sender);
        size_t at = 0, used;
        for (size_t i = 0; i < stream.frames; i++) {
            ck_assert_int_eq(frame_walk(&walker, stream.bytes + at, stream.size - at,
                                        FRAME_STOP_BOUNDARY, &used),
                             FRAME_OK);
            ck_assert_uint_eq(used, 0); // it stands at a boundary already
            frame_walk(&walker, stream.bytes + at, 1, FRAME_STOP_NEVER, &used);
            at += used;
            frame_walk(&walker, stream.bytes + at, stream.size - at, FRAME_STOP_BOUNDARY, &used);
            at += used;
            ck_assert_uint_eq(at, stream.ends[i]);
        }
        check_walked(&stream, &walker);

        frame_walker_init(&walker, sender);
        for (at = 0; at < stream.size; at += used) {
            frame_walk(&walker, stream.bytes + at, stream.size - at, FRAME_STOP_PAYLOAD, &used);
            at += used;
            ck_assert(at == stream.size || frame_in_payload(&walker));
            used = frame_in_payload(&walker) ? walker.payload_left : 0;
            if (used > 0)
                frame_skip(&walker, used);
        }
        check_walked(&stream, &walker);
        free(stream.bytes);
        free(stream.ends);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frames");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, examples_are_walked, 0, sizeof examples / sizeof *examples);
    tcase_add_test(tests, reserved_bits_need_an_extension);
    tcase_add_loop_test(tests, violations_are_found_and_walked_over, 0,
                        sizeof broken / sizeof *broken);
    tcase_add_test(tests, long_control_frame_is_walked_over);
    tcase_add_test(tests, impossible_length_makes_the_rest_opaque);
    tcase_add_test(tests, largest_length_is_walked);
    tcase_add_test(tests, close_code_is_remembered);
    tcase_add_test(tests, control_frames_are_written);
    tcase_add_test(tests, long_reasons_are_cut_between_characters);
    tcase_add_test(tests, random_streams_are_walked);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
