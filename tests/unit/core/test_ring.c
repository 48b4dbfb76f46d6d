// SPDX-License-Identifier: Apache-2.0
//
// The ring on this machine's kernel, and once more as older kernels have it.
#include "core/ring.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

// Kernels to be imitated; NULL: this one as it is.
static const char *const kernels[] = {NULL, "6.0", "5.19"};
#define KERNELS (int)(sizeof kernels / sizeof kernels[0])

#define BUFFERS 8
#define WAIT_MS 5000

static struct ring *ring;
static struct ring_counters counters;
static int pair[2];

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// What an operation has told.
struct probe {
    struct op op;
    unsigned completions, lasts;
    int result, first_result;
    uint32_t events;
    uint8_t bytes[64 * 1024];
    size_t size;
};

static void probe_done(struct op *op, int result, uint8_t *buffer) {
    struct probe *probe = (struct probe *)op; // its first member
    if (probe->completions++ == 0)
        probe->first_result = result;
    probe->result = result;
    probe->events |= op->poll_events;
    if (!op->submitted)
        probe->lasts++;
    if (buffer) {
        memcpy(probe->bytes + probe->size, buffer, (size_t)result);
        probe->size += (size_t)result;
    }
}

static struct probe *probe_new(void) {
    struct probe *probe = calloc(1, sizeof *probe);
    probe->op.done = probe_done;
    return probe;
}

static struct ring_features features_of(int kernel) {
    struct ring_features features;
    char why[256] = "";
    ck_assert_msg(ring_probe(&features, why, sizeof why) == 0, "%s", why);
    if (kernels[kernel])
        ck_assert(ring_imitate(&features, kernels[kernel]));
    return features;
}

static void start(int kernel, unsigned entries, unsigned buffers) {
    struct ring_features features = features_of(kernel);
    memset(&counters, 0, sizeof counters);
    ring = ring_open(&features, entries, buffers, &counters);
    ck_assert_msg(ring != NULL, "%s", strerror(errno));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void finish(void) {
    ring_close(ring);
    close(pair[0]);
    close(pair[1]);
}

// Runs the ring until `*number` is at least `wanted`.
static void run_until(const unsigned *number, unsigned wanted) {
    uint64_t until_ms = now_ms() + WAIT_MS;
    while (*number < wanted) {
        ck_assert_msg(now_ms() < until_ms, "%u instead of %u", *number, wanted);
        ring_alarm(ring, now_ms() + 100);
        ck_assert_int_ge(ring_run(ring, RING_WAIT), 0);
    }
}

static void run_some(void) {
    for (int i = 0; i < 10; i++) {
        ck_assert_int_ge(ring_run(ring, RING_POLL), 0);
        usleep(1000);
    }
}

// --- features ---------------------------------------------------------------------------------

START_TEST(old_kernels_lack_what_came_later) {
    struct ring_features features = {true, true, true, true, true, true, true};
    ck_assert(ring_imitate(&features, "6.0"));
    ck_assert(!features.defer_taskrun && features.recv_multishot);
    ck_assert(ring_imitate(&features, "5.19"));
    ck_assert(!features.recv_multishot && !features.peek_offset);
    ck_assert(features.accept_multishot && features.buffer_ring && features.coop_taskrun);
}
END_TEST

START_TEST(what_is_no_kernel_is_refused) {
    static const char *const texts[] = {"", "6", "x", "6.", "5.18", "4.20", "6.1x", "-6.1"};
    struct ring_features features = {0};
    ck_assert_msg(!ring_imitate(&features, texts[_i]), "%s", texts[_i]);
}
END_TEST

// --- receiving --------------------------------------------------------------------------------

START_TEST(bytes_come_in_order_and_then_the_end) {
    start(_i, 16, BUFFERS);
    struct probe *probe = probe_new();
    uint8_t bytes[30000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 >> 2);
    ring_recv(ring, &probe->op, pair[0]);
    for (size_t at = 0; at < sizeof bytes; at += 5000) {
        ck_assert_int_eq(write(pair[1], bytes + at, 5000), 5000);
        while (probe->size < at + 5000) {
            run_until(&probe->completions, probe->completions + 1);
            if (!probe->op.submitted)
                ring_recv(ring, &probe->op, pair[0]);
        }
    }
    ck_assert_mem_eq(probe->bytes, bytes, sizeof bytes);
    if (features_of(_i).recv_multishot)
        ck_assert_uint_eq(probe->lasts, 0);
    shutdown(pair[1], SHUT_WR);
    run_until(&probe->completions, probe->completions + 1);
    ck_assert_int_eq(probe->result, 0);
    ck_assert(!probe->op.submitted);
    free(probe);
    finish();
}
END_TEST

START_TEST(buffers_run_out_and_come_back) {
    start(_i, 16, 2);
    struct probe *probe = probe_new();
    uint8_t bytes[10 * RING_BUFFER_BYTES];
    memset(bytes, 'x', sizeof bytes);
    ck_assert_int_eq(write(pair[1], bytes, sizeof bytes), sizeof bytes);
    for (unsigned round = 0; probe->size < sizeof bytes; round++) {
        ck_assert_uint_lt(round, 100);
        if (!probe->op.submitted)
            ring_recv(ring, &probe->op, pair[0]);
        run_until(&probe->completions, probe->completions + 1);
        ck_assert(probe->result > 0 || probe->result == -ENOBUFS);
    }
    if (features_of(_i).recv_multishot)
        ck_assert_uint_gt(counters.buffers_exhausted, 0);
    free(probe);
    finish();
}
END_TEST

// --- polling ----------------------------------------------------------------------------------

START_TEST(readiness_is_told_again_and_again) {
    start(_i, 16, BUFFERS);
    struct probe *probe = probe_new();
    char byte;
    ring_poll_in(ring, &probe->op, pair[0]);
    run_some();
    ck_assert_uint_eq(probe->completions, 0);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(write(pair[1], "x", 1), 1);
        run_until(&probe->completions, i);
        ck_assert(probe->events & POLLIN);
        ck_assert(probe->op.submitted);
        ck_assert_int_eq(ring_recv_now(ring, pair[0], &byte, 1), 1);
        ck_assert_int_eq(ring_recv_now(ring, pair[0], &byte, 1), -EAGAIN);
    }
    shutdown(pair[1], SHUT_WR);
    run_until(&probe->completions, 4);
    ck_assert(probe->events & POLLRDHUP);
    free(probe);
    finish();
}
END_TEST

// Two ends of a TCP connection.
static void tcp_pair(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
}

START_TEST(bytes_ahead_are_seen_and_stay) {
    int ends[2];
    char bytes[8] = "";
    start(_i, 8, BUFFERS);
    tcp_pair(ends);
    ck_assert_int_eq(write(ends[0], "0123456789", 10), 10);
    if (!features_of(_i).peek_offset) {
        ck_assert_int_eq(ring_peek_at(ring, ends[1], 0, bytes, 2), -EOPNOTSUPP);
    } else {
        ck_assert_int_eq(ring_peek_at(ring, ends[1], 4, bytes, 8), 6);
        ck_assert_mem_eq(bytes, "456789", 6);
        ck_assert_int_eq(ring_peek_at(ring, ends[1], 0, bytes, 2), 2);
        ck_assert_mem_eq(bytes, "01", 2);
        ck_assert_int_eq(ring_peek_at(ring, ends[1], 10, bytes, 2), -EAGAIN);
        ck_assert_int_eq(ring_recv_now(ring, ends[1], bytes, 3), 3);
        ck_assert_int_eq(ring_peek_at(ring, ends[1], 1, bytes, 2), 2);
        ck_assert_mem_eq(bytes, "45", 2);
    }
    size_t before = features_of(_i).peek_offset ? 3 : 0;
    ck_assert_int_eq(ring_recv_now(ring, ends[1], bytes, 8), before ? 7 : 8);
    ck_assert_int_eq(bytes[0], (char)('0' + before));
    close(ends[0]);
    close(ends[1]);
    finish();
}
END_TEST

START_TEST(room_is_told_once) {
    start(_i, 16, BUFFERS);
    struct probe *probe = probe_new();
    static uint8_t bytes[65536];
    struct iovec part = {bytes, sizeof bytes};
    while (ring_send_now(ring, pair[0], &part, 1, RING_LAST) > 0)
        continue;
    ck_assert_int_eq(ring_send_now(ring, pair[0], &part, 1, RING_LAST), -EAGAIN);
    ring_poll_out(ring, &probe->op, pair[0]);
    run_some();
    ck_assert_uint_eq(probe->completions, 0);
    while (read(pair[1], bytes, sizeof bytes) > 0)
        continue;
    run_until(&probe->completions, 1);
    ck_assert(probe->events & POLLOUT);
    ck_assert(!probe->op.submitted);
    free(probe);
    finish();
}
END_TEST

START_TEST(a_broken_pipe_is_an_error_and_no_signal) {
    start(_i, 16, BUFFERS);
    struct iovec parts[] = {{"a", 1}, {"b", 1}};
    close(pair[1]);
    pair[1] = -1;
    ck_assert_int_eq(ring_send_now(ring, pair[0], parts, 1, RING_LAST), -EPIPE);
    ck_assert_int_eq(ring_send_now(ring, pair[0], parts, 2, RING_LAST), -EPIPE);
    finish();
}
END_TEST

START_TEST(a_descriptor_is_read) {
    start(_i, 16, BUFFERS);
    struct probe *probe = probe_new();
    uint64_t value = 0;
    int event = eventfd(0, 0);
    ring_read(ring, &probe->op, event, &value, sizeof value);
    run_some();
    ck_assert_uint_eq(probe->completions, 0);
    eventfd_write(event, 5);
    run_until(&probe->completions, 1);
    ck_assert_int_eq(probe->result, sizeof value);
    ck_assert_uint_eq(value, 5);
    close(event);
    free(probe);
    finish();
}
END_TEST

// --- connections ------------------------------------------------------------------------------

// A listener on a port of loopback that the kernel picks.
static int listen_somewhere(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

// Connects through the ring; returns the result.
static int connect_to(int fd, const struct sockaddr_in *address) {
    struct probe *probe = probe_new();
    ring_connect(ring, &probe->op, fd, (const struct sockaddr *)address, sizeof *address);
    run_until(&probe->completions, 1);
    int result = probe->result;
    free(probe);
    return result;
}

START_TEST(connections_are_made_and_accepted) {
    start(_i, 16, BUFFERS);
    struct sockaddr_in address, peer;
    struct sockaddr_storage found;
    struct probe *accepting = probe_new();
    socklen_t size = sizeof peer;
    int listener = listen_somewhere(&address);
    ring_accept(ring, &accepting->op, listener);
    for (unsigned i = 1; i <= 3; i++) {
        int fd = ring_socket(ring, AF_INET);
        ck_assert_int_eq(connect_to(fd, &address), 0);
        run_until(&accepting->completions, i);
        ck_assert_int_ge(accepting->result, 0);
        if (!accepting->op.submitted)
            ring_accept(ring, &accepting->op, listener);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&peer, &size), 0);
        ck_assert_int_eq(ring_peer_address(ring, accepting->result, &found), 0);
        ck_assert_mem_eq(&found, &peer, sizeof peer);
        ring_shutdown(ring, accepting->result, RING_SHUTDOWN_BOTH);
        ring_close_socket(ring, accepting->result);
        ring_close_socket(ring, fd);
    }
    ring_cancel(ring, &accepting->op);
    run_until(&accepting->completions, 4);
    ck_assert_int_eq(accepting->result, -ECANCELED);
    ck_assert_int_eq(ring_accept_now(ring, listener), -EAGAIN);
    close(listener);
    free(accepting);
    finish();
}
END_TEST

START_TEST(one_is_accepted_where_one_is_asked_for) {
    start(_i, 16, BUFFERS);
    struct sockaddr_in address;
    struct probe *accepting = probe_new();
    int fds[2], listener = listen_somewhere(&address);
    ring_accept_once(ring, &accepting->op, listener);
    for (int i = 0; i < 2; i++) {
        fds[i] = ring_socket(ring, AF_INET);
        ck_assert_int_eq(connect_to(fds[i], &address), 0);
    }
    run_until(&accepting->completions, 1);
    run_some();
    ck_assert_uint_eq(accepting->completions, 1);
    ck_assert(!accepting->op.submitted);
    int second = ring_accept_now(ring, listener);
    ck_assert_int_ge(second, 0);
    ring_close_socket(ring, second);
    ring_close_socket(ring, accepting->result);
    close(fds[0]);
    close(fds[1]);
    close(listener);
    free(accepting);
    finish();
}
END_TEST

START_TEST(a_connection_is_refused) {
    start(_i, 16, BUFFERS);
    struct sockaddr_in address;
    int listener = listen_somewhere(&address), fd = ring_socket(ring, AF_INET);
    close(listener);
    ck_assert_int_eq(connect_to(fd, &address), -ECONNREFUSED);
    ring_close_socket(ring, fd);
    finish();
}
END_TEST

// --- cancelling -------------------------------------------------------------------------------

enum kind { ACCEPT, ACCEPT_ONCE, RECV, POLL_IN, POLL_OUT, READ, KINDS };

START_TEST(whatever_waits_can_be_cancelled) {
    start(_i / KINDS, 16, BUFFERS);
    struct probe *probe = probe_new();
    struct sockaddr_in address;
    static uint8_t bytes[65536];
    int listener = listen_somewhere(&address);
    int event = eventfd(0, 0);
    struct iovec part = {bytes, sizeof bytes};
    while (ring_send_now(ring, pair[0], &part, 1, RING_LAST) > 0)
        continue; // there is no room to be told of
    switch (_i % KINDS) {
    case ACCEPT:
        ring_accept(ring, &probe->op, listener);
        break;
    case ACCEPT_ONCE:
        ring_accept_once(ring, &probe->op, listener);
        break;
    case RECV:
        ring_recv(ring, &probe->op, pair[0]);
        break;
    case POLL_IN:
        ring_poll_in(ring, &probe->op, pair[0]);
        break;
    case POLL_OUT:
        ring_poll_out(ring, &probe->op, pair[0]);
        break;
    case READ:
        ring_read(ring, &probe->op, event, bytes, 8);
        break;
    }
    run_some();
    ck_assert_uint_eq(probe->completions, 0);
    ring_cancel(ring, &probe->op);
    ring_cancel(ring, &probe->op); // has been asked for
    ck_assert(probe->op.submitted);
    run_until(&probe->lasts, 1);
    run_some();
    ck_assert_uint_eq(probe->completions, 1);
    ck_assert(probe->result == -ECANCELED || probe->result == -EINTR);
    close(listener);
    close(event);
    free(probe);
    finish();
}
END_TEST

START_TEST(a_connect_can_be_cancelled) {
    start(_i, 16, BUFFERS);
    struct probe *probe = probe_new();
    struct sockaddr_in address;
    int fds[64], count = 0, listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof address;
    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 0), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    // Once its queue is full, connecting takes for ever.
    while (probe->completions == 0 && count < 64) {
        fds[count] = ring_socket(ring, AF_INET);
        ring_connect(ring, &probe->op, fds[count++], (struct sockaddr *)&address, sizeof address);
        run_some();
        if (probe->op.submitted)
            break;
        probe->completions = probe->lasts = 0;
    }
    ck_assert(probe->op.submitted);
    ring_cancel(ring, &probe->op);
    run_until(&probe->lasts, 1);
    ck_assert(probe->result == -ECANCELED || probe->result == -EINTR);
    while (count > 0)
        close(fds[--count]);
    close(listener);
    free(probe);
    finish();
}
END_TEST

// --- more than fits ---------------------------------------------------------------------------

#define MANY 200

START_TEST(more_than_the_queues_hold_is_not_lost) {
    start(_i, 4, BUFFERS); // so 16 completions
    static struct probe *probes[MANY];
    int events[MANY];
    unsigned done = 0;
    for (int i = 0; i < MANY; i++) {
        probes[i] = probe_new();
        events[i] = eventfd(0, EFD_NONBLOCK);
        ring_poll_in(ring, &probes[i]->op, events[i]);
    }
    ck_assert_int_ge(ring_run(ring, RING_POLL), 0);
    for (int i = 0; i < MANY; i++)
        eventfd_write(events[i], 1);
    for (uint64_t until_ms = now_ms() + WAIT_MS; done < MANY && now_ms() < until_ms;) {
        ck_assert_int_ge(ring_run(ring, RING_POLL), 0);
        done = 0;
        for (int i = 0; i < MANY; i++)
            done += probes[i]->completions > 0;
    }
    ck_assert_uint_eq(done, MANY);
    ck_assert_uint_gt(counters.completions_overflowed, 0);
    for (int i = 0; i < MANY; i++) {
        if (probes[i]->op.submitted)
            ring_cancel(ring, &probes[i]->op);
        run_until(&probes[i]->lasts, 1);
        close(events[i]);
        free(probes[i]);
    }
    finish();
}
END_TEST

// --- time -------------------------------------------------------------------------------------

// Runs the ring until the time; it may come back sooner, but only a few times.
static void wait_until(uint64_t at_ms) {
    for (int turns = 0; now_ms() < at_ms; turns++) {
        ck_assert_int_lt(turns, 5);
        ck_assert_int_ge(ring_run(ring, RING_WAIT), 0);
    }
}

START_TEST(an_alarm_ends_the_waiting) {
    start(_i, 16, BUFFERS);
    uint64_t begin_ms = now_ms();
    ring_alarm(ring, begin_ms + 10000);
    ring_alarm(ring, begin_ms + 50);    // sooner
    ring_alarm(ring, begin_ms + 20000); // later: nothing changes
    wait_until(begin_ms + 50);
    ck_assert_uint_lt(now_ms(), begin_ms + 5000);
    run_some();
    ring_alarm(ring, begin_ms + 150); // and again
    wait_until(begin_ms + 150);
    ck_assert_uint_lt(now_ms(), begin_ms + 5000);
    finish();
}
END_TEST

START_TEST(an_alarm_of_the_past_comes_at_once) {
    start(_i, 16, BUFFERS);
    ck_assert_int_eq(ring_run(ring, RING_POLL), 0);
    ring_alarm(ring, now_ms() - 1000);
    ck_assert_int_ge(ring_run(ring, RING_WAIT), 0);
    finish();
}
END_TEST

// --- notes ------------------------------------------------------------------------------------

#define NOTES 3000

static struct numbered {
    struct ring_note note;
    unsigned number;
} notes[NOTES];

static struct ring *far_ring;
static unsigned told, out_of_order;
static int kernel_index;
static pthread_barrier_t barrier;

static void note_run(struct ring_note *note) {
    if (((struct numbered *)note)->number != told)
        out_of_order++;
    __atomic_add_fetch(&told, 1, __ATOMIC_RELEASE);
}

// The other thread: gets all notes, the first of them only after a while.
static void *far_main(void *argument) {
    static struct ring_counters far_counters;
    struct ring_features features = features_of(kernel_index);
    (void)argument;
    far_ring = ring_open(&features, 4, BUFFERS, &far_counters);
    pthread_barrier_wait(&barrier);
    usleep(20000);
    for (uint64_t until_ms = now_ms() + WAIT_MS; told < NOTES && now_ms() < until_ms;) {
        ring_alarm(far_ring, now_ms() + 20);
        ring_run(far_ring, RING_WAIT);
    }
    pthread_barrier_wait(&barrier);
    ring_close(far_ring);
    return NULL;
}

START_TEST(notes_reach_another_thread_in_order) {
    pthread_t thread;
    kernel_index = _i;
    start(_i, 16, BUFFERS);
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, far_main, NULL), 0);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < NOTES; i++) {
        notes[i] = (struct numbered){{.run = note_run}, i};
        ring_post(ring, far_ring, &notes[i].note);
        if (i % 100 == 0)
            ring_submit(ring);
    }
    for (uint64_t until_ms = now_ms() + WAIT_MS;
         __atomic_load_n(&told, __ATOMIC_ACQUIRE) < NOTES && now_ms() < until_ms;)
        run_some();
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(told, NOTES);
    ck_assert_uint_eq(out_of_order, 0);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/ring");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_test(all, old_kernels_lack_what_came_later);
    tcase_add_loop_test(all, what_is_no_kernel_is_refused, 0, 8);
    tcase_add_loop_test(all, bytes_come_in_order_and_then_the_end, 0, KERNELS);
    tcase_add_loop_test(all, buffers_run_out_and_come_back, 0, KERNELS);
    tcase_add_loop_test(all, readiness_is_told_again_and_again, 0, KERNELS);
    tcase_add_loop_test(all, bytes_ahead_are_seen_and_stay, 0, KERNELS);
    tcase_add_loop_test(all, room_is_told_once, 0, KERNELS);
    tcase_add_loop_test(all, a_broken_pipe_is_an_error_and_no_signal, 0, KERNELS);
    tcase_add_loop_test(all, a_descriptor_is_read, 0, KERNELS);
    tcase_add_loop_test(all, connections_are_made_and_accepted, 0, KERNELS);
    tcase_add_loop_test(all, one_is_accepted_where_one_is_asked_for, 0, KERNELS);
    tcase_add_loop_test(all, a_connection_is_refused, 0, KERNELS);
    tcase_add_loop_test(all, whatever_waits_can_be_cancelled, 0, KERNELS * KINDS);
    tcase_add_loop_test(all, a_connect_can_be_cancelled, 0, KERNELS);
    tcase_add_loop_test(all, more_than_the_queues_hold_is_not_lost, 0, KERNELS);
    tcase_add_loop_test(all, an_alarm_ends_the_waiting, 0, KERNELS);
    tcase_add_loop_test(all, an_alarm_of_the_past_comes_at_once, 0, KERNELS);
    tcase_add_loop_test(all, notes_reach_another_thread_in_order, 0, KERNELS);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
