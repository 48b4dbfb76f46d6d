// SPDX-License-Identifier: Apache-2.0
//
// "Did you mean ...?": the known name that is nearest to one that is not known.
#ifndef RINGWAY_CORE_CONFIG_NEAREST_H
#define RINGWAY_CORE_CONFIG_NEAREST_H

#include "core/str.h"

// The best candidate so far. Start with the misspelt name; candidates too far from it never become
// `best`.
struct nearest {
    struct str wanted;
    struct str best; // empty: none
    unsigned best_distance;
};

// Begins a search without a candidate. Borrows `wanted`.
struct nearest nearest_start(struct str wanted);

// Compares one known name. Borrows it.
void nearest_offer(struct nearest *nearest, struct str candidate);

#endif
