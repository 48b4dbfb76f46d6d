// SPDX-License-Identifier: Apache-2.0
//
// wolfCrypt computes; what is signed is put together here. ES256 signatures are r and s of 32 bytes
// each (RFC 7518 §3.4), not DER.
#include "acme/jose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "acme/json.h"

#define COORDINATE_BYTES 32
#define SIGNATURE_DER_BYTES 80

// --- bytes as text ----------------------------------------------------------------------------

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *acme_base64url(const void *bytes, size_t size) {
    const uint8_t *in = bytes;
    char *text = malloc((size + 2) / 3 * 4 + 1), *out = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        unsigned long group = (unsigned long)in[i] << 16;
        group |= i + 1 < size ? (unsigned long)in[i + 1] << 8 : 0;
        group |= i + 2 < size ? (unsigned long)in[i + 2] : 0;
        *out++ = letters[group >> 18 & 63];
        *out++ = letters[group >> 12 & 63];
        if (i + 1 < size)
            *out++ = letters[group >> 6 & 63];
        if (i + 2 < size)
            *out++ = letters[group & 63];
    }
    *out = '\0';
    return text;
}

ssize_t acme_base64url_read(const char *text, uint8_t *out, size_t capacity) {
    size_t length = strlen(text), size = 0;
    uint32_t group = 0;
    while (length > 0 && text[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++) {
        const char *letter = strchr(letters, text[i]);
        if (!letter)
            return -EINVAL;
        group = group << 6 | (uint32_t)(letter - letters);
        unsigned bits = (unsigned)(i % 4) * 6; // of the next byte that are there
        if (i % 4 == 0)
            continue;
        if (size == capacity)
            return -EINVAL;
        out[size++] = (uint8_t)(group >> (bits == 6 ? 4 : bits == 12 ? 2 : 0));
    }
    return length % 4 == 1 ? -EINVAL : (ssize_t)size;
}

int acme_digest(struct str text, uint8_t digest[ACME_DIGEST_BYTES]) {
    return wc_Sha256Hash((const byte *)text.ptr, (word32)text.len, digest) == 0 ? 0 : -EIO;
}

// --- the public key ---------------------------------------------------------------------------

json_t *acme_key_jwk(const struct acme_key *key) {
    uint8_t x[COORDINATE_BYTES], y[COORDINATE_BYTES];
    word32 x_size = sizeof x, y_size = sizeof y;
    if (wc_ecc_export_public_raw(acme_key_ecc(key), x, &x_size, y, &y_size) != 0)
        return NULL;
    char *x_text = acme_base64url(x, x_size), *y_text = acme_base64url(y, y_size);
    json_t *jwk = x_text && y_text ? json_pack("{s:s, s:s, s:s, s:s}", "crv", "P-256", "kty", "EC",
                                               "x", x_text, "y", y_text)
                                   : NULL;
    free(x_text);
    free(y_text);
    return jwk;
}

int acme_key_thumbprint(const struct acme_key *key, char out[ACME_THUMBPRINT_BYTES]) {
    uint8_t digest[ACME_DIGEST_BYTES];
    char *jwk = acme_json_write(acme_key_jwk(key));
    int error = jwk ? acme_digest(str_from(jwk), digest) : -ENOMEM;
    char *text = error == 0 ? acme_base64url(digest, sizeof digest) : NULL;
    free(jwk);
    if (!text)
        return error < 0 ? error : -ENOMEM;
    snprintf(out, ACME_THUMBPRINT_BYTES, "%s", text);
    free(text);
    return 0;
}

// --- signatures -------------------------------------------------------------------------------

// wolfCrypt gives the signature in DER, its numbers without leading zeros.
static char *signature_make(const struct acme_key *key, const char *signed_text) {
    uint8_t digest[ACME_DIGEST_BYTES], der[SIGNATURE_DER_BYTES], signature[2 * COORDINATE_BYTES];
    uint8_t r[COORDINATE_BYTES], s[COORDINATE_BYTES];
    word32 der_size = sizeof der, r_size = sizeof r, s_size = sizeof s;
    if (acme_digest(str_from(signed_text), digest) < 0 ||
        wc_ecc_sign_hash(digest, sizeof digest, der, &der_size, acme_key_random(key),
                         acme_key_ecc(key)) != 0 ||
        wc_ecc_sig_to_rs(der, der_size, r, &r_size, s, &s_size) != 0)
        return NULL;
    memset(signature, 0, sizeof signature);
    memcpy(signature + COORDINATE_BYTES - r_size, r, r_size);
    memcpy(signature + 2 * COORDINATE_BYTES - s_size, s, s_size);
    return acme_base64url(signature, sizeof signature);
}

static char *mac_make(struct str secret, const char *signed_text) {
    Hmac hmac;
    uint8_t mac[WC_SHA256_DIGEST_SIZE];
    if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
        return NULL;
    bool made =
        wc_HmacSetKey(&hmac, WC_SHA256, (const byte *)secret.ptr, (word32)secret.len) == 0 &&
        wc_HmacUpdate(&hmac, (const byte *)signed_text, (word32)strlen(signed_text)) == 0 &&
        wc_HmacFinal(&hmac, mac) == 0;
    wc_HmacFree(&hmac);
    return made ? acme_base64url(mac, sizeof mac) : NULL;
}

// What signs: a key, or a secret.
struct signer {
    const struct acme_key *key;
    struct str secret;
};

// JWS signing input: the two parts with a dot between (RFC 7515 §5.1).
static char *parts_sign(const struct signer *signer, const char *header, const char *payload) {
    char *text;
    if (asprintf(&text, "%s.%s", header, payload) < 0)
        return NULL;
    char *signature =
        signer->key ? signature_make(signer->key, text) : mac_make(signer->secret, text);
    free(text);
    return signature;
}

static char *jws_make(const struct signer *signer, json_t *header, struct str payload) {
    char *jws = NULL, *header_part = NULL, *signature = NULL;
    json_object_set_new(header, "alg", json_string(signer->key ? "ES256" : "HS256"));
    char *header_text = acme_json_write(header);
    char *payload_part = acme_base64url(payload.ptr, payload.len);
    if (header_text)
        header_part = acme_base64url(header_text, strlen(header_text));
    if (header_part && payload_part)
        signature = parts_sign(signer, header_part, payload_part);
    if (signature)
        jws = acme_json_write(json_pack("{s:s, s:s, s:s}", "protected", header_part, "payload",
                                        payload_part, "signature", signature));
    free(header_text);
    free(payload_part);
    free(header_part);
    free(signature);
    return jws;
}

char *acme_sign(const struct acme_key *key, json_t *header, struct str payload) {
    return jws_make(&(struct signer){.key = key}, header, payload);
}

char *acme_sign_mac(struct str secret, json_t *header, struct str payload) {
    return jws_make(&(struct signer){.secret = secret}, header, payload);
}
