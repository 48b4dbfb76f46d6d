// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_provider.h"

#include <assert.h>

typedef int change_fn(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                      const struct acme_dns_record *record, struct acme_error *error);
typedef int check_fn(const struct conf_acme *acme, int stop_fd, const char *domain,
                     struct acme_error *error);

// A hook can only be tried.
static const struct {
    change_fn *change;
    check_fn *check;
} providers[] = {
    [CONF_DNS_HOOK] = {acme_dns_hook_change, NULL},
    [CONF_DNS_CLOUDFLARE] = {acme_dns_cloudflare_change, acme_dns_cloudflare_check},
    [CONF_DNS_RFC2136] = {acme_dns_rfc2136_change, acme_dns_rfc2136_check},
};

int acme_dns_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                    const struct acme_dns_record *record, struct acme_error *error) {
    assert(acme->dns_provider != CONF_DNS_NONE);
    int result = providers[acme->dns_provider].change(acme, stop_fd, change, record, error);
    // That a provider cannot be reached is no fault of the authority's: another would not help.
    if (result < 0 && error->trouble == ACME_TROUBLE_NETWORK)
        error->trouble = ACME_TROUBLE_LOCAL;
    return result;
}

int acme_dns_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                   struct acme_error *error) {
    assert(acme->dns_provider != CONF_DNS_NONE);
    check_fn *check = providers[acme->dns_provider].check;
    return check ? check(acme, stop_fd, domain, error) : 0;
}
