// SPDX-License-Identifier: Apache-2.0
//
// How often an authority lets itself be asked. What counts against its published limits is counted
// here, for each account, in the state folder (accounts/SERVER.limits), so that we stop before it
// has to say no. Only for authorities whose limits are known (conf_authority.limited). Blocking.
#ifndef RINGWAY_ACME_QUOTA_H
#define RINGWAY_ACME_QUOTA_H

#include "acme/error.h"
#include "core/config.h"

// Authorities count less of what renews a certificate that there is.
enum acme_renewal {
    ACME_RENEWAL_NONE,      // for new names
    ACME_RENEWAL_NAMES,     // of a certificate for exactly these names
    ACME_RENEWAL_SUGGESTED, // the same when the authority has asked for it (RFC 9773): not counted
};

// Whether an order for the names of this site may be made now. 0; or -EAGAIN, when it would go
// beyond a limit: ACME_TROUBLE_PAUSED for failed proofs, which count for all orders,
// ACME_TROUBLE_HELD for the others, and how long to wait.
int acme_quota_check(const struct conf_acme *acme, const struct conf_authority *authority,
                     const struct conf_site *site, enum acme_renewal renewal,
                     struct acme_error *error);

// Something has happened that counts: an order was made for the names of the site, the proof that
// `name` is ours has failed, a certificate was made for the names of the site.
void acme_quota_count_order(const struct conf_acme *acme, const struct conf_authority *authority,
                            const struct conf_site *site, enum acme_renewal renewal);
void acme_quota_count_failure(const struct conf_acme *acme, const struct conf_authority *authority,
                              const char *name);
void acme_quota_count_certificate(const struct conf_acme *acme,
                                  const struct conf_authority *authority,
                                  const struct conf_site *site, enum acme_renewal renewal);

#endif
