// SPDX-License-Identifier: Apache-2.0
//
// Frames: heads of every length, input cut at every byte, everything RFC 6455 §5 forbids.
#include "bench/frame.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

START_TEST(heads_are_written_in_their_shortest_form) {
    static const struct {
        uint64_t length;
        size_t head_bytes; // masked
    } cases[] = {{0, 6}, {125, 6}, {126, 8}, {65535, 8}, {65536, 14}, {INT64_MAX, 14}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame frame = {
            .opcode = OPCODE_BINARY, .fin = true, .masked = true, .length = cases[i].length};
        memcpy(frame.key, key, sizeof key);
        uint8_t head[FRAME_HEAD_MAX];
        size_t n = frame_head_write(head, &frame);
        ck_assert_uint_eq(n, cases[i].head_bytes);

        struct frame_reader reader = {0};
        struct str input = {(const char *)head, n};
        ck_assert_int_eq(frame_next(&reader, &input), FRAME_HEAD);
        ck_assert_uint_eq(reader.frame.length, cases[i].length);
        ck_assert_int_eq(reader.frame.opcode, OPCODE_BINARY);
        ck_assert(reader.frame.fin && reader.frame.masked);
        ck_assert_mem_eq(reader.frame.key, key, sizeof key);
        ck_assert_uint_eq(input.len, 0);
    }
}
END_TEST

// RFC 6455 §5.7: a single-frame masked text message, "Hello".
START_TEST(the_example_of_the_rfc_is_understood) {
    static const uint8_t bytes[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                    0x7f, 0x9f, 0x4d, 0x51, 0x58};
    struct frame_reader reader = {0};
    struct str input = {(const char *)bytes, sizeof bytes};
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_HEAD);
    ck_assert_int_eq(reader.frame.opcode, OPCODE_TEXT);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_PAYLOAD);
    uint8_t text[5];
    frame_mask(text, (const uint8_t *)reader.payload.ptr, reader.payload.len, reader.frame.key,
               reader.position);
    ck_assert_mem_eq(text, "Hello", 5);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_END);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_WANTS_MORE);
}
END_TEST

START_TEST(masking_goes_on_where_it_stopped) {
    uint8_t plain[64], whole[64], parts[64];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7);
    frame_mask(whole, plain, sizeof plain, key, 0);
    for (size_t i = 0; i < sizeof plain; i++)
        ck_assert_uint_eq(whole[i], plain[i] ^ key[i % 4]);
    for (size_t cut = 0; cut <= sizeof plain; cut++) {
        frame_mask(parts, plain, cut, key, 0);
        frame_mask(parts + cut, plain + cut, sizeof plain - cut, key, cut);
        ck_assert_mem_eq(parts, whole, sizeof whole);
    }
}
END_TEST

// Appends a line for each event, payload joined, so that all ways of cutting must read alike.
static void describe(struct frame_reader *reader, struct str input, char *out, size_t *payload) {
    for (;;) {
        switch (frame_next(reader, &input)) {
        case FRAME_WANTS_MORE:
            return;
        case FRAME_HEAD:
            sprintf(out + strlen(out), "head %u %d %llu\n", reader->frame.opcode, reader->frame.fin,
                    (unsigned long long)reader->frame.length);
            *payload = 0;
            break;
        case FRAME_PAYLOAD:
            ck_assert_uint_eq(reader->position, *payload);
            *payload += reader->payload.len;
            break;
        case FRAME_END:
            sprintf(out + strlen(out), "end %zu\n", *payload);
            break;
        case FRAME_BROKEN:
            sprintf(out + strlen(out), "broken\n");
            return;
        }
    }
}

START_TEST(input_may_be_cut_anywhere) {
    // A fragmented message of 300 bytes with a ping between, an empty message.
    uint8_t bytes[512];
    size_t n = 0;
    const struct frame frames[] = {{.opcode = OPCODE_TEXT, .length = 200},
                                   {.opcode = OPCODE_PING, .fin = true, .length = 3},
                                   {.opcode = OPCODE_CONTINUATION, .fin = true, .length = 100},
                                   {.opcode = OPCODE_BINARY, .fin = true, .length = 0}};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        n += frame_head_write(bytes + n, &frames[i]);
        memset(bytes + n, 'x', frames[i].length);
        n += frames[i].length;
    }
    const char *expected = "head 1 0 200\nend 200\nhead 9 1 3\nend 3\nhead 0 1 100\nend 100\n"
                           "head 2 1 0\nend 0\n";
    for (size_t cut = 0; cut <= n; cut++) {
        struct frame_reader reader = {0};
        char seen[256] = "";
        size_t payload = 0;
        describe(&reader, (struct str){(const char *)bytes, cut}, seen, &payload);
        describe(&reader, (struct str){(const char *)bytes + cut, n - cut}, seen, &payload);
        ck_assert_str_eq(seen, expected);
    }
}
END_TEST

START_TEST(what_the_rfc_forbids_is_refused) {
    static const struct {
        const char *what;
        uint8_t bytes[10];
        size_t n;
    } cases[] = {
        {"reserved bit", {0xc1, 0x00}, 2},
        {"reserved opcode 3", {0x83, 0x00}, 2},
        {"reserved opcode 11", {0x8b, 0x00}, 2},
        {"fragmented ping", {0x09, 0x00}, 2},
        {"ping over 125", {0x89, 0x7e, 0x00, 0x7e}, 4},
        {"continuation first", {0x80, 0x00}, 2},
        {"length of 125 in two bytes", {0x81, 0x7e, 0x00, 0x7d}, 4},
        {"length of 65535 in eight bytes", {0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 10},
        {"length with its top bit", {0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0}, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame_reader reader = {0};
        struct str input = {(const char *)cases[i].bytes, cases[i].n};
        ck_assert_msg(frame_next(&reader, &input) == FRAME_BROKEN, "%s", cases[i].what);
        ck_assert_ptr_nonnull(reader.why);
    }
}
END_TEST

START_TEST(a_message_inside_a_message_is_refused) {
    static const uint8_t bytes[] = {0x01, 0x00, 0x81, 0x00};
    struct frame_reader reader = {0};
    struct str input = {(const char *)bytes, sizeof bytes};
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_HEAD);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_END);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_BROKEN);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frame");
    tcase_add_test(tests, heads_are_written_in_their_shortest_form);
    tcase_add_test(tests, the_example_of_the_rfc_is_understood);
    tcase_add_test(tests, masking_goes_on_where_it_stopped);
    tcase_add_test(tests, input_may_be_cut_anywhere);
    tcase_add_test(tests, what_the_rfc_forbids_is_refused);
    tcase_add_test(tests, a_message_inside_a_message_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
