// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does not take at once waits in the ring's spill: nothing is lost, and nothing is
// forgotten there while the ring sleeps. Each test runs in a process of its own, whose kernel is
// made to refuse plain submissions for good (seccomp(2)), as one does that is out of memory; those
// made while asking for completions still pass.
#include "core/ring.h"

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Kernels to be imitated: this one as it is, and the oldest.
static const char *const kernels[] = {"1000.0", "5.19"};

enum { ENTRIES = 8, MANY = 300 };

struct waiting {
    struct op op;
    unsigned completions;
    int result;
    uint64_t value;
};

static struct waiting waiting[MANY];
static unsigned completions;
static unsigned order[MANY]; // of completions
static struct ring *ring;
static struct ring_counters counters;

static void waiting_done(struct op *op, int result, uint8_t *buffer) {
    struct waiting *one = (struct waiting *)op; // its first member
    (void)buffer;
    one->completions++;
    one->result = result;
    if (completions < MANY)
        order[completions] = (unsigned)(one - waiting);
    completions++;
}

static void refuse_plain_submissions(void) {
    // The low half of the fourth argument, io_uring_enter's flags, where bytes are little-endian.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IORING_ENTER_GETEVENTS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void start(int kernel) {
    struct ring_features features;
    char why[256] = "";
    ck_assert_msg(ring_probe(&features, why, sizeof why) == 0, "%s", why);
    ck_assert(ring_imitate(&features, kernels[kernel]));
    ring = ring_open(&features, ENTRIES, 8, &counters);
    ck_assert_msg(ring != NULL, "%s", strerror(errno));
    refuse_plain_submissions();
    for (int i = 0; i < MANY; i++)
        waiting[i].op.done = waiting_done;
}

static void run_until(unsigned wanted) {
    while (completions < wanted) // libcheck ends a test that waits for ever
        ck_assert_int_ge(ring_run(ring, RING_WAIT), 0);
}

START_TEST(many_submissions_all_complete) {
    start(_i);
    int event = eventfd(MANY, EFD_SEMAPHORE);
    for (int i = 0; i < MANY; i++)
        ring_read(ring, &waiting[i].op, event, &waiting[i].value, sizeof waiting[i].value);
    ck_assert_uint_eq(counters.submissions_delayed, MANY - ENTRIES);
    run_until(MANY);
    ck_assert_int_eq(ring_run(ring, RING_POLL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(waiting[i].completions, 1);
        ck_assert_int_eq(waiting[i].result, sizeof waiting[i].value);
        ck_assert_uint_eq(order[i], i);
    }
    ring_close(ring);
    close(event);
}
END_TEST

START_TEST(the_ring_does_not_sleep_on_what_has_spilled) {
    start(_i);
    int idle = eventfd(0, 0), ready = eventfd(1, 0);
    for (int i = 0; i < ENTRIES; i++)
        ring_poll_in(ring, &waiting[i].op, idle);
    ring_poll_in(ring, &waiting[ENTRIES].op, ready);
    ck_assert_uint_eq(counters.submissions_delayed, 1);
    run_until(1);
    ck_assert_uint_eq(order[0], ENTRIES);
    ring_close(ring);
    close(idle);
    close(ready);
}
END_TEST

START_TEST(an_alarm_that_has_spilled_comes) {
    start(_i);
    int idle = eventfd(0, 0);
    for (int i = 0; i < ENTRIES; i++)
        ring_poll_in(ring, &waiting[i].op, idle);
    ring_alarm(ring, 1); // long past
    ck_assert_uint_eq(counters.submissions_delayed, 1);
    int ran = 0;
    while (ran == 0) {
        ran = ring_run(ring, RING_WAIT);
        ck_assert_int_ge(ran, 0);
    }
    ck_assert_uint_eq(completions, 0);
    ring_close(ring);
    close(idle);
}
END_TEST

START_TEST(a_cancel_does_not_overtake_what_it_cancels) {
    start(_i);
    int idle = eventfd(0, 0);
    for (int i = 0; i < MANY; i++)
        ring_poll_in(ring, &waiting[i].op, idle);
    for (int i = 0; i < MANY; i++)
        ring_cancel(ring, &waiting[i].op);
    run_until(MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_uint_eq(waiting[i].completions, 1);
        ck_assert_int_eq(waiting[i].result, -ECANCELED);
        ck_assert(!waiting[i].op.submitted);
    }
    ring_close(ring);
    close(idle);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/ring_spill");
    TCase *tcase = tcase_create("ring_spill");
    int count = sizeof kernels / sizeof *kernels;
    tcase_add_loop_test(tcase, many_submissions_all_complete, 0, count);
    tcase_add_loop_test(tcase, the_ring_does_not_sleep_on_what_has_spilled, 0, count);
    tcase_add_loop_test(tcase, an_alarm_that_has_spilled_comes, 0, count);
    tcase_add_loop_test(tcase, a_cancel_does_not_overtake_what_it_cancels, 0, count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK); // the filter cannot be taken back
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
