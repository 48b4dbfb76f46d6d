// SPDX-License-Identifier: Apache-2.0
//
// One socket of a connection, to the client or to an upstream, as an ordered stream of bytes both
// ways: how the bytes are protected, what waits to be sent, what has arrived and nobody took yet.
//
// A leg reports to its owner through `struct leg_events`, always from the worker's loop and never
// from inside a call the owner makes, so an owner may do anything in a callback, `leg_close`
// included. Bytes reach the owner in order; taking fewer than offered pauses the leg and keeps the
// rest. Sending never fails at the call: what the socket does not take is kept, a broken socket is
// reported as LEG_LOST.
//
// Life: `leg_new` over a connected socket, or `leg_dial` → connected; then any number of owners in
// turn (`leg_adopt`); `leg_close` detaches the owner at once and the leg goes by itself when the
// kernel has let go of it: terminate → join → close → closed. One worker's thread.
//
// Receiving has two ways, chosen by what arrives:
//   messages  multishot receive into provided buffers: the cheapest for small messages
//   bulk      multishot poll and direct reads of 68 KB: the cheapest for large ones, and exact, so
//             that a paused leg leaves the bytes in the socket; a splice (ws/splice.h) moves what
//             is larger still without reading it
// A leg starts in bulk; an owner allows messages (the relay does), and the leg changes over by
// itself.
#ifndef RINGWAY_WS_LEG_H
#define RINGWAY_WS_LEG_H

#include "core/worker.h"
#include "tls/kernel.h"
#include "tls/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct leg;
struct splice;

enum leg_end {
    LEG_EOF,        // the peer sends no more (FIN or close_notify); it may still receive
    LEG_LOST,       // reset, timed out or broke the TLS protocol: nothing goes either way
    LEG_UNREADABLE, // goes on under keys that the kernel cannot take; it may still receive
};

struct leg_events {
    // Offers received bytes, which die on return. Returns how many were taken; the rest is kept and
    // the leg is paused until `leg_resume`.
    size_t (*input)(void *owner, struct leg *leg, const uint8_t *bytes, size_t n);
    // Everything received has been taken and nothing more will come. Once per leg and owner;
    // LEG_LOST may follow LEG_EOF.
    void (*ended)(void *owner, struct leg *leg, enum leg_end how);
    // Everything that had to wait has been sent.
    void (*drained)(void *owner, struct leg *leg);
    // A paused leg's peer hung up; bytes it sent before may still be unread.
    void (*hangup)(void *owner, struct leg *leg);
    // `n` bytes have gone by a splice to its sink; 0 when that is full. Only for owners that start
    // one.
    void (*spliced)(void *owner, struct leg *leg, size_t n);
    // The outcome of `leg_dial`: 0 or a negative errno.
    void (*connected)(void *owner, struct leg *leg, int result);
};

enum leg_receive { LEG_BULK, LEG_MESSAGES };

struct leg {
    struct worker *worker;
    const struct leg_events *events;
    void *owner; // NULL once closing
    int fd;
    int lost; // negative errno of what broke it; 0 = whole
    struct op rx, tx;
    struct task task;            // deferred reading and reporting
    struct tls_records *records; // TLS in user space; NULL: plain, or all in the kernel
    struct tls_offload *offload; // TLS in the kernel; NULL: none
    struct splice *splice;       // being read by; NULL: by copying
    struct splice *fed_by;       // being written by
    struct chunk *partial;       // the first part of a TLS record
    struct chain in;             // received (and opened), not taken by the owner
    struct chain out;            // ready for the wire, not taken by the socket
    size_t read_limit;           // at most so many bytes a read; 0 = no limit
    uint8_t receive;             // enum leg_receive: what the submitted operation is
    uint8_t small_reads;         // in a row
    bool messages_allowed : 1;
    bool paused : 1;
    bool resumed : 1;  // during the callback that is running
    bool readable : 1; // bulk: there may be something to read
    bool hung_up : 1;  // POLLRDHUP was seen: read to the end
    bool hangup_told : 1;
    bool eof : 1; // read to the end
    bool end_told : 1;
    bool lost_told : 1;
    bool unreadable : 1;      // see LEG_UNREADABLE
    bool owes_key_update : 1; // before the next data; kernel only
    bool after_splice : 1;    // a header comes next: no long read
    bool finishing : 1;       // send FIN once `out` is empty
    bool finished : 1;        // FIN (after close_notify) sent
    bool closing : 1;
};

// A leg over a connected, non-blocking socket, which it owns from here on. Reading starts with
// `leg_resume`. NULL when memory is out; the socket is then still the caller's.
struct leg *leg_new(struct worker *worker, int fd, const struct leg_events *events, void *owner);

// A leg that connects to `address`, which must live until `connected` or `leg_close`. NULL with
// errno set when there is no memory or socket.
struct leg *leg_dial(struct worker *worker, const struct sockaddr *address, socklen_t size_bytes,
                     const struct leg_events *events, void *owner);

// Gives the leg another owner, who gets every event from now on; the end of the stream is told to
// it anew.
void leg_adopt(struct leg *leg, const struct leg_events *events, void *owner);

// From now on bytes are protected by `records`, which the leg owns. Bytes read but not yet taken
// count as protected: take nothing of them before.
void leg_secure(struct leg *leg, struct tls_records *records);

// From now on the kernel seals what is sent, and opens what is received where `offload` says so.
// The leg owns it; what the kernel has not got is left to the records of `leg_secure`.
void leg_offload(struct leg *leg, struct tls_offload *offload);

static inline bool leg_kernel_seals(const struct leg *leg) {
    return leg->offload != NULL;
}

static inline bool leg_kernel_opens(const struct leg *leg) {
    return leg->offload != NULL && leg->offload->rx;
}

// Lets the leg use multishot receive when messages are small.
void leg_allow_messages(struct leg *leg);

// Stops offering bytes and, as soon as can be, reading. Resuming offers what was kept, then goes
// on reading; both are done from the loop.
void leg_pause(struct leg *leg);
void leg_resume(struct leg *leg);

// Sends application bytes: at once as far as the socket takes them, the rest in order later. After
// `leg_finish` nothing may be sent.
void leg_send(struct leg *leg, const void *bytes, size_t n);

// As `leg_send`, for bytes that may wait in the socket for those that follow, up to 200 ms.
void leg_send_more(struct leg *leg, const void *bytes, size_t n);

// Keeps application bytes to be sent together with the next `leg_send`, or at the end of this turn.
void leg_send_later(struct leg *leg, const void *bytes, size_t n);

// Whether bytes wait for the socket: time to pause whoever produces them.
static inline bool leg_is_backlogged(const struct leg *leg) {
    return (leg->out.head != NULL || leg->fed_by != NULL) && leg->tx.submitted;
}

// Whether nothing waits to be sent any more, close_notify and FIN included.
static inline bool leg_is_sent(const struct leg *leg) {
    return leg->lost || (chain_is_empty(&leg->out) && (!leg->finishing || leg->finished));
}

// Sends what waits, close_notify (TLS) and FIN, in one segment if they fit. Receiving goes on.
void leg_finish(struct leg *leg);

// Why the leg was lost, for the log: static text, or the TLS layer's own, which lives as long as
// the leg does.
const char *leg_error(const struct leg *leg);

// Whether it was lost because its peer broke TLS, or said that we did.
bool leg_broke_tls(const struct leg *leg);

// Copies bytes that wait in the socket, `offset` behind what has been read, and leaves them there.
// Returns how many; 0 where none are, or the leg cannot tell: protected, all read as far as it
// knows, or a kernel without SO_PEEK_OFF (before 6.9).
size_t leg_peek(struct leg *leg, uint64_t offset, void *buffer, size_t n);

// Ends the leg: no event comes any more, unsent bytes are dropped, memory and socket go when the
// kernel has let go of them. The pointer is dead for the caller.
void leg_close(struct leg *leg);

// Whether the socket is alive and silent, so that another request may be sent on it. What it should
// not have sent is lost by asking: close the leg when the answer is no.
bool leg_is_reusable(struct leg *leg);

#endif
