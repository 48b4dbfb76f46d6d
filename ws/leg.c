// SPDX-License-Identifier: Apache-2.0
//
// Reading order in this file: making a leg, receiving (arm, the two ways, opening records, offering
// to the owner, telling the end), sending, ending.
//
// Invariants:
//   - nothing calls the owner but `offer`, `settle`, `leg_connect_done` and `leg_writable_done`,
//   and
//     these run from the loop only;
//   - a closed leg is freed by its task, never inside a call, so that every function here may go on
//     using the leg after a callback and only has to look at `closing`;
//   - one operation receives at a time (`rx`), one connects or waits for room (`tx`).
#include "ws/leg.h"

#include "core/container.h"
#include "ws/leg_inside.h"
#include "ws/splice.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

// What one leg reads before the others get their turn. A second large read would save a system call
// in some forty microseconds' work, and small messages beside it would wait for all of it.
#define TURN_READS 8
#define TURN_BYTES ((size_t)64 * 1024)
// So many small reads in a row, and messages are received the cheap way.
#define SMALL_READS 4
#define SMALL_READ_BYTES (RING_BUFFER_BYTES / 2)
#define SEND_PARTS 16
// Behind a spliced frame comes the header of the next, which may be a large one as well.
#define AFTER_SPLICE_BYTES 1024

static void leg_run(struct task *task);
static void leg_connect_done(struct op *op, int result, uint8_t *buffer);
static void leg_recv_done(struct op *op, int result, uint8_t *buffer);
static void leg_poll_done(struct op *op, int result, uint8_t *buffer);
static void leg_writable_done(struct op *op, int result, uint8_t *buffer);
static void leg_read(struct leg *leg);
static void received(struct leg *leg, uint8_t *bytes, size_t n);
static void open_records(struct leg *leg, uint8_t *bytes, size_t n);
static void offer(struct leg *leg, const uint8_t *bytes, size_t n);
static void settle(struct leg *leg);
static void flush(struct leg *leg);
static void write_out(struct leg *leg, const void *bytes, size_t n);

struct leg *leg_new(struct worker *worker, int fd, const struct leg_events *events, void *owner) {
    struct leg *leg = calloc(1, sizeof *leg);
    if (!leg)
        return NULL;
    leg->worker = worker;
    leg->fd = fd;
    leg->events = events;
    leg->owner = owner;
    leg->task.run = leg_run;
    leg->paused = true;
    worker->ring_users++;
    return leg;
}

struct leg *leg_dial(struct worker *worker, const struct sockaddr *address, socklen_t size_bytes,
                     const struct leg_events *events, void *owner) {
    int fd = ring_socket(worker->ring, address->sa_family);
    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    struct leg *leg = leg_new(worker, fd, events, owner);
    if (!leg) {
        ring_close_socket(worker->ring, fd);
        errno = ENOMEM;
        return NULL;
    }
    leg->tx.done = leg_connect_done;
    ring_connect(worker->ring, &leg->tx, fd, address, size_bytes);
    return leg;
}

static void leg_connect_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct leg *leg = container_of(op, struct leg, tx);
    if (leg->closing)
        return worker_defer(leg->worker, &leg->task);
    leg->events->connected(leg->owner, leg, result);
}

void leg_adopt(struct leg *leg, const struct leg_events *events, void *owner) {
    leg->events = events;
    leg->owner = owner;
    leg->paused = true;
    leg->end_told = leg->lost_told = leg->hangup_told = false;
}

void leg_secure(struct leg *leg, struct tls_records *records) {
    assert(!leg->records && chain_is_empty(&leg->in));
    leg->records = records;
    leg->read_limit = 0;
}

void leg_allow_messages(struct leg *leg) {
    leg->messages_allowed = true;
}

// --- receiving --------------------------------------------------------------------------------

void leg_pause(struct leg *leg) {
    leg->paused = true;
    leg->resumed = false;
    leg->small_reads = 0;
    if (leg->rx.submitted && leg->receive == LEG_MESSAGES)
        ring_cancel(leg->worker->ring, &leg->rx);
}

void leg_resume(struct leg *leg) {
    leg->paused = false;
    leg->resumed = true;
    worker_defer(leg->worker, &leg->task);
}

static bool wants_messages(const struct leg *leg) {
    return leg->messages_allowed && !leg->paused && !leg->splice && !leg->eof &&
           leg->small_reads >= SMALL_READS;
}

// Submits the receive operation that fits now, unless one is submitted. After the end of the stream
// too: a reset may follow.
static void arm(struct leg *leg) {
    if (leg->rx.submitted || leg->closing || (leg->eof && leg->lost))
        return;
    if (wants_messages(leg)) {
        leg->receive = LEG_MESSAGES;
        leg->rx.done = leg_recv_done;
        ring_recv(leg->worker->ring, &leg->rx, leg->fd);
    } else {
        leg->receive = LEG_BULK;
        leg->rx.done = leg_poll_done;
        ring_poll_in(leg->worker->ring, &leg->rx, leg->fd);
    }
}

// The leg's turn outside of completions: what was put off, and the end of a closed leg.
static void leg_run(struct task *task) {
    struct leg *leg = container_of(task, struct leg, task);
    struct worker *worker = leg->worker;
    if (leg->closing) {
        if (leg->rx.submitted || leg->tx.submitted)
            return; // the last completion comes here again
        ring_close_socket(worker->ring, leg->fd);
        tls_records_free(leg->records);
        tls_offload_free(leg->offload);
        chain_clear(&worker->chunks, &leg->in);
        chain_clear(&worker->chunks, &leg->out);
        if (leg->partial)
            chunk_put(&worker->chunks, leg->partial);
        worker->ring_users--;
        free(leg);
        return;
    }
    if (!chain_is_empty(&leg->out) && !leg->tx.submitted)
        flush(leg);
    while (!leg->paused && !leg->closing && !chain_is_empty(&leg->in)) {
        struct chunk *chunk = leg->in.head;
        offer(leg, chunk->data + chunk->start, chunk_length(chunk));
    }
    arm(leg);
    leg_read(leg);
    settle(leg);
}

static void leg_recv_done(struct op *op, int result, uint8_t *buffer) {
    struct leg *leg = container_of(op, struct leg, rx);
    if (leg->closing)
        return worker_defer(leg->worker, &leg->task);
    if (result > 0) {
        received(leg, buffer, (size_t)result);
        if (result == RING_BUFFER_BYTES || leg->paused)
            leg->small_reads = 0; // large or unwelcome: the other way is better
    } else if (result == 0) {
        leg->eof = true;
    } else if (result == -ENOBUFS) {
        return worker_defer(leg->worker, &leg->task); // by then buffers are back
    } else if (result == -EIO && leg_kernel_opens(leg)) {
        leg->small_reads = 0; // a control record, which only reading in bulk can take
        leg->readable = true;
    } else if (result != -ECANCELED) {
        leg->lost = result;
        leg->eof = true;
    }
    if (!wants_messages(leg) && leg->rx.submitted && !leg->closing)
        ring_cancel(leg->worker->ring, &leg->rx);
    arm(leg);
    leg_read(leg);
    settle(leg);
}

static void leg_poll_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct leg *leg = container_of(op, struct leg, rx);
    if (leg->closing)
        return worker_defer(leg->worker, &leg->task);
    if (result > 0) {
        leg->readable = true;
        if (op->poll_events & (POLLRDHUP | POLLHUP | POLLERR))
            leg->hung_up = true;
        if ((op->poll_events & POLLERR) && (leg->paused || leg->eof) && !leg->lost)
            leg->lost = -ECONNRESET; // reading will not find it now
        leg_read(leg);
    } else if (result < 0 && result != -ECANCELED) {
        leg->lost = result;
        leg->eof = true;
    }
    arm(leg);
    settle(leg);
}

// Returns how many bytes.
static size_t read_bytes(struct leg *leg) {
    struct worker *worker = leg->worker;
    bool kernel_opens = leg_kernel_opens(leg);
    size_t limit = leg->read_limit     ? leg->read_limit
                   : leg->after_splice ? AFTER_SPLICE_BYTES
                                       : WORKER_SCRATCH_BYTES;
    leg->after_splice = false;
    ssize_t n = kernel_opens ? leg_kernel_recv(leg, worker->read_scratch, limit)
                             : ring_recv_now(worker->ring, leg->fd, worker->read_scratch, limit);
    if (n == -EAGAIN) {
        leg->readable = false;
        leg->eof = leg->eof || leg->lost != 0; // sending failed and nothing is left to read
    } else if (n <= 0) {
        leg->eof = true;
        if (n < 0)
            leg->lost = (int)n;
    } else {
        // A short read has emptied the socket: what comes later gives a new event. Unless the peer
        // has hung up: that event is over, and only reading on finds the end. Unless the kernel
        // opens records, too: it stops where another kind of record follows.
        if ((size_t)n < limit && !leg->hung_up && !kernel_opens)
            leg->readable = false;
        if (n > SMALL_READ_BYTES)
            leg->small_reads = 0;
        else if (leg->small_reads < SMALL_READS)
            leg->small_reads++;
        received(leg, worker->read_scratch, (size_t)n);
        return (size_t)n;
    }
    return 0;
}

size_t leg_peek(struct leg *leg, uint64_t offset, void *buffer, size_t n) {
    if (!leg->readable || leg->records || leg->offload || !chain_is_empty(&leg->in))
        return 0;
    ssize_t peeked = ring_peek_at(leg->worker->ring, leg->fd, offset, buffer, n);
    if (peeked < 0 && peeked != -EAGAIN && peeked != -EOPNOTSUPP)
        leg_broken(leg, (int)peeked);
    return peeked > 0 ? (size_t)peeked : 0;
}

static size_t read_by_splice(struct leg *leg) {
    size_t moved = 0;
    leg->small_reads = 0;
    switch (splice_move(leg->splice, &moved)) {
    case SPLICE_MOVED:
    case SPLICE_OVER:
        break;
    case SPLICE_EMPTY:
        leg->readable = false;
        leg->eof = leg->lost != 0; // sending failed and nothing is left to read
        break;
    case SPLICE_BLOCKED:
        leg_pause(leg);
        break;
    }
    return moved;
}

// Reads as long as there is something, the owner wants it and others are not kept waiting. Not
// while the rest of an earlier read waits to be offered: that is the task's, which comes back here.
static void leg_read(struct leg *leg) {
    struct worker *worker = leg->worker;
    if (leg->rx.submitted && leg->receive == LEG_MESSAGES)
        return; // what it has received already comes first
    int reads = 0;
    size_t taken = 0;
    while (leg->readable && !leg->paused && !leg->closing && !leg->eof &&
           chain_is_empty(&leg->in)) {
        if (reads++ == TURN_READS || taken >= TURN_BYTES) {
            worker_defer(worker, &leg->task);
            return;
        }
        taken += leg->splice ? read_by_splice(leg) : read_bytes(leg);
    }
    if (wants_messages(leg) && !leg->readable && leg->receive == LEG_BULK && leg->rx.submitted &&
        !leg->closing)
        ring_cancel(worker->ring, &leg->rx);
}

static void received(struct leg *leg, uint8_t *bytes, size_t n) {
    if (leg->records && !leg_kernel_opens(leg))
        open_records(leg, bytes, n);
    else
        offer(leg, bytes, n);
}

static void lose(struct leg *leg, int error) {
    leg->lost = error;
    leg->eof = true;
}

// Sends what our records answer to the peer: an alert or a KeyUpdate.
static void send_reply(struct leg *leg) {
    uint8_t reply[TLS_REPLY_MAX_BYTES];
    if (leg_kernel_seals(leg))
        leg_kernel_reply(leg);
    else
        write_out(leg, reply, tls_records_reply(leg->records, reply));
}

// Acts on what came between application data. Returns whether opening goes on.
static bool opened(struct leg *leg, enum tls_open_verdict verdict) {
    switch (verdict) {
    case TLS_OPEN_MORE:
        return false;
    case TLS_OPEN_FULL:
        return true;
    case TLS_OPEN_REPLY:
        send_reply(leg);
        return !leg->eof;
    case TLS_OPEN_CLOSE_NOTIFY:
        leg->eof = true;
        return false;
    case TLS_OPEN_FATAL:
        send_reply(leg);
        lose(leg, -EPROTO);
        return false;
    }
    return false;
}

// Offers what has been opened so far.
static void offer_opened(struct leg *leg, size_t *opened_bytes) {
    size_t n = *opened_bytes;
    *opened_bytes = 0;
    if (n > 0)
        offer(leg, leg->worker->open_scratch, n);
}

// Opens the whole records in `bytes` behind what has been opened so far, and offers that only where
// it must go first: what a message arrived in is sent on at once. Returns the bytes done with;
// fewer than `n` when the rest is part of a record.
static size_t open_whole(struct leg *leg, uint8_t *bytes, size_t n, size_t *opened_bytes) {
    size_t done = 0;
    enum tls_open_verdict verdict;
    do {
        size_t used, length;
        verdict = tls_records_open(leg->records, bytes + done, n - done, &used,
                                   leg->worker->open_scratch + *opened_bytes,
                                   WORKER_OPEN_BYTES - *opened_bytes, &length);
        done += used;
        *opened_bytes += length;
        if (verdict != TLS_OPEN_MORE)
            offer_opened(leg, opened_bytes);
    } while (!leg->closing && opened(leg, verdict));
    return done;
}

// Adds to the record begun earlier. Returns how many bytes it took; opens the record once whole.
static size_t complete_partial(struct leg *leg, const uint8_t *bytes, size_t n,
                               size_t *opened_bytes) {
    size_t taken = 0, size;
    struct chunk *partial = leg->partial;
    // A record that says it is too large is not waited for: opening it gives the alert.
    while ((size = tls_record_size(partial->data, partial->end)) > partial->end &&
           size <= TLS_RECORD_MAX_BYTES) {
        size_t missing = size - partial->end;
        size_t part = missing < n - taken ? missing : n - taken;
        if (part == 0)
            return taken;
        memcpy(partial->data + partial->end, bytes + taken, part);
        partial->end += (uint32_t)part;
        taken += part;
    }
    leg->partial = NULL;
    open_whole(leg, partial->data, partial->end, opened_bytes);
    chunk_put(&leg->worker->chunks, partial);
    return taken;
}

// Keeps the first part of a record until the rest has come.
static void keep_partial(struct leg *leg, const uint8_t *bytes, size_t n) {
    leg->partial = chunk_get(&leg->worker->chunks, TLS_RECORD_MAX_BYTES);
    if (!leg->partial)
        return lose(leg, -ENOMEM);
    memcpy(leg->partial->data, bytes, n);
    leg->partial->end = (uint32_t)n;
}

static void open_records(struct leg *leg, uint8_t *bytes, size_t n) {
    size_t done = 0, opened_bytes = 0;
    if (leg->partial)
        done = complete_partial(leg, bytes, n, &opened_bytes);
    if (done < n && !leg->closing && !leg->eof)
        done += open_whole(leg, bytes + done, n - done, &opened_bytes);
    if (done < n && !leg->closing && !leg->eof)
        keep_partial(leg, bytes + done, n - done);
    if (!leg->closing)
        offer_opened(leg, &opened_bytes);
}

// Puts bytes the owner did not take behind those it has not been offered yet.
static void keep(struct leg *leg, const uint8_t *bytes, size_t n) {
    if (chain_append(&leg->worker->chunks, &leg->in, bytes, n) < 0)
        lose(leg, -ENOMEM);
}

// Offers bytes to the owner. They are either new, or the head of `in`.
static void offer(struct leg *leg, const uint8_t *bytes, size_t n) {
    bool kept = leg->in.head && bytes == leg->in.head->data + leg->in.head->start;
    if (!kept && (leg->paused || leg->in.head))
        return keep(leg, bytes, n);

    bool plain = !leg->records;
    leg->resumed = false;
    size_t taken = leg->events->input(leg->owner, leg, bytes, n);
    assert(taken <= n);
    if (leg->closing)
        return;
    if (kept)
        chain_consume(&leg->worker->chunks, &leg->in, taken);
    if (taken == n)
        return;
    if (plain && leg->records) // secured meanwhile: the rest are records
        return open_records(leg, (uint8_t *)bytes + taken, n - taken);
    if (!kept)
        keep(leg, bytes + taken, n - taken);
    if (!leg->resumed)
        leg_pause(leg);
}

// Tells the owner what has become of the stream, once everything before has been taken.
static void settle(struct leg *leg) {
    if (leg->closing)
        return;
    if (leg->paused) {
        if ((leg->hung_up || leg->lost) && !leg->hangup_told) {
            leg->hangup_told = true;
            leg->events->hangup(leg->owner, leg);
        }
        return;
    }
    if (!leg->eof || !chain_is_empty(&leg->in))
        return;
    if (leg->lost && !leg->lost_told) {
        leg->lost_told = leg->end_told = true;
        leg->events->ended(leg->owner, leg, LEG_LOST);
    } else if (!leg->end_told) {
        leg->end_told = true;
        leg->events->ended(leg->owner, leg, leg->unreadable ? LEG_UNREADABLE : LEG_EOF);
    }
}

bool leg_is_reusable(struct leg *leg) {
    uint8_t byte;
    return !leg->eof && !leg->lost && chain_is_empty(&leg->in) &&
           ring_recv_now(leg->worker->ring, leg->fd, &byte, 1) == -EAGAIN;
}

// --- sending ----------------------------------------------------------------------------------

// What the peer sent before may still be read; reading finds the end.
void leg_broken(struct leg *leg, int error) {
    if (!leg->lost)
        leg->lost = error;
    chain_clear(&leg->worker->chunks, &leg->out);
    leg->readable = true;
    leg->small_reads = 0;
    if (leg->rx.submitted && leg->receive == LEG_MESSAGES)
        ring_cancel(leg->worker->ring, &leg->rx);
    worker_defer(leg->worker, &leg->task);
}

void leg_wait_writable(struct leg *leg) {
    if (leg->tx.submitted)
        return;
    leg->tx.done = leg_writable_done;
    ring_poll_out(leg->worker->ring, &leg->tx, leg->fd);
}

// Everything is out: FIN, if that was asked for.
static void sent_all(struct leg *leg) {
    if (!leg->finishing || leg->finished)
        return;
    if (leg_kernel_seals(leg) &&
        tls_offload_close_notify(leg->offload, leg->worker->ring, leg->fd) == -EAGAIN)
        return leg_wait_writable(leg);
    leg->finished = true;
    ring_shutdown(leg->worker->ring, leg->fd, RING_SHUTDOWN_SEND);
}

// send(2) behind what must go first. Bytes taken, or negative errno.
static ssize_t send_parts(struct leg *leg, const struct iovec *parts, int count,
                          enum ring_more more) {
    int error = leg_may_send(leg);
    return error < 0 ? error : ring_send_now(leg->worker->ring, leg->fd, parts, count, more);
}

// What comes before FIN goes in one segment with it. With MSG_MORE the kernel's TLS would leave the
// record open.
static enum ring_more more_follows(const struct leg *leg) {
    return leg->finishing && !leg_kernel_seals(leg) ? RING_MORE : RING_LAST;
}

static void flush(struct leg *leg) {
    struct worker *worker = leg->worker;
    if (leg->fed_by && (!splice_drain(leg->fed_by) || leg->closing))
        return;
    int error = leg_may_send(leg);
    if (error == -EAGAIN)
        return leg_wait_writable(leg);
    if (error < 0)
        return leg_broken(leg, error);
    while (!chain_is_empty(&leg->out)) {
        struct iovec parts[SEND_PARTS];
        int count = chain_parts(&leg->out, parts, SEND_PARTS);
        ssize_t sent = send_parts(leg, parts, count, more_follows(leg));
        if (sent == -EAGAIN)
            return leg_wait_writable(leg);
        if (sent < 0)
            return leg_broken(leg, (int)sent);
        chain_consume(&worker->chunks, &leg->out, (size_t)sent);
    }
    sent_all(leg);
}

static void leg_writable_done(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer; // an error shows when sending
    struct leg *leg = container_of(op, struct leg, tx);
    if (leg->closing)
        return worker_defer(leg->worker, &leg->task);
    flush(leg);
    if (!leg->closing && !leg->lost && !leg->tx.submitted)
        leg->events->drained(leg->owner, leg);
}

// Sends wire bytes: at once if nothing waits, else behind what does.
static void write_wire(struct leg *leg, const void *bytes, size_t n, enum ring_more more) {
    if (n == 0 || leg->lost)
        return;
    ssize_t sent = 0;
    bool idle = chain_is_empty(&leg->out);
    if (idle) {
        struct iovec whole = {(void *)bytes, n};
        sent = send_parts(leg, &whole, 1, more);
        if (sent == (ssize_t)n)
            return;
        if (sent < 0 && sent != -EAGAIN)
            return leg_broken(leg, (int)sent);
        if (sent < 0)
            sent = 0;
    }
    if (chain_append(&leg->worker->chunks, &leg->out, (const uint8_t *)bytes + sent,
                     n - (size_t)sent) < 0)
        return leg_broken(leg, -ENOMEM);
    if (idle)
        leg_wait_writable(leg);
    else if (!leg->tx.submitted)
        flush(leg);
}

static void write_out(struct leg *leg, const void *bytes, size_t n) {
    write_wire(leg, bytes, n, more_follows(leg));
}

static void write_more(struct leg *leg, const void *bytes, size_t n) {
    write_wire(leg, bytes, n, RING_MORE);
}

static void write_later(struct leg *leg, const void *bytes, size_t n) {
    if (leg->lost)
        return;
    if (chain_append(&leg->worker->chunks, &leg->out, bytes, n) < 0)
        return leg_broken(leg, -ENOMEM);
    worker_defer(leg->worker, &leg->task);
}

// Protects application bytes and gives them to `write`, in pieces of one scratch buffer.
static void protect(struct leg *leg, const uint8_t *bytes, size_t n,
                    void (*write)(struct leg *, const void *, size_t)) {
    assert(!leg->finishing && !leg->closing && !leg->fed_by);
    leg_count_sent(leg, n);
    if (!leg->records || leg_kernel_seals(leg))
        return write(leg, bytes, n);
    while (n > 0 && !leg->lost) {
        size_t part = n < WORKER_SCRATCH_BYTES ? n : WORKER_SCRATCH_BYTES;
        assert(tls_records_sealed_size(leg->records, part) <= WORKER_SEAL_BYTES);
        ssize_t sealed = tls_records_seal(leg->records, bytes, part, leg->worker->seal_scratch);
        if (sealed < 0)
            return leg_broken(leg, (int)sealed);
        write(leg, leg->worker->seal_scratch, (size_t)sealed);
        bytes += part;
        n -= part;
    }
}

void leg_send(struct leg *leg, const void *bytes, size_t n) {
    protect(leg, bytes, n, write_out);
}

void leg_send_more(struct leg *leg, const void *bytes, size_t n) {
    protect(leg, bytes, n, write_more);
}

void leg_send_later(struct leg *leg, const void *bytes, size_t n) {
    protect(leg, bytes, n, write_later);
}

void leg_finish(struct leg *leg) {
    if (leg->finishing)
        return;
    leg->finishing = true;
    splice_stop(leg->fed_by);
    if (leg->records && !leg_kernel_seals(leg)) {
        uint8_t notice[TLS_REPLY_MAX_BYTES];
        write_out(leg, notice, tls_records_close_notify(leg->records, notice));
    }
    if (chain_is_empty(&leg->out))
        sent_all(leg);
    else if (!leg->tx.submitted)
        flush(leg);
}

// What its peer did against TLS; NULL when that was not seen here.
static const char *tls_error(const struct leg *leg) {
    if (leg->lost != -EPROTO)
        return NULL;
    if (leg->records)
        return tls_records_error(leg->records);
    return leg->offload ? leg->offload->control.error : NULL;
}

bool leg_broke_tls(const struct leg *leg) {
    return tls_error(leg) ||
           (leg_kernel_opens(leg) && (leg->lost == -EBADMSG || leg->lost == -EMSGSIZE));
}

const char *leg_error(const struct leg *leg) {
    const char *error = tls_error(leg);
    if (error)
        return error;
    switch (leg->lost) {
    case -ECONNRESET:
    case -EPIPE:
        return "connection reset";
    case -ETIMEDOUT:
        return "no answer from the peer's host";
    case -ENOMEM:
        return "out of memory";
    case -EBADMSG:
    case -EMSGSIZE:
        return "a TLS record that cannot be opened";
    default:
        return "connection lost";
    }
}

// --- ending -----------------------------------------------------------------------------------

void leg_close(struct leg *leg) {
    assert(!leg->closing);
    leg->closing = true;
    leg->owner = NULL;
    splice_stop(leg->splice);
    splice_stop(leg->fed_by);
    if (leg->rx.submitted)
        ring_cancel(leg->worker->ring, &leg->rx);
    if (leg->tx.submitted)
        ring_cancel(leg->worker->ring, &leg->tx);
    worker_defer(leg->worker, &leg->task);
}
