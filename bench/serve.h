// SPDX-License-Identifier: Apache-2.0
//
// The echo backend, or the bare relay (bench/relay.h), as a program: listeners, threads, and the
// end by signal.
#ifndef RINGWAY_BENCH_SERVE_H
#define RINGWAY_BENCH_SERVE_H

#include "core/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct serve_settings {
    struct sockaddr_storage address; // port 0: the kernel chooses
    uint64_t threads;
    bool relays;                     // to `backend`, instead of answering
    struct sockaddr_storage backend; // with `relays`
    struct ring_features features;
};

// Serves until SIGINT or SIGTERM. Says on stdout where it listens. False with a sentence in `why`
// when it cannot begin. Blocking, main thread.
bool serve_run(const struct serve_settings *settings, char *why, size_t why_size);

#endif
