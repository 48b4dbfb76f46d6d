// SPDX-License-Identifier: Apache-2.0
//
// One certificate from an ACME server, from the order to the file (RFC 8555 §7.4):
//
//   newOrder → authorizations → a challenge each → finalize → poll → download → state folder
//
// The order's URL and the new key are in the state folder before the server is asked to finalize:
// whoever is interrupted goes on with the same order.
#ifndef RINGWAY_ACME_ORDER_H
#define RINGWAY_ACME_ORDER_H

#include "acme/client.h"
#include "acme/quota.h"
#include "core/config.h"

// What is asked for besides the names.
struct acme_order_terms {
    bool trial;           // only show that the names are ours: no certificate is made
    bool keeps_key;       // the key of the certificate there is
    const char *profile;  // of the certificate, as the server names them; NULL: its own choice
    const char *replaces; // the certificate it is for (RFC 9773 §5), by its id; NULL: none
    const char *preferred_chain; // NULL: the server's choice
    enum acme_renewal renewal;
    unsigned failures; // of attempts before, in a row
};

// Gets a certificate for the names of its site, which are shown to be ours by challenges of this
// kind, and puts it into its file. 0 or negative errno; with ACME_TROUBLE_VALIDATION another kind
// may do. Blocking, for minutes.
int acme_order_run(struct acme_client *client, const struct conf_acme *acme,
                   const struct conf_managed *managed, enum acme_challenge kind,
                   const struct acme_order_terms *terms, struct acme_error *error);

#endif
