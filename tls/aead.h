// SPDX-License-Identifier: Apache-2.0
//
// One direction's cipher: a key made ready, in memory the caller provides. Inside tls/ only.
#ifndef RINGWAY_TLS_AEAD_H
#define RINGWAY_TLS_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/keys.h"

#define TLS_AEAD_TAG_BYTES 16

// How much memory a state takes. It is aligned to 16 bytes.
size_t tls_aead_size(enum tls_cipher cipher);

// Makes a key ready in memory that holds none. False when the library fails.
bool tls_aead_key(void *state, enum tls_cipher cipher, const uint8_t *key, size_t key_size);

// Wipes the state.
void tls_aead_end(void *state, enum tls_cipher cipher);

// What one call works on. `in` may be `out`; otherwise they do not overlap.
struct tls_aead_job {
    const uint8_t *nonce; // TLS_IV_BYTES
    const uint8_t *additional;
    size_t additional_size;
    const uint8_t *in;
    size_t size;
    uint8_t *out;
};

// Encrypts and writes the tag. The library fails only on arguments it does not know, so this has no
// way to fail.
void tls_aead_seal(void *state, enum tls_cipher cipher, const struct tls_aead_job *job,
                   uint8_t tag[TLS_AEAD_TAG_BYTES]);

// Checks the tag and decrypts. False: forged or damaged, and `out` is of no use.
bool tls_aead_open(void *state, enum tls_cipher cipher, const struct tls_aead_job *job,
                   const uint8_t tag[TLS_AEAD_TAG_BYTES]);

#endif
