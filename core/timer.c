// SPDX-License-Identifier: Apache-2.0
//
// The wheel's hand moves tick by tick over the slots that are occupied. Firing detaches the timer
// first, so that its callback is free to set it again; a slot is run through a local list, so that
// timers set from callbacks into the same slot wait for the next turn.
#include "core/timer.h"

#include <assert.h>
#include <stddef.h>

static unsigned slot_of(uint64_t tick) {
    return (unsigned)(tick % WHEEL_SLOTS);
}

void wheel_init(struct wheel *wheel, uint64_t now_ms) {
    *wheel = (struct wheel){.tick = now_ms / WHEEL_TICK_MS, .soonest_ms = UINT64_MAX};
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_ms) {
    assert(timer->fired);
    timer_clear(wheel, timer);
    // Rounded up: late by less than a tick, never early.
    uint64_t tick = (at_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    unsigned slot = slot_of(tick);
    timer->at_ms = at_ms;
    timer->next = wheel->slots[slot];
    timer->link = &wheel->slots[slot];
    if (timer->next)
        timer->next->link = &timer->next;
    wheel->slots[slot] = timer;
    if (tick * WHEEL_TICK_MS < wheel->soonest_ms)
        wheel->soonest_ms = tick * WHEEL_TICK_MS;
    wheel->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void timer_clear(struct wheel *wheel, struct timer *timer) {
    if (!timer->link)
        return;
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    // The slot's occupied bit is left: it costs one look when the hand passes.
    (void)wheel;
    timer->next = NULL;
    timer->link = NULL;
}

static void slot_run(struct wheel *wheel, unsigned slot, uint64_t now_ms) {
    struct timer *list = wheel->slots[slot];
    wheel->slots[slot] = NULL;
    wheel->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (list)
        list->link = &list;
    while (list) {
        struct timer *timer = list;
        uint64_t at_ms = timer->at_ms;
        timer_clear(wheel, timer);
        if (at_ms <= now_ms)
            timer->fired(timer);
        else
            timer_set(wheel, timer, at_ms);
    }
}

// The first occupied slot's time, looking one turn ahead.
static uint64_t find_soonest_ms(const struct wheel *wheel) {
    for (unsigned step = 1; step <= WHEEL_SLOTS; step++) {
        unsigned slot = slot_of(wheel->tick + step);
        uint64_t word = wheel->occupied[slot / 64] >> (slot % 64);
        if (word == 0)
            step += 63 - slot % 64; // the rest of this word is empty
        else if (word & 1)
            return (wheel->tick + step) * WHEEL_TICK_MS;
    }
    return UINT64_MAX;
}

void wheel_run(struct wheel *wheel, uint64_t now_ms) {
    if (now_ms < wheel->soonest_ms)
        return;
    uint64_t last = now_ms / WHEEL_TICK_MS;
    if (last > wheel->tick + WHEEL_SLOTS) // asleep for more than a turn: each slot once
        wheel->tick = last - WHEEL_SLOTS;
    while (wheel->tick < last) {
        wheel->tick++;
        unsigned slot = slot_of(wheel->tick);
        if (wheel->occupied[slot / 64] & UINT64_C(1) << (slot % 64))
            slot_run(wheel, slot, now_ms);
    }
    wheel->soonest_ms = find_soonest_ms(wheel);
}
