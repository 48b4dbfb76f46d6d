// SPDX-License-Identifier: Apache-2.0
//
// Pipes that bytes are spliced through, a bounded number per worker. Making one costs as much as
// moving 64 KB, so a few are kept for the next stretch; flows without one at hand are copied.
//
// One thread per pool. Zero-initialised memory is an empty pool.
#ifndef RINGWAY_CORE_PIPE_POOL_H
#define RINGWAY_CORE_PIPE_POOL_H

#include <stdbool.h>

#include "core/ring_pipe.h"

// What one connection moves before the others get their turn, and what a reader that stops may hold
// up. With twice as much bulk costs 0.93 of it, with half as much 1.1 (docs/performance.md).
#define PIPE_BYTES (512 * 1024)

enum { PIPES_MAX = 256, PIPES_KEPT = 16 };

struct pipe_pool {
    struct ring_pipe kept[PIPES_KEPT];
    unsigned kept_count;
    unsigned out; // handed out
};

// An empty pipe. False: PIPES_MAX are out, or the system gives no more.
bool pipe_pool_get(struct pipe_pool *pool, struct ring *ring, struct ring_pipe *pipe);

enum pipe_content { PIPE_EMPTY, PIPE_HOLDS_BYTES };

// Takes a pipe back; one that holds bytes is closed.
void pipe_pool_put(struct pipe_pool *pool, struct ring *ring, struct ring_pipe *pipe,
                   enum pipe_content content);

// Closes what is kept.
void pipe_pool_clear(struct pipe_pool *pool, struct ring *ring);

#endif
