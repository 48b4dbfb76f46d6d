// SPDX-License-Identifier: Apache-2.0
#include "core/ring_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int ring_pipe_open(struct ring *ring, struct ring_pipe *pipe, size_t size_bytes) {
    (void)ring;
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[1], F_SETPIPE_SZ, (int)size_bytes);
    if (fcntl(ends[1], F_GETPIPE_SZ) < RING_PIPE_MIN_BYTES) {
        close(ends[0]);
        close(ends[1]);
        return -ENOSPC;
    }
    *pipe = (struct ring_pipe){.in = ends[1], .out = ends[0]};
    return 0;
}

void ring_pipe_close(struct ring *ring, struct ring_pipe *pipe) {
    (void)ring;
    close(pipe->in);
    close(pipe->out);
}

ssize_t ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n) {
    (void)ring;
    ssize_t moved = splice(fd, NULL, pipe->in, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return moved < 0 ? -errno : moved;
}

ssize_t ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n) {
    (void)ring;
    ssize_t moved = splice(pipe->out, NULL, fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return moved < 0 ? -errno : moved;
}
