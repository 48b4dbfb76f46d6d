// SPDX-License-Identifier: Apache-2.0
//
// Handshakes with a wolfSSL client, which has what OpenSSL 3.0 lacks (X25519MLKEM768), and with
// clients that only mean harm.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "tls/handshake.h"
#include "tls/library.h"
#include "tls/record.h"
#include "tls/selfsigned.h"

static struct tls_store *store;

// What the client has received and not read, and what it has sent.
static struct pipe {
    uint8_t bytes[65536];
    size_t done, len;
} to_client, to_server;

static int client_receive(WOLFSSL *session, char *bytes, int size, void *context) {
    size_t n = to_client.len - to_client.done;
    (void)session;
    (void)context;
    if (n == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    n = n < (size_t)size ? n : (size_t)size;
    memcpy(bytes, to_client.bytes + to_client.done, n);
    to_client.done += n;
    return (int)n;
}

static int client_send(WOLFSSL *session, char *bytes, int size, void *context) {
    (void)session;
    (void)context;
    ck_assert_uint_le(to_server.len + (size_t)size, sizeof to_server.bytes);
    memcpy(to_server.bytes + to_server.len, bytes, (size_t)size);
    to_server.len += (size_t)size;
    return size;
}

static void setup(void) {
    static const char *const names[] = {"a.example"};
    struct tls_selfsigned made;
    struct problems problems = {0};
    struct conf_certificate from = {.certificate_path = "x", .key_path = "x"};
    ck_assert_int_eq(tls_selfsigned_make(names, 1, 90, &made), 0);
    struct tls_certificate *certificate = tls_certificate_parse(
        str_from(made.certificate), str_from(made.key), &from, NULL, time(NULL), &problems);
    ck_assert_ptr_nonnull(certificate);
    store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    tls_store_own(store, certificate);
    tls_store_add_host(store, "a.example", "a", TLS_VERSION_1_2, &certificate, 1);
    to_client.done = to_client.len = to_server.done = to_server.len = 0;
}

static void teardown(void) {
    tls_store_free(store);
}

static WOLFSSL *client_new(WOLFSSL_CTX **context, int version, int group) {
    *context =
        wolfSSL_CTX_new(version == 12 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    wolfSSL_CTX_set_verify(*context, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_SetIORecv(*context, client_receive);
    wolfSSL_CTX_SetIOSend(*context, client_send);
    WOLFSSL *session = wolfSSL_new(*context);
    wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, "a.example", 9);
    if (version == 13)
        ck_assert_int_eq(wolfSSL_UseKeyShare(session, (word16)group), WOLFSSL_SUCCESS);
    return session;
}

// Runs both to the end; the server's verdict.
static enum tls_handshake_verdict run(WOLFSSL *client, struct tls_handshake *handshake) {
    enum tls_handshake_verdict verdict = TLS_HANDSHAKE_WANT_READ;
    for (int flights = 0; flights < 10 && verdict == TLS_HANDSHAKE_WANT_READ; flights++) {
        const uint8_t *bytes;
        size_t used;
        wolfSSL_connect(client);
        verdict = tls_handshake_feed(handshake, to_server.bytes + to_server.done,
                                     to_server.len - to_server.done, &used);
        to_server.done += used;
        size_t n = tls_handshake_output(handshake, &bytes);
        if (n > 0)
            memcpy(to_client.bytes + to_client.len, bytes, n);
        to_client.len += n;
        tls_handshake_sent(handshake, n);
    }
    ck_assert_int_eq(wolfSSL_connect(client), WOLFSSL_SUCCESS);
    return verdict;
}

START_TEST(wolfssl_agrees_and_talks) {
    static const struct {
        int version, group;
        const char *name;
    } groups[] = {
        {12, 0, ""},
        {13, WOLFSSL_ECC_X25519, "X25519"},
        {13, WOLFSSL_ECC_SECP256R1, "SECP256R1"},
        {13, WOLFSSL_ECC_SECP384R1, "SECP384R1"},
#if defined(WOLFSSL_HAVE_MLKEM) && defined(WOLFSSL_PQC_HYBRIDS)
        {13, WOLFSSL_X25519MLKEM768, "X25519MLKEM768"},
#endif
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        WOLFSSL_CTX *context;
        struct tls_keys keys;
        uint8_t sealed[200], plain[200];
        size_t used, opened;
        to_client.done = to_client.len = to_server.done = to_server.len = 0;
        WOLFSSL *client = client_new(&context, groups[i].version, groups[i].group);
        struct tls_handshake *handshake = tls_handshake_new(store);
        ck_assert_int_eq(run(client, handshake), TLS_HANDSHAKE_DONE);
        if (groups[i].version == 13)
            ck_assert_str_eq(tls_handshake_info(handshake)->group, groups[i].name);
        ck_assert_str_eq(tls_handshake_info(handshake)->site, "a");

        ck_assert_int_eq(tls_handshake_keys(handshake, &keys), 0);
        struct tls_records *records = tls_records_new(&keys);
        ssize_t n = tls_records_seal(records, (const uint8_t *)"ping", 4, sealed);
        memcpy(to_client.bytes + to_client.len, sealed, (size_t)n);
        to_client.len += (size_t)n;
        char text[10] = "";
        ck_assert_int_eq(wolfSSL_read(client, text, sizeof text), 4);
        ck_assert_str_eq(text, "ping");
        ck_assert_int_eq(wolfSSL_write(client, "pong", 4), 4);
        ck_assert_int_eq(tls_records_open(records, to_server.bytes + to_server.done,
                                          to_server.len - to_server.done, &used, plain,
                                          sizeof plain, &opened),
                         TLS_OPEN_MORE);
        ck_assert_uint_eq(opened, 4);
        ck_assert_mem_eq(plain, "pong", 4);
        tls_records_free(records);
        tls_handshake_free(handshake);
        wolfSSL_free(client);
        wolfSSL_CTX_free(context);
    }
}
END_TEST

// --- harm --------------------------------------------------------------------------------------

START_TEST(half_a_handshake_is_freed) {
    WOLFSSL_CTX *context;
    WOLFSSL *client = client_new(&context, 13, WOLFSSL_ECC_X25519);
    wolfSSL_connect(client);
    for (size_t n = 0; n <= to_server.len; n++) {
        size_t used;
        struct tls_handshake *handshake = tls_handshake_new(store);
        ck_assert_int_eq(tls_handshake_feed(handshake, to_server.bytes, n, &used),
                         TLS_HANDSHAKE_WANT_READ);
        ck_assert_uint_eq(used, n);
        ck_assert_uint_ge(tls_handshake_want(handshake), 1);
        tls_handshake_free(handshake);
    }
    wolfSSL_free(client);
    wolfSSL_CTX_free(context);
}
END_TEST

// Every byte of a ClientHello damaged: whatever the verdict, nothing breaks and nothing is agreed.
START_TEST(a_damaged_hello_is_survived) {
    WOLFSSL_CTX *context;
    WOLFSSL *client = client_new(&context, _i, WOLFSSL_ECC_X25519);
    wolfSSL_connect(client);
    for (size_t at = 0; at < to_server.len; at++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            const uint8_t *bytes;
            size_t used;
            struct tls_handshake *handshake = tls_handshake_new(store);
            to_server.bytes[at] ^= bit;
            enum tls_handshake_verdict verdict =
                tls_handshake_feed(handshake, to_server.bytes, to_server.len, &used);
            to_server.bytes[at] ^= bit;
            ck_assert_int_ne(verdict, TLS_HANDSHAKE_DONE);
            if (verdict == TLS_HANDSHAKE_FAILED) {
                ck_assert_str_ne(tls_handshake_error(handshake), "");
                ck_assert_uint_ge(tls_handshake_output(handshake, &bytes), 7); // an alert
            }
            tls_handshake_free(handshake);
        }
    }
    wolfSSL_free(client);
    wolfSSL_CTX_free(context);
}
END_TEST

START_TEST(endless_records_are_cut_off) {
    WOLFSSL_CTX *context;
    static const uint8_t change[] = {20, 3, 3, 0, 1, 1};
    size_t used, total = 0;
    WOLFSSL *client = client_new(&context, 13, WOLFSSL_ECC_X25519);
    struct tls_handshake *handshake = tls_handshake_new(store);
    wolfSSL_connect(client);
    enum tls_handshake_verdict verdict =
        tls_handshake_feed(handshake, to_server.bytes, to_server.len, &used);
    while (verdict == TLS_HANDSHAKE_WANT_READ && total < 1000000) {
        verdict = tls_handshake_feed(handshake, change, sizeof change, &used);
        total += sizeof change;
    }
    ck_assert_int_eq(verdict, TLS_HANDSHAKE_FAILED);
    ck_assert_uint_le(total, 65536);
    tls_handshake_free(handshake);
    wolfSSL_free(client);
    wolfSSL_CTX_free(context);
}
END_TEST

START_TEST(a_huge_record_is_refused_by_its_header) {
    WOLFSSL_CTX *context;
    static const uint8_t header[] = {23, 3, 3, 0xff, 0xff};
    size_t used;
    WOLFSSL *client = client_new(&context, 13, WOLFSSL_ECC_X25519);
    struct tls_handshake *handshake = tls_handshake_new(store);
    wolfSSL_connect(client);
    ck_assert_int_eq(tls_handshake_feed(handshake, to_server.bytes, to_server.len, &used),
                     TLS_HANDSHAKE_WANT_READ);
    ck_assert_int_eq(tls_handshake_feed(handshake, header, sizeof header, &used),
                     TLS_HANDSHAKE_FAILED);
    tls_handshake_free(handshake);
    wolfSSL_free(client);
    wolfSSL_CTX_free(context);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: handshake");
    TCase *tcase = tcase_create("wolfSSL");
    tls_library_init();
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, wolfssl_agrees_and_talks);
    tcase_add_test(tcase, half_a_handshake_is_freed);
    tcase_add_loop_test(tcase, a_damaged_hello_is_survived, 12, 14);
    tcase_add_test(tcase, endless_records_are_cut_off);
    tcase_add_test(tcase, a_huge_record_is_refused_by_its_header);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
