// SPDX-License-Identifier: Apache-2.0
//
// The wolfSSL context of one certificate and one lowest version: suites, groups, callbacks, and
// what must be off. Inside tls/ only.
#ifndef RINGWAY_TLS_CONTEXT_H
#define RINGWAY_TLS_CONTEXT_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/str.h"
#include "tls/keys.h"

struct tls_tickets;

// What is wrong with a chain and its key, from the library's view.
enum tls_context_verdict {
    TLS_CONTEXT_MADE,
    TLS_CONTEXT_BAD_CHAIN,
    TLS_CONTEXT_BAD_KEY,
    TLS_CONTEXT_KEY_MISMATCH,
    TLS_CONTEXT_FAILED, // the library refuses a setting, or there is no memory
};

// Whether the key must be seen to be the certificate's. For that the library reads the certificate
// again, and refuses one with a critical extension that it does not know, as tls-alpn-01 has it.
enum tls_context_check { TLS_CONTEXT_CHECK_KEY, TLS_CONTEXT_TRUST_KEY };

// Makes a context from PEM texts; the caller frees it with wolfSSL_CTX_free. `tickets` may be NULL.
enum tls_context_verdict tls_context_make(struct str chain, struct str key,
                                          enum tls_context_check check,
                                          enum tls_version min_version, struct tls_tickets *tickets,
                                          WOLFSSL_CTX **context);

#endif
