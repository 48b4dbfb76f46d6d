// SPDX-License-Identifier: Apache-2.0
//
// What the files that make up a leg (leg.c, leg_kernel.c, splice.c) share and nobody else uses.
#ifndef RINGWAY_WS_LEG_INSIDE_H
#define RINGWAY_WS_LEG_INSIDE_H

#include "ws/leg.h"

// --- leg.c ------------------------------------------------------------------------------------

// The socket has failed, and said so to a call that was no reading: it says so only once. What
// waits to be sent is dropped; reading on will find the end.
void leg_broken(struct leg *leg, int error);

// The socket is full: `drained` will be told when there was room.
void leg_wait_writable(struct leg *leg);

// --- leg_kernel.c -----------------------------------------------------------------------------

// Receives like recv(2), where the kernel opens the records; acts on control records. Negative
// errno when the connection cannot go on.
ssize_t leg_kernel_recv(struct leg *leg, void *buffer, size_t size_bytes);

// Sends what must go before any more data, where the kernel seals: a control record, a KeyUpdate.
// 0, -EAGAIN when the socket is full, or another negative errno.
int leg_kernel_flush(struct leg *leg);

// Sends the answer that our own record layer wants sent, through the kernel.
void leg_kernel_reply(struct leg *leg);

// Whether bytes may be sent now: as leg_kernel_flush, and 0 where the kernel does not seal.
static inline int leg_may_send(struct leg *leg) {
    return leg_kernel_seals(leg) ? leg_kernel_flush(leg) : 0;
}

// Counts bytes under the present sending key, and has it changed when it is used up.
void leg_kernel_count_sent(struct leg *leg, size_t n);

static inline void leg_count_sent(struct leg *leg, size_t n) {
    if (leg_kernel_seals(leg))
        leg_kernel_count_sent(leg, n);
}

#endif
