// SPDX-License-Identifier: Apache-2.0
#include "bench/pattern.h"

#include "bench/random.h"

#include <string.h>

// Every message is text as well.
static const uint8_t alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Twice the same, so that no read has to turn round at the end.
static uint8_t table[2 * PATTERN_BYTES];

void pattern_init(void) {
    struct random random = {.state = 1}; // the same bytes in every run
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        table[i] = alphabet[random_next(&random) % (sizeof alphabet - 1)];
    memcpy(table + PATTERN_BYTES, table, PATTERN_BYTES);
}

uint64_t pattern_start(uint64_t connection, uint64_t sequence) {
    struct random random = {.state = connection << 32 ^ sequence};
    return random_next(&random) % PATTERN_BYTES;
}

const uint8_t *pattern_bytes(uint64_t start, uint64_t position) {
    return table + (start + position) % PATTERN_BYTES;
}
