// SPDX-License-Identifier: Apache-2.0
//
// Trusted address blocks; see the header.
#include "route/trust.h"

#include "core/address.h"

#include <assert.h>

static bool block_has(const struct conf_cidr *block, const struct in6_addr *address);

bool trust_has(const struct conf_cidr *blocks, size_t count, const struct sockaddr *address) {
    struct in6_addr in6;
    if (!address_to_in6(address, &in6))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (block_has(&blocks[i], &in6))
            return true;
    }
    return false;
}

static bool block_has(const struct conf_cidr *block, const struct in6_addr *address) {
    assert(block->prefix_bits <= 128);
    unsigned bytes = block->prefix_bits / 8, bits = block->prefix_bits % 8;
    if (memcmp(&block->address, address, bytes) != 0)
        return false;
    unsigned differing = block->address.s6_addr[bytes % 16] ^ address->s6_addr[bytes % 16];
    return bits == 0 || differing >> (8 - bits) == 0;
}
