// SPDX-License-Identifier: Apache-2.0
//
// wolfCrypt makes the certificate; the subject alternative name is handed to it as DER (RFC 5280
// §4.2.1.6), which is written here by hand: a sequence of tagged strings.
#include "tls/selfsigned.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#define DER_BYTES 2048
#define KEY_BYTES 32
#define NAMES_BYTES 1024
#define SEQUENCE_HEADER_BYTES 4

enum general_name { NAME_DNS = 0x82, NAME_ADDRESS = 0x87 };

// Everything the making needs; too large for a stack.
struct making {
    Cert certificate;
    WC_RNG random;
    ecc_key key;
    uint8_t der[DER_BYTES];
};

static int names_encode(Cert *certificate, const char *const names[], size_t name_count);
static int certificate_make(struct making *making, unsigned days, struct tls_selfsigned *out);
static int key_export(struct making *making, struct tls_selfsigned *out);

int tls_selfsigned_make(const char *const names[], size_t name_count, unsigned days,
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
        result = names_encode(&making->certificate, names, name_count);
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

// --- names -------------------------------------------------------------------------------------

static bool is_host(const char *name) {
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    size_t allowed =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return allowed > 0 && name[allowed] == '\0' && allowed <= 250;
}

// Appends one tagged string; false when it does not fit.
static bool name_append(uint8_t *names, size_t *size, enum general_name tag, const void *bytes,
                        size_t n) {
    size_t length_bytes = n < 128 ? 1 : 2;
    if (*size + 1 + length_bytes + n > NAMES_BYTES)
        return false;
    names[(*size)++] = (uint8_t)tag;
    if (length_bytes == 2)
        names[(*size)++] = 0x81;
    names[(*size)++] = (uint8_t)n;
    memcpy(names + *size, bytes, n);
    *size += n;
    return true;
}

static bool name_encode(uint8_t *names, size_t *size, const char *name) {
    uint8_t address[16];
    if (inet_pton(AF_INET, name, address) == 1)
        return name_append(names, size, NAME_ADDRESS, address, 4);
    if (inet_pton(AF_INET6, name, address) == 1)
        return name_append(names, size, NAME_ADDRESS, address, 16);
    return is_host(name) && name_append(names, size, NAME_DNS, name, strlen(name));
}

static int names_encode(Cert *certificate, const char *const names[], size_t name_count) {
    _Static_assert(sizeof certificate->altNames >= NAMES_BYTES + SEQUENCE_HEADER_BYTES,
                   "room for the names");
    uint8_t *der = certificate->altNames;
    size_t size = 0;
    for (size_t i = 0; i < name_count; i++)
        if (!name_encode(der + SEQUENCE_HEADER_BYTES, &size, names[i]))
            return -EINVAL;
    if (size == 0)
        return -EINVAL;
    // DER wants the shortest form of the length (X.690 §10.1).
    uint8_t header[SEQUENCE_HEADER_BYTES] = {0x30};
    size_t header_size = 0;
    header[++header_size] = (uint8_t)(size < 128 ? size : size < 256 ? 0x81 : 0x82);
    if (size >= 256)
        header[++header_size] = (uint8_t)(size >> 8);
    if (size >= 128)
        header[++header_size] = (uint8_t)size;
    header_size++;
    memmove(der + header_size, der + SEQUENCE_HEADER_BYTES, size);
    memcpy(der, header, header_size);
    certificate->altNamesSz = (int)(header_size + size);
    return 0;
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
