// SPDX-License-Identifier: Apache-2.0
#include "acme/csr.h"

#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include "tls/names.h"

#define DER_BYTES (CTC_MAX_ALT_SIZE + 2048)

// Everything the making needs; too large for a stack.
struct making {
    Cert request;
    WC_RNG random;
    uint8_t der[DER_BYTES];
};

static char *request_make(struct making *making, ecc_key *key, const char *const names[],
                          size_t name_count) {
    Cert *request = &making->request;
    if (wc_InitCert(request) != 0)
        return NULL;
    ssize_t names_size =
        tls_names_encode(names, name_count, request->altNames, sizeof request->altNames);
    if (names_size < 0)
        return NULL;
    request->altNamesSz = (int)names_size;
    request->sigType = CTC_SHA256wECDSA;
    if (wc_MakeCertReq_ex(request, making->der, DER_BYTES, ECC_TYPE, key) < 0)
        return NULL;
    int size = wc_SignCert_ex(request->bodySz, request->sigType, making->der, DER_BYTES, ECC_TYPE,
                              key, &making->random);
    return size > 0 ? acme_base64url(making->der, (size_t)size) : NULL;
}

char *acme_csr_make(const struct acme_key *key, const char *const names[], size_t name_count) {
    struct making *making = calloc(1, sizeof *making);
    if (!making || wc_InitRng(&making->random) != 0) {
        free(making);
        return NULL;
    }
    char *text = request_make(making, acme_key_ecc(key), names, name_count);
    wc_FreeRng(&making->random);
    free(making);
    return text;
}
