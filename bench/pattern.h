// SPDX-License-Identifier: Apache-2.0
//
// What messages are made of: bytes that both sending and checking derive from who sent which
// message, so that an echo is verified without keeping a copy, and a message that comes back on
// the wrong connection, twice or in the wrong order is noticed.
#ifndef RINGWAY_BENCH_PATTERN_H
#define RINGWAY_BENCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>

// Small enough to stay in a core's cache, so that making messages costs as little as it can.
#define PATTERN_BYTES (64 * 1024)

// Fills the table; once, before any thread uses it.
void pattern_init(void);

// Where in the table the message number `sequence` of connection `connection` begins.
uint64_t pattern_start(uint64_t connection, uint64_t sequence);

// The bytes from `position` of a message that begins at `start`: PATTERN_BYTES of them can be
// read. Static.
const uint8_t *pattern_bytes(uint64_t start, uint64_t position);

#endif
