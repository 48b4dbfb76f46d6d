// SPDX-License-Identifier: Apache-2.0
//
// Distance as in spelling correction: insertions, deletions, substitutions and swapped neighbours
// count one each (optimal string alignment). Up to a third of the letters may differ, else the
// guess would puzzle more than it helps.
#include "core/config_nearest.h"

#include <limits.h>

#define NAME_MAX_BYTES 64

static unsigned distance(struct str a, struct str b);

struct nearest nearest_start(struct str wanted) {
    return (struct nearest){.wanted = wanted, .best_distance = UINT_MAX};
}

void nearest_offer(struct nearest *nearest, struct str candidate) {
    if (nearest->wanted.len > NAME_MAX_BYTES || candidate.len > NAME_MAX_BYTES)
        return;
    size_t longer = candidate.len > nearest->wanted.len ? candidate.len : nearest->wanted.len;
    unsigned allowed = longer < 3 ? 0 : (unsigned)(longer + 1) / 3;
    unsigned found = distance(nearest->wanted, candidate);
    if (found > allowed || found >= nearest->best_distance)
        return;
    nearest->best = candidate;
    nearest->best_distance = found;
}

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

// Three rows of the table are enough: this one, the one before, and the one before that for swaps.
static unsigned distance(struct str a, struct str b) {
    unsigned rows[3][NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == y)
                row[j] = smaller(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}
