// SPDX-License-Identifier: Apache-2.0
//
// Waiting on the thread that gets certificates: each wait has a deadline, and ends at once when the
// gateway stops. Any thread; no state.
#ifndef RINGWAY_ACME_WAIT_H
#define RINGWAY_ACME_WAIT_H

#include <stdint.h>

// Waits until `fd` is ready for `events` (POLLIN, POLLOUT; hang-ups and errors count as ready). 0,
// -ETIMEDOUT once clock_monotonic_ms() has reached the deadline, -ECANCELED when `stop_fd` is
// readable, or another negative errno.
int acme_wait_ready(int stop_fd, int fd, short events, uint64_t deadline_ms);

// Waits for `ms`. 0 or -ECANCELED.
int acme_wait_sleep(int stop_fd, unsigned ms);

#endif
