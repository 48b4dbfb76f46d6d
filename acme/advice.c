// SPDX-License-Identifier: Apache-2.0
#include "acme/advice.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/address.h"

static bool is_ours(const struct ifaddrs *ours, const struct sockaddr *address) {
    struct in6_addr wanted, own;
    if (!address_to_in6(address, &wanted))
        return false;
    for (; ours; ours = ours->ifa_next)
        if (ours->ifa_addr && address_to_in6(ours->ifa_addr, &own) &&
            memcmp(&own, &wanted, sizeof own) == 0)
            return true;
    return false;
}

void acme_advise_addresses(struct acme_error *error, const char *name) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    struct ifaddrs *ours;
    char foreign[256] = "", one[ADDRESS_TEXT_MAX];
    size_t size = 0;
    bool here = false;
    if (getaddrinfo(name, NULL, &hints, &addresses) != 0) {
        acme_error_advise(error, "DNS has no address for %s", name);
        return;
    }
    if (getifaddrs(&ours) == 0) {
        for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
            bool is_here = is_ours(ours, at->ai_addr);
            here |= is_here;
            address_format(at->ai_addr, one);
            if (!is_here && size + strlen(one) + 3 < sizeof foreign)
                size += (size_t)snprintf(foreign + size, sizeof foreign - size, "%s%s",
                                         size > 0 ? ", " : "", one);
        }
        // Of several the authority may go to any; to one of IPv6 first.
        if (size > 0)
            acme_error_advise(error,
                              "DNS for %s %spoints to %s, which is no address of this machine: "
                              "right only if that forwards to here",
                              name, here ? "also " : "", foreign);
        freeifaddrs(ours);
    }
    freeaddrinfo(addresses);
}
