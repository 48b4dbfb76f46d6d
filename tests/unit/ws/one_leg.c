// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/one_leg.h"

#include <string.h>

struct owner owner;
struct worker worker;
struct leg *leg;
struct fake_peer *peer;
enum fake_dial fate;
uint8_t data[1 << 20];
struct arrived arrived;

static size_t input(void *context, struct leg *from, const uint8_t *bytes, size_t n) {
    struct owner *self = context;
    ck_assert_ptr_eq(from, leg);
    if (self->closes) {
        leg_close(leg);
        leg = NULL;
        return n;
    }
    n = n < self->take_max ? n : self->take_max;
    memcpy(self->got + self->got_size, bytes, n);
    self->got_size += n;
    if (self->on_input)
        self->on_input(from);
    return n;
}

static void ended(void *context, struct leg *from, enum leg_end how) {
    (void)from;
    struct owner *self = context;
    self->ends++;
    if (how == LEG_EOF)
        self->eofs++;
    else
        self->losts++;
}

static void drained(void *context, struct leg *from) {
    (void)from;
    ((struct owner *)context)->drains++;
}

static void hangup(void *context, struct leg *from) {
    (void)from;
    ((struct owner *)context)->hangups++;
}

static void connected(void *context, struct leg *from, int result) {
    (void)from;
    struct owner *self = context;
    self->connects++;
    self->connected = result;
}

const struct leg_events events = {
    .input = input, .ended = ended, .drained = drained, .hangup = hangup, .connected = connected};

// --- a worker with one leg --------------------------------------------------------------------

static bool (*is_done)(void); // what the loop runs for
static uint64_t give_up_ms;
static bool told;

static void stop(struct ring_note *note) {
    (void)note;
    worker_stop(&worker);
}

static uint64_t act(void *context) {
    static struct ring_note note = {.run = stop};
    (void)context;
    uint64_t now_ms = clock_monotonic_ms();
    if (!told && ((is_done && is_done()) || now_ms >= give_up_ms)) {
        ring_post(worker.ring, worker.ring, &note); // ends the waiting
        fake_submit(worker.ring);
        told = true;
    }
    return now_ms + 1;
}

static enum fake_dial dial(void *context, const struct sockaddr *to, struct fake_peer *other) {
    (void)context, (void)to;
    peer = other;
    return fate;
}

bool run(bool (*done)(void), unsigned ms) {
    is_done = done;
    give_up_ms = clock_monotonic_ms() + ms;
    worker.stopping = told = false;
    ck_assert_int_eq(worker_loop(&worker), 0);
    return done && done();
}

void start_with(const struct fake_chances *chances, bool multishot) {
    static const struct fake_script script = {.act = act, .dial = dial};
    struct ring_features features = {.recv_multishot = multishot, .accept_multishot = true};
    memset(&owner, 0, sizeof owner);
    arrived.size = 0;
    owner.take_max = SIZE_MAX;
    leg = NULL;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    fake_start(7, chances, &script, &(struct fake_sizes){400000, 400000});
    ck_assert_int_eq(worker_open(&worker, 0, &features, 64), 0);
    int listener = fake_listen();
    peer = fake_connect(listener, &(struct sockaddr_in){.sin_family = AF_INET});
    leg = leg_new(&worker, ring_accept_now(worker.ring, listener), &events, &owner);
    ck_assert_ptr_nonnull(leg);
    ring_close_socket(worker.ring, listener);
}

void start(void) {
    start_with(&(struct fake_chances){.late = 100}, true);
}

bool is_gone(void) {
    return worker.ring_users == 0;
}

void finish(void) {
    if (leg)
        leg_close(leg);
    ck_assert_msg(run(is_gone, WAIT_MS), "%u legs stay", worker.ring_users);
    ck_assert_uint_eq(worker.chunks.used_bytes, 0);
    worker_close(&worker);
    fake_end();
}

static size_t wanted;

static bool has_got(void) {
    return owner.got_size >= wanted;
}

void expect_got(size_t n) {
    wanted = n;
    run(has_got, WAIT_MS);
    ck_assert_uint_eq(owner.got_size, n);
    ck_assert(memcmp(owner.got, data, n) == 0);
}

bool has_ended(void) {
    return owner.ends > 0;
}

size_t peer_read(size_t max) {
    size_t n = fake_peer_recv(peer, arrived.bytes + arrived.size, max);
    arrived.size += n;
    return n;
}
