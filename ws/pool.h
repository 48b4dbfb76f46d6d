// SPDX-License-Identifier: Apache-2.0
//
// Upstream connections kept open between requests, per worker, found again by address: a reload
// that keeps a server's address keeps its connections. Each is watched; one that says something
// unasked or ends is dropped.
#ifndef RINGWAY_WS_POOL_H
#define RINGWAY_WS_POOL_H

#include "core/config.h"
#include "core/worker.h"
#include "ws/leg.h"

#include <sys/socket.h>

struct pool_place;

// Zero-initialised memory with `worker` set is an empty pool.
struct pool {
    struct worker *worker;
    struct pool_place *places; // uthash by address
};

// Keeps the leg for the next request to `address`, at most `upstream->keep_alive` of them and each
// for `upstream->keep_alive_timeout_ms`; beyond that the one idle for longest goes. Takes the leg
// over.
void pool_put(struct pool *pool, struct leg *leg, const struct sockaddr *address,
              const struct conf_upstream *upstream);

// Takes out the most recently used live connection to `address`; NULL when there is none. The leg
// is paused and wants an owner (`leg_adopt`).
struct leg *pool_take(struct pool *pool, const struct sockaddr *address);

// Closes everything.
void pool_clear(struct pool *pool);

#endif
