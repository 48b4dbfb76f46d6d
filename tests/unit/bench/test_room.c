// SPDX-License-Identifier: Apache-2.0
//
// Rooms: who gets what is said, rooms of their own by path, messages put together, what is too
// long, and that nothing is left of a room that all have left.
#include "bench/frame.h"
#include "bench/room.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEARD_MAX = 4 << 20 };

struct listener {
    struct room_member member;
    uint8_t *heard;
    size_t n, frames;
};

static struct room_table table;

static void hear(struct room_member *member, const uint8_t *frame, size_t n) {
    struct listener *listener = member->owner;
    ck_assert_uint_le(n, HEARD_MAX + FRAME_HEAD_MAX);
    memcpy(listener->heard, frame, n);
    listener->n = n;
    listener->frames++;
}

static void enter(struct listener *listener, const char *path) {
    *listener = (struct listener){.heard = malloc(HEARD_MAX + FRAME_HEAD_MAX)};
    listener->member = (struct room_member){.deliver = hear, .owner = listener};
    ck_assert(room_enter(&table, &listener->member, str_from(path)));
}

static void leave(struct listener *listener) {
    room_leave(&table, &listener->member);
    free(listener->heard);
}

static void say(struct listener *listener, const char *text, size_t parts) {
    size_t length = strlen(text);
    room_message_begin(&listener->member, OPCODE_TEXT);
    for (size_t i = 0; i < parts; i++) {
        size_t from = length * i / parts, to = length * (i + 1) / parts;
        uint8_t *at = room_message_extend(&listener->member, to - from);
        ck_assert_ptr_nonnull(at);
        memcpy(at, text + from, to - from);
    }
    room_message_say(&listener->member);
}

START_TEST(all_others_of_the_path_hear_it_and_nobody_else) {
    struct listener speaker, first, second, elsewhere;
    enter(&speaker, "/a/broadcast");
    enter(&first, "/a/broadcast?name=x");
    enter(&second, "/a/broadcast");
    enter(&elsewhere, "/b/broadcast");
    say(&speaker, "hello", 2);
    ck_assert_uint_eq(first.frames + second.frames, 2);
    ck_assert_uint_eq(speaker.frames + elsewhere.frames, 0);
    ck_assert_uint_eq(first.n, 7);
    ck_assert_mem_eq(first.heard, "\x81\x05hello", 7);
    leave(&first);
    say(&speaker, "", 0);
    ck_assert_uint_eq(second.frames, 2);
    ck_assert_mem_eq(second.heard, "\x81\x00", 2);
    leave(&second);
    leave(&speaker);
    leave(&elsewhere);
    ck_assert_ptr_null(table.rooms);
}
END_TEST

START_TEST(a_message_is_heard_up_to_the_longest_there_may_be) {
    struct listener speaker, other;
    enter(&speaker, "/broadcast");
    enter(&other, "/broadcast");
    room_message_begin(&speaker.member, OPCODE_BINARY);
    uint8_t *at;
    for (size_t i = 0; i < ROOM_MESSAGE_MAX / 65536; i++) {
        ck_assert_ptr_nonnull(at = room_message_extend(&speaker.member, 65536));
        memset(at, (int)i, 65536);
    }
    ck_assert_ptr_null(room_message_extend(&speaker.member, 1));
    room_message_say(&speaker.member);
    ck_assert_uint_eq(other.n, 10 + ROOM_MESSAGE_MAX);
    bool is_whole = true;
    for (size_t i = 0; i < ROOM_MESSAGE_MAX; i++)
        is_whole = is_whole && other.heard[10 + i] == i / 65536;
    ck_assert(is_whole);
    say(&speaker, "short", 1);
    ck_assert_uint_eq(other.n, 7);
    leave(&speaker);
    leave(&other);
}
END_TEST

START_TEST(a_room_has_one_home) {
    size_t met[4] = {0};
    char path[32];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/%d/broadcast", i);
        size_t home = room_home(str_from(path), 4);
        ck_assert_uint_lt(home, 4);
        met[home]++;
        strcat(path, "?a=b");
        ck_assert_uint_eq(room_home(str_from(path), 4), home);
    }
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_gt(met[i], 5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("room");
    TCase *tests = tcase_create("room");
    tcase_add_test(tests, all_others_of_the_path_hear_it_and_nobody_else);
    tcase_add_test(tests, a_message_is_heard_up_to_the_longest_there_may_be);
    tcase_add_test(tests, a_room_has_one_home);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
