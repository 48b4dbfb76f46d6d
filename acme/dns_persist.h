// SPDX-License-Identifier: Apache-2.0
//
// dns-persist-01 (draft-ietf-acme-dns-persist-02): a TXT record _validation-persist.NAME that the
// user makes once names the authority and our account there. Nothing is set or removed here: what
// the record has to be is worked out, kept for `ringway cert show`, and looked for before the
// authority is told to look. Challenges of the drafts before, which some authorities have, do too.
#ifndef RINGWAY_ACME_DNS_PERSIST_H
#define RINGWAY_ACME_DNS_PERSIST_H

#include <jansson.h>

#include "acme/client.h"
#include "core/config.h"

// Makes sure that the records for the authorizations that wait are there. 0, also when it cannot be
// found out; or negative errno, and which record to make. Blocking.
int acme_dns_persist_expect(struct acme_client *client, const struct conf_acme *acme,
                            const struct conf_managed *managed, const json_t *authorizations,
                            struct acme_error *error);

// The records that were expected last, as [{"name", "value"}], which the caller drops; NULL: it is
// not known, because no order has come that far.
json_t *acme_dns_persist_records(const struct conf_acme *acme, const struct conf_managed *managed);

// The URI of the account in records of `domain`: `prefix` and a hash of all three (section 4.1 of
// the draft). The caller frees it; NULL: no memory, or the library fails.
char *acme_dns_persist_uri(const char *prefix, const char *domain, const char *thumbprint,
                           const char *account);

#endif
