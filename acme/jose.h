// SPDX-License-Identifier: Apache-2.0
//
// The cryptography of ACME's messages: base64url, the JWK and thumbprint of an account's key
// (P-256), and flattened JSON Web Signatures (RFC 7515, 7517, 7518, 7638; RFC 8555 §6.2).
#ifndef RINGWAY_ACME_JOSE_H
#define RINGWAY_ACME_JOSE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "acme/key.h"
#include "core/str.h"

#define ACME_DIGEST_BYTES 32
// Base64url of a SHA-256 digest with its terminator.
#define ACME_THUMBPRINT_BYTES 44

// The bytes in base64url without padding, terminated; the caller frees it. NULL: no memory.
char *acme_base64url(const void *bytes, size_t size);

// The bytes of a text in base64url, padding allowed. How many, or -EINVAL when it is none or does
// not fit.
ssize_t acme_base64url_read(const char *text, uint8_t *out, size_t capacity);

// SHA-256. 0 or -EIO.
int acme_digest(struct str text, uint8_t digest[ACME_DIGEST_BYTES]);

// The public half of an ECDSA key as a JWK, members in the order of RFC 7638 §3.2. NULL: no memory,
// or the library fails.
json_t *acme_key_jwk(const struct acme_key *key);

// The thumbprint of the public key (RFC 7638 §3). 0 or negative errno.
int acme_key_thumbprint(const struct acme_key *key, char out[ACME_THUMBPRINT_BYTES]);

// Signs: `header` is the protected header without "alg", and is dropped; `payload` may be empty
// (POST-as-GET). Returns the flattened JWS as terminated JSON, which the caller frees; NULL: no
// memory, or the library fails.
char *acme_sign(const struct acme_key *key, json_t *header, struct str payload);

// The same with a secret that both sides know, by HMAC with SHA-256 (RFC 7518 §3.2).
char *acme_sign_mac(struct str secret, json_t *header, struct str payload);

#endif
