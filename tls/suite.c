// SPDX-License-Identifier: Apache-2.0
//
// One table of suites and one of groups; everything else is derived from them by the preprocessor,
// so that the order is written down once.
#include "tls/suite.h"

#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

// AES first: with the processor's help it is three times as fast as ChaCha20 (and a client without
// that help still agrees on what it is offered).
#define SUITES(X)                                                                                  \
    X("TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256", 1_3, AES_128_GCM)                       \
    X("TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384", 1_3, AES_256_GCM)                       \
    X("TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256", 1_3, CHACHA20_POLY1305)    \
    X("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", 1_2,             \
      AES_128_GCM)                                                                                 \
    X("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", 1_2, AES_128_GCM)    \
    X("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", 1_2,             \
      AES_256_GCM)                                                                                 \
    X("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", 1_2, AES_256_GCM)    \
    X("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", 1_2,       \
      CHACHA20_POLY1305)                                                                           \
    X("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", 1_2,           \
      CHACHA20_POLY1305)

#if defined(WOLFSSL_HAVE_MLKEM) && defined(WOLFSSL_PQC_HYBRIDS)
#define GROUPS(X) X("X25519MLKEM768", WOLFSSL_X25519MLKEM768) GROUPS_CLASSIC(X)
#else
#define GROUPS(X) GROUPS_CLASSIC(X)
#endif
#define GROUPS_CLASSIC(X)                                                                          \
    X("X25519", WOLFSSL_ECC_X25519)                                                                \
    X("P-256", WOLFSSL_ECC_SECP256R1) X("P-384", WOLFSSL_ECC_SECP384R1)

static const struct tls_suite suites[] = {
#define ROW(name, library_name, version, cipher)                                                   \
    {name, library_name, TLS_VERSION_##version, TLS_##cipher},
    SUITES(ROW)
#undef ROW
};

static const char *const suite_names[] = {
#define ROW(name, library_name, version, cipher) name,
    SUITES(ROW)
#undef ROW
        NULL,
};

static const char library_list[] =
#define ROW(name, library_name, version, cipher) library_name ":"
    SUITES(ROW);
#undef ROW

static const int group_ids[] = {
#define ROW(name, id) id,
    GROUPS(ROW)
#undef ROW
};

static const char *const group_names[] = {
#define ROW(name, id) name,
    GROUPS(ROW)
#undef ROW
        NULL,
};

const struct tls_suite *tls_suite_find(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof suites / sizeof *suites; i++)
        if (strcmp(suites[i].name, name) == 0 || strcmp(suites[i].library_name, name) == 0)
            return &suites[i];
    return NULL;
}

const char *const *tls_suite_names(void) {
    return suite_names;
}

const char *tls_suite_library_list(void) {
    return library_list;
}

size_t tls_group_ids(const int **ids) {
    *ids = group_ids;
    return sizeof group_ids / sizeof *group_ids;
}

const char *const *tls_group_names(void) {
    return group_names;
}
