// SPDX-License-Identifier: Apache-2.0
//
// Deadlines of one worker: a hashed wheel of WHEEL_SLOTS slots, WHEEL_TICK_MS each. Setting and
// clearing cost a few stores; a deadline further away than one turn stays in its slot and is looked
// at once a turn. A timer fires up to one tick late, never early.
//
// One thread per wheel. The timer is embedded in its owner, who clears it before going away.
#ifndef RINGWAY_CORE_TIMER_H
#define RINGWAY_CORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS 512
#define WHEEL_TICK_MS 32

struct timer {
    struct timer *next, **link; // link: what points at us; NULL when not set
    uint64_t at_ms;
    void (*fired)(struct timer *timer);
};

struct wheel {
    struct timer *slots[WHEEL_SLOTS];
    uint64_t occupied[WHEEL_SLOTS / 64];
    uint64_t tick;       // every slot up to it has been run
    uint64_t soonest_ms; // nothing is due before; UINT64_MAX: nothing is set
};

// Starts an empty wheel at the monotonic time `now_ms`.
void wheel_init(struct wheel *wheel, uint64_t now_ms);

// Makes `timer->fired` run at `at_ms` or soon after; moves it when it was set already.
void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_ms);

// Forgets the timer; harmless when it is not set.
void timer_clear(struct wheel *wheel, struct timer *timer);

// Whether it will fire. False from the moment `fired` is called.
static inline bool timer_is_set(const struct timer *timer) {
    return timer->link != 0;
}

// Runs what is due. A callback may set and clear any timer, itself too.
void wheel_run(struct wheel *wheel, uint64_t now_ms);

// When `wheel_run` should be called next at the latest; UINT64_MAX: no need.
static inline uint64_t wheel_next_ms(const struct wheel *wheel) {
    return wheel->soonest_ms;
}

#endif
