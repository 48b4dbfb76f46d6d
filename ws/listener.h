// SPDX-License-Identifier: Apache-2.0
//
// One worker's listening sockets: each accepts into new connections until it is closed. Accepting
// pauses, on all of a worker's listeners, when descriptors or memory run out or the process has
// `max_connections`; what arrives meanwhile waits in the kernel's queue.
//
// Life: started when a snapshot names its socket, closed when one no longer does or the worker
// stops; the socket is the listener's.
#ifndef RINGWAY_WS_LISTENER_H
#define RINGWAY_WS_LISTENER_H

#include "core/config.h"
#include "ws/snapshot.h"

struct proxy;

// Makes the worker's listeners those of the snapshot: new ones start, missing ones close, the rest
// go on.
void listeners_update(struct proxy *proxy, const struct snapshot *snapshot);

// Closes them all, after taking in what has been queued.
void listeners_close(struct proxy *proxy);

#endif
