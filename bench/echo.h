// SPDX-License-Identifier: Apache-2.0
//
// A WebSocket backend on one worker: accepts, answers the upgrade, sends every frame back as it
// came, while it still comes, so frames of any size take no memory; pings become pongs. A client
// that does not read is not read from. By the path that is asked for (bench/source.h) it throws the
// messages away instead, sends messages of its own, or passes them on to the others of a room.
//
//   accept → HEAD → OPEN → (Close answered, FIN sent) DRAINING → ENDING → freed
#ifndef RINGWAY_BENCH_ECHO_H
#define RINGWAY_BENCH_ECHO_H

#include "bench/acceptor.h"
#include "bench/inbox.h"
#include "bench/room.h"
#include "core/ring.h"
#include "core/worker.h"

#include <stdint.h>

struct echo_conn;

struct echo_server {
    struct worker *worker;
    struct acceptor acceptor;
    const struct inbox *inboxes; // of all threads
    size_t inbox_count, index;   // which of them is this one's
    struct room_table rooms;
    struct op visit;
    struct echo_conn *conns;
};

// Starts accepting on the acceptor's `listener` and from the inbox that `server` names; these are
// the caller's.
void echo_server_start(struct echo_server *server, struct worker *worker);

// Frees what is left of connections, after the worker has been closed.
void echo_server_clear(struct echo_server *server);

#endif
