// SPDX-License-Identifier: Apache-2.0
//
// The request for a certificate that an order is finalized with (PKCS #10, RFC 2986; RFC 8555
// §7.4): no subject, all names as subject alternative names.
#ifndef RINGWAY_ACME_CSR_H
#define RINGWAY_ACME_CSR_H

#include "acme/key.h"

// Makes the request in base64url, as "csr" wants it; the caller frees it. NULL: the names do not
// fit, there is no memory, or the library fails.
char *acme_csr_make(const struct acme_key *key, const char *const names[], size_t name_count);

#endif
