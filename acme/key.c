// SPDX-License-Identifier: Apache-2.0
#include "acme/key.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#define P256_BYTES 32
#define RSA_BITS 2048
#define RSA_READ_BITS_MIN 2048
// Room for RSA of 4096 bits, which somebody may have put there with reuse_key.
#define KEY_DER_BYTES 4096
#define KEY_PEM_BYTES 8192

struct acme_key {
    enum acme_key_kind kind;
    union {
        ecc_key ecc;
        RsaKey rsa;
    };
    WC_RNG random;
};

// Signing is hardened against timing with the generator.
static bool kind_init(struct acme_key *key) {
    if (key->kind == ACME_KEY_RSA)
        return wc_InitRsaKey(&key->rsa, NULL) == 0 && wc_RsaSetRNG(&key->rsa, &key->random) == 0;
    return wc_ecc_init(&key->ecc) == 0 && wc_ecc_set_rng(&key->ecc, &key->random) == 0;
}

static int key_new(enum acme_key_kind kind, struct acme_key **out) {
    struct acme_key *key = calloc(1, sizeof *key);
    if (!key)
        return -ENOMEM;
    key->kind = kind;
    if (wc_InitRng(&key->random) != 0) {
        free(key);
        return -EIO;
    }
    if (!kind_init(key)) {
        wc_FreeRng(&key->random);
        free(key);
        return -EIO;
    }
    *out = key;
    return 0;
}

void acme_key_free(struct acme_key *key) {
    if (!key)
        return;
    if (key->kind == ACME_KEY_RSA)
        wc_FreeRsaKey(&key->rsa);
    else
        wc_ecc_free(&key->ecc);
    wc_FreeRng(&key->random);
    explicit_bzero(key, sizeof *key);
    free(key);
}

// --- making, reading, writing -----------------------------------------------------------------

static int kind_make(struct acme_key *key) {
    if (key->kind == ACME_KEY_ECDSA)
        return wc_ecc_make_key_ex(&key->random, P256_BYTES, &key->ecc, ECC_SECP256R1) == 0 ? 0
                                                                                           : -EIO;
#ifdef WOLFSSL_KEY_GEN
    return wc_MakeRsaKey(&key->rsa, RSA_BITS, WC_RSA_EXPONENT, &key->random) == 0 ? 0 : -EIO;
#else
    return -ENOTSUP;
#endif
}

int acme_key_make(enum acme_key_kind kind, struct acme_key **out) {
    int error = key_new(kind, out);
    if (error == 0 && (error = kind_make(*out)) < 0)
        acme_key_free(*out);
    return error;
}

static bool kind_read(struct acme_key *key, const uint8_t *der, size_t size) {
    word32 place = 0;
    if (key->kind == ACME_KEY_RSA)
        return wc_RsaPrivateKeyDecode(der, &place, &key->rsa, (word32)size) == 0 &&
               wc_RsaEncryptSize(&key->rsa) * 8 >= RSA_READ_BITS_MIN;
    if (wc_EccPrivateKeyDecode(der, &place, &key->ecc, (word32)size) != 0 ||
        wc_ecc_get_curve_id(key->ecc.idx) != ECC_SECP256R1)
        return false;
    // The encoding may leave the public half out.
    return key->ecc.type != ECC_PRIVATEKEY_ONLY || wc_ecc_make_pub(&key->ecc, NULL) == 0;
}

int acme_key_read(const char *pem, struct acme_key **out) {
    static const enum acme_key_kind kinds[] = {ACME_KEY_ECDSA, ACME_KEY_RSA};
    uint8_t der[KEY_DER_BYTES];
    int size = wc_KeyPemToDer((const byte *)pem, (int)strlen(pem), der, sizeof der, NULL);
    int error = -EINVAL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && size > 0 && error == -EINVAL; i++) {
        error = key_new(kinds[i], out);
        if (error == 0 && !kind_read(*out, der, (size_t)size)) {
            acme_key_free(*out);
            error = -EINVAL;
        }
    }
    explicit_bzero(der, sizeof der);
    return error;
}

char *acme_key_write(const struct acme_key *key) {
    uint8_t der[KEY_DER_BYTES];
    bool rsa = key->kind == ACME_KEY_RSA;
    char *pem = calloc(1, KEY_PEM_BYTES);
    int size = rsa ? wc_RsaKeyToDer(acme_key_rsa(key), der, sizeof der)
                   : wc_EccKeyToDer(acme_key_ecc(key), der, sizeof der);
    if (pem && (size <= 0 || wc_DerToPem(der, (word32)size, (byte *)pem, KEY_PEM_BYTES - 1,
                                         rsa ? PRIVATEKEY_TYPE : ECC_PRIVATEKEY_TYPE) <= 0)) {
        free(pem);
        pem = NULL;
    }
    explicit_bzero(der, sizeof der);
    return pem;
}

// --- for others -------------------------------------------------------------------------------

enum acme_key_kind acme_key_kind(const struct acme_key *key) {
    return key->kind;
}

// wolfCrypt's functions take a key that they do not change without const.
struct ecc_key *acme_key_ecc(const struct acme_key *key) {
    assert(key->kind == ACME_KEY_ECDSA);
    return (ecc_key *)&key->ecc;
}

struct RsaKey *acme_key_rsa(const struct acme_key *key) {
    assert(key->kind == ACME_KEY_RSA);
    return (RsaKey *)&key->rsa;
}

struct WC_RNG *acme_key_random(const struct acme_key *key) {
    return (WC_RNG *)&key->random;
}
