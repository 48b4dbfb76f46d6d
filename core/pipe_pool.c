// SPDX-License-Identifier: Apache-2.0
#include "core/pipe_pool.h"

#include <assert.h>

bool pipe_pool_get(struct pipe_pool *pool, struct ring *ring, struct ring_pipe *pipe) {
    if (pool->out == PIPES_MAX)
        return false;
    if (pool->kept_count > 0)
        *pipe = pool->kept[--pool->kept_count];
    else if (ring_pipe_open(ring, pipe, PIPE_BYTES) < 0)
        return false;
    pool->out++;
    return true;
}

void pipe_pool_put(struct pipe_pool *pool, struct ring *ring, struct ring_pipe *pipe,
                   enum pipe_content content) {
    assert(pool->out > 0);
    pool->out--;
    if (content == PIPE_EMPTY && pool->kept_count < PIPES_KEPT)
        pool->kept[pool->kept_count++] = *pipe;
    else
        ring_pipe_close(ring, pipe);
}

void pipe_pool_clear(struct pipe_pool *pool, struct ring *ring) {
    while (pool->kept_count > 0)
        ring_pipe_close(ring, &pool->kept[--pool->kept_count]);
}
