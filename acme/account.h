// SPDX-License-Identifier: Apache-2.0
//
// The account at an ACME server (RFC 8555 §7.3): made once, kept in the state folder, found again
// by its key. A key is on disk before the server hears of it, so that a crash never leaves an
// account behind that nobody can use.
#ifndef RINGWAY_ACME_ACCOUNT_H
#define RINGWAY_ACME_ACCOUNT_H

#include <limits.h>
#include <stdbool.h>

#include "acme/client.h"
#include "core/config.h"

// Gives the client the account's key and URL, making the account if there is none, telling the
// server when the contact has changed, and ending a change of the key that was interrupted. 0 or
// negative errno. Blocking.
int acme_account_open(struct acme_client *client, const struct conf_acme *acme,
                      struct acme_error *error);

// The server has said that it does not know the account, or lets it do nothing: it is looked for,
// or made, anew with the same key; with another key if the server will not have this one any more
// (the account was deactivated), the old file being kept beside. 0 or negative errno. Blocking.
int acme_account_renew(struct acme_client *client, const struct conf_acme *acme,
                       struct acme_error *error);

// Gives the open account a new key (RFC 8555 §7.3.5). Until the server has answered both keys are
// in the state folder. 0 or negative errno. Blocking.
int acme_account_rollover(struct acme_client *client, const struct conf_acme *acme,
                          struct acme_error *error);

// The path of a file about the account at this authority.
void acme_account_path(const struct conf_acme *acme, const struct conf_authority *authority,
                       const char *suffix, char path[PATH_MAX]);

// Whether the state folder has an account at this authority.
bool acme_account_exists(const struct conf_acme *acme, const struct conf_authority *authority);

#endif
