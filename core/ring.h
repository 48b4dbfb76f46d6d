// SPDX-License-Identifier: Apache-2.0
//
// One thread's door to the kernel: an io_uring with its provided buffers, and the few system calls
// that are made directly because that is cheaper (send, recv: docs/architecture.md has the
// figures). Nothing above this header talks to the kernel about a socket in another way, so that
// `ring_fake.c` can stand in for it in tests.
//
// An operation is a `struct op` embedded in whatever waits for it. It is handed to the ring by one
// of the functions below, and its `done` runs on the ring's thread, once or, for the multishot
// ones, many times. While `submitted` is true the kernel may still touch what the operation names:
// its memory must stay, and only `ring_cancel` may be called on it.
//
// Every function with a ring is for the thread that opened it; `ring_probe` and `ring_imitate` are
// for any.
#ifndef RINGWAY_CORE_RING_H
#define RINGWAY_CORE_RING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ring;
struct op;

// Runs when an operation completes. `result` is what the system call would have returned, negative
// errno for a failure. `op->submitted` tells whether more completions follow. `buffer` is set for a
// `ring_recv` that brought bytes and dies when the callback returns.
typedef void op_done(struct op *op, int result, uint8_t *buffer);

struct op {
    op_done *done;
    bool submitted;       // from submission until the last completion is about to run
    bool cancelled;       // a cancel is under way for this submission
    uint32_t poll_events; // of the completion that runs: poll(2) bits, for the poll operations
};

// What this kernel can do, as far as it matters here. Filled by `ring_probe`.
struct ring_features {
    bool defer_taskrun;    // 6.1: completions only when we ask for them
    bool coop_taskrun;     // 5.19
    bool buffer_ring;      // 5.19: provided-buffer rings
    bool accept_multishot; // 5.19
    bool recv_multishot;   // 6.0
    bool msg_ring;         // 5.18
    bool peek_offset;      // SO_PEEK_OFF on TCP: 6.9, over IPv6 6.11
};

// Counters of one ring, NAME(identifier, help). Written by its thread; other threads may read them
// at any time and get a recent value each.
#define RING_COUNTERS(NAME)                                                                        \
    NAME(completions, "operations of the ring that completed")                                     \
    NAME(submissions_delayed, "submissions put off: queue full, or the kernel out of memory")      \
    NAME(completions_overflowed, "times completions waited in the kernel: a worker is far behind") \
    NAME(buffers_exhausted, "receives put off: no provided buffer was free (ENOBUFS)")

struct ring_counters {
#define RING_COUNTER_FIELD(name, help) uint64_t name;
    RING_COUNTERS(RING_COUNTER_FIELD)
#undef RING_COUNTER_FIELD
};

// Tries every feature on a scratch ring. Returns 0, or a negative errno with one sentence in `why`
// that says what is missing and how to allow it (io_uring absent, kernel.io_uring_disabled,
// seccomp, memory limit).
int ring_probe(struct ring_features *features, char *why, size_t why_size);

// Hides the features newer than `kernel` ("5.19", "6.0", ...), so that an old kernel can be
// imitated. Returns false when `kernel` is no version of the form "X.Y" or older than 5.19.
bool ring_imitate(struct ring_features *features, const char *kernel);

// Makes the ring for the calling thread: `entries` submissions, `buffers` (a power of two) of
// RING_BUFFER_BYTES for `ring_recv`; it counts in `counters`, which must outlive it. Returns the
// ring, or NULL with errno set. `ring_close` ends it; operations still submitted are abandoned to
// the kernel, so their memory must stay until then.
struct ring *ring_open(const struct ring_features *features, unsigned entries, unsigned buffers,
                       struct ring_counters *counters);
void ring_close(struct ring *ring);

#define RING_BUFFER_BYTES 4096

enum ring_wait { RING_WAIT, RING_POLL };

// Submits what is queued, with RING_WAIT waits until something completes or the alarm comes, and
// runs every completion that is there. Returns their number or a negative errno that is no passing
// state.
int ring_run(struct ring *ring, enum ring_wait wait);

// Submits what is queued and runs nothing.
void ring_submit(struct ring *ring);

// Makes `ring_run` return once the monotonic clock has reached `at_ms`. There is one alarm; an
// earlier one that is set stays. It costs nothing until it comes, unlike a limit on each wait.
void ring_alarm(struct ring *ring, uint64_t at_ms);

// Accepts connections on the listening socket `fd` (non-blocking, close-on-exec) until cancelled
// or failed. Result: the new socket.
void ring_accept(struct ring *ring, struct op *op, int fd);

// Accepts one connection, and so no more than were asked for. Otherwise like `ring_accept`.
void ring_accept_once(struct ring *ring, struct op *op, int fd);

// Connects `fd`. `address` must stay until the completion.
void ring_connect(struct ring *ring, struct op *op, int fd, const struct sockaddr *address,
                  socklen_t size_bytes);

// Receives into provided buffers, again and again where the kernel has multishot receive, once
// otherwise. Result: bytes, 0 at the end of the stream, -ENOBUFS when buffers ran out (submit
// again after this round of completions: by then they are back).
void ring_recv(struct ring *ring, struct op *op, int fd);

// Tells each time `fd` becomes readable or its peer hangs up, until cancelled. Edge-triggered:
// read until EAGAIN or a short count.
void ring_poll_in(struct ring *ring, struct op *op, int fd);

// Tells once that `fd` is writable or has failed.
void ring_poll_out(struct ring *ring, struct op *op, int fd);

// Reads up to `size_bytes` from `fd` into `buffer`, which must stay.
void ring_read(struct ring *ring, struct op *op, int fd, void *buffer, size_t size_bytes);

// Asks for a submitted operation to end early; it still completes, usually with -ECANCELED.
// Calling it again before that does nothing.
void ring_cancel(struct ring *ring, struct op *op);

// A thing to be done on another ring's thread: `run` is called there, with the memory still owned
// by whoever the two sides agree on.
struct ring_note {
    void (*run)(struct ring_note *note);
    int target_fd; // the ring's own: where a post that found the target full goes again
    bool posted;   // the ring's own: orders what the sender wrote before what the target reads
};

// Sends `note` to the thread of `target`, in order per sender. Needs the calling thread's own ring
// `from`; `target` must be open. Kernel 5.18 (IORING_OP_MSG_RING).
void ring_post(struct ring *from, struct ring *target, struct ring_note *note);

// RING_MORE: more will follow at once or may be waited for, so that a segment which is not full yet
// stays in the socket, for 200 ms at most (MSG_MORE).
enum ring_more { RING_LAST, RING_MORE };

// send(2), never blocking and without SIGPIPE: bytes taken, or negative errno (-EAGAIN: full).
ssize_t ring_send_now(struct ring *ring, int fd, const struct iovec *parts, int count,
                      enum ring_more more);

// recv(2), never blocking: bytes, 0 at the end of the stream, or negative errno.
ssize_t ring_recv_now(struct ring *ring, int fd, void *buffer, size_t size_bytes);

// recv(2) that leaves the bytes where they are and starts `offset` bytes behind the first (MSG_PEEK
// with SO_PEEK_OFF), never blocking: bytes, 0 at the end of the stream, or negative errno (-EAGAIN:
// nothing there yet; -EOPNOTSUPP without the feature `peek_offset`).
ssize_t ring_peek_at(struct ring *ring, int fd, uint64_t offset, void *buffer, size_t n);

// A non-blocking TCP socket for `family` with TCP_NODELAY, or negative errno.
int ring_socket(struct ring *ring, int family);

// accept(2) on a non-blocking listener: a socket as from `ring_accept`, or negative errno.
int ring_accept_now(struct ring *ring, int fd);

// The address of the connected peer. 0 or negative errno.
int ring_peer_address(struct ring *ring, int fd, struct sockaddr_storage *address);

enum ring_shutdown { RING_SHUTDOWN_SEND, RING_SHUTDOWN_BOTH };

// shutdown(2). Errors are of no use to anyone and dropped.
void ring_shutdown(struct ring *ring, int fd, enum ring_shutdown how);

// close(2). No operation may be submitted on `fd`: the ring holds the file open and no FIN would
// be sent.
void ring_close_socket(struct ring *ring, int fd);

#endif
