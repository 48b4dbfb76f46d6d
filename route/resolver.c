// SPDX-License-Identifier: Apache-2.0
//
// The thread that looks names up; see the header.
#include "route/resolver.h"

#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define RETRY_MS 2000 // after a round in which a name failed
#define STOP_WAIT_MS 1000

// RUNNING → STOPPING → ENDED, and the stopper joins and frees;
//              |
//              +→ ORPHANED, when a lookup took too long: the thread frees.
enum resolver_state { RESOLVER_RUNNING, RESOLVER_STOPPING, RESOLVER_ENDED, RESOLVER_ORPHANED };

struct resolver {
    pthread_t thread;
    resolver_changed *changed;
    void *context;

    pthread_mutex_t mutex; // guards what follows; held while `changed` runs, not during a lookup
    pthread_cond_t news;   // any of it was changed from outside, or the state was
    enum resolver_state state;
    struct resolve_table *current; // NULL: nothing to watch yet
    unsigned every_ms;
    struct timespec due; // of the next round, CLOCK_MONOTONIC
};

static void *resolver_run(void *argument);
static void resolver_free(struct resolver *resolver);

int resolver_start(struct resolver **out, resolver_changed *changed, void *context) {
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (!resolver)
        return -ENOMEM;
    resolver->changed = changed;
    resolver->context = context;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&resolver->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&resolver->mutex, NULL);
    int result = thread_start(&resolver->thread, "resolver", resolver_run, resolver);
    if (result < 0) {
        resolver_free(resolver);
        return result;
    }
    *out = resolver;
    return 0;
}

static struct timespec time_after_ms(unsigned ms) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static void due_set(struct resolver *resolver);

void resolver_watch(struct resolver *resolver, struct resolve_table *current, unsigned every_ms) {
    assert(every_ms > 0);
    pthread_mutex_lock(&resolver->mutex);
    resolve_table_drop(resolver->current);
    resolver->current = resolve_table_hold(current);
    resolver->every_ms = every_ms;
    due_set(resolver);
    pthread_cond_broadcast(&resolver->news);
    pthread_mutex_unlock(&resolver->mutex);
}

static void due_set(struct resolver *resolver) {
    bool soon = resolver->every_ms > RETRY_MS && resolve_table_fails(resolver->current);
    resolver->due = time_after_ms(soon ? RETRY_MS : resolver->every_ms);
}

void resolver_stop(struct resolver *resolver) {
    struct timespec deadline = time_after_ms(STOP_WAIT_MS);
    pthread_mutex_lock(&resolver->mutex);
    assert(resolver->state == RESOLVER_RUNNING);
    resolver->state = RESOLVER_STOPPING;
    pthread_cond_broadcast(&resolver->news);
    int waited = 0;
    while (resolver->state != RESOLVER_ENDED && waited == 0)
        waited = pthread_cond_timedwait(&resolver->news, &resolver->mutex, &deadline);
    pthread_t thread = resolver->thread;
    bool ended = resolver->state == RESOLVER_ENDED;
    if (!ended)
        resolver->state = RESOLVER_ORPHANED;
    pthread_mutex_unlock(&resolver->mutex);
    if (ended) {
        pthread_join(thread, NULL);
        resolver_free(resolver);
    } else {
        pthread_detach(thread);
    }
}

static bool round_wait(struct resolver *resolver);
static void round_run(struct resolver *resolver);

static void *resolver_run(void *argument) {
    struct resolver *resolver = argument;
    pthread_mutex_lock(&resolver->mutex);
    while (round_wait(resolver))
        round_run(resolver);
    bool orphaned = resolver->state == RESOLVER_ORPHANED;
    if (!orphaned)
        resolver->state = RESOLVER_ENDED;
    pthread_cond_broadcast(&resolver->news);
    pthread_mutex_unlock(&resolver->mutex);
    if (orphaned)
        resolver_free(resolver);
    return NULL;
}

// Waits, with the mutex held, until a round is due. False when the thread is to end.
static bool round_wait(struct resolver *resolver) {
    int waited = 0;
    while (resolver->state == RESOLVER_RUNNING && waited != ETIMEDOUT) {
        if (!resolver->current || !resolve_table_has_names(resolver->current)) {
            pthread_cond_wait(&resolver->news, &resolver->mutex);
        } else {
            struct timespec due = resolver->due;
            waited = pthread_cond_timedwait(&resolver->news, &resolver->mutex, &due);
        }
    }
    return resolver->state == RESOLVER_RUNNING;
}

// Looks all names up, the mutex open meanwhile. What was found out about a table that is no longer
// the current one is dropped.
static void round_run(struct resolver *resolver) {
    struct resolve_table *before = resolve_table_hold(resolver->current);
    pthread_mutex_unlock(&resolver->mutex);
    struct resolve_table *after = resolve_table_refresh(before);
    pthread_mutex_lock(&resolver->mutex);
    if (after && resolver->state == RESOLVER_RUNNING && resolver->current == before) {
        resolve_table_drop(resolver->current);
        resolver->current = resolve_table_hold(after);
        if (!resolve_table_equal(before, after))
            resolver->changed(resolver->context, resolve_table_hold(after));
    }
    due_set(resolver);
    resolve_table_drop(after);
    resolve_table_drop(before);
}

static void resolver_free(struct resolver *resolver) {
    resolve_table_drop(resolver->current);
    pthread_cond_destroy(&resolver->news);
    pthread_mutex_destroy(&resolver->mutex);
    free(resolver);
}
