// SPDX-License-Identifier: Apache-2.0
//
// External account binding (RFC 8555 §7.3.4): the authority has given a key identifier and a secret
// to its customer, who signs the new account's key with it.
#ifndef RINGWAY_ACME_EAB_H
#define RINGWAY_ACME_EAB_H

#include "acme/client.h"

// Makes the "externalAccountBinding" of a request for an account with the client's key, with what
// the client's authority has been configured with. 0, and the caller drops `*binding`; or negative
// errno. Blocking.
int acme_eab_make(const struct acme_client *client, json_t **binding, struct acme_error *error);

#endif
