// SPDX-License-Identifier: Apache-2.0
//
// Handshakes with OpenSSL: everything two sides can agree on, and what comes of it when they
// cannot.
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls/openssl_peer.h"
#include "tls/library.h"
#include "tls/ticket.h"

static struct test_rest rest;

// --- what can be agreed ------------------------------------------------------------------------

static const struct {
    int version;
    const char *suite; // for OpenSSL
    const char *name;  // IANA
    const char *key;
} suites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "P-256"},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "P-384"},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "P-256"},
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "RSA-2048"},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "RSA-2048"},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "RSA-2048"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
     "P-256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
     "P-384"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305",
     "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "P-256"},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
     "RSA-2048"},
    {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
     "RSA-2048"},
    {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
     "RSA-2048"},
};
#define SUITE_COUNT (int)(sizeof suites / sizeof *suites)

static const char *const groups[] = {"X25519", "P-256", "P-384"};

START_TEST(every_suite_and_group_is_agreed_on) {
    struct tls_store *store =
        test_store(test_certificate(suites[_i].key, "DNS:a.example", NULL), TLS_VERSION_1_2);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct peer peer;
        // In TLS 1.2 the certificate's curve must be among the client's groups as well.
        char offered[32];
        bool curve = suites[_i].version == TLS1_2_VERSION && suites[_i].key[0] == 'P' &&
                     strcmp(groups[i], suites[_i].key) != 0;
        snprintf(offered, sizeof offered, "%s%s%s", groups[i], curve ? ":" : "",
                 curve ? suites[_i].key : "");
        struct peer_options options = {.version = suites[_i].version,
                                       .suites = suites[_i].suite,
                                       .groups = offered,
                                       .name = "a.example"};
        peer_start(&peer, &options);
        struct tls_handshake *handshake = tls_handshake_new(store);
        ck_assert_msg(test_run(handshake, &peer, 0, &rest) == TLS_HANDSHAKE_DONE, "%s with %s: %s",
                      suites[_i].name, groups[i], tls_handshake_error(handshake));
        const struct tls_handshake_info *info = tls_handshake_info(handshake);
        ck_assert_str_eq(info->suite, suites[_i].name);
        ck_assert_int_eq(info->version == TLS_VERSION_1_3, suites[_i].version == TLS1_3_VERSION);
        ck_assert_str_eq(info->server_name, "a.example");
        ck_assert_ptr_nonnull(info->site);
        ck_assert_str_ne(info->group, "");
        ck_assert(!info->resumed);
        tls_handshake_free(handshake);
        peer_end(&peer);

        peer_start(&peer, &options);
        struct tls_records *records = test_establish(store, &peer);
        uint8_t data[40000];
        for (size_t n = 0; n < sizeof data; n++)
            data[n] = (uint8_t)(n * 7);
        test_echo(records, &peer, data, 1);
        test_echo(records, &peer, data, sizeof data);
        tls_records_free(records);
        peer_end(&peer);
    }
    tls_store_free(store);
}
END_TEST

START_TEST(input_may_come_in_any_pieces) {
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    static const size_t chunks[] = {1, 2, 3, 5, 7, 64, 511, 4096};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        struct peer peer;
        peer_start(&peer, &(struct peer_options){.version = _i ? TLS1_3_VERSION : TLS1_2_VERSION});
        struct tls_handshake *handshake = tls_handshake_new(store);
        ck_assert_int_eq(test_run(handshake, &peer, chunks[i], &rest), TLS_HANDSHAKE_DONE);
        tls_handshake_free(handshake);
        peer_end(&peer);
    }
    tls_store_free(store);
}
END_TEST

// The client's first request comes in one piece with the end of its handshake.
START_TEST(data_behind_the_handshake_is_kept) {
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    struct peer peer;
    const uint8_t *bytes;
    uint8_t input[16384], plain[TLS_OPEN_MIN_BYTES];
    size_t used, n, opened;
    peer_start(&peer, &(struct peer_options){.version = TLS1_3_VERSION, .name = "a.example"});
    struct tls_handshake *handshake = tls_handshake_new(store);
    peer_step(&peer);
    n = peer_take(&peer, input, sizeof input);
    ck_assert_int_eq(tls_handshake_feed(handshake, input, n, &used), TLS_HANDSHAKE_WANT_READ);
    n = tls_handshake_output(handshake, &bytes);
    peer_give(&peer, bytes, n);
    tls_handshake_sent(handshake, n);
    ck_assert_int_eq(peer_step(&peer), 1);
    ck_assert_int_eq(SSL_write(peer.ssl, "first words", 11), 11);
    n = peer_take(&peer, input, sizeof input);
    ck_assert_int_eq(tls_handshake_feed(handshake, input, n, &used), TLS_HANDSHAKE_DONE);
    ck_assert_uint_lt(used, n);

    struct tls_keys keys;
    ck_assert_int_eq(tls_handshake_keys(handshake, &keys), 0);
    struct tls_records *records = tls_records_new(&keys);
    size_t left = n - used;
    ck_assert_int_eq(
        tls_records_open(records, input + used, left, &used, plain, sizeof plain, &opened),
        TLS_OPEN_MORE);
    ck_assert_uint_eq(used, left);
    ck_assert_uint_eq(opened, 11);
    ck_assert_mem_eq(plain, "first words", 11);
    tls_records_free(records);
    tls_handshake_free(handshake);
    tls_store_free(store);
    peer_end(&peer);
}
END_TEST

START_TEST(a_group_of_second_choice_is_asked_for) {
    // The client guesses P-521, which we do not have, and also has P-384: a HelloRetryRequest.
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    struct peer peer;
    peer_start(&peer, &(struct peer_options){.version = TLS1_3_VERSION, .groups = "P-521:P-384"});
    struct tls_handshake *handshake = tls_handshake_new(store);
    ck_assert_msg(test_run(handshake, &peer, 100, &rest) == TLS_HANDSHAKE_DONE, "%s",
                  tls_handshake_error(handshake));
    tls_handshake_free(handshake);
    tls_store_free(store);
    peer_end(&peer);
}
END_TEST

// --- names and certificates --------------------------------------------------------------------

// Runs a handshake and returns the kind of key the client saw, or -1; the rest goes to `info`.
static int seen_key(const struct tls_store *store, const struct peer_options *options,
                    struct tls_handshake_info *info) {
    struct peer peer;
    int kind = -1;
    peer_start(&peer, options);
    struct tls_handshake *handshake = tls_handshake_new(store);
    if (test_run(handshake, &peer, 16384, &rest) == TLS_HANDSHAKE_DONE) {
        X509 *certificate = SSL_get1_peer_certificate(peer.ssl);
        if (certificate != NULL)
            kind = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
        X509_free(certificate);
    }
    if (info != NULL)
        *info = *tls_handshake_info(handshake);
    tls_handshake_free(handshake);
    peer_end(&peer);
    return kind;
}

START_TEST(the_client_gets_the_kind_of_key_it_accepts) {
    struct tls_certificate *both[] = {test_certificate("RSA-2048", "DNS:a.example", NULL),
                                      test_certificate("P-256", "DNS:a.example", NULL)};
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_REJECT);
    tls_store_own(store, both[0]);
    tls_store_own(store, both[1]);
    tls_store_add_host(store, "a.example", NULL, TLS_VERSION_1_2, both, 2);
    struct peer_options modern = {.version = TLS1_3_VERSION, .name = "a.example"};
    struct peer_options old = {.version = TLS1_2_VERSION, .name = "a.example"};
    ck_assert_int_eq(seen_key(store, &modern, NULL), EVP_PKEY_EC);
    ck_assert_int_eq(seen_key(store, &old, NULL), EVP_PKEY_EC);
    modern.signers = "rsa_pss_rsae_sha256";
    ck_assert_int_eq(seen_key(store, &modern, NULL), EVP_PKEY_RSA);
    old.suites = "ECDHE-RSA-AES128-GCM-SHA256";
    ck_assert_int_eq(seen_key(store, &old, NULL), EVP_PKEY_RSA);
    modern.signers = "ed25519";
    ck_assert_int_eq(seen_key(store, &modern, NULL), -1);
    ck_assert_int_eq(peer_alert(), TLS_ALERT_HANDSHAKE_FAILURE);
    tls_store_free(store);
}
END_TEST

START_TEST(an_unknown_name_gets_what_is_configured) {
    for (int reject = 0; reject <= 1; reject++) {
        struct tls_certificate *certificate = test_certificate("P-256", "DNS:a.example", NULL);
        struct tls_store *store = tls_store_new(reject ? UNKNOWN_SNI_REJECT : UNKNOWN_SNI_DEFAULT);
        struct tls_handshake_info info;
        tls_store_own(store, certificate);
        tls_store_add_host(store, "a.example", "a", TLS_VERSION_1_2, &certificate, 1);
        struct peer_options options = {.name = "other.example"};
        ck_assert_int_eq(seen_key(store, &options, &info), reject ? -1 : EVP_PKEY_EC);
        ck_assert_int_eq(peer_alert(), reject ? TLS_ALERT_UNRECOGNIZED_NAME : -1);
        ck_assert_ptr_null(info.site);
        options.name = NULL; // without a name there is nothing to reject
        ck_assert_int_eq(seen_key(store, &options, &info), EVP_PKEY_EC);
        ck_assert_ptr_null(info.site);
        options.name = "A.Example"; // names have no case
        ck_assert_int_eq(seen_key(store, &options, &info), EVP_PKEY_EC);
        ck_assert_str_eq(info.site, "a");
        ck_assert_str_eq(info.server_name, "a.example");
        tls_store_free(store);
    }
}
END_TEST

// --- what cannot be agreed ---------------------------------------------------------------------

struct refusal {
    const char *what;
    struct peer_options options;
    enum tls_version min_version;
    int alert; // that the client gets; -1: it sent one itself
    const char *error;
};

static const struct refusal refusals[] = {
    {"only h2", {.protocol = "h2"}, TLS_VERSION_1_2, 120, "http/1.1"},
    {"TLS 1.2 where 1.3 is wanted", {.version = TLS1_2_VERSION}, TLS_VERSION_1_3, 70, "TLS 1.3"},
    {"TLS 1.1", {.version = TLS1_1_VERSION}, TLS_VERSION_1_2, 70, "neither TLS 1.2 nor 1.3"},
    {"only CBC suites",
     {.version = TLS1_2_VERSION, .suites = "ECDHE-ECDSA-AES128-SHA256"},
     TLS_VERSION_1_2,
     40,
     "none that the client accepts"},
    {"no common group",
     {.version = TLS1_3_VERSION, .groups = "P-521"},
     TLS_VERSION_1_2,
     40,
     "no common key exchange group"},
    {"a client that trusts nobody", {.verify = 1}, TLS_VERSION_1_2, -1, "unknown_ca"},
    {"the same on TLS 1.2",
     {.verify = 1, .version = TLS1_2_VERSION},
     TLS_VERSION_1_2,
     -1,
     "unknown_ca"},
};

START_TEST(a_refusal_has_its_alert_and_reason) {
    const struct refusal *refusal = &refusals[_i];
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), refusal->min_version);
    struct peer peer;
    peer_start(&peer, &refusal->options);
    struct tls_handshake *handshake = tls_handshake_new(store);
    enum tls_handshake_verdict verdict = test_run(handshake, &peer, 16384, &rest);
    const char *error = tls_handshake_error(handshake);
    ck_assert_msg(verdict == TLS_HANDSHAKE_FAILED, "%s: verdict %d", refusal->what, verdict);
    ck_assert_msg(strstr(error, refusal->error) != NULL, "%s: %s", refusal->what, error);
    ck_assert_msg(peer_alert() == refusal->alert, "%s: alert %d", refusal->what, peer_alert());
    tls_handshake_free(handshake);
    tls_store_free(store);
    peer_end(&peer);
}
END_TEST

START_TEST(http_1_1_is_acknowledged) {
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    struct peer peer;
    const unsigned char *protocol;
    unsigned len;
    peer_start(&peer, &(struct peer_options){.protocol = "http/1.1"});
    struct tls_handshake *handshake = tls_handshake_new(store);
    ck_assert_int_eq(test_run(handshake, &peer, 16384, &rest), TLS_HANDSHAKE_DONE);
    ck_assert(tls_handshake_info(handshake)->alpn);
    SSL_get0_alpn_selected(peer.ssl, &protocol, &len);
    ck_assert_uint_eq(len, 8);
    ck_assert_mem_eq(protocol, "http/1.1", 8);
    tls_handshake_free(handshake);
    tls_store_free(store);
    peer_end(&peer);
}
END_TEST

START_TEST(plain_http_is_told_apart) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    const uint8_t *output;
    size_t used;
    struct tls_handshake *handshake = tls_handshake_new(store);
    ck_assert_int_eq(
        tls_handshake_feed(handshake, (const uint8_t *)request, sizeof request - 1, &used),
        TLS_HANDSHAKE_PLAIN_HTTP);
    ck_assert_uint_eq(tls_handshake_output(handshake, &output), 0);
    tls_handshake_free(handshake);
    tls_store_free(store);
}
END_TEST

// Every byte of the client's second flight is damaged in turn: the handshake fails, and says so.
START_TEST(a_damaged_finished_is_refused) {
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    size_t flight = 1;
    for (size_t at = 0; at < flight; at++) {
        struct peer peer;
        const uint8_t *bytes;
        uint8_t input[16384];
        size_t used, n;
        enum tls_handshake_verdict verdict;
        peer_start(&peer, &(struct peer_options){.version = _i ? TLS1_3_VERSION : TLS1_2_VERSION});
        struct tls_handshake *handshake = tls_handshake_new(store);
        peer_step(&peer);
        n = peer_take(&peer, input, sizeof input);
        tls_handshake_feed(handshake, input, n, &used);
        n = tls_handshake_output(handshake, &bytes);
        peer_give(&peer, bytes, n);
        tls_handshake_sent(handshake, n);
        peer_step(&peer);
        flight = peer_take(&peer, input, sizeof input);
        input[at] ^= 0x41;
        verdict = tls_handshake_feed(handshake, input, flight, &used);
        ck_assert_msg(verdict != TLS_HANDSHAKE_DONE || (_i == 1 && at == 5) || at == 1 || at == 2,
                      "byte %zu of %zu", at, flight);
        if (verdict == TLS_HANDSHAKE_FAILED)
            ck_assert_str_ne(tls_handshake_error(handshake), "");
        tls_handshake_free(handshake);
        peer_end(&peer);
    }
    tls_store_free(store);
}
END_TEST

// --- resumption --------------------------------------------------------------------------------

// A full or resumed handshake; returns whether it was resumed and the session to resume next.
static bool visit(const struct tls_store *store, int version, const char *name,
                  SSL_SESSION **session) {
    struct peer peer;
    peer_start(&peer,
               &(struct peer_options){.version = version, .name = name, .session = *session});
    struct tls_handshake *handshake = tls_handshake_new(store);
    ck_assert_msg(test_run(handshake, &peer, 16384, &rest) == TLS_HANDSHAKE_DONE, "%s",
                  tls_handshake_error(handshake));
    bool resumed = tls_handshake_info(handshake)->resumed;
    ck_assert_int_eq(resumed, SSL_session_reused(peer.ssl));
    struct tls_keys keys;
    ck_assert_int_eq(tls_handshake_keys(handshake, &keys), 0);
    struct tls_records *records = tls_records_new(&keys);
    test_echo(records, &peer, (const uint8_t *)"hello", 5); // the client reads its ticket
    tls_records_free(records);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(peer.ssl);
    SSL_shutdown(peer.ssl);
    tls_handshake_free(handshake);
    peer_end(&peer);
    return resumed;
}

START_TEST(a_ticket_resumes_until_its_key_is_gone) {
    int version = _i ? TLS1_3_VERSION : TLS1_2_VERSION;
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", tickets), TLS_VERSION_1_2);
    for (int rotations = 0; rotations <= 3; rotations++) {
        SSL_SESSION *session = NULL;
        ck_assert(!visit(store, version, "a.example", &session));
        for (int i = 0; i < rotations; i++)
            ck_assert_int_eq(tls_tickets_rotate(tickets), 0);
        ck_assert_int_eq(visit(store, version, "a.example", &session), rotations < 3);
        // By a new ticket, which TLS 1.2 in wolfSSL does not give with a refusal.
        ck_assert_int_eq(visit(store, version, "a.example", &session),
                         rotations < 3 || version == TLS1_3_VERSION);
        SSL_SESSION_free(session);
    }
    tls_store_free(store);
    tls_tickets_free(tickets);
}
END_TEST

// A client may come back for ever; now and then it shakes hands in full.
START_TEST(a_chain_of_tickets_has_an_end_but_no_failure) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", tickets), TLS_VERSION_1_2);
    SSL_SESSION *session = NULL;
    int resumed = 0;
    for (int i = 0; i < 300; i++)
        resumed += visit(store, TLS1_3_VERSION, "a.example", &session);
    ck_assert_int_lt(resumed, 299);
    ck_assert_int_gt(resumed, 290);
    SSL_SESSION_free(session);
    tls_store_free(store);
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(a_ticket_survives_a_reload) {
    int version = _i ? TLS1_3_VERSION : TLS1_2_VERSION;
    struct tls_tickets *tickets = tls_tickets_new(3600);
    SSL_SESSION *session = NULL;
    for (int reload = 0; reload < 3; reload++) {
        struct tls_store *store =
            test_store(test_certificate("P-256", "DNS:a.example", tickets), TLS_VERSION_1_2);
        ck_assert_int_eq(visit(store, version, "a.example", &session), reload > 0);
        tls_store_free(store);
    }
    SSL_SESSION_free(session);
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(a_ticket_does_not_move_to_another_site) {
    int version = _i ? TLS1_3_VERSION : TLS1_2_VERSION;
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_certificate *certificate = test_certificate("P-256", "DNS:*.example", tickets);
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    struct tls_store *stricter =
        test_store(test_certificate("P-256", "DNS:a.example", tickets), TLS_VERSION_1_3);
    tls_store_own(store, certificate);
    tls_store_add_host(store, "a.example", "a", TLS_VERSION_1_2, &certificate, 1);
    tls_store_add_host(store, "b.example", "b", TLS_VERSION_1_2, &certificate, 1);
    SSL_SESSION *session = NULL;
    ck_assert(!visit(store, version, "a.example", &session));
    ck_assert(!visit(store, version, "b.example", &session));
    if (version == TLS1_2_VERSION) // wolfSSL gives no ticket with a refusal
        ck_assert(!visit(store, version, "b.example", &session));
    ck_assert(visit(store, version, "b.example", &session));
    ck_assert(!visit(store, version, NULL, &session));
    SSL_SESSION_free(session);
    session = NULL;
    if (version == TLS1_3_VERSION) { // nor from a weaker policy to a stricter one
        ck_assert(!visit(store, version, "a.example", &session));
        ck_assert(!visit(stricter, version, "a.example", &session));
        SSL_SESSION_free(session);
    }
    tls_store_free(store);
    tls_store_free(stricter);
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(without_ticket_keys_nothing_is_resumed) {
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    SSL_SESSION *session = NULL;
    ck_assert(!visit(store, _i ? TLS1_3_VERSION : TLS1_2_VERSION, "a.example", &session));
    ck_assert(!visit(store, _i ? TLS1_3_VERSION : TLS1_2_VERSION, "a.example", &session));
    SSL_SESSION_free(session);
    tls_store_free(store);
}
END_TEST

// --- threads -----------------------------------------------------------------------------------

static void *visit_many(void *argument) {
    const struct tls_store *store = argument;
    for (int i = 0; i < 50; i++) {
        struct tls_handshake *handshake = tls_handshake_new(store);
        struct tls_hello hello = {.accepts = TLS_KEY_ECDSA_P256, .server_name = "a.example"};
        struct tls_pick pick;
        ck_assert_int_eq(tls_store_pick(store, &hello, &pick), TLS_PICK_FOUND);
        tls_handshake_free(handshake);
        struct peer peer;
        static __thread struct test_rest mine;
        peer_start(&peer, &(struct peer_options){.name = "a.example"});
        handshake = tls_handshake_new(store);
        ck_assert_int_eq(test_run(handshake, &peer, 16384, &mine), TLS_HANDSHAKE_DONE);
        tls_handshake_free(handshake);
        peer_end(&peer);
    }
    return NULL;
}

START_TEST(threads_share_store_and_tickets) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_store *store =
        test_store(test_certificate("P-256", "DNS:a.example", tickets), TLS_VERSION_1_2);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, visit_many, store), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(tls_tickets_rotate(tickets), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    tls_store_free(store);
    tls_tickets_free(tickets);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls interop: handshake");
    TCase *tcase = tcase_create("OpenSSL");
    tls_library_init();
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_suite_and_group_is_agreed_on, 0, SUITE_COUNT);
    tcase_add_loop_test(tcase, input_may_come_in_any_pieces, 0, 2);
    tcase_add_test(tcase, data_behind_the_handshake_is_kept);
    tcase_add_test(tcase, a_group_of_second_choice_is_asked_for);
    tcase_add_test(tcase, the_client_gets_the_kind_of_key_it_accepts);
    tcase_add_test(tcase, an_unknown_name_gets_what_is_configured);
    tcase_add_loop_test(tcase, a_refusal_has_its_alert_and_reason, 0,
                        (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(tcase, http_1_1_is_acknowledged);
    tcase_add_test(tcase, plain_http_is_told_apart);
    tcase_add_loop_test(tcase, a_damaged_finished_is_refused, 0, 2);
    tcase_add_loop_test(tcase, a_ticket_resumes_until_its_key_is_gone, 0, 2);
    tcase_add_test(tcase, a_chain_of_tickets_has_an_end_but_no_failure);
    tcase_add_loop_test(tcase, a_ticket_survives_a_reload, 0, 2);
    tcase_add_loop_test(tcase, a_ticket_does_not_move_to_another_site, 0, 2);
    tcase_add_loop_test(tcase, without_ticket_keys_nothing_is_resumed, 0, 2);
    tcase_add_test(tcase, threads_share_store_and_tickets);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
