// SPDX-License-Identifier: Apache-2.0
#include "tls/secret.h"

#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/kdf.h>

static bool expand(const char *label, const uint8_t *secret, size_t secret_size, uint8_t *out,
                   size_t size) {
    static const char protocol[] = "tls13 ";
    int digest = secret_size == WC_SHA384_DIGEST_SIZE ? WC_SHA384 : WC_SHA256;
    return wc_Tls13_HKDF_Expand_Label(out, (word32)size, secret, (word32)secret_size,
                                      (const byte *)protocol, sizeof protocol - 1,
                                      (const byte *)label, (word32)strlen(label), NULL, 0,
                                      digest) == 0;
}

bool tls_secret_next(uint8_t *secret, size_t secret_size, uint8_t *key, size_t key_size,
                     uint8_t iv[TLS_IV_BYTES]) {
    uint8_t next[TLS_SECRET_MAX_BYTES];
    bool done = expand("traffic upd", secret, secret_size, next, secret_size) &&
                expand("key", next, secret_size, key, key_size) &&
                expand("iv", next, secret_size, iv, TLS_IV_BYTES);
    if (done)
        memcpy(secret, next, secret_size);
    explicit_bzero(next, sizeof next);
    return done;
}
