// SPDX-License-Identifier: Apache-2.0
//
// The identifier of the key that a certificate was signed with: the keyIdentifier in its authority
// key identifier (RFC 5280 §4.2.1.1), which may have any length. wolfSSL keeps 20 bytes of it.
// Pure.
#ifndef RINGWAY_ACME_ISSUER_KEY_ID_H
#define RINGWAY_ACME_ISSUER_KEY_ID_H

#include "core/str.h"

// Finds it in a certificate in DER, of which the answer is a part. Empty: there is none, or the
// certificate is not well-formed on the way to it.
struct str acme_issuer_key_id(struct str der);

#endif
