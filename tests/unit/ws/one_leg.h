// SPDX-License-Identifier: Apache-2.0
//
// A worker on the fake ring with one leg, its owner and its peer, for the tests of legs.
#ifndef RINGWAY_TESTS_WS_ONE_LEG_H
#define RINGWAY_TESTS_WS_ONE_LEG_H

#include "core/ring_fake.h"
#include "ws/leg.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_MS 10000

// The owner: what it was told, and how it behaves.
extern struct owner {
    uint8_t got[1 << 20];
    size_t got_size;
    unsigned ends, eofs, losts, drains, hangups, connects;
    int connected;
    size_t take_max; // of each offer
    bool closes;     // at the first offer
    void (*on_input)(struct leg *leg);
} owner;

extern struct worker worker;
extern struct leg *leg;
extern struct fake_peer *peer;
extern enum fake_dial fate; // of what is dialled
extern const struct leg_events events;
extern uint8_t data[1 << 20]; // to be sent, either way

// What the peer has read.
extern struct arrived {
    uint8_t bytes[1 << 20];
    size_t size;
} arrived;

size_t peer_read(size_t max);

// Starts a world with a paused leg.
void start_with(const struct fake_chances *chances, bool multishot);
void start(void);

// Runs the worker's loop until `done`, or for `ms`. Returns whether it is done.
bool run(bool (*done)(void), unsigned ms);

// Runs until the owner has got the first `n` bytes of `data`, and no more.
void expect_got(size_t n);

bool is_gone(void);
bool has_ended(void);

// Closes the leg; it must go by itself and leave nothing.
void finish(void);

#endif
