// SPDX-License-Identifier: Apache-2.0
//
// Is an address inside one of the configured blocks? For the peers whose X-Forwarded-* fields are
// believed. Lists are short (a CDN's has some dozens), so a linear walk over 128-bit values does.
#ifndef RINGWAY_ROUTE_TRUST_H
#define RINGWAY_ROUTE_TRUST_H

#include "core/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

// True when one of `blocks` has `address`; IPv4 and IPv4-mapped IPv6 are the same. False for other
// families and for an empty list.
bool trust_has(const struct conf_cidr *blocks, size_t count, const struct sockaddr *address);

#endif
