// SPDX-License-Identifier: Apache-2.0
//
// What has to be known of a certificate to decide when it is renewed, and to show it.
#ifndef RINGWAY_ACME_LEAF_H
#define RINGWAY_ACME_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/config.h"

struct acme_leaf {
    enum acme_key_kind key_kind;
    time_t not_before, not_after;
    char issuer[128]; // its common name, or ""
    char serial[64];  // hexadecimal
    unsigned char *der;
    size_t der_size;
    char **names; // host names, patterns, addresses
    size_t name_count;
};

// Reads the first certificate of a PEM text. False: there is none that can be decoded. The caller
// owes acme_leaf_free.
bool acme_leaf_read(const char *pem, struct acme_leaf *leaf);

// Frees what it holds; harmless on one that is zeroed.
void acme_leaf_free(struct acme_leaf *leaf);

// Whether it is made out to exactly these names, in any order.
bool acme_leaf_is_for(const struct acme_leaf *leaf, const char *const names[], size_t name_count);

#endif
