// SPDX-License-Identifier: Apache-2.0
//
// Makes a self-signed P-256 certificate: for the demo and the tests, for a site whose real one has
// not come yet, and to answer an ACME server with.
#ifndef RINGWAY_TLS_SELFSIGNED_H
#define RINGWAY_TLS_SELFSIGNED_H

#include <stddef.h>
#include <stdint.h>

#define TLS_CHALLENGE_DIGEST_BYTES 32
#define TLS_SELFSIGNED_PEM_BYTES 4096

// A certificate and its key as terminated PEM texts. The holder wipes the key.
struct tls_selfsigned {
    char certificate[TLS_SELFSIGNED_PEM_BYTES];
    char key[TLS_SELFSIGNED_PEM_BYTES];
};

// Valid from a day ago for `days`, for host names, patterns and literal addresses. 0; -EINVAL
// when the names do not fit (about 1 KB in all) or one is no name; -EIO when the library fails.
int tls_selfsigned_make(const char *const names[], size_t name_count, unsigned days,
                        struct tls_selfsigned *out);

// The answer to a tls-alpn-01 challenge: for one name, with `digest` (of the key authorization) in
// the acmeIdentifier extension (RFC 8737 §3). As above; -ENOTSUP when the library cannot.
int tls_selfsigned_challenge(const char *name, const uint8_t digest[TLS_CHALLENGE_DIGEST_BYTES],
                             struct tls_selfsigned *out);

// The same as tls_selfsigned_make into two files; the key's has mode 0600. Existing files are
// replaced. 0 or negative errno.
int tls_selfsigned_write(const char *const names[], size_t name_count, unsigned days,
                         const char *certificate_path, const char *key_path);

#endif
