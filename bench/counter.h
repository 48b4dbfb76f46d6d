// SPDX-License-Identifier: Apache-2.0
//
// Counters written by one thread and read by others at any time, and the clock they are read by.
// Relaxed atomics: they cost what plain ones do, and say what they are.
#ifndef RINGWAY_BENCH_COUNTER_H
#define RINGWAY_BENCH_COUNTER_H

#include <stdint.h>
#include <time.h>

// These two are for the counter's own thread.
static inline void counter_add(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value) {
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

// A clock in nanoseconds: CLOCK_MONOTONIC and the like, or a process's CPU clock.
static inline uint64_t clock_read_ns(clockid_t clock) {
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_now_ns(void) {
    return clock_read_ns(CLOCK_MONOTONIC);
}

#endif
