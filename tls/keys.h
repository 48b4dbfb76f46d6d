// SPDX-License-Identifier: Apache-2.0
//
// The traffic keys of an established connection, as a handshake leaves them: what `tls/record.h`
// needs to go on in user space and what the kernel is given for kTLS.
//
// A plain value; whoever holds one wipes it after use.
#ifndef RINGWAY_TLS_KEYS_H
#define RINGWAY_TLS_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/config.h"

enum tls_cipher { TLS_AES_128_GCM, TLS_AES_256_GCM, TLS_CHACHA20_POLY1305 };

#define TLS_KEY_MAX_BYTES 32
#define TLS_IV_BYTES 12
#define TLS_SECRET_MAX_BYTES 48

// One direction. TLS 1.2 with GCM: the first four bytes of `iv` are the salt (the rest is zero),
// and the sender chooses eight more for each record, counting up from `explicit_nonce`.
struct tls_traffic_keys {
    uint8_t key[TLS_KEY_MAX_BYTES];
    uint8_t iv[TLS_IV_BYTES];
    uint64_t sequence;                    // of the next record
    uint64_t explicit_nonce;              // of the next record sent, TLS 1.2 with GCM only
    uint8_t secret[TLS_SECRET_MAX_BYTES]; // TLS 1.3: the traffic secret, for KeyUpdate
};

struct tls_keys {
    enum tls_version version;
    enum tls_cipher cipher;
    size_t key_size_bytes;
    size_t secret_size_bytes; // 0: not known, so keys cannot be updated
    struct tls_traffic_keys rx, tx;
};

// Overwrites the keys in a way no compiler leaves out.
static inline void tls_keys_wipe(struct tls_keys *keys) {
    explicit_bzero(keys, sizeof *keys);
}

#endif
