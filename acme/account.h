// SPDX-License-Identifier: Apache-2.0
//
// The account at an ACME server (RFC 8555 §7.3): made once, kept in the state folder, found again
// by its key. The key is on disk before the server hears of it, so that a crash never leaves an
// account behind that nobody can use.
#ifndef RINGWAY_ACME_ACCOUNT_H
#define RINGWAY_ACME_ACCOUNT_H

#include "acme/client.h"
#include "core/config.h"

// Gives the client the account's key and URL, making the account if there is none and telling the
// server when the contact has changed. 0 or negative errno. Blocking.
int acme_account_open(struct acme_client *client, const struct conf_acme *acme,
                      struct acme_error *error);

// The server has said that it does not know the account: it is looked for, or made, anew with the
// same key.
int acme_account_renew(struct acme_client *client, const struct conf_acme *acme,
                       struct acme_error *error);

#endif
