// SPDX-License-Identifier: Apache-2.0
#include "ws/splice.h"

#include "ws/leg_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void splice_end(struct splice *splice) {
    struct worker *worker = splice->source->worker;
    splice->source->splice = NULL;
    splice->sink->fed_by = NULL;
    pipe_pool_put(&worker->pipes, worker->ring, &splice->pipe,
                  splice->held > 0 ? PIPE_HOLDS_BYTES : PIPE_EMPTY);
    free(splice);
}

static bool can_give(const struct leg *leg) {
    bool reading_bulk = !leg->rx.submitted || leg->receive == LEG_BULK;
    return !leg->splice && reading_bulk && !leg->closing && !leg->eof && chain_is_empty(&leg->in) &&
           (!leg->records || leg_kernel_opens(leg));
}

static bool can_take(const struct leg *leg) {
    return !leg->fed_by && !leg->closing && !leg->lost && !leg->finishing &&
           chain_is_empty(&leg->out) && !leg->tx.submitted &&
           (!leg->records || leg_kernel_seals(leg));
}

bool splice_is_possible(const struct leg *source, const struct leg *sink) {
    return can_give(source) && can_take(sink);
}

bool splice_start(struct leg *source, struct leg *sink, uint64_t n) {
    struct worker *worker = source->worker;
    assert(n > 0);
    if (!splice_is_possible(source, sink))
        return false;
    struct splice *splice = malloc(sizeof *splice);
    if (!splice)
        return false;
    *splice = (struct splice){.source = source, .sink = sink, .left = n};
    if (!pipe_pool_get(&worker->pipes, worker->ring, &splice->pipe)) {
        free(splice);
        return false;
    }
    source->splice = splice;
    sink->fed_by = splice;
    return true;
}

void splice_stop(struct splice *splice) {
    if (splice)
        splice_end(splice);
}

// Moves what is in the pipe to the sink and returns how much went; a broken sink shows by `lost`.
static size_t pipe_drain(struct splice *splice) {
    struct leg *sink = splice->sink;
    size_t moved = 0;
    while (splice->held > 0) {
        ssize_t n = leg_may_send(sink);
        if (n == 0)
            n = ring_pipe_drain(sink->worker->ring, &splice->pipe, sink->fd, splice->held);
        if (n == -EAGAIN) {
            leg_wait_writable(sink);
            break;
        }
        if (n < 0) {
            leg_broken(sink, (int)n);
            break;
        }
        leg_count_sent(sink, (size_t)n);
        splice->held -= (size_t)n;
        splice->left -= (uint64_t)n;
        moved += (size_t)n;
    }
    return moved;
}

// Tells the owner what has gone, or that nothing goes, after the splice has ended if that was all.
// Returns whether it has ended.
static bool tell(struct splice *splice, size_t moved) {
    struct leg *source = splice->source;
    bool blocked = splice->held > 0;
    bool over = splice->left == 0 || splice->sink->lost;
    if (over) {
        moved += splice->held; // a broken sink takes all, as in leg_send
        source->after_splice = splice->left == 0;
        splice_end(splice);
    }
    if (moved > 0 || blocked)
        source->events->spliced(source->owner, source, moved);
    return over || source->closing || !source->splice;
}

enum splice_verdict splice_move(struct splice *splice, size_t *moved) {
    struct leg *source = splice->source;
    if (splice->held == 0) {
        size_t part = splice->left < PIPE_BYTES ? (size_t)splice->left : PIPE_BYTES;
        ssize_t n = ring_pipe_fill(source->worker->ring, &splice->pipe, source->fd, part);
        if (n == -EAGAIN)
            return SPLICE_EMPTY;
        if (n <= 0) {
            splice_end(splice);
            if (n < 0 && n != -EINVAL) // that is a control record of TLS, still to be read
                leg_broken(source, (int)n);
            return SPLICE_OVER;
        }
        splice->held = (size_t)n;
    }
    size_t n = pipe_drain(splice);
    *moved += n;
    bool blocked = splice->held > 0;
    if (tell(splice, n))
        return SPLICE_OVER;
    return blocked ? SPLICE_BLOCKED : SPLICE_MOVED;
}

bool splice_drain(struct splice *splice) {
    struct leg *sink = splice->sink;
    size_t moved = pipe_drain(splice);
    bool drained = splice->held == 0;
    tell(splice, moved);
    return drained && !sink->lost;
}
