// SPDX-License-Identifier: Apache-2.0
//
// A worker's loop: tasks, timers and completions each get their turn, on a real ring.
#include "core/worker.h"

#include "core/clock.h"
#include "core/container.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

static struct worker worker;

static void start(void) {
    struct ring_features features;
    char why[256] = "";
    ck_assert_msg(ring_probe(&features, why, sizeof why) == 0, "%s", why);
    ck_assert_int_eq(worker_open(&worker, 3, &features, 8), 0);
    ck_assert_int_eq(worker.index, 3);
}

static void finish(void) {
    worker_close(&worker);
    ck_assert_ptr_null(worker.ring);
}

// A task that counts, defers itself again so many times, and then stops the loop.
struct counted {
    struct task task;
    struct counted *other; // is deferred as well
    unsigned runs, again;
    bool stops;
};

static void counted_run(struct task *task) {
    struct counted *counted = container_of(task, struct counted, task);
    counted->runs++;
    ck_assert(!task->queued);
    if (counted->other)
        worker_defer(&worker, &counted->other->task);
    if (counted->again-- > 0)
        worker_defer(&worker, task);
    else if (counted->stops)
        worker_stop(&worker);
}

START_TEST(a_deferred_task_runs_once) {
    struct counted counted = {.task.run = counted_run, .stops = true};
    start();
    worker_defer(&worker, &counted.task);
    worker_defer(&worker, &counted.task); // queued already
    ck_assert(counted.task.queued);
    ck_assert_int_eq(worker_loop(&worker), 0);
    ck_assert_uint_eq(counted.runs, 1);
    finish();
}
END_TEST

START_TEST(a_task_may_defer_itself_and_others) {
    struct counted other = {.task.run = counted_run};
    struct counted first = {.task.run = counted_run, .other = &other, .again = 4, .stops = true};
    start();
    worker_defer(&worker, &first.task);
    ck_assert_int_eq(worker_loop(&worker), 0);
    ck_assert_uint_eq(first.runs, 5);
    ck_assert_uint_ge(other.runs, 4); // the last one may still wait
    finish();
}
END_TEST

static struct counted endless;
static struct timer timer;

static void timer_fired(struct timer *fired) {
    (void)fired;
    worker_stop(&worker);
}

START_TEST(tasks_do_not_keep_timers_waiting) {
    start();
    endless = (struct counted){.task.run = counted_run, .again = UINT32_MAX};
    timer.fired = timer_fired;
    timer_set(&worker.timers, &timer, worker.now_ms + 20);
    worker_defer(&worker, &endless.task);
    ck_assert_int_eq(worker_loop(&worker), 0);
    ck_assert_uint_gt(endless.runs, 1);
    finish();
}
END_TEST

static void *far_main(void *argument) {
    struct ring_note *note = argument;
    struct ring_features features;
    struct ring_counters counters = {0};
    char why[256];
    ring_probe(&features, why, sizeof why);
    struct ring *ring = ring_open(&features, 8, 8, &counters);
    ring_post(ring, worker.ring, note);
    ring_submit(ring);
    ring_run(ring, RING_POLL);
    ring_close(ring);
    return NULL;
}

static void note_run(struct ring_note *note) {
    (void)note;
    worker_stop(&worker);
}

START_TEST(a_note_wakes_an_idle_worker) {
    struct ring_note note = {.run = note_run};
    pthread_t thread;
    start();
    ck_assert_int_eq(pthread_create(&thread, NULL, far_main, &note), 0);
    ck_assert_int_eq(worker_loop(&worker), 0);
    pthread_join(thread, NULL);
    finish();
}
END_TEST

static unsigned seconds;

static void each_second(struct worker *of) {
    ck_assert_ptr_eq(of, &worker);
    if (++seconds == 2)
        worker_stop(of);
}

START_TEST(each_second_comes_each_second) {
    start();
    worker.each_second = each_second;
    uint64_t begin_ms = clock_monotonic_ms();
    ck_assert_int_eq(worker_loop(&worker), 0);
    uint64_t took_ms = clock_monotonic_ms() - begin_ms;
    ck_assert_uint_ge(took_ms, 1900);
    ck_assert_uint_lt(took_ms, 6000);
    finish();
}
END_TEST

START_TEST(time_stands_still_within_a_turn_and_goes_on) {
    start();
    uint64_t before_ms = worker.now_ms;
    timer.fired = timer_fired;
    timer_set(&worker.timers, &timer, before_ms + 60);
    ck_assert_int_eq(worker_loop(&worker), 0);
    ck_assert_uint_ge(worker.now_ms, before_ms + 60);
    finish();
}
END_TEST

START_TEST(a_worker_is_bound_to_one_core_of_those_allowed) {
    cpu_set_t allowed, set;
    unsigned cores = worker_cores();
    ck_assert_uint_ge(cores, 1);
    ck_assert_int_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    ck_assert_uint_eq((unsigned)CPU_COUNT(&allowed), cores);
    int core = worker_pin(cores + 1); // counted round
    ck_assert_int_ge(core, 0);
    ck_assert(CPU_ISSET(core, &allowed));
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_int_eq(CPU_COUNT(&set), 1);
    ck_assert(CPU_ISSET(core, &set));
    ck_assert_uint_eq(worker_cores(), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/worker");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 20);
    tcase_add_test(all, a_deferred_task_runs_once);
    tcase_add_test(all, a_task_may_defer_itself_and_others);
    tcase_add_test(all, tasks_do_not_keep_timers_waiting);
    tcase_add_test(all, a_note_wakes_an_idle_worker);
    tcase_add_test(all, each_second_comes_each_second);
    tcase_add_test(all, time_stands_still_within_a_turn_and_goes_on);
    tcase_add_test(all, a_worker_is_bound_to_one_core_of_those_allowed);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
