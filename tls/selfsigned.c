// SPDX-License-Identifier: Apache-2.0
//
// wolfCrypt makes the certificate, tls/names.h the names in it.
#include "tls/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/names.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#define DER_BYTES 2048
#define KEY_BYTES 32
#define CHALLENGE_DAYS 7
#define NAMES_BYTES 1024

// Everything the making needs; too large for a stack.
struct making {
    Cert certificate;
    WC_RNG random;
    ecc_key key;
    uint8_t der[DER_BYTES];
    uint8_t value[2 + TLS_CHALLENGE_DIGEST_BYTES]; // of the acmeIdentifier extension
};

static int make(const char *const names[], size_t name_count, unsigned days, const uint8_t *digest,
                struct tls_selfsigned *out);
static int names_set(Cert *certificate, const char *const names[], size_t name_count);
static int digest_set(struct making *making, const uint8_t *digest);
static int certificate_make(struct making *making, unsigned days, struct tls_selfsigned *out);
static int key_export(struct making *making, struct tls_selfsigned *out);

int tls_selfsigned_make(const char *const names[], size_t name_count, unsigned days,
                        struct tls_selfsigned *out) {
    return make(names, name_count, days, NULL, out);
}

int tls_selfsigned_challenge(const char *name, const uint8_t digest[TLS_CHALLENGE_DIGEST_BYTES],
                             struct tls_selfsigned *out) {
    return make(&name, 1, CHALLENGE_DAYS, digest, out);
}

static int make(const char *const names[], size_t name_count, unsigned days, const uint8_t *digest,
                struct tls_selfsigned *out) {
    struct making *making = calloc(1, sizeof *making);
    memset(out, 0, sizeof *out);
    if (making == NULL)
        return -ENOMEM;
    int result = -EIO;
    if (wc_InitRng(&making->random) != 0)
        goto free_making;
    if (wc_ecc_init(&making->key) != 0)
        goto free_random;
    if (wc_InitCert(&making->certificate) == 0 &&
        wc_ecc_make_key_ex(&making->random, KEY_BYTES, &making->key, ECC_SECP256R1) == 0)
        result = names_set(&making->certificate, names, name_count);
    if (result == 0 && digest != NULL)
        result = digest_set(making, digest);
    if (result == 0)
        result = certificate_make(making, days, out);
    if (result == 0)
        result = key_export(making, out);
    wc_ecc_free(&making->key);
free_random:
    wc_FreeRng(&making->random);
free_making:
    explicit_bzero(making, sizeof *making);
    free(making);
    return result;
}

// --- extensions --------------------------------------------------------------------------------

static int names_set(Cert *certificate, const char *const names[], size_t name_count) {
    ssize_t size = tls_names_encode(names, name_count, certificate->altNames, NAMES_BYTES);
    certificate->altNamesSz = size > 0 ? (int)size : 0;
    return size > 0 ? 0 : (int)size;
}

static int digest_set(struct making *making, const uint8_t *digest) {
#if defined(WOLFSSL_CUSTOM_OID) && defined(HAVE_OID_ENCODING)
    // The extension's value is an OCTET STRING (RFC 8737 §3), which the library only points to.
    making->value[0] = 0x04;
    making->value[1] = TLS_CHALLENGE_DIGEST_BYTES;
    memcpy(making->value + 2, digest, TLS_CHALLENGE_DIGEST_BYTES);
    return wc_SetCustomExtension(&making->certificate, 1, "1.3.6.1.5.5.7.1.31", making->value,
                                 sizeof making->value) == 0
               ? 0
               : -EIO;
#else
    (void)making, (void)digest;
    return -ENOTSUP;
#endif
}

// --- certificate and key -----------------------------------------------------------------------

static int certificate_make(struct making *making, unsigned days, struct tls_selfsigned *out) {
    Cert *certificate = &making->certificate;
    snprintf(certificate->subject.commonName, sizeof certificate->subject.commonName, "ringway");
    certificate->daysValid = (int)days;
    certificate->sigType = CTC_SHA256wECDSA;
    certificate->selfSigned = 1;
    if (wc_SetKeyUsage(certificate, "digitalSignature") != 0 ||
        wc_SetExtKeyUsage(certificate, "serverAuth") != 0 ||
        wc_MakeCert_ex(certificate, making->der, DER_BYTES, ECC_TYPE, &making->key,
                       &making->random) < 0)
        return -EIO;
    int size = wc_SignCert_ex(certificate->bodySz, certificate->sigType, making->der, DER_BYTES,
                              ECC_TYPE, &making->key, &making->random);
    if (size < 0)
        return -EIO;
    int length = wc_DerToPem(making->der, (word32)size, (byte *)out->certificate,
                             sizeof out->certificate - 1, CERT_TYPE);
    return length > 0 ? 0 : -EIO;
}

static int key_export(struct making *making, struct tls_selfsigned *out) {
    int size = wc_EccKeyToDer(&making->key, making->der, DER_BYTES);
    if (size < 0)
        return -EIO;
    int length = wc_DerToPem(making->der, (word32)size, (byte *)out->key, sizeof out->key - 1,
                             ECC_PRIVATEKEY_TYPE);
    return length > 0 ? 0 : -EIO;
}

// --- files -------------------------------------------------------------------------------------

static int file_write(const char *path, const char *text, mode_t mode) {
    size_t size = strlen(text);
    if (unlink(path) < 0 && errno != ENOENT) // a file that exists would keep its mode
        return -errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, text, size);
    int result = written < 0 ? -errno : (size_t)written < size ? -ENOSPC : 0;
    if (close(fd) < 0 && result == 0)
        result = -errno;
    return result;
}

int tls_selfsigned_write(const char *const names[], size_t name_count, unsigned days,
                         const char *certificate_path, const char *key_path) {
    struct tls_selfsigned made;
    int result = tls_selfsigned_make(names, name_count, days, &made);
    if (result == 0)
        result = file_write(key_path, made.key, 0600);
    if (result == 0)
        result = file_write(certificate_path, made.certificate, 0644);
    explicit_bzero(&made, sizeof made);
    return result;
}
