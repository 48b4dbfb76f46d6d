// SPDX-License-Identifier: Apache-2.0
//
// Calls at a fixed rate, to the microsecond, on a worker's thread: number 0 is due at a base time,
// each further one an interval later. Calls that are late are made up for, so the number of a call
// tells when it was due, whenever it comes: the intended send time of an open loop.
//
// A timerfd, because the worker's own timers tick in tens of milliseconds.
#ifndef RINGWAY_BENCH_PACER_H
#define RINGWAY_BENCH_PACER_H

#include "core/worker.h"

#include <stdbool.h>
#include <stdint.h>

// Zero-initialised memory is an idle pacer.
struct pacer {
    struct worker *worker;
    void (*call)(struct pacer *pacer, uint64_t number);
    struct op op;
    int fd;
    uint64_t base_ns; // CLOCK_MONOTONIC
    double interval_ns;
    uint64_t next;
    bool stopping;
};

// Starts calling. 0 or a negative errno.
int pacer_start(struct pacer *pacer, struct worker *worker, uint64_t base_ns, double interval_ns,
                void (*call)(struct pacer *pacer, uint64_t number));

// Calls what was due before `until_ns`, however late that is now, and nothing further. The memory
// must stay until the pacer is idle.
void pacer_finish(struct pacer *pacer, uint64_t until_ns);

static inline bool pacer_is_idle(const struct pacer *pacer) {
    return !pacer->op.submitted;
}

static inline uint64_t pacer_due_ns(const struct pacer *pacer, uint64_t number) {
    return pacer->base_ns + (uint64_t)((double)number * pacer->interval_ns);
}

#endif
