// SPDX-License-Identifier: Apache-2.0
//
// The pipes of the fake kernel: a queue of bytes between two sockets, with the chances of the
// sockets' own reads and writes.
#include "core/ring_pipe.h"

#include "core/ring_fake_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Descriptors of pipes: no socket has these.
#define PIPE_FIRST_FD 1000000
#define PIPES_OPEN_MAX 1024
#define PIPE_HOLDS_MAX 65536

static struct fake_pipe {
    uint8_t *bytes; // NULL: closed
    size_t start, end;
} pipes[PIPES_OPEN_MAX];

static struct fake_pipe *pipe_get(const struct ring_pipe *pipe) {
    unsigned index = (unsigned)(pipe->in - PIPE_FIRST_FD) / 2;
    if (pipe->in < PIPE_FIRST_FD || index >= PIPES_OPEN_MAX || !pipes[index].bytes)
        fake_fail("descriptor %d is no open pipe", pipe->in);
    return &pipes[index];
}

int ring_pipe_open(struct ring *ring, struct ring_pipe *pipe, size_t size_bytes) {
    (void)ring, (void)size_bytes;
    int index = 0;
    if (fake_happens(fake_chances()->socket_error))
        return -ENFILE;
    while (index < PIPES_OPEN_MAX && pipes[index].bytes)
        index++;
    if (index == PIPES_OPEN_MAX)
        return -EMFILE;
    pipes[index] = (struct fake_pipe){.bytes = malloc(PIPE_HOLDS_MAX)};
    if (!pipes[index].bytes)
        abort();
    pipe->in = PIPE_FIRST_FD + 2 * index;
    pipe->out = pipe->in + 1;
    return 0;
}

void ring_pipe_close(struct ring *ring, struct ring_pipe *pipe) {
    (void)ring;
    struct fake_pipe *fake = pipe_get(pipe);
    free(fake->bytes);
    fake->bytes = NULL;
}

ssize_t ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n) {
    struct fake_pipe *fake = pipe_get(pipe);
    if (fake->start < fake->end)
        fake_fail("a pipe that holds bytes is filled");
    fake_recv_check(ring, fd);
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    uint8_t content;
    size_t room = n < PIPE_HOLDS_MAX ? n : PIPE_HOLDS_MAX;
    ssize_t filled = peer->tls.opens
                         ? fake_tls_recv(peer, fake->bytes, room, FAKE_TLS_SPLICE, &content)
                         : fake_socket_recv(fd, fake->bytes, room, fake_chances());
    fake_trace("fd %d: splice gives %zd", fd, filled);
    fake->start = 0;
    fake->end = filled > 0 ? (size_t)filled : 0;
    return filled;
}

ssize_t ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd, size_t n) {
    struct fake_pipe *fake = pipe_get(pipe);
    if (n != fake->end - fake->start)
        fake_fail("%zu bytes are taken from a pipe that holds %zu", n, fake->end - fake->start);
    struct iovec held = {fake->bytes + fake->start, n};
    ssize_t drained = ring_send_now(ring, fd, &held, 1, RING_LAST);
    if (drained > 0)
        fake->start += (size_t)drained;
    return drained;
}

void fake_pipes_end(void) {
    for (int i = 0; i < PIPES_OPEN_MAX; i++)
        if (pipes[i].bytes)
            fake_fail("a pipe is open at the end");
}
