// SPDX-License-Identifier: Apache-2.0
#include "ws/pool.h"

#include "core/address.h"
#include "core/container.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

struct idle {
    struct pool *pool;
    struct pool_place *place;
    struct leg *leg;
    struct timer timer;
    struct idle *prev, *next;
};

// The idle connections to one address, the most recently used first. Goes when the last one does.
struct pool_place {
    struct sockaddr_storage address;
    struct idle *idles;
    unsigned count;
    UT_hash_handle hh;
};

static void idle_end(struct idle *idle) {
    struct pool_place *place = idle->place;
    timer_clear(&idle->pool->worker->timers, &idle->timer);
    DL_DELETE(place->idles, idle);
    place->count--;
    if (place->count == 0) {
        HASH_DEL(idle->pool->places, place);
        free(place);
    }
    free(idle);
}

static void idle_close(struct idle *idle) {
    leg_close(idle->leg);
    idle_end(idle);
}

static size_t idle_input(void *owner, struct leg *leg, const uint8_t *bytes, size_t n) {
    (void)leg, (void)bytes;
    idle_close(owner); // an answer nobody asked for: whose would it be?
    return n;
}

static void idle_ended(void *owner, struct leg *leg, enum leg_end how) {
    (void)leg, (void)how;
    idle_close(owner);
}

static void idle_event(void *owner, struct leg *leg) {
    (void)owner, (void)leg;
}

static const struct leg_events idle_events = {
    .input = idle_input,
    .ended = idle_ended,
    .drained = idle_event,
    .hangup = idle_event,
};

static void idle_expired(struct timer *timer) {
    idle_close(container_of(timer, struct idle, timer));
}

// Addresses are compared as memory: the rest of the storage must be zero.
static struct sockaddr_storage place_key(const struct sockaddr *address) {
    struct sockaddr_storage key = {0};
    memcpy(&key, address, address_size(address));
    return key;
}

static struct pool_place *place_find(struct pool *pool, const struct sockaddr_storage *key) {
    struct pool_place *place;
    HASH_FIND(hh, pool->places, key, sizeof *key, place);
    return place;
}

static struct pool_place *place_get(struct pool *pool, const struct sockaddr_storage *key) {
    struct pool_place *place = place_find(pool, key);
    if (place)
        return place;
    place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    place->address = *key;
    HASH_ADD(hh, pool->places, address, sizeof place->address, place);
    return place;
}

void pool_put(struct pool *pool, struct leg *leg, const struct sockaddr *address,
              const struct conf_upstream *upstream) {
    struct idle *idle = upstream->keep_alive > 0 ? calloc(1, sizeof *idle) : NULL;
    struct sockaddr_storage key = place_key(address);
    struct pool_place *place = idle ? place_get(pool, &key) : NULL;
    if (!place) {
        free(idle);
        leg_close(leg);
        return;
    }
    *idle = (struct idle){.pool = pool, .place = place, .leg = leg, .timer.fired = idle_expired};
    DL_PREPEND(place->idles, idle);
    place->count++;
    timer_set(&pool->worker->timers, &idle->timer,
              pool->worker->now_ms + upstream->keep_alive_timeout_ms);
    leg_adopt(leg, &idle_events, idle);
    leg_resume(leg);
    if (place->count > upstream->keep_alive)
        idle_close(place->idles->prev); // the list's tail
}

struct leg *pool_take(struct pool *pool, const struct sockaddr *address) {
    struct sockaddr_storage key = place_key(address);
    struct pool_place *place;
    while ((place = place_find(pool, &key))) {
        struct idle *idle = place->idles;
        struct leg *leg = idle->leg;
        if (leg_is_reusable(leg)) {
            leg_pause(leg);
            idle_end(idle);
            return leg;
        }
        idle_close(idle);
    }
    return NULL;
}

void pool_clear(struct pool *pool) {
    struct pool_place *place, *next;
    HASH_ITER(hh, pool->places, place, next) {
        for (unsigned left = place->count; left > 0; left--)
            idle_close(place->idles); // the last one frees the place
    }
}
