// SPDX-License-Identifier: Apache-2.0
#include "acme/schedule.h"

#include <stdint.h>

#define DAY_S (24 * 3600)
#define SHORT_LIFETIME_S (10 * DAY_S)
#define RETRY_FIRST_S 60

// A part of `span_s` by the seed and a number (FNV-1a, whose low bits are the better ones).
static time_t part_of(time_t span_s, const char *seed, uint64_t number) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ number;
    for (; *seed; seed++)
        hash = (hash ^ (unsigned char)*seed) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return span_s > 0 ? (time_t)(hash % (uint64_t)span_s) : 0;
}

time_t acme_schedule_renewal(time_t not_before, time_t not_after, const char *seed) {
    time_t lifetime_s = not_after > not_before ? not_after - not_before : 0;
    time_t used_s = lifetime_s < SHORT_LIFETIME_S ? lifetime_s / 2 : lifetime_s / 3 * 2;
    return not_before + used_s - part_of(lifetime_s / 20, seed, (uint64_t)not_after);
}

time_t acme_schedule_window(time_t start, time_t end, const char *seed) {
    return start + part_of(end - start, seed, (uint64_t)start);
}

time_t acme_schedule_retry(time_t now, unsigned failures, unsigned retry_after_s,
                           const char *seed) {
    unsigned doublings = failures > 0 ? failures - 1 : 0;
    time_t wait_s = doublings < 11 ? (time_t)RETRY_FIRST_S << doublings : DAY_S;
    if (wait_s > DAY_S)
        wait_s = DAY_S;
    wait_s -= part_of(wait_s / 4, seed, (uint64_t)now);
    return now + (wait_s > (time_t)retry_after_s ? wait_s : (time_t)retry_after_s);
}
