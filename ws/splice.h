// SPDX-License-Identifier: Apache-2.0
//
// A stretch of payload on its way from one leg to another through a pipe, without passing through
// user space: the rest of a large WebSocket frame, or of a body. Its length is known when it
// starts, and not one byte more is moved.
//
// While it runs, the source leg reads in this way; `spliced` tells its owner what has gone to the
// sink. It ends by itself after the last byte, or earlier when anything but payload turns up (the
// end of the stream, an alert, an error): the source leg then goes on reading as always, and finds
// out what it is. Bytes wait in the pipe only while the sink is full.
//
// Life: `splice_start` → moves, from the source's loop or the sink's → ends, by itself or by
// `splice_stop`.
#ifndef RINGWAY_WS_SPLICE_H
#define RINGWAY_WS_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ring_pipe.h"

struct leg;

struct splice {
    struct leg *source, *sink;
    struct ring_pipe pipe;
    size_t held;   // in the pipe
    uint64_t left; // have not gone to the sink, held ones included
};

// Whether the legs' state allows a splice from one to the other now.
bool splice_is_possible(const struct leg *source, const struct leg *sink);

// Starts moving the next `n` bytes that `source` will receive. False, and nothing has changed: one
// of the legs cannot do it now, or there is no pipe.
bool splice_start(struct leg *source, struct leg *sink, uint64_t n);

// Ends it early; what is in the pipe is lost. NULL is allowed.
void splice_stop(struct splice *splice);

// --- for ws/leg.c -----------------------------------------------------------------------------

enum splice_verdict {
    SPLICE_MOVED,   // and there may be more
    SPLICE_EMPTY,   // the source has nothing now
    SPLICE_BLOCKED, // the sink is full: it will be told when there is room
    SPLICE_OVER,    // it has ended: read as always
};

// Moves one pipeful at most, adds what the sink took to `*moved`, and tells the source's owner, who
// may do anything: look at `closing`.
enum splice_verdict splice_move(struct splice *splice, size_t *moved);

// The sink has room: moves on what is in the pipe. False: it is full again, or broken.
bool splice_drain(struct splice *splice);

#endif
