// SPDX-License-Identifier: Apache-2.0
//
// Private keys: of accounts (ECDSA P-256), and of certificates (that, or RSA of 2048 bits). Whoever
// holds one frees it, which wipes it.
#ifndef RINGWAY_ACME_KEY_H
#define RINGWAY_ACME_KEY_H

#include "core/config.h"

struct acme_key;
struct ecc_key;
struct RsaKey;
struct WC_RNG;

// Makes a key. 0, -EIO, -ENOMEM, or -ENOTSUP when the library makes no RSA keys. An RSA key takes a
// good part of a second.
int acme_key_make(enum acme_key_kind kind, struct acme_key **out);

// Reads the first key in a PEM text ("EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY"). 0,
// -EINVAL when there is none of these kinds, -EIO, or -ENOMEM.
int acme_key_read(const char *pem, struct acme_key **out);

// Wipes the key. NULL is allowed.
void acme_key_free(struct acme_key *key);

enum acme_key_kind acme_key_kind(const struct acme_key *key);

// The key as PEM; the caller wipes and frees it. NULL: no memory, or the library fails.
char *acme_key_write(const struct acme_key *key);

// The key as wolfCrypt knows it, which must be of that kind, and a generator of random numbers for
// signing with it. They live as long as the key.
struct ecc_key *acme_key_ecc(const struct acme_key *key);
struct RsaKey *acme_key_rsa(const struct acme_key *key);
struct WC_RNG *acme_key_random(const struct acme_key *key);

#endif
