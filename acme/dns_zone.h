// SPDX-License-Identifier: Apache-2.0
//
// Where in DNS a record has to be: aliases followed, the zone a name is in, and the name servers of
// that zone. Blocking.
#ifndef RINGWAY_ACME_DNS_ZONE_H
#define RINGWAY_ACME_DNS_ZONE_H

#include "acme/dns_query.h"

// Follows CNAMEs from `name` to where they end: who has delegated _acme-challenge to another zone
// wants the record there. 0, or negative errno: the look-up failed, or they form a loop.
int acme_dns_follow(int stop_fd, const struct acme_dns_servers *resolvers, const char *name,
                    char target[ACME_DNS_NAME_BYTES], struct acme_error *error);

// The zone that `name` is in: the longest part of it for which one of `servers`, asked in this way,
// has an SOA record. 0 or negative errno.
int acme_dns_zone_find(int stop_fd, const struct acme_dns_servers *servers,
                       enum acme_dns_recursion recursion, const char *name,
                       char zone[ACME_DNS_NAME_BYTES], struct acme_error *error);

// The addresses of all name servers that DNS gives for the zone. 0 or negative errno.
int acme_dns_authorities(int stop_fd, const struct acme_dns_servers *resolvers, const char *zone,
                         struct acme_dns_servers *authorities, struct acme_error *error);

// Whether there is a TXT record with this value among the answers.
bool acme_dns_answer_has_text(const struct acme_dns_answer *answer, const char *value);

// The text of the TXT record at `place` among the answers, its parts put together; false: there are
// not that many. It is cut to the size of `out`.
bool acme_dns_answer_text(const struct acme_dns_answer *answer, size_t place, char *out,
                          size_t size);

#endif
