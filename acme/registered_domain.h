// SPDX-License-Identifier: Apache-2.0
//
// What authorities count certificates for: the domain that somebody has registered
// (www.example.co.uk: example.co.uk), by the list of public suffixes (publicsuffix.org) that libpsl
// has, or the newer one that the system has. Of an address it is the address itself, of one of IPv6
// its network of 64 bits.
#ifndef RINGWAY_ACME_REGISTERED_DOMAIN_H
#define RINGWAY_ACME_REGISTERED_DOMAIN_H

#include <jansson.h>
#include <stddef.h>

// The registered domains of these names (in lower case; patterns too), as a list of texts without
// doubles, which is the caller's. NULL: no memory.
json_t *acme_registered_domains(const char *const names[], size_t name_count);

#endif
