// SPDX-License-Identifier: Apache-2.0
//
// The certificate of an order, downloaded: of the chains that a server offers (RFC 8555 §7.4.2) the
// one that is preferred.
#ifndef RINGWAY_ACME_CHAIN_H
#define RINGWAY_ACME_CHAIN_H

#include "acme/client.h"

// Downloads the chain at `url`, or one of its alternates if that is the one whose topmost
// certificate was issued by `preferred` (a common name; NULL: whatever comes first). The PEM text
// is the caller's to free. 0 or negative errno. Blocking.
int acme_chain_download(struct acme_client *client, const char *url, const char *preferred,
                        char **chain, struct acme_error *error);

#endif
