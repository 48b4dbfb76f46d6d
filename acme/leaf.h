// SPDX-License-Identifier: Apache-2.0
//
// What has to be known of a certificate to decide when it is renewed, and to show it.
#ifndef RINGWAY_ACME_LEAF_H
#define RINGWAY_ACME_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/config.h"
#include "core/str.h"

// Serial numbers have 20 bytes at most (RFC 5280 §4.1.2.2).
#define ACME_LEAF_SERIAL_BYTES 20

struct acme_leaf {
    enum acme_key_kind key_kind;
    time_t not_before, not_after;
    char issuer[128]; // its common name, or ""
    char serial[64];  // hexadecimal
    uint8_t serial_bytes[ACME_LEAF_SERIAL_BYTES];
    size_t serial_size;
    unsigned char *der;
    size_t der_size;
    struct str issuer_key_id; // in `der`; empty: it has none
    char **names;             // host names, patterns, addresses
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
