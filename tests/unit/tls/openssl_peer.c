// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tls/openssl_peer.h"

#include <check.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S (24L * 3600)

// --- certificates ------------------------------------------------------------------------------

static EVP_PKEY *key_make(const char *kind) {
    if (strncmp(kind, "RSA-", 4) == 0)
        return EVP_RSA_gen((unsigned)atoi(kind + 4));
    return EVP_EC_gen(kind);
}

static void names_add(X509 *certificate, const char *names) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, (char *)names);
    ck_assert_ptr_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void pem_print(BIO *bio, char *text, size_t size) {
    int n = BIO_read(bio, text, (int)size - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    BIO_free(bio);
}

void test_pem_make(struct test_pem *pem, const char *kind, const char *names, long from_s,
                   long to_s) {
    EVP_PKEY *key = key_make(kind);
    X509 *certificate = X509_new();
    ck_assert_ptr_nonnull(key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1 + rand() % 1000000);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"cn.example", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    if (names != NULL)
        names_add(certificate, names);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    pem_print(bio, pem->certificate, sizeof pem->certificate);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    pem_print(bio, pem->key, sizeof pem->key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

struct tls_certificate *test_certificate(const char *kind, const char *names,
                                         struct tls_tickets *tickets) {
    struct test_pem pem;
    struct problems problems = {0};
    struct conf_certificate from = {.certificate_path = "cert.pem", .key_path = "key.pem"};
    test_pem_make(&pem, kind, names, -DAY_S, 90 * DAY_S);
    struct tls_certificate *certificate = tls_certificate_parse(
        str_from(pem.certificate), str_from(pem.key), &from, tickets, time(NULL), &problems);
    ck_assert_msg(certificate != NULL, "%s", problems.count ? problems.items[0].text : "?");
    ck_assert_uint_eq(problems.count, 0);
    return certificate;
}

struct tls_store *test_store(struct tls_certificate *certificate, enum tls_version min_version) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    tls_store_own(store, certificate);
    tls_store_add_host(store, "a.example", "site a", min_version, &certificate, 1);
    return store;
}

// --- the client --------------------------------------------------------------------------------

static __thread int last_alert;

static void info_note(const SSL *ssl, int where, int value) {
    (void)ssl;
    if (where == SSL_CB_READ_ALERT)
        last_alert = value & 0xff;
}

int peer_alert(void) {
    return last_alert;
}

static void context_configure(SSL_CTX *context, const struct peer_options *options) {
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_info_callback(context, info_note);
    SSL_CTX_set_verify(context, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (options->version != 0) {
        SSL_CTX_set_min_proto_version(context, options->version);
        SSL_CTX_set_max_proto_version(context, options->version);
    }
    if (options->suites != NULL && options->version == TLS1_2_VERSION)
        ck_assert_int_eq(SSL_CTX_set_cipher_list(context, options->suites), 1);
    else if (options->suites != NULL)
        ck_assert_int_eq(SSL_CTX_set_ciphersuites(context, options->suites), 1);
    if (options->groups != NULL)
        ck_assert_int_eq(SSL_CTX_set1_groups_list(context, options->groups), 1);
    if (options->signers != NULL)
        ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(context, options->signers), 1);
}

void peer_start(struct peer *peer, const struct peer_options *options) {
    last_alert = -1;
    peer->context = SSL_CTX_new(TLS_client_method());
    context_configure(peer->context, options);
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
    if (options->name != NULL)
        SSL_set_tlsext_host_name(peer->ssl, options->name);
    if (options->session != NULL)
        SSL_set_session(peer->ssl, options->session);
    if (options->protocol != NULL) {
        unsigned char list[64] = {(unsigned char)strlen(options->protocol)};
        memcpy(list + 1, options->protocol, list[0]);
        SSL_set_alpn_protos(peer->ssl, list, list[0] + 1u);
    }
}

void peer_end(struct peer *peer) {
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
}

int peer_step(struct peer *peer) {
    int result = SSL_do_handshake(peer->ssl);
    if (result == 1)
        return 1;
    return SSL_get_error(peer->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

size_t peer_take(struct peer *peer, uint8_t *bytes, size_t size) {
    int n = BIO_read(peer->out, bytes, (int)size);
    return n > 0 ? (size_t)n : 0;
}

void peer_give(struct peer *peer, const uint8_t *bytes, size_t n) {
    if (n > 0)
        ck_assert_int_eq(BIO_write(peer->in, bytes, (int)n), (int)n);
}

// --- both --------------------------------------------------------------------------------------

// Feeds what the client has sent; the rest of the last piece stays in `rest`.
static enum tls_handshake_verdict feed(struct tls_handshake *handshake, struct peer *peer,
                                       size_t chunk, struct test_rest *rest) {
    enum tls_handshake_verdict verdict = TLS_HANDSHAKE_WANT_READ;
    while (verdict == TLS_HANDSHAKE_WANT_READ) {
        size_t used, size = chunk ? chunk : tls_handshake_want(handshake);
        rest->len = peer_take(peer, rest->bytes, size < sizeof rest->bytes ? size : 1);
        if (rest->len == 0)
            break;
        verdict = tls_handshake_feed(handshake, rest->bytes, rest->len, &used);
        ck_assert_uint_le(used, rest->len);
        ck_assert(verdict != TLS_HANDSHAKE_WANT_READ || used == rest->len);
        ck_assert(verdict != TLS_HANDSHAKE_DONE || chunk != 0 || used == rest->len);
        rest->len -= used;
        memmove(rest->bytes, rest->bytes + used, rest->len);
    }
    return verdict;
}

enum tls_handshake_verdict test_run(struct tls_handshake *handshake, struct peer *peer,
                                    size_t chunk, struct test_rest *rest) {
    enum tls_handshake_verdict verdict = TLS_HANDSHAKE_WANT_READ;
    for (int flights = 0; flights < 10 && verdict == TLS_HANDSHAKE_WANT_READ; flights++) {
        const uint8_t *bytes;
        peer_step(peer);
        verdict = feed(handshake, peer, chunk, rest);
        size_t n = tls_handshake_output(handshake, &bytes);
        for (size_t part; n > 0; n -= part, bytes += part) {
            part = chunk > 0 && chunk < n ? chunk : n;
            peer_give(peer, bytes, part);
            peer_step(peer);
            tls_handshake_sent(handshake, part);
        }
    }
    return verdict;
}

struct tls_records *test_establish(const struct tls_store *store, struct peer *peer) {
    static struct test_rest rest;
    struct tls_keys keys;
    struct tls_handshake *handshake = tls_handshake_new(store);
    enum tls_handshake_verdict verdict = test_run(handshake, peer, 16384, &rest);
    ck_assert_msg(verdict == TLS_HANDSHAKE_DONE, "%s", tls_handshake_error(handshake));
    ck_assert_uint_eq(rest.len, 0);
    ck_assert_int_eq(tls_handshake_keys(handshake, &keys), 0);
    tls_handshake_free(handshake);
    struct tls_records *records = tls_records_new(&keys);
    tls_keys_wipe(&keys);
    ck_assert_ptr_nonnull(records);
    ck_assert_int_eq(peer_step(peer), 1);
    return records;
}

void test_echo(struct tls_records *records, struct peer *peer, const uint8_t *bytes, size_t n) {
    size_t sealed_size = tls_records_sealed_size(records, n), used, opened, got = 0;
    uint8_t *sealed = malloc(sealed_size + n + 65536), *plain = malloc(n + 65536);
    ck_assert_int_eq(tls_records_seal(records, bytes, n, sealed), (ssize_t)sealed_size);
    peer_give(peer, sealed, sealed_size);
    while (got < n) {
        int part = SSL_read(peer->ssl, plain + got, (int)(n - got) + 1);
        ck_assert_int_gt(part, 0);
        got += (size_t)part;
    }
    ck_assert_uint_eq(got, n);
    ck_assert_mem_eq(plain, bytes, n);
    if (n > 0)
        ck_assert_int_eq(SSL_write(peer->ssl, plain, (int)n), (int)n);
    size_t len = peer_take(peer, sealed, sealed_size + n + 65536);
    ck_assert_int_eq(tls_records_open(records, sealed, len, &used, plain, n + 65536, &opened),
                     TLS_OPEN_MORE);
    ck_assert_uint_eq(used, len);
    ck_assert_uint_eq(opened, n);
    ck_assert_mem_eq(plain, bytes, n);
    free(sealed);
    free(plain);
}
