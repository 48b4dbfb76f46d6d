// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a certificate chain with its key. Byte 0: 0 to 2 make PEM of them, as a certificate
// with a good key behind it, as the key behind a good certificate, and as both at half; any other
// takes them as the text of a PEM file.
//
// What is accepted has a time of validity and covers no host without a name; what is not has at
// least one error, in printable words.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include "acme/key.h"
#include "acme/leaf.h"
#include "tls/certificate.h"
#include "tls/library.h"
#include "tls/selfsigned.h"

#define PEM_BYTES (256 * 1024)

static struct tls_selfsigned good;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const char *const names[] = {"a.example", "127.0.0.1"};
    (void)argc;
    (void)argv;
    assert(tls_library_init() == 0 && tls_selfsigned_make(names, 2, 90, &good) == 0);
    return 0;
}

static void pem_append(char *text, const uint8_t *der, size_t size, int type) {
    size_t used = strlen(text);
    int added =
        wc_DerToPem(der, (word32)size, (byte *)text + used, (word32)(PEM_BYTES - 1 - used), type);
    text[used + (added > 0 ? (size_t)added : 0)] = '\0';
}

static void text_make(char *text, uint8_t how, const uint8_t *bytes, size_t n) {
    size_t half = how == 2 ? n / 2 : n;
    text[0] = '\0';
    if (how > 2) {
        memcpy(text, bytes, n);
        text[n] = '\0';
        return;
    }
    if (how == 1)
        strcat(text, good.certificate);
    else
        pem_append(text, bytes, half, CERT_TYPE);
    if (how == 0)
        strcat(text, good.key);
    else
        pem_append(text, how == 1 ? bytes : bytes + half, how == 1 ? n : n - half,
                   ECC_PRIVATEKEY_TYPE);
}

static void problems_check(const struct problems *problems) {
    assert(problems->errors > 0);
    for (size_t i = 0; i < problems->count; i++)
        for (const char *byte = problems->items[i].text; *byte; byte++)
            assert((unsigned char)*byte >= ' ' && *byte != 0x7f);
}

static void certificate_check(const struct tls_certificate *certificate) {
    assert(tls_certificate_not_after(certificate) >= 0);
    for (size_t i = 0; i < tls_certificate_name_count(certificate); i++)
        tls_certificate_covers(certificate, tls_certificate_name(certificate, i));
    assert(!tls_certificate_covers(certificate, ""));
}

static void leaf_check(const struct acme_leaf *leaf) {
    assert(memchr(leaf->issuer, '\0', sizeof leaf->issuer));
    assert(memchr(leaf->serial, '\0', sizeof leaf->serial));
    assert(acme_leaf_is_for(leaf, (const char *const *)leaf->names, leaf->name_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    const struct conf_certificate from = {.certificate_path = "x", .key_path = "x"};
    struct problems problems = {0};
    struct acme_leaf leaf;
    struct acme_key *key;
    if (size_bytes < 1 || size_bytes > PEM_BYTES / 4)
        return 0;
    char *text = malloc(PEM_BYTES);
    assert(text);
    text_make(text, data[0], data + 1, size_bytes - 1);
    struct tls_certificate *certificate =
        tls_certificate_parse(str_from(text), str_from(text), &from, NULL, time(NULL), &problems);
    if (certificate)
        certificate_check(certificate);
    else
        problems_check(&problems);
    tls_certificate_free(certificate);
    problems_free(&problems);
    if (acme_leaf_read(text, &leaf))
        leaf_check(&leaf);
    acme_leaf_free(&leaf);
    if (acme_key_read(text, &key) == 0)
        acme_key_free(key);
    free(text);
    return 0;
}
