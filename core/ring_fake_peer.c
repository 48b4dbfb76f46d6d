// SPDX-License-Identifier: Apache-2.0
//
// What two ends of a TCP connection see of each other, after Linux: bytes received before a RST can
// still be read; close(2) with something unread sends one; bytes sent to a closed end are answered
// with one.
#include "core/ring_fake_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FD_FIRST 1000
#define SOCKETS_MAX 4096

static struct {
    struct fake_socket sockets[SOCKETS_MAX];
    int count;
    struct fake_peer *peers;
    struct fake_sizes queues;
} net;

void fake_sockets_start(const struct fake_sizes *queues) {
    net.queues = *queues;
    net.count = 0;
}

void fake_sockets_end(void) {
    for (int i = 0; i < net.count; i++)
        if (net.sockets[i].open)
            fake_fail("descriptor %d is open at the end", FD_FIRST + i);
    while (net.peers) {
        struct fake_peer *peer = net.peers;
        net.peers = peer->next;
        free(peer->to_us.bytes);
        free(peer->from_us.bytes);
        free(peer);
    }
}

// --- bytes ------------------------------------------------------------------------------------

size_t fake_bytes_length(const struct fake_bytes *queue) {
    return queue->end - queue->start;
}

static size_t bytes_room(const struct fake_bytes *queue) {
    size_t length = fake_bytes_length(queue);
    return length < queue->max ? queue->max - length : 0;
}

void fake_bytes_put(struct fake_bytes *queue, const void *bytes, size_t n) {
    if (n == 0)
        return;
    if (queue->start == queue->end)
        queue->start = queue->end = 0;
    if (queue->end + n > queue->capacity) {
        size_t length = fake_bytes_length(queue), capacity = 2 * (length + n);
        uint8_t *moved = malloc(capacity);
        if (!moved)
            abort();
        if (length > 0)
            memcpy(moved, queue->bytes + queue->start, length);
        free(queue->bytes);
        queue->bytes = moved;
        queue->start = 0;
        queue->end = length;
        queue->capacity = capacity;
    }
    memcpy(queue->bytes + queue->end, bytes, n);
    queue->end += n;
}

size_t fake_bytes_take(struct fake_bytes *queue, void *buffer, size_t n) {
    size_t length = fake_bytes_length(queue);
    n = n < length ? n : length;
    if (n > 0) {
        memcpy(buffer, queue->bytes + queue->start, n);
        fake_progress();
    }
    queue->start += n;
    return n;
}

// What was still on its way is lost.
static void bytes_cut(struct fake_bytes *queue) {
    queue->end -= fake_random((uint32_t)fake_bytes_length(queue) + 1);
}

// --- descriptors ------------------------------------------------------------------------------

struct fake_socket *fake_socket_get(int fd) {
    int index = fd - FD_FIRST;
    if (index < 0 || index >= net.count || !net.sockets[index].open)
        fake_fail("descriptor %d is not open", fd);
    return &net.sockets[index];
}

// Numbers are not used again, so that an old one in use is seen.
int fake_socket_open(void) {
    if (net.count == SOCKETS_MAX)
        fake_fail("%d descriptors have been opened", SOCKETS_MAX);
    net.sockets[net.count] = (struct fake_socket){.open = true};
    return FD_FIRST + net.count++;
}

int fake_listen(void) {
    int fd = fake_socket_open();
    fake_socket_get(fd)->listener = true;
    return fd;
}

static void reset_to_peer(struct fake_peer *peer) {
    if (!peer->reset_to_peer)
        bytes_cut(&peer->from_us);
    peer->reset_to_peer = true;
}

static void peer_left_by_us(struct fake_peer *peer) {
    peer->closed_by_us = true;
    peer->fd = -1;
    if (fake_bytes_length(&peer->to_us) > 0)
        reset_to_peer(peer);
    peer->finished_by_us = true;
}

void fake_socket_close(int fd) {
    struct fake_socket *socket = fake_socket_get(fd);
    fake_progress();
    socket->open = false;
    if (socket->peer)
        peer_left_by_us(socket->peer);
    for (struct fake_peer *peer = socket->queue; peer; peer = peer->queued) { // never accepted
        reset_to_peer(peer);
        peer->closed_by_us = true;
    }
}

// --- peers ------------------------------------------------------------------------------------

// As often small as large.
static size_t queue_size(void) {
    size_t size = net.queues.min;
    while (size < net.queues.max && fake_random(4))
        size *= 3;
    return size < net.queues.max ? size : net.queues.max;
}

struct fake_peer *fake_peer_new(void) {
    struct fake_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        abort();
    peer->fd = -1;
    peer->to_us.max = queue_size();
    peer->from_us.max = queue_size();
    peer->next = net.peers;
    net.peers = peer;
    return peer;
}

struct fake_peer *fake_connect(int listener_fd, const struct sockaddr_in *from) {
    if (!net.sockets[listener_fd - FD_FIRST].open) // refused
        return NULL;
    struct fake_peer *peer = fake_peer_new();
    peer->address = *from;
    peer->connected = true;
    struct fake_peer **last = &fake_socket_get(listener_fd)->queue;
    while (*last)
        last = &(*last)->queued;
    *last = peer;
    return peer;
}

size_t fake_peer_send(struct fake_peer *peer, const void *bytes, size_t n) {
    if (peer->finished_by_peer)
        fake_fail("the test sends after FIN");
    if (peer->closed_by_us && n > 0)
        reset_to_peer(peer);
    if (peer->reset_to_peer || peer->reset_to_us)
        return n;
    size_t room = bytes_room(&peer->to_us);
    n = n < room ? n : room;
    fake_bytes_put(&peer->to_us, bytes, n);
    if (n > 0)
        fake_wake(peer->fd);
    return n;
}

size_t fake_peer_recv(struct fake_peer *peer, void *buffer, size_t size_bytes) {
    return fake_bytes_take(&peer->from_us, buffer, size_bytes);
}

enum fake_peer_state fake_peer_state(const struct fake_peer *peer) {
    if (fake_bytes_length(&peer->from_us) > 0)
        return FAKE_PEER_OPEN;
    if (peer->reset_to_peer || peer->reset_to_us)
        return FAKE_PEER_RESET;
    return peer->finished_by_us ? FAKE_PEER_ENDED : FAKE_PEER_OPEN;
}

bool fake_peer_is_left(const struct fake_peer *peer) {
    return peer->closed_by_us;
}

void fake_peer_finish(struct fake_peer *peer) {
    peer->finished_by_peer = true;
    fake_wake(peer->fd);
}

void fake_peer_reset(struct fake_peer *peer) {
    static const int errors[] = {ECONNRESET, ECONNRESET, EPIPE, ETIMEDOUT};
    peer->finished_by_peer = peer->closed_by_peer = true;
    peer->from_us.start = peer->from_us.end = 0;
    if (peer->reset_to_us || peer->reset_to_peer)
        return;
    bytes_cut(&peer->to_us);
    peer->reset_to_us = true;
    peer->error = errors[fake_random(4)];
    fake_wake(peer->fd);
}

void fake_peer_close(struct fake_peer *peer) {
    if (fake_bytes_length(&peer->from_us) > 0)
        return fake_peer_reset(peer);
    peer->closed_by_peer = true;
    fake_peer_finish(peer);
}

// --- our end ----------------------------------------------------------------------------------

uint32_t fake_poll_events(const struct fake_peer *peer) {
    bool reset = peer->reset_to_us;
    uint32_t events = 0;
    bool readable = peer->tls.opens ? fake_tls_is_ready(peer) : fake_bytes_length(&peer->to_us) > 0;
    if (readable || peer->finished_by_peer || reset)
        events |= POLLIN;
    if (peer->finished_by_peer || reset)
        events |= POLLRDHUP;
    if (peer->error)
        events |= POLLERR;
    if (reset || (peer->finished_by_peer && peer->finished_by_us))
        events |= POLLHUP;
    if (bytes_room(&peer->from_us) > 0 || peer->closed_by_peer || reset)
        events |= POLLOUT;
    return events;
}

static int error_take(struct fake_peer *peer) {
    int error = peer->error;
    peer->error = 0;
    return -error;
}

int fake_end_of_stream(struct fake_peer *peer) {
    if (peer->error)
        return error_take(peer);
    return peer->finished_by_peer || peer->reset_to_us ? 0 : -EAGAIN;
}

// How many of `n` bytes are moved this time.
static size_t portion(size_t n, unsigned short_of_1000) {
    return n > 1 && fake_happens(short_of_1000) ? 1 + fake_random((uint32_t)n - 1) : n;
}

ssize_t fake_socket_send(int fd, const struct iovec *parts, int count,
                         const struct fake_chances *chances) {
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    if (!peer || !peer->connected)
        fake_fail("sending on descriptor %d, which is not connected", fd);
    if (peer->finished_by_us)
        fake_fail("sending on descriptor %d after FIN", fd);
    if (peer->error)
        return error_take(peer);
    if (peer->reset_to_us)
        return -EPIPE;
    size_t total = 0, room = bytes_room(&peer->from_us);
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (peer->closed_by_peer) { // it takes the kernel a moment to be told
        fake_peer_reset(peer);
        return (ssize_t)total;
    }
    if (room == 0 || fake_happens(chances->send_full))
        return -EAGAIN;
    size_t left = peer->tls.content ? total // whole, or not at all
                                    : portion(total < room ? total : room, chances->short_io);
    if (peer->tls.seals)
        left = fake_tls_seal(peer, left);
    ssize_t sent = (ssize_t)left;
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = left < parts[i].iov_len ? left : parts[i].iov_len;
        fake_bytes_put(&peer->from_us, parts[i].iov_base, part);
        left -= part;
    }
    return sent;
}

ssize_t fake_socket_recv(int fd, void *buffer, size_t size_bytes,
                         const struct fake_chances *chances) {
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    if (!peer || !peer->connected)
        fake_fail("receiving on descriptor %d, which is not connected", fd);
    uint8_t content;
    if (peer->tls.opens)
        return fake_tls_recv(peer, buffer, size_bytes, FAKE_TLS_RECV, &content);
    size_t length = fake_bytes_length(&peer->to_us);
    if (length == 0)
        return fake_end_of_stream(peer);
    size_t n = length < size_bytes ? length : size_bytes;
    if (!peer->finished_by_peer) // else all of it has arrived
        n = portion(n, chances->short_io);
    if (n < length && n < size_bytes)
        fake_wake(fd); // the rest arrives just now
    return (ssize_t)fake_bytes_take(&peer->to_us, buffer, n);
}

ssize_t fake_socket_peek(int fd, uint64_t offset, void *buffer, size_t size_bytes,
                         const struct fake_chances *chances) {
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    if (!peer || !peer->connected || peer->tls.opens)
        fake_fail("looking ahead on descriptor %d, which is not a plain connection", fd);
    size_t length = fake_bytes_length(&peer->to_us);
    if (offset >= length)
        return fake_end_of_stream(peer);
    size_t n = length - offset < size_bytes ? length - offset : size_bytes;
    n = portion(n, chances->short_io);
    memcpy(buffer, peer->to_us.bytes + peer->to_us.start + offset, n);
    return (ssize_t)n;
}
