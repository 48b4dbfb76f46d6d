// SPDX-License-Identifier: Apache-2.0
#include "acme/leaf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include "acme/issuer_key_id.h"

static bool decoded_read(const DecodedCert *decoded, struct acme_leaf *leaf);

bool acme_leaf_read(const char *pem, struct acme_leaf *leaf) {
    DecodedCert decoded;
    int capacity = (int)strlen(pem); // DER is shorter than its PEM
    *leaf = (struct acme_leaf){.der = malloc((size_t)capacity + 1)};
    if (!leaf->der)
        return false;
    int size =
        wc_CertPemToDer((const unsigned char *)pem, capacity, leaf->der, capacity, CERT_TYPE);
    bool read = false;
    if (size > 0) {
        leaf->der_size = (size_t)size;
        wc_InitDecodedCert(&decoded, leaf->der, (word32)size, NULL);
        read =
            wc_ParseCert(&decoded, CERT_TYPE, NO_VERIFY, NULL) == 0 && decoded_read(&decoded, leaf);
        wc_FreeDecodedCert(&decoded);
    }
    if (!read)
        acme_leaf_free(leaf);
    return read;
}

void acme_leaf_free(struct acme_leaf *leaf) {
    for (size_t i = 0; i < leaf->name_count; i++)
        free(leaf->names[i]);
    free(leaf->names);
    free(leaf->der);
    *leaf = (struct acme_leaf){0};
}

static bool date_read(const byte *encoded, int size, time_t *out) {
    const byte *text;
    byte format;
    int length;
    struct tm tm = {0};
    if (wc_GetDateInfo(encoded, size, &text, &format, &length) != 0 ||
        wc_GetDateAsCalendarTime(text, length, format, &tm) != 0)
        return false;
    *out = timegm(&tm);
    return true;
}

static bool name_append(struct acme_leaf *leaf, const char *text, size_t size) {
    char **grown = realloc(leaf->names, (leaf->name_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    leaf->names = grown;
    grown[leaf->name_count] = strndup(text, size);
    return grown[leaf->name_count] && ++leaf->name_count;
}

static bool entry_append(struct acme_leaf *leaf, const DNS_entry *entry) {
    char text[INET6_ADDRSTRLEN];
    if (entry->type == ASN_DNS_TYPE)
        return name_append(leaf, entry->name, (size_t)entry->len);
    if (entry->type != ASN_IP_TYPE || (entry->len != 4 && entry->len != 16))
        return true;
    inet_ntop(entry->len == 4 ? AF_INET : AF_INET6, entry->name, text, sizeof text);
    return name_append(leaf, text, strlen(text));
}

static bool decoded_read(const DecodedCert *decoded, struct acme_leaf *leaf) {
    if (!date_read(decoded->beforeDate, decoded->beforeDateLen, &leaf->not_before) ||
        !date_read(decoded->afterDate, decoded->afterDateLen, &leaf->not_after))
        return false;
    leaf->key_kind = decoded->keyOID == RSAk ? ACME_KEY_RSA : ACME_KEY_ECDSA;
    const char *issuer = strstr(decoded->issuer, "/CN=");
    if (issuer)
        snprintf(leaf->issuer, sizeof leaf->issuer, "%.*s", (int)strcspn(issuer + 4, "/"),
                 issuer + 4);
    for (int i = 0; i < decoded->serialSz && 2 * i + 2 < (int)sizeof leaf->serial; i++)
        snprintf(leaf->serial + 2 * i, 3, "%02x", decoded->serial[i]);
    if (decoded->serialSz <= ACME_LEAF_SERIAL_BYTES) {
        leaf->serial_size = (size_t)decoded->serialSz;
        memcpy(leaf->serial_bytes, decoded->serial, leaf->serial_size);
    }
    leaf->issuer_key_id = acme_issuer_key_id((struct str){(const char *)leaf->der, leaf->der_size});
    for (const DNS_entry *entry = decoded->altNames; entry; entry = entry->next)
        if (!entry_append(leaf, entry))
            return false;
    return true;
}

// Addresses have many forms.
static const char *name_normal(const char *name, char text[INET6_ADDRSTRLEN]) {
    struct in6_addr address;
    if (inet_pton(AF_INET6, name, &address) != 1)
        return name;
    return inet_ntop(AF_INET6, &address, text, INET6_ADDRSTRLEN);
}

static bool has_name(const struct acme_leaf *leaf, const char *name) {
    char text[INET6_ADDRSTRLEN];
    const char *normal = name_normal(name, text);
    for (size_t i = 0; i < leaf->name_count; i++)
        if (strcasecmp(leaf->names[i], normal) == 0)
            return true;
    return false;
}

bool acme_leaf_is_for(const struct acme_leaf *leaf, const char *const names[], size_t name_count) {
    for (size_t i = 0; i < name_count; i++)
        if (!has_name(leaf, names[i]))
            return false;
    return leaf->name_count == name_count;
}
