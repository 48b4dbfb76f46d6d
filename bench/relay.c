// SPDX-License-Identifier: Apache-2.0
//
// A connection is two sides, each the sink of the other. A side that has output waiting (`out`)
// waits for room and is not fed: the receive of its peer is cancelled, and what that had received
// already is put behind. When one side ends its peer gets FIN; when both have, or one fails, both
// sockets are shut down and closed once the kernel has let go of them.
#include "bench/relay.h"

#include "core/address.h"
#include "core/container.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

enum { FLUSH_PARTS = 16 };

struct relay_side {
    struct relay_conn *conn;
    struct relay_side *peer;
    int fd;
    bool ended; // it sends no more
    struct op rx, tx;
    struct task again; // receives again once buffers are back
    struct chain out;
};

struct relay_conn {
    struct relay_server *server;
    struct relay_conn *prev, *next;
    struct relay_side client, backend;
    bool dead;
};

static void conn_start(struct acceptor *acceptor, int fd);
static void connect_done(struct op *op, int result, uint8_t *buffer);
static void rx_done(struct op *op, int result, uint8_t *buffer);
static void tx_done(struct op *op, int result, uint8_t *buffer);
static void rx_again(struct task *task);
static void side_send(struct relay_side *side, const void *bytes, size_t n);
static void side_end(struct relay_side *side);
static void conn_kill(struct relay_conn *conn);
static void conn_join(struct relay_conn *conn);

void relay_server_start(struct relay_server *server, struct worker *worker) {
    server->worker = worker;
    server->acceptor.accepted = conn_start;
    acceptor_start(&server->acceptor, worker);
}

void relay_server_clear(struct relay_server *server) {
    struct relay_conn *conn, *next;
    DL_FOREACH_SAFE(server->conns, conn, next) {
        struct relay_side *sides[] = {&conn->client, &conn->backend};
        for (int i = 0; i < 2; i++) {
            chain_clear(&server->worker->chunks, &sides[i]->out);
            close(sides[i]->fd); // the ring is gone
        }
        free(conn);
    }
    server->conns = NULL;
    chunk_pool_clear(&server->worker->chunks);
}

// --- accepting --------------------------------------------------------------------------------

static struct ring *ring_of(const struct relay_side *side) {
    return side->conn->server->worker->ring;
}

static void side_init(struct relay_side *side, struct relay_conn *conn, struct relay_side *peer,
                      int fd) {
    *side = (struct relay_side){.conn = conn,
                                .peer = peer,
                                .fd = fd,
                                .rx.done = rx_done,
                                .tx.done = tx_done,
                                .again.run = rx_again};
}

static void conn_start(struct acceptor *acceptor, int fd) {
    struct relay_server *server = container_of(acceptor, struct relay_server, acceptor);
    struct ring *ring = server->worker->ring;
    const struct sockaddr *to = (const struct sockaddr *)&server->backend;
    struct relay_conn *conn = calloc(1, sizeof *conn);
    int backend = conn ? ring_socket(ring, to->sa_family) : -ENOMEM;
    if (backend < 0) {
        acceptor_want_tell(backend);
        free(conn);
        ring_close_socket(ring, fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->server = server;
    side_init(&conn->client, conn, &conn->backend, fd);
    side_init(&conn->backend, conn, &conn->client, backend);
    DL_APPEND(server->conns, conn);
    conn->backend.tx.done = connect_done;
    ring_connect(ring, &conn->backend.tx, backend, to, address_size(to));
}

static void connect_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct relay_side *backend = container_of(op, struct relay_side, tx);
    if (result < 0)
        return conn_kill(backend->conn);
    op->done = tx_done;
    ring_recv(ring_of(backend), &backend->rx, backend->fd);
    ring_recv(ring_of(backend), &backend->peer->rx, backend->peer->fd);
}

// --- relaying ---------------------------------------------------------------------------------

static void rx_done(struct op *op, int result, uint8_t *buffer) {
    struct relay_side *side = container_of(op, struct relay_side, rx);
    if (side->conn->dead)
        return conn_join(side->conn);
    if (result > 0)
        side_send(side->peer, buffer, (size_t)result);
    else if (result == 0)
        side_end(side);
    else if (result != -ENOBUFS && result != -ECANCELED)
        return conn_kill(side->conn);
    if (!op->submitted && !side->ended)
        worker_defer(side->conn->server->worker, &side->again);
}

static void rx_again(struct task *task) {
    struct relay_side *side = container_of(task, struct relay_side, again);
    if (side->conn->dead)
        return conn_join(side->conn);
    if (!side->rx.submitted && chain_is_empty(&side->peer->out))
        ring_recv(ring_of(side), &side->rx, side->fd);
}

static ssize_t send_bytes(struct relay_side *side, const struct iovec *parts, int count) {
    ssize_t sent = ring_send_now(ring_of(side), side->fd, parts, count, RING_LAST);
    return sent == -EAGAIN ? 0 : sent;
}

static void side_send(struct relay_side *side, const void *bytes, size_t n) {
    struct chunk_pool *pool = &side->conn->server->worker->chunks;
    struct iovec part = {(void *)bytes, n};
    ssize_t sent = chain_is_empty(&side->out) ? send_bytes(side, &part, 1) : 0;
    if (sent == (ssize_t)n)
        return;
    if (sent < 0 ||
        chain_append(pool, &side->out, (const char *)bytes + sent, n - (size_t)sent) < 0)
        return conn_kill(side->conn);
    if (!side->tx.submitted)
        ring_poll_out(ring_of(side), &side->tx, side->fd);
    if (side->peer->rx.submitted)
        ring_cancel(ring_of(side), &side->peer->rx);
}

static void tx_done(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer;
    struct relay_side *side = container_of(op, struct relay_side, tx);
    struct worker *worker = side->conn->server->worker;
    struct iovec parts[FLUSH_PARTS];
    if (side->conn->dead)
        return conn_join(side->conn);
    while (!chain_is_empty(&side->out)) {
        ssize_t sent = send_bytes(side, parts, chain_parts(&side->out, parts, FLUSH_PARTS));
        if (sent < 0)
            return conn_kill(side->conn);
        if (sent == 0)
            return ring_poll_out(ring_of(side), &side->tx, side->fd);
        chain_consume(&worker->chunks, &side->out, (size_t)sent);
    }
    if (side->peer->ended)
        side_end(side->peer);
    else
        worker_defer(worker, &side->peer->again);
}

// --- ending -----------------------------------------------------------------------------------

// The side sends no more: its peer gets FIN behind what waits.
static void side_end(struct relay_side *side) {
    side->ended = true;
    if (!chain_is_empty(&side->peer->out))
        return; // tx_done comes here again
    ring_shutdown(ring_of(side), side->peer->fd, RING_SHUTDOWN_SEND);
    if (side->peer->ended && chain_is_empty(&side->out))
        conn_kill(side->conn);
}

static void conn_kill(struct relay_conn *conn) {
    struct worker *worker = conn->server->worker;
    if (conn->dead)
        return;
    conn->dead = true;
    ring_shutdown(worker->ring, conn->client.fd, RING_SHUTDOWN_BOTH); // completes what is submitted
    ring_shutdown(worker->ring, conn->backend.fd, RING_SHUTDOWN_BOTH);
    worker_defer(worker, &conn->client.again);
}

// Frees a dead connection once nothing of it is submitted or queued.
static void conn_join(struct relay_conn *conn) {
    struct relay_server *server = conn->server;
    struct relay_side *sides[] = {&conn->client, &conn->backend};
    for (int i = 0; i < 2; i++)
        if (sides[i]->rx.submitted || sides[i]->tx.submitted || sides[i]->again.queued)
            return;
    for (int i = 0; i < 2; i++) {
        chain_clear(&server->worker->chunks, &sides[i]->out);
        ring_close_socket(server->worker->ring, sides[i]->fd);
    }
    DL_DELETE(server->conns, conn);
    free(conn);
}
