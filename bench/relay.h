// SPDX-License-Identifier: Apache-2.0
//
// A relay that knows no protocol: bytes from each client go to the backend and back, received by
// multishot receive and sent at once, as the gateway does with small messages. What it costs is
// what any gateway on this ring must cost at least: the floor that figures are held against.
#ifndef RINGWAY_BENCH_RELAY_H
#define RINGWAY_BENCH_RELAY_H

#include "bench/acceptor.h"
#include "core/worker.h"

#include <sys/socket.h>

struct relay_server {
    struct worker *worker;
    struct acceptor acceptor;
    struct sockaddr_storage backend;
    struct relay_conn *conns;
};

// Starts accepting on the acceptor's `listener`, which is the caller's, for `server->backend`. The
// worker needs provided buffers. On the worker's thread.
void relay_server_start(struct relay_server *server, struct worker *worker);

// Frees what is left of connections, after the worker has been closed.
void relay_server_clear(struct relay_server *server);

#endif
