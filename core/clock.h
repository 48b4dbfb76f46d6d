// SPDX-License-Identifier: Apache-2.0
//
// The time of deadlines. Apart from worker.c, so that tests on the fake ring bring a clock of their
// own (core/ring_fake.c) and hours pass in a moment.
#ifndef RINGWAY_CORE_CLOCK_H
#define RINGWAY_CORE_CLOCK_H

#include <stdint.h>

// The monotonic clock, in ms.
uint64_t clock_monotonic_ms(void);

#endif
