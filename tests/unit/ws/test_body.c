// SPDX-License-Identifier: Apache-2.0
//
// Where bodies end, what is broken chunked framing, and that neither depends on how the bytes came.
#include "ws/body.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define NEXT "GET /next"

// Feeds a body in pieces of `first`, then `step` bytes, each a copy of exactly its size, until it
// is not BODY_MORE. Collects the payload; `*used` counts over all pieces.
static enum body_verdict feed(struct body *body, struct str in, size_t first, size_t step,
                              char *payload, size_t *used) {
    enum body_verdict verdict = BODY_MORE;
    size_t at = 0, collected = 0, size = first;
    while (at < in.len && verdict == BODY_MORE) {
        size_t part, done = 0;
        size = size < in.len - at ? size : in.len - at;
        char *piece = malloc(size);
        memcpy(piece, in.ptr + at, size);
        do {
            struct str text;
            verdict = body_feed_payload(body, piece + done, size - done, &part, &text);
            if (text.len > part) // ck_assert is slow: it writes to a pipe
                ck_abort_msg("payload of %zu in %zu bytes", text.len, part);
            memcpy(payload + collected, text.ptr, text.len);
            collected += text.len;
            done += part;
        } while (verdict == BODY_MORE && done < size);
        free(piece);
        at += done;
        size = step;
    }
    payload[collected] = '\0';
    ck_assert_uint_eq(collected, body->payload_bytes);
    *used = at;
    return verdict;
}

// --- good chunked bodies
// --------------------------------------------------------------------------

static const struct {
    const char *input, *payload;
} good[] = {
    {"0\r\n\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world"},
    {"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"},
    {"0000000000000003\r\n\r\n0\r\n0\r\n\r\n", "\r\n0"}, // payload that looks like framing
    {"1;a\r\nx\r\n0;b=c;d=\"e;\\\"\"\r\n\r\n", "x"},
    {"1;a=\"\xff\t\\\\\";b\r\nx\r\n0\r\n\r\n", "x"},
    {"0\r\nA: b\r\nServer-Timing:\t\xff \r\nX-Checksum:\r\n\r\n", ""},
    {"0\r\nA-Field-Name-Longer-Than-Any-That-Matters: x\r\n\r\n", ""},
};

START_TEST(good_bodies_end) {
    char text[512], payload[512];
    size_t used, size = strlen(good[_i].input);
    struct str in = {text, (size_t)snprintf(text, sizeof text, "%s" NEXT, good[_i].input)};
    for (size_t first = 1; first <= in.len; first++) {
        struct body body;
        body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
        enum body_verdict verdict = feed(&body, in, first, first == 1 ? 1 : in.len, payload, &used);
        ck_assert_msg(verdict == BODY_DONE, "%d %s: %s", verdict, body.why, text);
        ck_assert_uint_eq(used, size);
        ck_assert_str_eq(payload, good[_i].payload);
        ck_assert_int_eq(body_feed(&body, "x", 1, &used), BODY_DONE);
        ck_assert_uint_eq(used, 0);
    }
}
END_TEST

// --- broken framing
// -------------------------------------------------------------------------------

// Each ends with the byte that must be refused.
static const struct {
    struct str input;
    const char *why;
} bad[] = {
#define IN(literal)                                                                                \
    { literal, sizeof(literal) - 1 }
    {IN("\r"), "chunk without a size"},
    {IN("g"), "chunk without a size"},
    {IN(" "), "chunk without a size"},
    {IN("-"), "chunk without a size"},
    {IN(";"), "chunk without a size"},
    {IN("0x"), "malformed chunk size"},
    {IN("5 "), "malformed chunk size"},
    {IN("5\t"), "malformed chunk size"},
    {IN("5,"), "malformed chunk size"},
    {IN("5\n"), "bare LF after a chunk size"},
    {IN("5\rh"), "bare CR after a chunk size"},
    {IN("5\r\r"), "bare CR after a chunk size"},
    {IN("8000000000000000"), "chunk size too large"},
    {IN("00000000000000001"), "chunk size too large"},
    {IN("1\r\nxy"), "chunk longer than its size"},
    {IN("1\r\nx\n"), "chunk longer than its size"},
    {IN("1\r\nx\rx"), "bare CR after a chunk"},
    {IN("1\r\nx\r\n\r"), "chunk without a size"},
    {IN("1;\r"), "malformed chunk extension"},
    {IN("1; "), "malformed chunk extension"},
    {IN("1;;"), "malformed chunk extension"},
    {IN("1;="), "malformed chunk extension"},
    {IN("1;a=\r"), "malformed chunk extension"},
    {IN("1;a=;"), "malformed chunk extension"},
    {IN("1;a "), "malformed chunk size"},
    {IN("1;a=b "), "malformed chunk size"},
    {IN("1;a=\"b\r"), "malformed chunk extension"},
    {IN("1;a=\"b\n"), "malformed chunk extension"},
    {IN("1;a=\"b\0"), "malformed chunk extension"},
    {IN("1;a=\"b\\\r"), "malformed chunk extension"},
    {IN("1;a=\"b\"c"), "malformed chunk size"},
    {IN("1;a\n"), "bare LF after a chunk size"},
    {IN("0\r\n\n"), "malformed trailer"},
    {IN("0\r\n "), "malformed trailer"},
    {IN("0\r\n:"), "malformed trailer"},
    {IN("0\r\n\rx"), "bare CR in a trailer"},
    {IN("0\r\nA\r"), "malformed trailer"},
    {IN("0\r\nA "), "malformed trailer"},
    {IN("0\r\nA: b\n"), "malformed trailer"},
    {IN("0\r\nA: b\0"), "malformed trailer"},
    {IN("0\r\nA: b\rx"), "bare CR in a trailer"},
    {IN("0\r\nA: b\r\n "), "malformed trailer"},
    {IN("0\r\nContent-Length:"), "trailer that belongs in the head"},
    {IN("0\r\ncontent_length:"), "trailer that belongs in the head"},
    {IN("0\r\nA: b\r\nTRANSFER-ENCODING:"), "trailer that belongs in the head"},
    {IN("0\r\nHost:"), "trailer that belongs in the head"},
    {IN("0\r\nConnection:"), "trailer that belongs in the head"},
    {IN("0\r\nX-Forwarded-For:"), "trailer that belongs in the head"},
    {IN("0\r\nAuthorization:"), "trailer that belongs in the head"},
    {IN("0\r\nSet-Cookie:"), "trailer that belongs in the head"},
};

START_TEST(bad_bodies_are_refused_at_their_byte) {
    char payload[512];
    size_t used;
    struct str in = bad[_i].input;
    for (size_t first = 1; first <= in.len; first++) {
        struct body body;
        body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
        enum body_verdict verdict = feed(&body, in, first, first == 1 ? 1 : in.len, payload, &used);
        ck_assert_msg(verdict == BODY_BAD, "passed: %.*s", STR_ARG(in));
        ck_assert_str_eq(body.why, bad[_i].why);
        ck_assert_uint_eq(used, in.len - 1);
    }
}
END_TEST

// --- limits
// ---------------------------------------------------------------------------------------

START_TEST(extensions_are_bounded) {
    static char text[BODY_EXTENSION_BYTES_MAX + 64];
    struct body body;
    size_t used;
    memset(text, 'e', sizeof text);
    memcpy(text, "1;", 2);
    body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, text, sizeof text, &used), BODY_BAD);
    ck_assert_str_eq(body.why, "chunk extension too long");
    ck_assert_uint_eq(used, 2 + BODY_EXTENSION_BYTES_MAX);
}
END_TEST

START_TEST(extensions_are_bounded_in_all) {
    struct body body;
    size_t used, fed = 0;
    static const char chunk[] = "1;0123456789012345678901234567890123456789\r\nx\r\n";
    body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
    while (body_feed(&body, chunk, sizeof chunk - 1, &used) == BODY_MORE)
        fed += used;
    ck_assert_str_eq(body.why, "more chunk extensions than payload");
    ck_assert_uint_lt(fed, 25000);
}
END_TEST

START_TEST(trailers_are_bounded) {
    static char text[BODY_TRAILER_BYTES_MAX + 64];
    struct body body;
    size_t used;
    memset(text, 't', sizeof text);
    memcpy(text, "0\r\nA:", 5);
    body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, text, sizeof text, &used), BODY_BAD);
    ck_assert_str_eq(body.why, "trailers too long");
    ck_assert_uint_eq(used, 3 + BODY_TRAILER_BYTES_MAX);
}
END_TEST

START_TEST(payload_is_limited) {
    struct body body;
    size_t used;
    struct str fits = STR("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
    body_init(&body, BODY_CHUNKED, 0, 10);
    ck_assert_int_eq(body_feed(&body, fits.ptr, fits.len, &used), BODY_DONE);
    body_init(&body, BODY_CHUNKED, 0, 9);
    ck_assert_int_eq(body_feed(&body, fits.ptr, fits.len, &used), BODY_TOO_LARGE);
    ck_assert_uint_eq(body.payload_bytes, 5); // known from the size, before its payload
    body_init(&body, BODY_CHUNKED, 0, 0);
    ck_assert_int_eq(body_feed(&body, "7fffffffffffffff\r\n", 18, &used), BODY_TOO_LARGE);

    body_init(&body, BODY_LENGTH, 10, 10);
    ck_assert_int_eq(body_feed(&body, "", 0, &used), BODY_MORE);
    body_init(&body, BODY_LENGTH, 11, 10);
    ck_assert_int_eq(body_feed(&body, "", 0, &used), BODY_TOO_LARGE);

    body_init(&body, BODY_UNTIL_CLOSE, 0, 10);
    ck_assert_int_eq(body_feed(&body, "0123456789", 10, &used), BODY_MORE);
    ck_assert_int_eq(body_feed(&body, "x", 1, &used), BODY_TOO_LARGE);
    ck_assert_uint_eq(used, 0);
}
END_TEST

// --- the other framings
// -----------------------------------------------------------------------------

START_TEST(other_framings) {
    struct body body;
    size_t used;
    body_init(&body, BODY_NONE, 7, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, NEXT, 9, &used), BODY_DONE);
    ck_assert_uint_eq(used, 0);

    body_init(&body, BODY_LENGTH, 0, 0);
    ck_assert_int_eq(body_feed(&body, NEXT, 9, &used), BODY_DONE);
    ck_assert_uint_eq(used, 0);

    body_init(&body, BODY_LENGTH, 5, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, "hel", 3, &used), BODY_MORE);
    ck_assert_uint_eq(used, 3);
    ck_assert_int_eq(body_feed(&body, "lo" NEXT, 11, &used), BODY_DONE);
    ck_assert_uint_eq(used, 2);
    ck_assert_uint_eq(body.payload_bytes, 5);

    body_init(&body, BODY_UNTIL_CLOSE, 0, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, "0\r\n\r\n", 5, &used), BODY_MORE);
    ck_assert_uint_eq(used, 5);
    ck_assert_uint_eq(body.payload_bytes, 5);
}
END_TEST

// --- random bodies
// ----------------------------------------------------------------------------------

static size_t random_body(char *out, char *payload, unsigned *seed) {
    size_t at = 0, collected = 0;
    for (int chunks = rand_r(seed) % 8; chunks > 0; chunks--) {
        size_t size = 1 + (size_t)rand_r(seed) % 600;
        at += (size_t)sprintf(out + at, rand_r(seed) % 2 ? "%zx%s\r\n" : "%08zX%s\r\n", size,
                              rand_r(seed) % 4 ? "" : ";x=\"y\\\"\"");
        for (size_t i = 0; i < size; i++)
            payload[collected++] = out[at++] = "\r\n0;ab"[rand_r(seed) % 6];
        at += (size_t)sprintf(out + at, "\r\n");
    }
    at += (size_t)sprintf(out + at, "0\r\n%s\r\n", rand_r(seed) % 2 ? "" : "A: b\r\nC: d\r\n");
    payload[collected] = '\0';
    return at;
}

START_TEST(random_bodies_end_where_they_were_made_to) {
    static char text[16384], expected[8192], payload[8192];
    for (unsigned seed = 1; seed <= 500; seed++) {
        unsigned random = seed;
        size_t used, size = random_body(text, expected, &random);
        struct str in = {text, size + (size_t)sprintf(text + size, NEXT)};
        size_t steps[] = {in.len, 1, 1 + (size_t)rand_r(&random) % 900};
        for (size_t i = 0; i < 3; i++) {
            struct body body;
            body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
            ck_assert_int_eq(feed(&body, in, steps[i], steps[i], payload, &used), BODY_DONE);
            ck_assert_uint_eq(used, size);
            ck_assert_str_eq(payload, expected);
        }
    }
}
END_TEST

// Payload that passes by splice: the body is told how much, and knows where it stands.
START_TEST(payload_may_be_skipped) {
    struct body body;
    size_t used;
    body_init(&body, BODY_LENGTH, 1000, 1000);
    ck_assert_int_eq(body_feed(&body, "0123456789", 10, &used), BODY_MORE);
    ck_assert_uint_eq(body_payload_left(&body), 990);
    ck_assert_int_eq(body_skip(&body, 900), BODY_MORE);
    ck_assert_uint_eq(body_payload_left(&body), 90);
    ck_assert_int_eq(body_skip(&body, 90), BODY_DONE);
    ck_assert_uint_eq(body.payload_bytes, 1000);

    body_init(&body, BODY_CHUNKED, 0, UINT64_MAX);
    ck_assert_uint_eq(body_payload_left(&body), 0);
    ck_assert_int_eq(body_feed(&body, "100\r\nab", 7, &used), BODY_MORE);
    ck_assert_uint_eq(body_payload_left(&body), 254);
    ck_assert_int_eq(body_skip(&body, 254), BODY_MORE);
    ck_assert_uint_eq(body_payload_left(&body), 0);
    ck_assert_int_eq(body_feed(&body, "\r\n0\r\n\r\n", 7, &used), BODY_DONE);
    ck_assert_uint_eq(body.payload_bytes, 256);

    body_init(&body, BODY_UNTIL_CLOSE, 0, UINT64_MAX);
    ck_assert_int_eq(body_feed(&body, "x", 1, &used), BODY_MORE);
    ck_assert_uint_eq(body_payload_left(&body), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("body");
    TCase *tests = tcase_create("bodies");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, good_bodies_end, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, bad_bodies_are_refused_at_their_byte, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, extensions_are_bounded);
    tcase_add_test(tests, extensions_are_bounded_in_all);
    tcase_add_test(tests, trailers_are_bounded);
    tcase_add_test(tests, payload_is_limited);
    tcase_add_test(tests, other_framings);
    tcase_add_test(tests, payload_may_be_skipped);
    tcase_add_test(tests, random_bodies_end_where_they_were_made_to);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
