// SPDX-License-Identifier: Apache-2.0
//
// A library for LD_PRELOAD: another clock. time() is off by CLOCK_SHIFT_S seconds; for the thread
// that cares for certificates CLOCK_MONOTONIC runs CLOCK_SPEED times as fast, so that its patience
// ends soon. Workers keep their own time.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static long long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? atoll(text) : 0;
}

time_t time(time_t *out) {
    time_t now = REAL(time)(NULL) + number_of("CLOCK_SHIFT_S");
    if (out)
        *out = now;
    return now;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    char name[16] = "";
    int result = REAL(clock_gettime)(clock, out);
    long long speed = number_of("CLOCK_SPEED");
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (result == 0 && speed > 0 && clock == CLOCK_MONOTONIC && strstr(name, "acme")) {
        long long ns = (out->tv_sec * 1000000000LL + out->tv_nsec) * speed;
        *out = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    return result;
}
