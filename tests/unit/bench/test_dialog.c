// SPDX-License-Identifier: Apache-2.0
//
// The dialog of a client, with the server played by the test: echoes however cut and fragmented,
// every way of an echo being wrong, pings, the closing handshake, and messages that go one way
// only.
#include "bench/dialog.h"
#include "bench/pattern.h"

#include <check.h>
#include <stdlib.h>

enum { MESSAGE_BYTES = 300, WIRE_MAX = 4096 };

static struct random random_source;
static struct size_mix sizes;
static struct traffic traffic;
static struct dialog_setup setup;
static struct dialog dialog;
static uint8_t wire[WIRE_MAX];

static void start_as(enum dialog_part part, const char *size) {
    pattern_init();
    random_source.state = 3;
    traffic = (struct traffic){0};
    ck_assert(size_mix_parse(&sizes, str_from(size)));
    setup = (struct dialog_setup){.part = part,
                                  .opcode = OPCODE_BINARY,
                                  .peer_count = 8,
                                  .sizes = &sizes,
                                  .random = &random_source,
                                  .traffic = &traffic};
    dialog_start(&dialog, 5, &setup);
}

static void start(void) {
    start_as(PART_ECHOED, "300");
}

// Sends one message and gives back its unmasked payload.
static void message_sent(uint8_t payload[MESSAGE_BYTES]) {
    dialog_send(&dialog);
    size_t n = dialog_fill(&dialog, wire, sizeof wire);
    struct frame_reader reader = {0};
    struct str input = {(const char *)wire, n};
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_HEAD);
    ck_assert(reader.frame.masked && reader.frame.fin);
    ck_assert_int_eq(reader.frame.opcode, OPCODE_BINARY);
    ck_assert_uint_eq(reader.frame.length, MESSAGE_BYTES);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_PAYLOAD);
    frame_mask(payload, (const uint8_t *)reader.payload.ptr, reader.payload.len, reader.frame.key,
               0);
    ck_assert_int_eq(frame_next(&reader, &input), FRAME_END);
    ck_assert_uint_eq(input.len, 0);
    ck_assert_uint_eq(dialog_fill(&dialog, wire, sizeof wire), 0);
}

static size_t frame_write(uint8_t *out, uint8_t opcode, bool fin, const void *payload, size_t n) {
    struct frame frame = {.opcode = opcode, .fin = fin, .length = n};
    size_t head = frame_head_write(out, &frame);
    memcpy(out + head, payload, n);
    return head + n;
}

static enum dialog_event take(size_t n) {
    struct str input = {(const char *)wire, n};
    return dialog_take(&dialog, &input);
}

START_TEST(an_echo_is_known_however_it_is_cut) {
    uint8_t payload[MESSAGE_BYTES];
    size_t total = MESSAGE_BYTES + 4;
    for (size_t cut = 0; cut < total; cut++) {
        message_sent(payload);
        ck_assert_uint_eq(frame_write(wire, OPCODE_BINARY, true, payload, MESSAGE_BYTES), total);
        struct str first = {(const char *)wire, cut},
                   second = {(const char *)wire + cut, total - cut};
        ck_assert_int_eq(dialog_take(&dialog, &first), DIALOG_WANTS_MORE);
        ck_assert_int_eq(dialog_take(&dialog, &second), DIALOG_MESSAGE);
        ck_assert_uint_eq(dialog_outstanding(&dialog), 0);
    }
}
END_TEST

START_TEST(an_echo_may_come_in_fragments_around_a_ping) {
    uint8_t payload[MESSAGE_BYTES];
    message_sent(payload);
    size_t n = frame_write(wire, OPCODE_BINARY, false, payload, 100);
    n += frame_write(wire + n, OPCODE_PING, true, "hi", 2);
    n += frame_write(wire + n, OPCODE_CONTINUATION, true, payload + 100, MESSAGE_BYTES - 100);
    struct str input = {(const char *)wire, n};
    ck_assert_int_eq(dialog_take(&dialog, &input), DIALOG_PING);
    ck_assert_int_eq(dialog_take(&dialog, &input), DIALOG_MESSAGE);
    uint8_t pong[64 + 256];
    ck_assert_uint_eq(dialog_fill(&dialog, pong, sizeof pong), 2 + 4 + 2);
    ck_assert_uint_eq(pong[0], 0x80 | OPCODE_PONG);
}
END_TEST

START_TEST(an_echo_with_any_byte_changed_is_wrong) {
    for (size_t i = 0; i < MESSAGE_BYTES; i++) {
        uint8_t payload[MESSAGE_BYTES];
        start();
        message_sent(payload);
        payload[i] ^= 1;
        size_t n = frame_write(wire, OPCODE_BINARY, true, payload, MESSAGE_BYTES);
        ck_assert_int_eq(take(n), DIALOG_WRONG);
    }
}
END_TEST

START_TEST(an_echo_of_another_length_or_kind_is_wrong) {
    static uint8_t payload[MESSAGE_BYTES + 1];
    message_sent(payload);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, payload, MESSAGE_BYTES - 1)),
                     DIALOG_WRONG);
    start();
    message_sent(payload);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, payload, MESSAGE_BYTES + 1)),
                     DIALOG_WRONG);
    start();
    message_sent(payload);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_TEXT, true, payload, MESSAGE_BYTES)),
                     DIALOG_WRONG);
}
END_TEST

START_TEST(echoes_swapped_doubled_or_unasked_are_wrong) {
    uint8_t first[MESSAGE_BYTES], second[MESSAGE_BYTES];
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, first, MESSAGE_BYTES)),
                     DIALOG_WRONG);
    start();
    message_sent(first);
    message_sent(second);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, second, MESSAGE_BYTES)),
                     DIALOG_WRONG);
    start();
    message_sent(first);
    message_sent(second);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, first, MESSAGE_BYTES)),
                     DIALOG_MESSAGE);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, first, MESSAGE_BYTES)),
                     DIALOG_WRONG);
}
END_TEST

START_TEST(a_message_of_ones_own_is_what_comes_back) {
    char own[] = "not of the pattern, and as long as is said";
    start_as(PART_ECHOED, "42");
    setup.message = (struct str){own, sizeof own - 1};
    ck_assert_uint_eq(sizeof own - 1, 42);
    for (int i = 0; i < 2; i++) {
        dialog_send(&dialog);
        dialog_fill(&dialog, wire, sizeof wire);
        ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, own, 42)), DIALOG_MESSAGE);
    }
    dialog_send(&dialog);
    dialog_fill(&dialog, wire, sizeof wire);
    own[41] = '?'; // only in what comes
    size_t n = frame_write(wire, OPCODE_BINARY, true, own, 42);
    own[41] = 'd';
    ck_assert_int_eq(take(n), DIALOG_WRONG);
}
END_TEST

START_TEST(any_message_answers_the_next_that_was_sent) {
    start_as(PART_ANSWERED, "300");
    ck_assert_int_eq(take(frame_write(wire, OPCODE_TEXT, true, "hi", 2)), DIALOG_WANTS_MORE);
    dialog_send(&dialog);
    dialog_send(&dialog);
    dialog_fill(&dialog, wire, sizeof wire);
    for (uint64_t number = 0; number < 2; number++) {
        ck_assert_int_eq(take(frame_write(wire, OPCODE_TEXT, false, "y", 1)), DIALOG_WANTS_MORE);
        ck_assert_int_eq(take(frame_write(wire, OPCODE_CONTINUATION, true, "es", 2)),
                         DIALOG_MESSAGE);
        ck_assert_uint_eq(dialog.number, number);
        ck_assert_uint_eq(dialog.from, 5);
    }
    ck_assert_uint_eq(dialog_outstanding(&dialog), 0);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, "", 0)), DIALOG_WANTS_MORE);
    ck_assert_uint_eq(traffic.received, 4);
    ck_assert_uint_eq(traffic.received_bytes, 8);
}
END_TEST

START_TEST(a_speaker_waits_for_nothing) {
    start_as(PART_SPEAKER, "300");
    dialog_send(&dialog);
    ck_assert_uint_eq(dialog_outstanding(&dialog), 1);
    dialog_fill(&dialog, wire, sizeof wire);
    ck_assert_uint_eq(dialog_outstanding(&dialog), 0);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_TEXT, true, "hi", 2)), DIALOG_WANTS_MORE);
    ck_assert_uint_eq(traffic.received, 1);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_CONTINUATION, true, "", 0)), DIALOG_BROKEN);
}
END_TEST

START_TEST(a_masked_answer_is_broken) {
    struct frame frame = {.opcode = OPCODE_BINARY, .fin = true, .masked = true};
    dialog_send(&dialog);
    ck_assert_int_eq(take(frame_head_write(wire, &frame)), DIALOG_BROKEN);
}
END_TEST

START_TEST(the_peers_close_is_answered_with_its_code) {
    ck_assert_int_eq(take(frame_write(wire, OPCODE_CLOSE, true,
                                      "\x03\xe9"
                                      "bye",
                                      5)),
                     DIALOG_CLOSE);
    ck_assert_uint_eq(dialog.close_code, CLOSE_GOING_AWAY);
    dialog_send(&dialog);
    size_t n = dialog_fill(&dialog, wire, sizeof wire);
    ck_assert_uint_eq(n, 2 + 4 + 5); // the Close alone, no message after it
    ck_assert_uint_eq(wire[0], 0x80 | OPCODE_CLOSE);
    ck_assert(dialog.close_sent);
}
END_TEST

START_TEST(our_close_follows_what_is_due) {
    uint8_t payload[MESSAGE_BYTES];
    dialog_send(&dialog);
    dialog_close(&dialog, CLOSE_NORMAL);
    size_t n = dialog_fill(&dialog, wire, sizeof wire);
    ck_assert_uint_eq(n, 4 + 4 + MESSAGE_BYTES + 2 + 4 + 2);
    ck_assert_uint_eq(wire[0], 0x80 | OPCODE_BINARY);
    ck_assert_uint_eq(dialog_fill(&dialog, wire, sizeof wire), 0);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_CLOSE, true, payload, 0)), DIALOG_CLOSE);
    ck_assert_uint_eq(dialog.close_code, CLOSE_NO_STATUS);
    ck_assert_uint_eq(dialog_fill(&dialog, wire, sizeof wire), 0);
}
END_TEST

START_TEST(a_large_message_leaves_in_parts) {
    start_as(PART_ECHOED, "100000");
    dialog_send(&dialog);
    struct frame_reader reader = {0};
    size_t n, payload = 0;
    uint8_t plain[300];
    while ((n = dialog_fill(&dialog, wire, 300)) > 0) {
        struct str input = {(const char *)wire, n};
        while (input.len > 0)
            if (frame_next(&reader, &input) == FRAME_PAYLOAD) {
                frame_mask(plain, (const uint8_t *)reader.payload.ptr, reader.payload.len,
                           reader.frame.key, reader.position);
                ck_assert_mem_eq(plain, pattern_bytes(pattern_start(5, 0), payload),
                                 reader.payload.len);
                payload += reader.payload.len;
            }
    }
    ck_assert_uint_eq(payload, 100000);
    ck_assert_uint_eq(dialog.sent, 1);
}
END_TEST

// What a source says until `want` messages have begun, to a receiver of the same messages.
static void source_play(const char *size, uint64_t want, uint64_t receiver_connection,
                        enum dialog_event expected) {
    start_as(PART_SOURCE, size);
    struct dialog receiver;
    struct traffic taken = {0};
    struct dialog_setup other = setup;
    other.part = PART_RECEIVER;
    other.traffic = &taken;
    dialog_start(&receiver, receiver_connection, &other);
    dialog_stream(&dialog);
    enum dialog_event event = DIALOG_WANTS_MORE;
    while (dialog.sent < want) {
        struct str input = {(const char *)wire, dialog_fill(&dialog, wire, sizeof wire)};
        while ((event = dialog_take(&receiver, &input)) == DIALOG_MESSAGE)
            continue;
        if (event != DIALOG_WANTS_MORE)
            break;
    }
    ck_assert_int_eq(event, expected);
    if (expected == DIALOG_WANTS_MORE) {
        ck_assert_uint_eq(taken.received, traffic.sent);
        ck_assert_uint_eq(taken.received_bytes, traffic.sent_bytes);
    }
}

START_TEST(a_receiver_knows_what_a_source_sends) {
    source_play("1000", 50, 5, DIALOG_WANTS_MORE);
    source_play("0:1,1:1,125:1,126:1,5000:1,70000:1", 200, 5, DIALOG_WANTS_MORE);
}
END_TEST

START_TEST(a_receiver_notices_the_messages_of_another_connection) {
    source_play("1000", 50, 6, DIALOG_WRONG);
}
END_TEST

START_TEST(a_source_answers_between_messages_and_ends_with_the_one_begun) {
    start_as(PART_SOURCE, "1000");
    dialog_stream(&dialog);
    ck_assert_uint_eq(dialog_fill(&dialog, wire, 300), 300);
    struct frame frame = {
        .opcode = OPCODE_CLOSE, .fin = true, .masked = true, .length = 2, .key = {1, 2, 3, 4}};
    uint8_t close[16];
    size_t head = frame_head_write(close, &frame);
    frame_mask(close + head, (const uint8_t *)"\x03\xe8", 2, frame.key, 0);
    struct str input = {(const char *)close, head + 2};
    ck_assert_int_eq(dialog_take(&dialog, &input), DIALOG_CLOSE);
    ck_assert_uint_eq(dialog.close_code, CLOSE_NORMAL);
    size_t n = dialog_fill(&dialog, wire, sizeof wire);
    ck_assert_uint_eq(n, 4 + 1000 - 300 + 2 + 2); // the rest of the message, then Close
    ck_assert_mem_eq(wire + n - 4, "\x88\x02\x03\xe8", 4);
}
END_TEST

START_TEST(a_source_takes_no_unmasked_frame) {
    start_as(PART_SOURCE, "1000");
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, "x", 1)), DIALOG_BROKEN);
}
END_TEST

START_TEST(a_sender_is_sent_nothing_and_stops_with_the_message_begun) {
    start_as(PART_SENDER, "10000");
    dialog_stream(&dialog);
    ck_assert_uint_eq(dialog_fill(&dialog, wire, 1000), 1000);
    dialog_stop(&dialog);
    ck_assert_uint_eq(dialog_outstanding(&dialog), 1);
    size_t n, rest = 0;
    while ((n = dialog_fill(&dialog, wire, sizeof wire)) > 0)
        rest += n;
    ck_assert_uint_eq(rest, 8 + 10000 - 1000);
    ck_assert_uint_eq(dialog_outstanding(&dialog), 0);
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, "x", 1)), DIALOG_WRONG);
}
END_TEST

// What peer 5 says in one message, to peer `listener` of 8.
static enum dialog_event peer_hears(uint64_t listener, size_t cut) {
    start_as(PART_PEER, "100");
    struct dialog other;
    dialog_start(&other, listener, &setup);
    dialog_send(&dialog);
    size_t n = dialog_fill(&dialog, wire, sizeof wire);
    uint8_t payload[100], relayed[128];
    struct frame_reader reader = {0};
    struct str input = {(const char *)wire, n};
    while (frame_next(&reader, &input) != FRAME_PAYLOAD)
        continue;
    frame_mask(payload, (const uint8_t *)reader.payload.ptr, sizeof payload, reader.frame.key, 0);
    n = frame_write(relayed, OPCODE_BINARY, true, payload, sizeof payload);
    struct str first = {(const char *)relayed, cut},
               second = {(const char *)relayed + cut, n - cut};
    enum dialog_event event = dialog_take(&other, &first);
    if (event == DIALOG_WANTS_MORE)
        event = dialog_take(&other, &second);
    if (event == DIALOG_MESSAGE) {
        ck_assert_uint_eq(other.from, 5);
        ck_assert_uint_eq(other.number, 0);
    }
    return event;
}

START_TEST(a_peer_knows_what_another_says_however_it_is_cut) {
    for (size_t cut = 0; cut <= 102; cut++)
        ck_assert_int_eq(peer_hears(7, cut), DIALOG_MESSAGE);
}
END_TEST

START_TEST(a_peer_notices_its_own_message) {
    ck_assert_int_eq(peer_hears(5, 0), DIALOG_WRONG);
}
END_TEST

START_TEST(a_peer_notices_whom_there_is_not_and_what_is_no_stamp) {
    static const char *const stamps[] = {
        "000000080000000000000000", // there are eight, from 0 on
        "0000000x0000000000000000",
        " 00000010000000000000000",
        "00000001000000000000000",
    };
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++) {
        start_as(PART_PEER, "24");
        size_t n = frame_write(wire, OPCODE_BINARY, true, stamps[i], strlen(stamps[i]));
        ck_assert_int_eq(take(n), DIALOG_WRONG);
    }
    start_as(PART_PEER, "24");
    ck_assert_int_eq(take(frame_write(wire, OPCODE_BINARY, true, "000000010000000000000000", 24)),
                     DIALOG_MESSAGE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dialog");
    TCase *tests = tcase_create("dialog");
    tcase_add_checked_fixture(tests, start, NULL);
    tcase_add_test(tests, an_echo_is_known_however_it_is_cut);
    tcase_add_test(tests, an_echo_may_come_in_fragments_around_a_ping);
    tcase_add_test(tests, an_echo_with_any_byte_changed_is_wrong);
    tcase_add_test(tests, an_echo_of_another_length_or_kind_is_wrong);
    tcase_add_test(tests, echoes_swapped_doubled_or_unasked_are_wrong);
    tcase_add_test(tests, a_message_of_ones_own_is_what_comes_back);
    tcase_add_test(tests, any_message_answers_the_next_that_was_sent);
    tcase_add_test(tests, a_speaker_waits_for_nothing);
    tcase_add_test(tests, a_masked_answer_is_broken);
    tcase_add_test(tests, the_peers_close_is_answered_with_its_code);
    tcase_add_test(tests, our_close_follows_what_is_due);
    tcase_add_test(tests, a_large_message_leaves_in_parts);
    tcase_add_test(tests, a_receiver_knows_what_a_source_sends);
    tcase_add_test(tests, a_receiver_notices_the_messages_of_another_connection);
    tcase_add_test(tests, a_source_answers_between_messages_and_ends_with_the_one_begun);
    tcase_add_test(tests, a_source_takes_no_unmasked_frame);
    tcase_add_test(tests, a_sender_is_sent_nothing_and_stops_with_the_message_begun);
    tcase_add_test(tests, a_peer_knows_what_another_says_however_it_is_cut);
    tcase_add_test(tests, a_peer_notices_its_own_message);
    tcase_add_test(tests, a_peer_notices_whom_there_is_not_and_what_is_no_stamp);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
