// SPDX-License-Identifier: Apache-2.0
//
// A WebSocket backend on one worker: accepts, answers the upgrade, sends every frame back as it
// came, while it still comes, so frames of any size take no memory; pings become pongs. A client
// that does not read is not read from. By the path that is asked for (bench/source.h) it throws the
// messages away instead, or sends messages of its own.
//
//   accept → HEAD → OPEN → (Close answered, FIN sent) DRAINING → ENDING → freed
#ifndef RINGWAY_BENCH_ECHO_H
#define RINGWAY_BENCH_ECHO_H

#include "core/ring.h"
#include "core/worker.h"

#include <stdint.h>

struct echo_conn;

struct echo_server {
    struct worker *worker;
    int listener;
    struct op accept;
    struct timer retry; // accepts again after a failure
    struct echo_conn *conns;
};

// Starts accepting on `listener`, a listening non-blocking socket of the caller's.
void echo_server_start(struct echo_server *server, struct worker *worker, int listener);

// Frees what is left of connections, after the worker has been closed.
void echo_server_clear(struct echo_server *server);

#endif
