// SPDX-License-Identifier: Apache-2.0
//
// The ClientHello, read before wolfSSL sees it: which name the client wants, which protocols and
// which certificates it would take (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). A certificate can so be
// picked before a session is made, and a client that cannot be served gets its alert for nothing.
//
// Bytes in, verdict out; nothing is kept between calls.
#ifndef RINGWAY_TLS_HELLO_H
#define RINGWAY_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/alert.h"

// The longest ClientHello taken, and the most records it may be spread over.
#define TLS_HELLO_MAX_BYTES 16384
#define TLS_HELLO_MAX_RECORDS 64

// A host name with its terminating zero (RFC 1035 §3.1 allows 253 characters).
#define TLS_HOST_BYTES 256

// Kinds of certificate keys, as a set: what a client accepts, what a certificate has.
enum tls_key_kind {
    TLS_KEY_ECDSA_P256 = 1 << 0,
    TLS_KEY_ECDSA_P384 = 1 << 1,
    TLS_KEY_RSA = 1 << 2,
};

// Application protocols in a client's ALPN list, as a set (RFC 7301). OTHER: one we do not speak.
enum tls_alpn {
    TLS_ALPN_HTTP_1_1 = 1 << 0,
    TLS_ALPN_HTTP_1_0 = 1 << 1,
    TLS_ALPN_OTHER = 1 << 2,
    TLS_ALPN_ACME = 1 << 3, // acme-tls/1: an authority looks for proof of a name (RFC 8737)
};

enum tls_hello_verdict {
    TLS_HELLO_MORE,       // nothing wrong yet, but not all of it is here
    TLS_HELLO_DONE,       // `struct tls_hello` is filled in
    TLS_HELLO_PLAIN_HTTP, // an HTTP request: the client speaks plain text to a TLS port
    TLS_HELLO_BAD,        // `alert` and `error` say why
};

struct tls_hello {
    enum tls_alert alert; // BAD: what to answer
    const char *error;    // BAD: static text for the log
    bool offers_tls12, offers_tls13;
    unsigned accepts;                 // set of enum tls_key_kind, for the version we shall pick
    unsigned alpn;                    // set of enum tls_alpn; 0: the client sent no list
    char server_name[TLS_HOST_BYTES]; // lower case, valid host name; "": none (RFC 6066 §3)
};

// Reads the records at the start of `bytes`. The same bytes and more may be given again after
// TLS_HELLO_MORE. Bytes after the ClientHello's last record are not looked at. `out` is written
// whatever the verdict. Any thread.
enum tls_hello_verdict tls_hello_parse(const uint8_t *bytes, size_t n, struct tls_hello *out);

#endif
