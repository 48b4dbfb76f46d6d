// SPDX-License-Identifier: Apache-2.0
//
// How long messages are: one size, or several with weights ("128:90,4K:9,64K:1"). Which of them a
// message has follows from who sends it and its number, so that the receiver knows it too.
#ifndef RINGWAY_BENCH_SIZE_MIX_H
#define RINGWAY_BENCH_SIZE_MIX_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIZE_MIX_MAX = 8, SIZE_MIX_TEXT_MAX = 128 };

#define SIZE_MIX_MESSAGE_MAX (UINT64_C(1) << 40)

struct size_mix {
    struct {
        uint64_t message_bytes;
        uint64_t below; // of `weight`: this part's share ends here
    } parts[SIZE_MIX_MAX];
    size_t count;
    uint64_t weight;
    char text[SIZE_MIX_TEXT_MAX]; // as written
};

// Reads SIZE[:WEIGHT],... with weights of 1 to 1,000,000 (1). False when it is no such list.
bool size_mix_parse(struct size_mix *mix, struct str text);

// The size of message number `sequence` of `connection`.
uint64_t size_mix_pick(const struct size_mix *mix, uint64_t connection, uint64_t sequence);

#endif
