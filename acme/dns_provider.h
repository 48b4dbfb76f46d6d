// SPDX-License-Identifier: Apache-2.0
//
// Who changes the records in DNS: a program of the user's, Cloudflare's API, or a name server that
// takes dynamic updates. All of them are told the same two things. Blocking.
#ifndef RINGWAY_ACME_DNS_PROVIDER_H
#define RINGWAY_ACME_DNS_PROVIDER_H

#include "acme/dns_query.h"

#define ACME_DNS_VALUE_BYTES 64
// Long enough for a resolver to share the answer, short enough to try again.
#define ACME_DNS_TTL_S 60

// A TXT record of dns-01 (RFC 8555 §8.4). Several with one name stand side by side.
struct acme_dns_record {
    char domain[ACME_DNS_NAME_BYTES]; // that is shown to be ours
    char name[ACME_DNS_NAME_BYTES];   // of the record: _acme-challenge.DOMAIN, or its alias
    char value[ACME_DNS_VALUE_BYTES];
};

// REMOVE takes away the record with this value and no other; that there is none is no error.
enum acme_dns_change { ACME_DNS_SET, ACME_DNS_REMOVE };

// Makes the change with the provider that is configured (one is). 0 or negative errno.
int acme_dns_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                    const struct acme_dns_record *record, struct acme_error *error);

// Whether the provider would change records of `domain`, as far as can be told without doing it. 0,
// or negative errno and what is missing.
int acme_dns_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                   struct acme_error *error);

// The providers; see above.
int acme_dns_hook_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                         const struct acme_dns_record *record, struct acme_error *error);
int acme_dns_cloudflare_change(const struct conf_acme *acme, int stop_fd,
                               enum acme_dns_change change, const struct acme_dns_record *record,
                               struct acme_error *error);
int acme_dns_cloudflare_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                              struct acme_error *error);
int acme_dns_rfc2136_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                            const struct acme_dns_record *record, struct acme_error *error);
int acme_dns_rfc2136_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                           struct acme_error *error);

#endif
