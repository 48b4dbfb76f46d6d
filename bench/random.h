// SPDX-License-Identifier: Apache-2.0
//
// Fast random numbers (splitmix64) for masking keys and test data. Masking keys protect
// intermediaries from clients that run hostile code (RFC 6455 §10.3); a load generator does not, so
// they need not be unpredictable here.
#ifndef RINGWAY_BENCH_RANDOM_H
#define RINGWAY_BENCH_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random) {
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
