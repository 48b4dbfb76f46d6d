// SPDX-License-Identifier: Apache-2.0
//
// The cryptography of ACME's messages: base64url, an ES256 account key, its JWK and thumbprint, and
// flattened JSON Web Signatures (RFC 7515, 7517, 7518, 7638; RFC 8555 §6.2).
#ifndef RINGWAY_ACME_JOSE_H
#define RINGWAY_ACME_JOSE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct acme_key;
struct ecc_key;

#define ACME_DIGEST_BYTES 32
// Base64url of a SHA-256 digest with its terminator.
#define ACME_THUMBPRINT_BYTES 44

// The bytes in base64url without padding, terminated; the caller frees it. NULL: no memory.
char *acme_base64url(const void *bytes, size_t size);

// SHA-256. 0 or -EIO.
int acme_digest(struct str text, uint8_t digest[ACME_DIGEST_BYTES]);

// Makes a P-256 key, or reads one from PEM ("EC PRIVATE KEY"). 0, -EINVAL when the text is no such
// key, -EIO, or -ENOMEM.
int acme_key_make(struct acme_key **out);
int acme_key_read(const char *pem, struct acme_key **out);

// Wipes the key. NULL is allowed.
void acme_key_free(struct acme_key *key);

// The key as PEM; the caller wipes and frees it. NULL: no memory, or the library fails.
char *acme_key_write(const struct acme_key *key);

// The key as wolfCrypt knows it, for what is signed otherwise. Lives as long as the key.
struct ecc_key *acme_key_ecc(const struct acme_key *key);

// The public key as a JWK, members in the order of RFC 7638 §3.2. NULL: as above.
json_t *acme_key_jwk(const struct acme_key *key);

// The thumbprint of the public key (RFC 7638 §3). 0 or negative errno.
int acme_key_thumbprint(const struct acme_key *key, char out[ACME_THUMBPRINT_BYTES]);

// Signs: `header` is the protected header without "alg", and is dropped; `payload` may be empty
// (POST-as-GET). Returns the flattened JWS as terminated JSON, which the caller frees; NULL: no
// memory, or the library fails.
char *acme_sign(const struct acme_key *key, json_t *header, struct str payload);

#endif
