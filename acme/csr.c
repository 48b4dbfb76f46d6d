// SPDX-License-Identifier: Apache-2.0
#include "acme/csr.h"

#include <stdbool.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "acme/jose.h"
#include "tls/names.h"

#define DER_BYTES (CTC_MAX_ALT_SIZE + 2048)

// Everything the making needs; too large for a stack.
struct making {
    Cert request;
    uint8_t der[DER_BYTES];
};

static char *request_make(struct making *making, const struct acme_key *key,
                          const char *const names[], size_t name_count) {
    bool rsa = acme_key_kind(key) == ACME_KEY_RSA;
    int type = rsa ? RSA_TYPE : ECC_TYPE;
    void *wolf_key = rsa ? (void *)acme_key_rsa(key) : (void *)acme_key_ecc(key);
    Cert *request = &making->request;
    if (wc_InitCert(request) != 0)
        return NULL;
    ssize_t names_size =
        tls_names_encode(names, name_count, request->altNames, sizeof request->altNames);
    if (names_size < 0)
        return NULL;
    request->version =
        0; // v1 is the only one (RFC 2986 §4.1); the library starts with a certificate's
    request->altNamesSz = (int)names_size;
    request->sigType = rsa ? CTC_SHA256wRSA : CTC_SHA256wECDSA;
    if (wc_MakeCertReq_ex(request, making->der, DER_BYTES, type, wolf_key) < 0)
        return NULL;
    int size = wc_SignCert_ex(request->bodySz, request->sigType, making->der, DER_BYTES, type,
                              wolf_key, acme_key_random(key));
    return size > 0 ? acme_base64url(making->der, (size_t)size) : NULL;
}

char *acme_csr_make(const struct acme_key *key, const char *const names[], size_t name_count) {
    struct making *making = calloc(1, sizeof *making);
    char *text = making ? request_make(making, key, names, name_count) : NULL;
    free(making);
    return text;
}
