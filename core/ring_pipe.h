// SPDX-License-Identifier: Apache-2.0
//
// Bytes that go from socket to socket through a pipe and never through user space: splice(2), made
// directly, because io_uring's runs every one on a thread of its own. Part of the door to the
// kernel that core/ring.h is.
#ifndef RINGWAY_CORE_RING_PIPE_H
#define RINGWAY_CORE_RING_PIPE_H

#include "core/ring.h"

struct ring_pipe {
    int in, out; // where bytes enter, and leave
};

// Through a smaller one splicing costs more than copying.
#define RING_PIPE_MIN_BYTES (64 * 1024)

// A non-blocking pipe for at least `size_bytes`, or for fewer where the user may have no larger
// ones (pipe(7), pipe-max-size). 0 or negative errno; -ENOSPC when it would be of less than
// RING_PIPE_MIN_BYTES, as the user's pipes take more than pipe-user-pages-soft. Ends with
// `ring_pipe_close`.
int ring_pipe_open(struct ring *ring, struct ring_pipe *pipe, size_t size_bytes);
void ring_pipe_close(struct ring *ring, struct ring_pipe *pipe);

// splice(2) from a socket into an empty pipe, at most `n` bytes, never blocking: bytes, or negative
// errno (-EAGAIN: nothing there; -EINVAL where the kernel opens TLS records: a control record comes
// next). 0 is the end of the stream, or an empty TLS record: reading in another way tells.
ssize_t ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n);

// splice(2) of `n` bytes that are in the pipe to a socket, never blocking: bytes, or negative errno
// (-EAGAIN: full).
ssize_t ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n);

#endif
