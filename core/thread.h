// SPDX-License-Identifier: Apache-2.0
//
// Starts threads beside main and the workers.
#ifndef RINGWAY_CORE_THREAD_H
#define RINGWAY_CORE_THREAD_H

#include <pthread.h>

// Starts a thread of this name (at most 15 bytes, as top shows it) with every signal blocked:
// signals are for main. Returns 0 or a negative errno; the caller joins or detaches it.
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);

#endif
