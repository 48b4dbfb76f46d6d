// SPDX-License-Identifier: Apache-2.0
//
// The ring over liburing. What the kernel gets as user data is the operation's address; the low
// bits say what kind of address it is. Three things keep anything from being lost: a submission
// that finds no room waits in `spill`, in order; the kernel keeps completions that find no room
// (IORING_FEAT_NODROP); and a multishot operation that ends early shows `submitted` false to its
// owner, who submits it again.
#include "core/ring.h"

#include "core/container.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_GROUP 0
// The kernel takes buffers in turn, so that all of them pass through the core's cache: a worker
// starts with few and is given more when they run out.
#define BUFFERS_AT_FIRST 64

// Kinds of user data. Zero as a whole: nobody waits for it.
enum { TAG_OP = 0, TAG_NOTE = 1, TAG_POST_FAILED = 2, TAG_MASK = 3 };

struct spill {
    struct io_uring_sqe *entries;
    size_t count, capacity;
};

struct ring {
    struct io_uring uring;
    struct ring_features features;
    struct ring_counters *counters;
    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_memory;
    unsigned buffer_count; // room for so many
    unsigned buffers_used; // so many take turns
    struct spill spill;
    struct op alarm;
    uint64_t alarm_ms; // UINT64_MAX: not set
    struct __kernel_timespec alarm_time;
};

static unsigned ring_flags(const struct ring_features *features) {
    // Multishot poll without either of the two costs 2.5 times as much.
    if (features->defer_taskrun)
        return IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
    return features->coop_taskrun ? IORING_SETUP_COOP_TASKRUN : 0;
}

static size_t buffers_size_bytes(const struct ring *ring) {
    return (size_t)ring->buffer_count * RING_BUFFER_BYTES;
}

static void buffer_recycle(struct ring *ring, unsigned id) {
    io_uring_buf_ring_add(ring->buffers, ring->buffer_memory + (size_t)id * RING_BUFFER_BYTES,
                          RING_BUFFER_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(ring->buffer_count), 0);
    io_uring_buf_ring_advance(ring->buffers, 1);
}

static void buffers_add(struct ring *ring, unsigned more) {
    unsigned end = ring->buffers_used + more;
    if (end > ring->buffer_count)
        end = ring->buffer_count;
    while (ring->buffers_used < end)
        buffer_recycle(ring, ring->buffers_used++);
}

static int buffers_open(struct ring *ring, unsigned count) {
    int error = 0;
    ring->buffer_count = count;
    ring->buffer_memory = mmap(NULL, buffers_size_bytes(ring), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring->buffer_memory == MAP_FAILED)
        return -errno;
    // Most of them may never be used: no huge page for the first touch.
    madvise(ring->buffer_memory, buffers_size_bytes(ring), MADV_NOHUGEPAGE);
    ring->buffers = io_uring_setup_buf_ring(&ring->uring, count, BUFFER_GROUP, 0, &error);
    if (!ring->buffers) {
        munmap(ring->buffer_memory, buffers_size_bytes(ring));
        return error;
    }
    buffers_add(ring, BUFFERS_AT_FIRST);
    return 0;
}

static void alarm_done(struct op *op, int result, uint8_t *buffer);

struct ring *ring_open(const struct ring_features *features, unsigned entries, unsigned buffers,
                       struct ring_counters *counters) {
    struct ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->features = *features;
    ring->alarm.done = alarm_done;
    ring->alarm_ms = UINT64_MAX;
    ring->counters = counters;
    struct io_uring_params params = {.flags = ring_flags(features) | IORING_SETUP_CQSIZE,
                                     .cq_entries = entries * 4};
    int error = io_uring_queue_init_params(entries, &ring->uring, &params);
    if (error == 0) {
        error = buffers_open(ring, buffers);
        if (error == 0)
            return ring;
        io_uring_queue_exit(&ring->uring);
    }
    free(ring);
    errno = -error;
    return NULL;
}

void ring_close(struct ring *ring) {
    io_uring_free_buf_ring(&ring->uring, ring->buffers, ring->buffer_count, BUFFER_GROUP);
    io_uring_queue_exit(&ring->uring);
    munmap(ring->buffer_memory, buffers_size_bytes(ring));
    free(ring->spill.entries);
    free(ring);
}

// Counters are read by other threads: relaxed atomics say so without costing anything.
static void count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

// --- submitting -------------------------------------------------------------------------------

static struct io_uring_sqe *spill_push(struct ring *ring) {
    struct spill *spill = &ring->spill;
    if (spill->count == spill->capacity) {
        size_t capacity = spill->capacity ? spill->capacity * 2 : 64;
        struct io_uring_sqe *entries = realloc(spill->entries, capacity * sizeof *entries);
        if (!entries)
            abort(); // an operation would be lost and its owner wait for ever
        spill->entries = entries;
        spill->capacity = capacity;
    }
    count(&ring->counters->submissions_delayed, 1);
    struct io_uring_sqe *sqe = &spill->entries[spill->count++];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

// Room for one submission: in the queue, else in the spill. Once something has spilled everything
// behind it does too, so that a cancel never overtakes what it cancels.
static struct io_uring_sqe *sqe_get(struct ring *ring) {
    if (ring->spill.count > 0)
        return spill_push(ring);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe)
        return sqe;
    io_uring_submit(&ring->uring);
    sqe = io_uring_get_sqe(&ring->uring);
    return sqe ? sqe : spill_push(ring);
}

static void spill_drain(struct ring *ring) {
    struct spill *spill = &ring->spill;
    size_t moved = 0;
    while (moved < spill->count) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        if (!sqe && io_uring_submit(&ring->uring) > 0)
            sqe = io_uring_get_sqe(&ring->uring);
        if (!sqe)
            break;
        *sqe = spill->entries[moved++];
    }
    memmove(spill->entries, spill->entries + moved,
            (spill->count - moved) * sizeof *spill->entries);
    spill->count -= moved;
}

static void op_submit(struct op *op, struct io_uring_sqe *sqe) {
    assert(!op->submitted && op->done);
    assert(((uintptr_t)op & TAG_MASK) == 0);
    op->submitted = true;
    op->cancelled = false;
    sqe->user_data = (uintptr_t)op | TAG_OP;
}

void ring_accept(struct ring *ring, struct op *op, int fd) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    op_submit(op, sqe);
}

void ring_accept_once(struct ring *ring, struct op *op, int fd) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    op_submit(op, sqe);
}

void ring_connect(struct ring *ring, struct op *op, int fd, const struct sockaddr *address,
                  socklen_t size_bytes) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_connect(sqe, fd, address, size_bytes);
    op_submit(op, sqe);
}

void ring_recv(struct ring *ring, struct op *op, int fd) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    if (ring->features.recv_multishot)
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, fd, NULL, RING_BUFFER_BYTES, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    op_submit(op, sqe);
}

void ring_poll_in(struct ring *ring, struct op *op, int fd) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_poll_multishot(sqe, fd, POLLIN | POLLRDHUP);
    op_submit(op, sqe);
}

void ring_poll_out(struct ring *ring, struct op *op, int fd) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_poll_add(sqe, fd, POLLOUT);
    op_submit(op, sqe);
}

void ring_read(struct ring *ring, struct op *op, int fd, void *buffer, size_t size_bytes) {
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_read(sqe, fd, buffer, (unsigned)size_bytes, 0);
    op_submit(op, sqe);
}

void ring_cancel(struct ring *ring, struct op *op) {
    assert(op->submitted);
    if (op->cancelled)
        return;
    op->cancelled = true;
    struct io_uring_sqe *sqe = sqe_get(ring);
    io_uring_prep_cancel64(sqe, (uintptr_t)op | TAG_OP, 0);
    sqe->user_data = 0;
}

static void post_submit(struct ring *from, int target_fd, struct ring_note *note) {
    // The kernel carries the address; that what it points at goes before is said to the C memory
    // model (and to ThreadSanitizer) here and in completion_dispatch.
    __atomic_store_n(&note->posted, true, __ATOMIC_RELEASE);
    struct io_uring_sqe *sqe = sqe_get(from);
    io_uring_prep_msg_ring(sqe, target_fd, 0, (uintptr_t)note | TAG_NOTE, 0);
    // Only a failure comes back, and must say which note it was.
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    sqe->user_data = (uintptr_t)note | TAG_POST_FAILED;
}

void ring_post(struct ring *from, struct ring *target, struct ring_note *note) {
    assert(((uintptr_t)note & TAG_MASK) == 0);
    note->target_fd = target->uring.ring_fd;
    post_submit(from, note->target_fd, note);
}

static void alarm_done(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer;
    container_of(op, struct ring, alarm)->alarm_ms = UINT64_MAX;
}

void ring_alarm(struct ring *ring, uint64_t at_ms) {
    if (at_ms >= ring->alarm_ms)
        return;
    ring->alarm_ms = at_ms;
    ring->alarm_time = (struct __kernel_timespec){.tv_sec = (long long)(at_ms / 1000),
                                                  .tv_nsec = (long long)(at_ms % 1000) * 1000000};
    struct io_uring_sqe *sqe = sqe_get(ring);
    if (ring->alarm.submitted) {
        io_uring_prep_timeout_update(sqe, &ring->alarm_time, (uintptr_t)&ring->alarm | TAG_OP,
                                     IORING_TIMEOUT_ABS);
        sqe->user_data = 0; // too late to move it: then it comes by itself
        return;
    }
    io_uring_prep_timeout(sqe, &ring->alarm_time, 0, IORING_TIMEOUT_ABS);
    op_submit(&ring->alarm, sqe);
}

// --- completing -------------------------------------------------------------------------------

static void op_complete(struct ring *ring, struct op *op, int result, unsigned flags) {
    assert(op->submitted);
    if (!(flags & IORING_CQE_F_MORE)) {
        op->submitted = false;
        op->cancelled = false;
    }
    if (flags & IORING_CQE_F_BUFFER) {
        unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
        op->done(op, result, ring->buffer_memory + (size_t)id * RING_BUFFER_BYTES);
        buffer_recycle(ring, id);
        return;
    }
    if (result == -ENOBUFS) {
        count(&ring->counters->buffers_exhausted, 1);
        buffers_add(ring, ring->buffers_used);
    }
    op->poll_events = result > 0 ? (uint32_t)result : 0;
    op->done(op, result, NULL);
}

static void completion_dispatch(struct ring *ring, const struct io_uring_cqe *cqe) {
    void *subject = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
    if (!subject)
        return;
    switch (cqe->user_data & TAG_MASK) {
    case TAG_OP:
        op_complete(ring, subject, cqe->res, cqe->flags);
        break;
    case TAG_NOTE:
        (void)__atomic_load_n(&((struct ring_note *)subject)->posted, __ATOMIC_ACQUIRE);
        ((struct ring_note *)subject)->run(subject);
        break;
    case TAG_POST_FAILED:
        // A full queue will have room soon; a thread that has ended needs no note any more.
        if (cqe->res == -EOVERFLOW || cqe->res == -ENOMEM || cqe->res == -EAGAIN)
            post_submit(ring, ((struct ring_note *)subject)->target_fd, subject);
        break;
    }
}

static bool is_passing(int error) {
    return error == -EINTR || error == -EAGAIN || error == -EBUSY || error == -ENOMEM;
}

static int submit_and_wait(struct ring *ring, enum ring_wait wait) {
    if (ring->spill.count > 0)
        spill_drain(ring);
    // What is left in the spill may be the alarm, or what would complete first: no sleep before it
    // is with the kernel.
    if (wait == RING_POLL || ring->spill.count > 0 || io_uring_cq_ready(&ring->uring) > 0)
        return io_uring_submit_and_get_events(&ring->uring);
    return io_uring_submit_and_wait(&ring->uring, 1);
}

void ring_submit(struct ring *ring) {
    if (ring->spill.count > 0)
        spill_drain(ring);
    io_uring_submit(&ring->uring);
}

int ring_run(struct ring *ring, enum ring_wait wait) {
    int result = submit_and_wait(ring, wait);
    if (result < 0 && !is_passing(result))
        return result;
    if (result == -ENOMEM || result == -EAGAIN || result == -EBUSY)
        count(&ring->counters->submissions_delayed, 1);
    if (io_uring_cq_has_overflow(&ring->uring))
        count(&ring->counters->completions_overflowed, 1);

    unsigned ready = io_uring_cq_ready(&ring->uring);
    for (unsigned i = 0; i < ready; i++) {
        struct io_uring_cqe *next;
        if (io_uring_peek_cqe(&ring->uring, &next) != 0)
            break;
        struct io_uring_cqe cqe = *next;
        io_uring_cqe_seen(&ring->uring, next);
        completion_dispatch(ring, &cqe);
    }
    count(&ring->counters->completions, ready);
    return (int)ready;
}

// --- calls made directly ----------------------------------------------------------------------

ssize_t ring_send_now(struct ring *ring, int fd, const struct iovec *parts, int count,
                      enum ring_more more) {
    (void)ring;
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more == RING_MORE ? MSG_MORE : 0);
    ssize_t sent;
    if (count == 1) {
        sent = send(fd, parts->iov_base, parts->iov_len, flags);
    } else {
        struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
        sent = sendmsg(fd, &message, flags);
    }
    return sent < 0 ? -errno : sent;
}

ssize_t ring_recv_now(struct ring *ring, int fd, void *buffer, size_t size_bytes) {
    (void)ring;
    ssize_t received = recv(fd, buffer, size_bytes, MSG_DONTWAIT);
    return received < 0 ? -errno : received;
}

ssize_t ring_peek_at(struct ring *ring, int fd, uint64_t offset, void *buffer, size_t n) {
    int at = (int)offset;
    if (!ring->features.peek_offset || offset > INT_MAX)
        return -EOPNOTSUPP;
    if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at) < 0)
        return -EOPNOTSUPP;
    ssize_t peeked = recv(fd, buffer, n, MSG_PEEK | MSG_DONTWAIT);
    return peeked < 0 ? -errno : peeked;
}

int ring_socket(struct ring *ring, int family) {
    (void)ring;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int ring_accept_now(struct ring *ring, int fd) {
    (void)ring;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted < 0 ? -errno : accepted;
}

int ring_peer_address(struct ring *ring, int fd, struct sockaddr_storage *address) {
    (void)ring;
    socklen_t size_bytes = sizeof *address;
    return getpeername(fd, (struct sockaddr *)address, &size_bytes) < 0 ? -errno : 0;
}

void ring_shutdown(struct ring *ring, int fd, enum ring_shutdown how) {
    (void)ring;
    shutdown(fd, how == RING_SHUTDOWN_SEND ? SHUT_WR : SHUT_RDWR);
}

void ring_close_socket(struct ring *ring, int fd) {
    (void)ring;
    close(fd);
}
