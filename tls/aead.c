// SPDX-License-Identifier: Apache-2.0
//
// AES-GCM keeps a key schedule and multiplication tables. ChaCha20 has nothing to prepare, so its
// state is the key alone and 50 bytes a connection do where 1700 are needed for the other.
#include "tls/aead.h"

#include <assert.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

_Static_assert(_Alignof(Aes) <= 16, "states are aligned to 16 bytes");
_Static_assert(TLS_AEAD_TAG_BYTES == CHACHA20_POLY1305_AEAD_AUTHTAG_SIZE, "one tag size");

size_t tls_aead_size(enum tls_cipher cipher) {
    return cipher == TLS_CHACHA20_POLY1305 ? CHACHA20_POLY1305_AEAD_KEYSIZE : sizeof(Aes);
}

bool tls_aead_key(void *state, enum tls_cipher cipher, const uint8_t *key, size_t key_size) {
    if (cipher == TLS_CHACHA20_POLY1305) {
        assert(key_size == CHACHA20_POLY1305_AEAD_KEYSIZE);
        memcpy(state, key, key_size);
        return true;
    }
    return wc_AesInit(state, NULL, INVALID_DEVID) == 0 &&
           wc_AesGcmSetKey(state, key, (word32)key_size) == 0;
}

void tls_aead_end(void *state, enum tls_cipher cipher) {
    if (cipher != TLS_CHACHA20_POLY1305)
        wc_AesFree(state);
    explicit_bzero(state, tls_aead_size(cipher));
}

void tls_aead_seal(void *state, enum tls_cipher cipher, const struct tls_aead_job *job,
                   uint8_t tag[TLS_AEAD_TAG_BYTES]) {
    int failed;
    if (cipher == TLS_CHACHA20_POLY1305)
        failed = wc_ChaCha20Poly1305_Encrypt(state, job->nonce, job->additional,
                                             (word32)job->additional_size, job->in,
                                             (word32)job->size, job->out, tag);
    else
        failed = wc_AesGcmEncrypt(state, job->out, job->in, (word32)job->size, job->nonce,
                                  TLS_IV_BYTES, tag, TLS_AEAD_TAG_BYTES, job->additional,
                                  (word32)job->additional_size);
    assert(failed == 0);
}

bool tls_aead_open(void *state, enum tls_cipher cipher, const struct tls_aead_job *job,
                   const uint8_t tag[TLS_AEAD_TAG_BYTES]) {
    if (cipher == TLS_CHACHA20_POLY1305)
        return wc_ChaCha20Poly1305_Decrypt(state, job->nonce, job->additional,
                                           (word32)job->additional_size, job->in, (word32)job->size,
                                           tag, job->out) == 0;
    return wc_AesGcmDecrypt(state, job->out, job->in, (word32)job->size, job->nonce, TLS_IV_BYTES,
                            tag, TLS_AEAD_TAG_BYTES, job->additional,
                            (word32)job->additional_size) == 0;
}
