// SPDX-License-Identifier: Apache-2.0
//
// Every session's settings, in one place. Sessions are resumed by tickets alone: wolfSSL's session
// cache is one for the process and would resume across sites.
#include "tls/context.h"

#include "tls/suite.h"
#include "tls/wire.h"

static bool context_configure(WOLFSSL_CTX *context, enum tls_version min_version) {
    const int *groups;
    size_t group_count = tls_group_ids(&groups);
    int lowest = min_version == TLS_VERSION_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;
    if (wolfSSL_CTX_SetMinVersion(context, lowest) != WOLFSSL_SUCCESS)
        return false;
    if (wolfSSL_CTX_set_cipher_list(context, tls_suite_library_list()) != WOLFSSL_SUCCESS)
        return false;
    if (wolfSSL_CTX_set_groups(context, (int *)groups, (int)group_count) != WOLFSSL_SUCCESS)
        return false;
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
    return true;
}

static enum tls_context_verdict context_load(WOLFSSL_CTX *context, struct str chain, struct str key,
                                             enum tls_context_check check) {
    const unsigned char *chain_bytes = (const unsigned char *)chain.ptr;
    const unsigned char *key_bytes = (const unsigned char *)key.ptr;
    if (wolfSSL_CTX_use_certificate_chain_buffer(context, chain_bytes, (long)chain.len) !=
        WOLFSSL_SUCCESS)
        return TLS_CONTEXT_BAD_CHAIN;
    if (wolfSSL_CTX_use_PrivateKey_buffer(context, key_bytes, (long)key.len,
                                          WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        return TLS_CONTEXT_BAD_KEY;
    if (check == TLS_CONTEXT_CHECK_KEY && wolfSSL_CTX_check_private_key(context) != WOLFSSL_SUCCESS)
        return TLS_CONTEXT_KEY_MISMATCH;
    return TLS_CONTEXT_MADE;
}

enum tls_context_verdict tls_context_make(struct str chain, struct str key,
                                          enum tls_context_check check,
                                          enum tls_version min_version, struct tls_tickets *tickets,
                                          WOLFSSL_CTX **context) {
    enum tls_context_verdict verdict = TLS_CONTEXT_FAILED;
    *context = wolfSSL_CTX_new(wolfSSLv23_server_method());
    if (*context == NULL)
        return verdict;
    if (context_configure(*context, min_version))
        verdict = context_load(*context, chain, key, check);
    if (verdict != TLS_CONTEXT_MADE) {
        wolfSSL_CTX_free(*context);
        *context = NULL;
        return verdict;
    }
    tls_wire_attach_context(*context, tickets);
    return verdict;
}
