// SPDX-License-Identifier: Apache-2.0
#include "acme/wait.h"

#include <errno.h>
#include <poll.h>

#include "core/clock.h"

int acme_wait_ready(int stop_fd, int fd, short events, uint64_t deadline_ms) {
    struct pollfd polled[] = {{.fd = fd, .events = events}, {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        int left_ms = now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0;
        int ready = poll(polled, 2, left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return -errno;
        if (polled[1].revents)
            return -ECANCELED;
        if (ready > 0)
            return 0;
        if (left_ms == 0)
            return -ETIMEDOUT;
    }
}

int acme_wait_sleep(int stop_fd, unsigned ms) {
    int result = acme_wait_ready(stop_fd, -1, 0, clock_monotonic_ms() + ms);
    return result == -ETIMEDOUT ? 0 : result;
}
