// SPDX-License-Identifier: Apache-2.0
//
// Accepts connections on a listening socket, for as long as its worker runs. When there is no
// descriptor or no memory for another one it says so, once, and tries again now and then: until
// then who comes waits in the kernel's queue.
#ifndef RINGWAY_BENCH_ACCEPTOR_H
#define RINGWAY_BENCH_ACCEPTOR_H

#include "core/worker.h"

struct acceptor {
    int listener;                                        // non-blocking, the caller's
    void (*accepted)(struct acceptor *acceptor, int fd); // who owns `fd` from here on
    struct worker *worker;
    struct op op;
    struct timer retry;
};

// Starts accepting. `listener` and `accepted` are set. On the worker's thread.
void acceptor_start(struct acceptor *acceptor, struct worker *worker);

// Says on stderr that a connection cannot be served for want of what the negative errno names, and
// what to do about it; the first time only. Any thread.
void acceptor_want_tell(int error);

#endif
