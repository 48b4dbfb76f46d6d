// SPDX-License-Identifier: Apache-2.0
//
// dns-01 (RFC 8555 §8.4) for all names of an order at once: `example.com` and `*.example.com` have
// one record name and two values. What is set is written to the state folder first, so that it is
// removed whatever happens: after the order, or at the next start.
//
// Life: publish → (the authority looks) → withdraw. One thread, blocking.
#ifndef RINGWAY_ACME_DNS_PROOF_H
#define RINGWAY_ACME_DNS_PROOF_H

#include "acme/client.h"
#include "core/config.h"

// Sets a record for each of the authorizations that waits for one, and waits until the name servers
// have them. 0 or negative errno. Whatever it returns, the caller owes acme_dns_withdraw.
int acme_dns_publish(struct acme_client *client, const struct conf_acme *acme,
                     const struct conf_managed *managed, const json_t *authorizations,
                     struct acme_error *error);

// Removes what was set for the certificate. What cannot be removed is told in the log, and tried
// again.
void acme_dns_withdraw(const struct conf_acme *acme, const struct conf_managed *managed,
                       int stop_fd);

// At the start, once the state folder is ours: removes what an interrupted order has left, and says
// in the log what is missing for setting the records that the sites will need.
void acme_dns_start(const struct config *config, int stop_fd);

#endif
