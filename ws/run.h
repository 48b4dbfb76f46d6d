// SPDX-License-Identifier: Apache-2.0
//
// A run: large frames that follow each other in a socket and go by one splice, where a splice each
// would cost what copying does. Their headers are looked at where they lie (ring_peek_at) and kept
// until the splice has passed them; so the walker always stands where the bytes do, wherever the
// splice ends.
//
// Life: `run_find`, a splice of as many bytes, `run_pass` with what has gone, `run_free`. On the
// worker's thread.
#ifndef RINGWAY_WS_RUN_H
#define RINGWAY_WS_RUN_H

#include "ws/frame.h"

struct leg;
struct run;

// Looks how many bytes from where `walker` stands may go unread: the rest of the frame it is in,
// then data frames with a payload of `frame_min_bytes` or more, as far as their headers have come
// and a pipe holds. `*run` knows these frames and is the caller's; NULL when there are none, or the
// kernel cannot look ahead. In a walker that ends in the middle of a header the frame is one of
// them.
uint64_t run_find(const struct frame_walker *walker, struct leg *source, uint64_t frame_min_bytes,
                  struct run **run);

// Walks `n` bytes that have gone unread. `run` may be NULL while they are of one payload.
void run_pass(struct run *run, struct frame_walker *walker, size_t n);

// NULL is allowed.
void run_free(struct run *run);

#endif
