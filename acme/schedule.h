// SPDX-License-Identifier: Apache-2.0
//
// When to renew a certificate, and when to try again after a failure. Both are spread, so that the
// gateways of the world do not all come at once; `seed` decides where in the spread a certificate
// falls, so that the answer is the same whenever it is asked for. Pure.
#ifndef RINGWAY_ACME_SCHEDULE_H
#define RINGWAY_ACME_SCHEDULE_H

#include <time.h>

// What was noted down as later than now by more than this was noted by a clock that was ahead, and
// has been set back since.
#define ACME_CLOCK_SLACK_S 300

// After two thirds of the lifetime, or half of one under ten days, less up to a twentieth of it.
time_t acme_schedule_renewal(time_t not_before, time_t not_after, const char *seed);

// A time within a window that the authority suggests, always the same one.
time_t acme_schedule_window(time_t start, time_t end, const char *seed);

// After the given number of failures in a row (at least 1): a minute, doubled with each, a day at
// most, less up to a quarter; but not before the server wants it (`retry_after_s`).
time_t acme_schedule_retry(time_t now, unsigned failures, unsigned retry_after_s, const char *seed);

#endif
