// SPDX-License-Identifier: Apache-2.0
//
// The wheel of timers: when each fires, whatever the others do, compared with plain lists.
#include "core/timer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 200
#define TURN_MS (WHEEL_SLOTS * WHEEL_TICK_MS)

static struct wheel wheel;
static uint64_t now_ms;

struct probe {
    struct timer timer; // first, so that it is the probe's address
    uint64_t fired_ms;
    unsigned fired;
};

static void probe_fired(struct timer *timer) {
    struct probe *probe = (struct probe *)timer;
    ck_assert(!timer_is_set(timer));
    probe->fired++;
    probe->fired_ms = now_ms;
}

static void wheel_start(uint64_t at_ms) {
    now_ms = at_ms;
    wheel_init(&wheel, now_ms);
}

static void run_at(uint64_t at_ms) {
    now_ms = at_ms;
    wheel_run(&wheel, now_ms);
}

// Runs the wheel as a worker does: whenever it says so, up to the time given.
static void run_to(uint64_t at_ms) {
    while (wheel_next_ms(&wheel) <= at_ms)
        run_at(wheel_next_ms(&wheel));
    run_at(at_ms);
}

static const uint64_t delays[] = {0,           1,       31,          32,           33,      1000,
                                  TURN_MS - 1, TURN_MS, TURN_MS + 1, 10 * TURN_MS, 86400000};

START_TEST(it_fires_in_time_and_once) {
    struct probe probe = {.timer.fired = probe_fired};
    wheel_start(1000 + 7 * (uint64_t)_i);
    uint64_t at_ms = now_ms + delays[_i];
    timer_set(&wheel, &probe.timer, at_ms);
    ck_assert(timer_is_set(&probe.timer));
    run_to(at_ms + 2 * WHEEL_TICK_MS);
    ck_assert_uint_eq(probe.fired, 1);
    ck_assert_uint_ge(probe.fired_ms, at_ms);
    ck_assert_uint_le(probe.fired_ms, at_ms + 2 * WHEEL_TICK_MS);
    run_to(now_ms + 3 * TURN_MS);
    ck_assert_uint_eq(probe.fired, 1);
    ck_assert_uint_eq(wheel_next_ms(&wheel), UINT64_MAX);
}
END_TEST

START_TEST(it_fires_although_the_worker_slept) {
    struct probe near = {.timer.fired = probe_fired}, far = {.timer.fired = probe_fired},
                 later = {.timer.fired = probe_fired};
    wheel_start(123456);
    timer_set(&wheel, &near.timer, now_ms + 100);
    timer_set(&wheel, &far.timer, now_ms + 3 * TURN_MS);
    timer_set(&wheel, &later.timer, now_ms + 30 * TURN_MS);
    run_at(now_ms + 10 * TURN_MS);
    ck_assert_uint_eq(near.fired, 1);
    ck_assert_uint_eq(far.fired, 1);
    ck_assert_uint_eq(later.fired, 0);
    run_to(now_ms + 21 * TURN_MS);
    ck_assert_uint_eq(later.fired, 1);
}
END_TEST

START_TEST(what_is_cleared_does_not_fire) {
    struct probe probes[3] = {
        {.timer.fired = probe_fired}, {.timer.fired = probe_fired}, {.timer.fired = probe_fired}};
    wheel_start(1000);
    timer_clear(&wheel, &probes[0].timer); // not set: nothing happens
    for (int i = 0; i < 3; i++)
        timer_set(&wheel, &probes[i].timer, 1500); // one slot
    timer_clear(&wheel, &probes[_i].timer);
    timer_clear(&wheel, &probes[_i].timer);
    ck_assert(!timer_is_set(&probes[_i].timer));
    run_to(3000);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(probes[i].fired, i != _i);
}
END_TEST

START_TEST(setting_again_moves_it) {
    struct probe probe = {.timer.fired = probe_fired};
    wheel_start(1000);
    timer_set(&wheel, &probe.timer, 5000);
    timer_set(&wheel, &probe.timer, 2000);
    run_to(3000);
    ck_assert_uint_eq(probe.fired, 1);
    timer_set(&wheel, &probe.timer, 4000);
    timer_set(&wheel, &probe.timer, 6000);
    run_to(5000);
    ck_assert_uint_eq(probe.fired, 1);
    run_to(7000);
    ck_assert_uint_eq(probe.fired, 2);
}
END_TEST

// --- from callbacks ---------------------------------------------------------------------------

static struct probe friend;

static void fired_clears_friend(struct timer *timer) {
    probe_fired(timer);
    timer_clear(&wheel, &friend.timer);
}

START_TEST(a_callback_may_clear_another_that_is_due) {
    struct probe probe = {.timer.fired = fired_clears_friend};
    friend = (struct probe){.timer.fired = fired_clears_friend};
    wheel_start(1000);
    timer_set(&wheel, _i ? &friend.timer : &probe.timer, 2000);
    timer_set(&wheel, _i ? &probe.timer : &friend.timer, 2000);
    run_to(5000);
    ck_assert_uint_eq(probe.fired, 1);
    ck_assert_uint_le(friend.fired, 1); // before it was cleared
}
END_TEST

static void fired_sets_itself(struct timer *timer) {
    probe_fired(timer);
    timer_set(&wheel, timer, now_ms + 100);
}

static void fired_sets_itself_now(struct timer *timer) {
    probe_fired(timer);
    timer_set(&wheel, timer, now_ms);
}

START_TEST(a_callback_may_set_itself) {
    struct probe probe = {.timer.fired = fired_sets_itself};
    wheel_start(1000);
    timer_set(&wheel, &probe.timer, 1100);
    run_to(11000);
    ck_assert_uint_ge(probe.fired, 75);
    ck_assert_uint_le(probe.fired, 100);
}
END_TEST

START_TEST(a_callback_that_sets_itself_for_now_waits_for_the_next_tick) {
    struct probe probe = {.timer.fired = fired_sets_itself_now};
    wheel_start(1000);
    timer_set(&wheel, &probe.timer, 1000);
    run_at(1000 + WHEEL_TICK_MS);
    ck_assert_uint_eq(probe.fired, 1);
    run_to(1000 + 11 * WHEEL_TICK_MS);
    ck_assert_uint_le(probe.fired, 11);
}
END_TEST

// --- many -------------------------------------------------------------------------------------

static struct probe many[COUNT];
static uint64_t due_ms[COUNT]; // 0: not set

// Checks that all that were due have fired, not long after, and no others. (An assertion each would
// be slow: it writes to a pipe.)
static void check_many(void) {
    for (int i = 0; i < COUNT; i++) {
        const struct probe *probe = &many[i];
        bool overdue = due_ms[i] && due_ms[i] + 2 * WHEEL_TICK_MS <= now_ms;
        bool right = due_ms[i] && probe->fired_ms >= due_ms[i] && probe->fired == 1;
        if (probe->fired ? !right : overdue)
            ck_abort_msg("%d, due at %lu, fires %u times, at %lu; now is %lu", i, due_ms[i],
                         probe->fired, probe->fired_ms, now_ms);
        if (probe->fired)
            due_ms[i] = many[i].fired = 0;
    }
}

START_TEST(many_fire_whatever_the_others_do) {
    srand((unsigned)_i);
    memset(many, 0, sizeof many);
    memset(due_ms, 0, sizeof due_ms);
    wheel_start(5000000 + (uint64_t)rand() % 100000);
    for (int step = 0; step < 3000; step++) {
        int i = rand() % COUNT;
        many[i].timer.fired = probe_fired;
        if (rand() % 3 == 0) {
            timer_clear(&wheel, &many[i].timer);
            due_ms[i] = 0;
        } else {
            uint64_t delay_ms = (uint64_t)rand() % (rand() % 2 ? 500 : 4 * TURN_MS);
            due_ms[i] = now_ms + delay_ms;
            timer_set(&wheel, &many[i].timer, due_ms[i]);
        }
        if (rand() % 4 == 0) {
            run_to(now_ms + (uint64_t)rand() % (rand() % 20 ? 100 : 3 * TURN_MS));
            check_many();
        }
    }
    run_to(now_ms + 10 * TURN_MS);
    check_many();
    ck_assert_uint_eq(wheel_next_ms(&wheel), UINT64_MAX);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/timer");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, it_fires_in_time_and_once, 0, sizeof delays / sizeof delays[0]);
    tcase_add_test(all, it_fires_although_the_worker_slept);
    tcase_add_loop_test(all, what_is_cleared_does_not_fire, 0, 3);
    tcase_add_test(all, setting_again_moves_it);
    tcase_add_loop_test(all, a_callback_may_clear_another_that_is_due, 0, 2);
    tcase_add_test(all, a_callback_may_set_itself);
    tcase_add_test(all, a_callback_that_sets_itself_for_now_waits_for_the_next_tick);
    tcase_add_loop_test(all, many_fire_whatever_the_others_do, 0, 20);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
