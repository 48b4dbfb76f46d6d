// SPDX-License-Identifier: Apache-2.0
//
// A TLS client we did not write: OpenSSL over memory, with certificates made as the tests run, and
// the few moves that every test makes with it and a handshake of ours.
#ifndef RINGWAY_TESTS_OPENSSL_PEER_H
#define RINGWAY_TESTS_OPENSSL_PEER_H

#include <openssl/ssl.h>

#include "tls/certificate.h"
#include "tls/handshake.h"
#include "tls/record.h"
#include "tls/store.h"

// --- certificates ------------------------------------------------------------------------------

struct test_pem {
    char certificate[8192];
    char key[8192];
};

// A self-signed certificate. `key` is "P-256", "P-384", "P-521", "RSA-1024" or "RSA-2048"; `names`
// as OpenSSL writes them ("DNS:a.example,IP:127.0.0.1"), NULL for a common name "cn.example" only;
// it is valid from and to so many seconds from now.
void test_pem_make(struct test_pem *pem, const char *key, const char *names, long from_s,
                   long to_s);

// The same, valid for 90 days and loaded.
struct tls_certificate *test_certificate(const char *key, const char *names,
                                         struct tls_tickets *tickets);

// A store with one site "a.example" that has the certificate.
struct tls_store *test_store(struct tls_certificate *certificate, enum tls_version min_version);

// --- the client --------------------------------------------------------------------------------

struct peer_options {
    int version;          // TLS1_2_VERSION, TLS1_3_VERSION; 0: both
    const char *suites;   // TLS 1.3 names or TLS 1.2 names, by `version`
    const char *groups;   // OpenSSL's names
    const char *signers;  // signature algorithms
    const char *name;     // SNI
    const char *protocol; // ALPN, one name
    SSL_SESSION *session; // to resume
    int verify;           // whether it minds a certificate it does not trust
};

struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out; // what it receives, what it sent
};

void peer_start(struct peer *peer, const struct peer_options *options);
void peer_end(struct peer *peer);

// Goes on with the client's handshake: 1 done, 0 wants bytes, -1 failed.
int peer_step(struct peer *peer);

// Takes what the client has sent; returns how many bytes, at most `size`.
size_t peer_take(struct peer *peer, uint8_t *bytes, size_t size);

// Gives the client bytes.
void peer_give(struct peer *peer, const uint8_t *bytes, size_t n);

// The code of the alert the client was sent last, -1 for none.
int peer_alert(void);

// --- both --------------------------------------------------------------------------------------

// Runs both sides until the handshake ends, moving at most `chunk` bytes at a time (0: as the
// handshake wants them). What the client sent behind its handshake is left in `rest`.
struct test_rest {
    uint8_t bytes[65536];
    size_t len;
};
enum tls_handshake_verdict test_run(struct tls_handshake *handshake, struct peer *peer,
                                    size_t chunk, struct test_rest *rest);

// A finished handshake, as a record layer. Fails the test when there is none.
struct tls_records *test_establish(const struct tls_store *store, struct peer *peer);

// Sends data from ours to the client and back, and compares.
void test_echo(struct tls_records *records, struct peer *peer, const uint8_t *bytes, size_t n);

#endif
