// SPDX-License-Identifier: Apache-2.0
//
// The time of deadlines. Apart from worker.c, so that tests on the fake ring bring a clock of their
// own (core/ring_fake.c) and hours pass in a moment.
#ifndef RINGWAY_CORE_CLOCK_H
#define RINGWAY_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

// The monotonic clock, in ms.
uint64_t clock_monotonic_ms(void);

// Unix time in µs, for what people read. The system's clock may be set, so it decides nothing.
static inline int64_t clock_unix_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The µs since a time that `clock_unix_us` gave; 0 when the clock has been set back meanwhile.
static inline uint64_t clock_unix_since_us(int64_t begin_us) {
    int64_t now_us = clock_unix_us();
    return now_us > begin_us ? (uint64_t)(now_us - begin_us) : 0;
}

// Room for a text of clock_date.
#define CLOCK_DATE_BYTES 40

// Writes "2026-11-21T09:41:20Z" (RFC 3339). Returns `text`.
static inline const char *clock_date(time_t when, char text[CLOCK_DATE_BYTES]) {
    struct tm tm;
    strftime(text, CLOCK_DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &tm));
    return text;
}

#endif
