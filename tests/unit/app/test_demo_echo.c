// SPDX-License-Identifier: Apache-2.0
//
// The demo's echo, frame by frame, with the input cut at every byte.
#include "app/demo_echo.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

// The bytes of the examples in RFC 6455 §5.7 where there is one; the mask is 37 fa 21 3d.
#define MASK "\x37\xfa\x21\x3d"
#define MASKED_HELLO MASK "\x7f\x9f\x4d\x51\x58"

struct echo_case {
    const char *about;
    const char *in;
    size_t in_size;
    const char *out;
    size_t out_size;
    enum echo_verdict verdict;
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct echo_case echo_cases[] = {
    {"text", BYTES("\x81\x85" MASKED_HELLO), BYTES("\x81\x05Hello"), ECHO_MORE},
    {"binary", BYTES("\x82\x85" MASKED_HELLO), BYTES("\x82\x05Hello"), ECHO_MORE},
    {"empty", BYTES("\x81\x80" MASK), BYTES("\x81\x00"), ECHO_MORE},
    {"two frames", BYTES("\x81\x85" MASKED_HELLO "\x82\x80" MASK), BYTES("\x81\x05Hello\x82\x00"),
     ECHO_MORE},
    {"fragments with a ping between",
     BYTES("\x01\x85" MASKED_HELLO "\x89\x85" MASKED_HELLO "\x80\x85" MASKED_HELLO),
     BYTES("\x01\x05Hello\x8a\x05Hello\x80\x05Hello"), ECHO_MORE},
    {"a pong is swallowed", BYTES("\x8a\x85" MASKED_HELLO "\x81\x80" MASK), BYTES("\x81\x00"),
     ECHO_MORE},
    {"close 1000", BYTES("\x88\x82" MASK "\x34\x12"), BYTES("\x88\x02\x03\xe8"), ECHO_CLOSED},
    {"close without a code", BYTES("\x88\x80" MASK), BYTES("\x88\x00"), ECHO_CLOSED},
    {"unmasked", BYTES("\x81\x05Hello"), BYTES("\x88\x02\x03\xea"), ECHO_BROKEN},
    {"unmasked after a good one", BYTES("\x82\x80" MASK "\x81\x05Hello"),
     BYTES("\x82\x00\x88\x02\x03\xea"), ECHO_BROKEN},
    {"reserved opcode", BYTES("\x83\x80" MASK), BYTES("\x88\x02\x03\xea"), ECHO_BROKEN},
    {"fragmented ping", BYTES("\x09\x80" MASK), BYTES("\x88\x02\x03\xea"), ECHO_BROKEN},
    {"length over 2^63", BYTES("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" MASK),
     BYTES("\x88\x02\x03\xea"), ECHO_BROKEN},
};

// Feeds both parts, cut at `cut`; gives what came out and the last verdict.
static size_t echo_in_two(const struct echo_case *c, size_t cut, uint8_t *out,
                          enum echo_verdict *verdict) {
    struct echo echo;
    size_t first = 0, second = 0;
    echo_start(&echo);
    *verdict = echo_feed(&echo, (const uint8_t *)c->in, cut, out, &first);
    if (*verdict == ECHO_MORE)
        *verdict =
            echo_feed(&echo, (const uint8_t *)c->in + cut, c->in_size - cut, out + first, &second);
    ck_assert_uint_le(first, cut + ECHO_EXTRA_BYTES);
    ck_assert_uint_le(second, c->in_size - cut + ECHO_EXTRA_BYTES);
    return first + second;
}

START_TEST(frames_come_back_unmasked) {
    const struct echo_case *c = &echo_cases[_i];
    for (size_t cut = 0; cut <= c->in_size; cut++) {
        uint8_t out[1024];
        enum echo_verdict verdict;
        size_t out_size = echo_in_two(c, cut, out, &verdict);
        ck_assert_msg(verdict == c->verdict, "%s, cut at %zu: verdict %d", c->about, cut, verdict);
        ck_assert_msg(out_size == c->out_size && memcmp(out, c->out, out_size) == 0,
                      "%s, cut at %zu: %zu bytes", c->about, cut, out_size);
    }
}
END_TEST

// A frame with a 16-bit or 64-bit length, fed one byte at a time, then in one piece.
static void long_frame_check(size_t payload_size, const char *head, size_t head_size) {
    size_t in_size = head_size + 4 + payload_size;
    uint8_t *in = malloc(in_size), *out = malloc(in_size + ECHO_EXTRA_BYTES);
    memcpy(in, head, head_size);
    memcpy(in + head_size, MASK, 4);
    for (size_t i = 0; i < payload_size; i++)
        in[head_size + 4 + i] = (uint8_t)(i * 7) ^ (uint8_t)MASK[i % 4];
    for (size_t step = 1; step <= in_size; step += in_size - 1) {
        struct echo echo;
        size_t total = 0;
        echo_start(&echo);
        for (size_t at = 0; at < in_size; at += step) {
            size_t out_size;
            ck_assert_int_eq(echo_feed(&echo, in + at, step, out + total, &out_size), ECHO_MORE);
            total += out_size;
        }
        ck_assert_uint_eq(total, in_size - 4);
        ck_assert_uint_eq(out[1], (uint8_t)head[1] & 0x7f);
        for (size_t i = 0; i < payload_size; i++)
            ck_assert_uint_eq(out[head_size + i], (uint8_t)(i * 7));
    }
    free(in);
    free(out);
}

START_TEST(long_frames_stream_through) {
    long_frame_check(300, "\x82\xfe\x01\x2c", 4);
    long_frame_check(70000, "\x82\xff\x00\x00\x00\x00\x00\x01\x11\x70", 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("demo_echo");
    TCase *tcase = tcase_create("demo_echo");
    tcase_add_loop_test(tcase, frames_come_back_unmasked, 0, COUNT(echo_cases));
    tcase_add_test(tcase, long_frames_stream_through);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
