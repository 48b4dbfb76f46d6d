// SPDX-License-Identifier: Apache-2.0
//
// The ring over no kernel. A call to `ring_run` takes what was submitted, lets the peers act, looks
// at each submission and, as chance will have it, makes completions; those run in the order in
// which they were made, as from a real completion queue. When nothing is there to run, time goes
// on.
#include "core/ring_fake.h"

#include "core/ring_fake_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

// More calls of `ring_run` than this: something goes round for ever.
#define TURNS_MAX 200000
// The same, found sooner: so many calls within IDLE_MS although nothing moves.
#define IDLE_TURNS_MAX 1500
#define IDLE_MS 10000
#define CONNECT_GIVES_UP_MS 130000

enum submission_kind {
    SUBMIT_ACCEPT,
    SUBMIT_CONNECT,
    SUBMIT_RECV,
    SUBMIT_POLL_IN,
    SUBMIT_POLL_OUT
};

static const char *const kind_names[] = {"accept", "connect", "recv", "poll in", "poll out"};

// An operation from submission until its last completion has run.
struct submission {
    struct submission *prev, *next;
    struct op *op;
    int fd;
    enum submission_kind kind;
    const struct sockaddr *address; // of a connect
    bool once;                      // an accept of one connection
    bool cancelled;
    bool over;            // its last completion is made, and may not have run
    unsigned wakes;       // poll in: since its last completion
    uint32_t wake_events; // at the first of them
};

struct completion {
    struct completion *prev, *next;
    struct submission *submission;
    struct ring_note *note; // instead of a submission
    int result;
    bool more;
    uint8_t *buffer;
};

// What has been asked of the kernel and not handed over yet.
struct request {
    struct request *prev, *next;
    struct submission *start; // one of the three
    struct op *cancel;
    struct ring_note *post;
    struct ring *target; // of the post
};

struct ring {
    struct ring *prev, *next;
    struct ring_features features;
    struct ring_counters *counters;
    unsigned buffers_free, buffer_count;
    uint64_t alarm_ms; // UINT64_MAX: not set
    struct request *requests;
    struct submission *submissions;
    struct completion *completions;
};

static struct {
    struct fake_chances chances;
    struct fake_script script;
    struct ring *rings;
    uint64_t now_ms, random, act_ms;
    unsigned turns, idle_turns;
    uint64_t idle_ms; // since when `idle_turns` are counted
    bool trace, acting;
} fake;

// --- chance and time --------------------------------------------------------------------------

// splitmix64 (Steele, Lea, Flood 2014).
uint32_t fake_random(uint32_t n) {
    uint64_t z = fake.random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z >> 32) * n >> 32);
}

bool fake_happens(unsigned of_1000) {
    return of_1000 > 0 && fake_random(1000) < of_1000;
}

uint64_t clock_monotonic_ms(void) {
    return fake.now_ms;
}

void fake_trace(const char *format, ...) {
    if (!fake.trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%8llu  ", (unsigned long long)fake.now_ms);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void fake_set_trace(void) {
    fake.trace = true;
}

void fake_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "fake kernel at %llu ms: ", (unsigned long long)fake.now_ms);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fake_start(uint64_t seed, const struct fake_chances *chances, const struct fake_script *script,
                const struct fake_sizes *queues) {
    bool trace = fake.trace;
    memset(&fake, 0, sizeof fake);
    fake.trace = trace;
    fake.random = seed;
    fake.now_ms = 1000000 + fake_random(100000);
    fake.chances = *chances;
    fake.script = *script;
    fake_sockets_start(queues);
}

void fake_end(void) {
    if (fake.rings)
        fake_fail("a ring is open at the end");
    fake_sockets_end();
    fake_pipes_end();
}

const struct fake_chances *fake_chances(void) {
    return &fake.chances;
}

void fake_set_chances(const struct fake_chances *chances) {
    fake.chances = *chances;
}

unsigned fake_turns(void) {
    return fake.turns;
}

// --- the ring ---------------------------------------------------------------------------------

static void *allocate(size_t size_bytes) {
    void *memory = calloc(1, size_bytes);
    if (!memory)
        abort();
    return memory;
}

struct ring *ring_open(const struct ring_features *features, unsigned entries, unsigned buffers,
                       struct ring_counters *counters) {
    (void)entries;
    struct ring *ring = allocate(sizeof *ring);
    ring->features = *features;
    ring->counters = counters;
    ring->alarm_ms = UINT64_MAX;
    ring->buffers_free = ring->buffer_count = buffers;
    DL_APPEND(fake.rings, ring);
    return ring;
}

void ring_close(struct ring *ring) {
    if (ring->requests)
        fake_fail("a ring is closed before it has handed over what was submitted");
    if (ring->submissions)
        fake_fail("a ring is closed under an operation: %s on descriptor %d",
                  kind_names[ring->submissions->kind], ring->submissions->fd);
    if (ring->completions)
        fake_fail("a ring is closed before a note was read");
    if (ring->buffers_free != ring->buffer_count)
        fake_fail("%u buffers were not given back", ring->buffer_count - ring->buffers_free);
    DL_DELETE(fake.rings, ring);
    free(ring);
}

static struct submission *submission_of(const struct ring *ring, const struct op *op) {
    struct submission *submission;
    DL_FOREACH(ring->submissions, submission)
    if (submission->op == op)
        return submission;
    return NULL;
}

static struct submission *submit(struct ring *ring, struct op *op, enum submission_kind kind,
                                 int fd) {
    struct submission *submission = allocate(sizeof *submission);
    struct request *request = allocate(sizeof *request);
    if (op->submitted || submission_of(ring, op))
        fake_fail("%s on descriptor %d: the operation is submitted already", kind_names[kind], fd);
    if (!op->done)
        fake_fail("%s on descriptor %d: nobody waits for it", kind_names[kind], fd);
    fake_socket_get(fd);
    op->submitted = true;
    op->cancelled = false;
    *submission = (struct submission){.op = op, .kind = kind, .fd = fd};
    request->start = submission;
    DL_APPEND(ring->requests, request);
    fake_trace("fd %d: %s", fd, kind_names[kind]);
    return submission;
}

void ring_accept(struct ring *ring, struct op *op, int fd) {
    submit(ring, op, SUBMIT_ACCEPT, fd);
}

void ring_accept_once(struct ring *ring, struct op *op, int fd) {
    submit(ring, op, SUBMIT_ACCEPT, fd)->once = true;
}

void ring_connect(struct ring *ring, struct op *op, int fd, const struct sockaddr *address,
                  socklen_t size_bytes) {
    (void)size_bytes;
    submit(ring, op, SUBMIT_CONNECT, fd)->address = address;
}

void ring_recv(struct ring *ring, struct op *op, int fd) {
    submit(ring, op, SUBMIT_RECV, fd);
}

void ring_poll_in(struct ring *ring, struct op *op, int fd) {
    submit(ring, op, SUBMIT_POLL_IN, fd);
}

void ring_poll_out(struct ring *ring, struct op *op, int fd) {
    submit(ring, op, SUBMIT_POLL_OUT, fd);
}

void ring_read(struct ring *ring, struct op *op, int fd, void *buffer, size_t size_bytes) {
    (void)ring, (void)op, (void)buffer, (void)size_bytes;
    fake_fail("read on descriptor %d: there are no files here", fd);
}

void ring_cancel(struct ring *ring, struct op *op) {
    if (!op->submitted)
        fake_fail("a cancel of what is not submitted");
    if (op->cancelled)
        return;
    op->cancelled = true;
    struct request *request = allocate(sizeof *request);
    request->cancel = op;
    DL_APPEND(ring->requests, request);
}

void ring_post(struct ring *from, struct ring *target, struct ring_note *note) {
    struct request *request = allocate(sizeof *request);
    request->post = note;
    request->target = target;
    DL_APPEND(from->requests, request);
}

// --- the kernel -------------------------------------------------------------------------------

static struct completion *complete(struct ring *ring, struct submission *submission, int result,
                                   bool more) {
    struct completion *completion = allocate(sizeof *completion);
    completion->submission = submission;
    completion->result = result;
    completion->more = more;
    submission->over = !more;
    DL_APPEND(ring->completions, completion);
    return completion;
}

// A multishot operation goes on, unless chance ends it or the kernel does not know it.
static bool goes_on(bool multishot) {
    return multishot && !fake_happens(fake.chances.lost_more);
}

static void wake(struct submission *submission) {
    uint32_t events = fake_poll_events(fake_socket_get(submission->fd)->peer);
    if (submission->wakes++ == 0)
        submission->wake_events = events;
}

void fake_wake(int fd) {
    struct ring *ring;
    struct submission *submission;
    DL_FOREACH(fake.rings, ring)
    DL_FOREACH(ring->submissions, submission)
    if (submission->fd == fd && submission->kind == SUBMIT_POLL_IN)
        wake(submission);
}

static void connect_begin(struct submission *submission) {
    struct fake_socket *socket = fake_socket_get(submission->fd);
    struct fake_peer *peer = fake_peer_new();
    peer->fd = submission->fd;
    socket->peer = peer;
    peer->connect_fate = fake.script.dial(fake.script.context, submission->address, peer);
    uint64_t delay_ms =
        peer->connect_fate == FAKE_DIAL_SILENT ? CONNECT_GIVES_UP_MS : fake_random(20);
    peer->connect_ms = fake.now_ms + delay_ms;
}

static void submission_start(struct ring *ring, struct submission *submission) {
    DL_APPEND(ring->submissions, submission);
    if (submission->kind == SUBMIT_CONNECT)
        connect_begin(submission);
    // An event that is there already is told at once.
    if (submission->kind == SUBMIT_POLL_IN &&
        (fake_poll_events(fake_socket_get(submission->fd)->peer) & ~(uint32_t)POLLOUT))
        wake(submission);
}

void fake_submit(struct ring *ring) {
    struct request *request;
    while ((request = ring->requests)) {
        DL_DELETE(ring->requests, request);
        if (request->start) {
            submission_start(ring, request->start);
        } else if (request->cancel) {
            struct submission *submission = submission_of(ring, request->cancel);
            if (submission)
                submission->cancelled = true;
        } else {
            struct completion *arrival = allocate(sizeof *arrival);
            arrival->note = request->post;
            DL_APPEND(request->target->completions, arrival);
        }
        free(request);
    }
}

static bool is_ready(const struct submission *submission) {
    const struct fake_socket *socket = fake_socket_get(submission->fd);
    const struct fake_peer *peer = socket->peer;
    switch (submission->kind) {
    case SUBMIT_ACCEPT:
        return socket->queue != NULL;
    case SUBMIT_CONNECT:
        return fake.now_ms >= peer->connect_ms;
    case SUBMIT_RECV:
        return fake_poll_events(peer) & POLLIN;
    case SUBMIT_POLL_IN:
        return submission->wakes > 0;
    case SUBMIT_POLL_OUT:
        return fake_poll_events(peer) & POLLOUT;
    }
    return false;
}

// Takes the next from the listener's queue into a descriptor.
static int accept_one(struct fake_socket *listener) {
    struct fake_peer *peer = listener->queue;
    if (fake_happens(fake.chances.accept_error)) { // the connection stays queued
        static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
        return -errors[fake_random(4)];
    }
    listener->queue = peer->queued;
    if (peer->reset_to_us && fake_random(2)) {
        peer->closed_by_us = true;
        return -ECONNABORTED;
    }
    int fd = fake_socket_open();
    fake_socket_get(fd)->peer = peer;
    peer->fd = fd;
    return fd;
}

static void do_accept(struct ring *ring, struct submission *submission) {
    int result = accept_one(fake_socket_get(submission->fd));
    complete(ring, submission, result,
             result >= 0 && !submission->once && goes_on(ring->features.accept_multishot));
}

static void do_connect(struct ring *ring, struct submission *submission) {
    struct fake_peer *peer = fake_socket_get(submission->fd)->peer;
    peer->connected = peer->connect_fate == FAKE_DIAL_ACCEPT;
    complete(ring, submission,
             peer->connected                          ? 0
             : peer->connect_fate == FAKE_DIAL_REFUSE ? -ECONNREFUSED
                                                      : -ETIMEDOUT,
             false);
}

// What the kernel opens: data, or a negative errno. -EAGAIN: there were empty records only.
static ssize_t recv_opened(struct fake_peer *peer, uint8_t *bytes, size_t size_bytes) {
    uint8_t content;
    return fake_tls_recv(peer, bytes, size_bytes, FAKE_TLS_RECV, &content);
}

static ssize_t recv_plain(struct fake_peer *peer, uint8_t *bytes, size_t size_bytes) {
    size_t length = fake_bytes_length(&peer->to_us);
    size_t n = length < size_bytes ? length : size_bytes;
    if (n == 0)
        return fake_end_of_stream(peer);
    if (fake_happens(fake.chances.short_io))
        n = 1 + fake_random((uint32_t)n);
    return (ssize_t)fake_bytes_take(&peer->to_us, bytes, n);
}

static void do_recv(struct ring *ring, struct submission *submission) {
    struct fake_peer *peer = fake_socket_get(submission->fd)->peer;
    uint8_t bytes[RING_BUFFER_BYTES];
    bool any = fake_bytes_length(&peer->to_us) > 0;
    if (any && (ring->buffers_free == 0 || fake_happens(fake.chances.no_buffers))) {
        complete(ring, submission, -ENOBUFS, false);
        return;
    }
    ssize_t n = peer->tls.opens ? recv_opened(peer, bytes, sizeof bytes)
                                : recv_plain(peer, bytes, sizeof bytes);
    if (n == -EAGAIN && peer->tls.opens)
        return;
    bool more = n > 0 && goes_on(ring->features.recv_multishot);
    struct completion *completion = complete(ring, submission, (int)n, more);
    if (n <= 0)
        return;
    completion->buffer = allocate((size_t)n); // exactly as large, for sanitizers
    memcpy(completion->buffer, bytes, (size_t)n);
    ring->buffers_free--;
}

static void do_poll_in(struct ring *ring, struct submission *submission) {
    const struct fake_peer *peer = fake_socket_get(submission->fd)->peer;
    // One wake tells what was seen then, which may be gone; of several the kernel looks again.
    uint32_t events = submission->wakes == 1 ? submission->wake_events : fake_poll_events(peer);
    events &= ~(uint32_t)POLLOUT;
    submission->wakes = 0;
    if (events)
        complete(ring, submission, (int)events, goes_on(true));
}

static void do_poll_out(struct ring *ring, struct submission *submission) {
    complete(ring, submission, (int)(fake_poll_events(fake_socket_get(submission->fd)->peer)),
             false);
}

static void proceed(struct ring *ring, struct submission *submission) {
    switch (submission->kind) {
    case SUBMIT_ACCEPT:
        return do_accept(ring, submission);
    case SUBMIT_CONNECT:
        return do_connect(ring, submission);
    case SUBMIT_RECV:
        return do_recv(ring, submission);
    case SUBMIT_POLL_IN:
        return do_poll_in(ring, submission);
    case SUBMIT_POLL_OUT:
        return do_poll_out(ring, submission);
    }
}

// Gives one submission the chance to complete. Returns whether it could do so now or the next time.
static bool look_at(struct ring *ring, struct submission *submission) {
    if (submission->over)
        return false;
    bool ready = is_ready(submission);
    bool poll = submission->kind == SUBMIT_POLL_IN;
    if (!ready && poll && fake_happens(fake.chances.spurious)) {
        complete(ring, submission, POLLIN, true);
        return true;
    }
    if (!ready && !submission->cancelled)
        return false;
    if (fake_happens(fake.chances.late))
        return true;
    if (submission->cancelled && (!ready || fake_random(2)))
        complete(ring, submission, -ECANCELED, false);
    else
        proceed(ring, submission);
    return true;
}

// The kernel's and the peers' turn. Returns whether anything may happen without time going on.
static bool world_turn(void) {
    bool busy = false;
    struct ring *ring;
    struct submission *submission;
    if (!fake.acting) { // not from within a callback of the script
        fake.acting = true;
        fake.act_ms = fake.script.act(fake.script.context);
        fake.acting = false;
    }
    DL_FOREACH(fake.rings, ring)
    DL_FOREACH(ring->submissions, submission)
    busy |= look_at(ring, submission);
    return busy;
}

// --- running completions ----------------------------------------------------------------------

static void count(uint64_t *counter) {
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void op_complete(struct ring *ring, const struct completion *completion) {
    struct submission *submission = completion->submission;
    struct op *op = submission->op;
    if (!op->submitted)
        fake_fail("a submitted operation was written over (%s on descriptor %d)",
                  kind_names[submission->kind], submission->fd);
    fake_trace("fd %d: %s gives %d%s", submission->fd, kind_names[submission->kind],
               completion->result, completion->more ? ", more" : "");
    if (!completion->more) {
        op->submitted = op->cancelled = false;
        DL_DELETE(ring->submissions, submission);
        free(submission);
    }
    if (completion->result == -ENOBUFS)
        count(&ring->counters->buffers_exhausted);
    op->poll_events = completion->result > 0 ? (uint32_t)completion->result : 0;
    op->done(op, completion->result, completion->buffer);
    if (completion->buffer) {
        free(completion->buffer);
        ring->buffers_free++;
    }
}

static int completions_run(struct ring *ring) {
    int done = 0;
    while (ring->completions) {
        struct completion *completion = ring->completions;
        DL_DELETE(ring->completions, completion);
        count(&ring->counters->completions);
        if (completion->note)
            completion->note->run(completion->note);
        else
            op_complete(ring, completion);
        free(completion);
        done++;
        if (fake_random(8) == 0) // a real ring leaves what comes meanwhile for the next round, too
            break;
        if (fake_random(8) == 0)
            world_turn();
    }
    return done;
}

void fake_progress(void) {
    fake.idle_turns = 0;
    fake.idle_ms = fake.now_ms;
}

static void count_turn(void) {
    if (++fake.turns == TURNS_MAX)
        fake_fail("%d turns and no end", TURNS_MAX);
    if (fake.now_ms > fake.idle_ms + IDLE_MS)
        fake_progress();
    if (++fake.idle_turns == IDLE_TURNS_MAX)
        fake_fail("%d turns in %llu ms, and nothing moves", IDLE_TURNS_MAX,
                  (unsigned long long)(fake.now_ms - fake.idle_ms));
}

int ring_run(struct ring *ring, enum ring_wait wait) {
    count_turn();
    fake_submit(ring);
    for (;;) {
        bool busy = world_turn();
        if (ring->completions && !fake_happens(fake.chances.late))
            break;
        if (wait == RING_POLL || fake.now_ms >= ring->alarm_ms)
            break;
        uint64_t next_ms = fake.act_ms > fake.now_ms ? fake.act_ms : fake.now_ms + 1;
        if (busy || ring->completions)
            next_ms = fake.now_ms + fake_random(3);
        if (next_ms == UINT64_MAX && ring->alarm_ms == UINT64_MAX)
            fake_fail("nothing will ever happen again");
        fake.now_ms = next_ms < ring->alarm_ms ? next_ms : ring->alarm_ms;
    }
    if (fake.now_ms >= ring->alarm_ms)
        ring->alarm_ms = UINT64_MAX;
    return completions_run(ring);
}

void ring_alarm(struct ring *ring, uint64_t at_ms) {
    if (at_ms < ring->alarm_ms)
        ring->alarm_ms = at_ms;
}

// --- calls made directly ----------------------------------------------------------------------

ssize_t ring_send_now(struct ring *ring, int fd, const struct iovec *parts, int count,
                      enum ring_more more) {
    (void)ring, (void)more; // the world's own chances decide what arrives together
    ssize_t sent = fake_socket_send(fd, parts, count, &fake.chances);
    fake_trace("fd %d: send takes %zd", fd, sent);
    return sent;
}

void fake_recv_check(struct ring *ring, int fd) {
    struct submission *submission;
    DL_FOREACH(ring->submissions, submission)
    if (submission->fd == fd && submission->kind == SUBMIT_RECV)
        fake_fail("recv on descriptor %d behind a submitted one's back", fd);
}

ssize_t ring_recv_now(struct ring *ring, int fd, void *buffer, size_t size_bytes) {
    fake_recv_check(ring, fd);
    ssize_t received = fake_socket_recv(fd, buffer, size_bytes, &fake.chances);
    fake_trace("fd %d: recv gives %zd", fd, received);
    return received;
}

ssize_t ring_peek_at(struct ring *ring, int fd, uint64_t offset, void *buffer, size_t n) {
    fake_recv_check(ring, fd);
    ssize_t peeked = ring->features.peek_offset
                         ? fake_socket_peek(fd, offset, buffer, n, &fake.chances)
                         : -EOPNOTSUPP;
    fake_trace("fd %d: looking %zu bytes ahead gives %zd", fd, (size_t)offset, peeked);
    return peeked;
}

int ring_socket(struct ring *ring, int family) {
    (void)ring, (void)family;
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    return fake_happens(fake.chances.socket_error) ? -errors[fake_random(4)] : fake_socket_open();
}

int ring_accept_now(struct ring *ring, int fd) {
    (void)ring;
    struct fake_socket *listener = fake_socket_get(fd);
    return listener->queue ? accept_one(listener) : -EAGAIN;
}

int ring_peer_address(struct ring *ring, int fd, struct sockaddr_storage *address) {
    (void)ring;
    const struct fake_peer *peer = fake_socket_get(fd)->peer;
    if (peer->reset_to_us)
        return -ENOTCONN;
    memset(address, 0, sizeof *address);
    memcpy(address, &peer->address, sizeof peer->address);
    return 0;
}

void ring_shutdown(struct ring *ring, int fd, enum ring_shutdown how) {
    (void)ring, (void)how;
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    peer->finished_by_us = true;
    fake_trace("fd %d: shutdown", fd);
    if (peer->finished_by_peer)
        fake_wake(fd);
}

void ring_close_socket(struct ring *ring, int fd) {
    struct submission *submission;
    DL_FOREACH(ring->submissions, submission)
    if (submission->fd == fd)
        fake_fail("descriptor %d is closed under an operation: %s", fd,
                  kind_names[submission->kind]);
    fake_trace("fd %d: close", fd);
    fake_socket_close(fd);
}
