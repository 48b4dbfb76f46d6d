// SPDX-License-Identifier: Apache-2.0
//
// Established connections with OpenSSL: data in every size and cut, key updates from both sides,
// renegotiation, damage, and the two ways to say goodbye.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls/openssl_peer.h"
#include "tls/library.h"

static const struct {
    int version;
    const char *suite;
} suites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};
#define MODERN_COUNT 3
#define SUITE_COUNT (int)(sizeof suites / sizeof *suites)
#define STREAM_BYTES (200 * 1024)

static struct tls_store *store;
static struct peer peer;
static struct tls_records *records;
static uint8_t wire[2 * STREAM_BYTES], stream[STREAM_BYTES], plain[STREAM_BYTES + 32768];

static void connect_with(int suite) {
    store = test_store(test_certificate("P-256", "DNS:a.example", NULL), TLS_VERSION_1_2);
    peer_start(&peer, &(struct peer_options){.version = suites[suite].version,
                                             .suites = suites[suite].suite});
    records = test_establish(store, &peer);
    srand(7);
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = (uint8_t)rand();
}

static void disconnect(void) {
    tls_records_free(records);
    peer_end(&peer);
    tls_store_free(store);
}

// Opens all the client has sent; nothing of it may be left.
static size_t open_all(enum tls_open_verdict expected) {
    size_t used, opened, n = peer_take(&peer, wire, sizeof wire);
    enum tls_open_verdict verdict =
        tls_records_open(records, wire, n, &used, plain, sizeof plain, &opened);
    ck_assert_msg(verdict == expected, "verdict %d, %s", verdict, tls_records_error(records));
    if (expected == TLS_OPEN_MORE)
        ck_assert_uint_eq(used, n);
    return opened;
}

static size_t random_size(void) {
    static const size_t edges[] = {0, 1, 2, 125, 16383, 16384, 16385, 40000};
    return rand() % 2 ? edges[(size_t)rand() % 8] : (size_t)(rand() % 3000);
}

START_TEST(what_we_seal_the_client_reads) {
    connect_with(_i);
    size_t sent = 0, got = 0;
    while (sent < sizeof stream) {
        size_t n = random_size();
        n = n < sizeof stream - sent ? n : sizeof stream - sent;
        size_t size = tls_records_sealed_size(records, n);
        ck_assert_int_eq(tls_records_seal(records, stream + sent, n, wire), (ssize_t)size);
        for (size_t at = 0, part; at < size; at += part) {
            part = 1 + (size_t)rand() % (size - at);
            peer_give(&peer, wire + at, part);
            int read = SSL_read(peer.ssl, plain + got, (int)(sizeof plain - got));
            got += read > 0 ? (size_t)read : 0;
        }
        sent += n;
    }
    for (int read; (read = SSL_read(peer.ssl, plain + got, (int)(sizeof plain - got))) > 0;)
        got += (size_t)read;
    ck_assert_uint_eq(got, sizeof stream);
    ck_assert_mem_eq(plain, stream, sizeof stream);
    disconnect();
}
END_TEST

// Moves `n` bytes of the client's through a window that starts anywhere and ends anywhere, in place
// or into a buffer of its own with little room.
static size_t open_in_pieces(size_t n, bool in_place, uint8_t *out) {
    static uint8_t window[2 * TLS_RECORD_MAX_BYTES], tight[TLS_OPEN_MIN_BYTES];
    size_t have = 0, got = 0;
    for (size_t at = 0; at < n || have > 0;) {
        size_t used, opened, part = 1 + (size_t)rand() % 9000;
        part = part < n - at ? part : n - at;
        part = part < sizeof window - have ? part : sizeof window - have;
        memcpy(window + have, wire + at, part);
        at += part;
        have += part;
        enum tls_open_verdict verdict =
            tls_records_open(records, window, have, &used, in_place ? window : tight,
                             in_place ? sizeof window : sizeof tight, &opened);
        ck_assert(verdict == TLS_OPEN_MORE || (verdict == TLS_OPEN_FULL && !in_place));
        ck_assert(verdict != TLS_OPEN_FULL || used > 0);
        memcpy(out + got, in_place ? window : tight, opened);
        got += opened;
        memmove(window, window + used, have - used);
        have -= used;
        ck_assert_msg(part > 0 || used > 0, "no progress");
    }
    return got;
}

START_TEST(what_the_client_seals_we_open) {
    for (int in_place = 0; in_place <= 1; in_place++) {
        connect_with(_i);
        size_t sent = 0, n = 0;
        while (sent < sizeof stream) {
            size_t size = random_size();
            size = size < sizeof stream - sent ? size : sizeof stream - sent;
            if (size > 0)
                ck_assert_int_eq(SSL_write(peer.ssl, stream + sent, (int)size), (int)size);
            sent += size;
            n += peer_take(&peer, wire + n, sizeof wire - n);
        }
        ck_assert_uint_eq(open_in_pieces(n, in_place, plain), sizeof stream);
        ck_assert_mem_eq(plain, stream, sizeof stream);
        disconnect();
    }
}
END_TEST

START_TEST(the_client_may_change_keys) {
    connect_with(_i);
    for (int round = 0; round < 5; round++) {
        ck_assert_int_eq(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ck_assert_int_eq(SSL_write(peer.ssl, "one", 3), 3);
        ck_assert_uint_eq(open_all(TLS_OPEN_MORE), 3);
        test_echo(records, &peer, stream, 1000);

        ck_assert_int_eq(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_write(peer.ssl, "two", 3), 3);
        ck_assert_uint_eq(open_all(TLS_OPEN_MORE), 3); // the answer comes with the next data
        test_echo(records, &peer, stream, 1000);
    }
    disconnect();
}
END_TEST

START_TEST(we_may_change_keys) {
    uint8_t update[TLS_REPLY_MAX_BYTES];
    connect_with(_i);
    for (int round = 0; round < 4; round++) {
        size_t size = tls_records_key_update(
            records, round % 2 ? TLS_UPDATE_REQUESTED : TLS_UPDATE_NOT_REQUESTED, update);
        ck_assert_uint_gt(size, 0);
        peer_give(&peer, update, size);
        test_echo(records, &peer, stream, 5000); // the client's answer comes with its data
    }
    disconnect();
}
END_TEST

START_TEST(both_sides_say_goodbye) {
    uint8_t goodbye[TLS_REPLY_MAX_BYTES];
    connect_with(_i);
    ck_assert_int_eq(SSL_write(peer.ssl, "last words", 10), 10);
    ck_assert_int_eq(SSL_shutdown(peer.ssl), 0);
    ck_assert_uint_eq(open_all(TLS_OPEN_CLOSE_NOTIFY), 10);
    ck_assert_uint_eq(open_all(TLS_OPEN_CLOSE_NOTIFY), 0);

    // The other half is still open: the client reads on until our close_notify.
    ck_assert_int_gt(tls_records_seal(records, (const uint8_t *)"bye", 3, wire), 0);
    peer_give(&peer, wire, tls_records_sealed_size(records, 3));
    ck_assert_int_eq(SSL_read(peer.ssl, plain, 10), 3);
    peer_give(&peer, goodbye, tls_records_close_notify(records, goodbye));
    ck_assert_int_eq(SSL_read(peer.ssl, plain, 10), 0);
    ck_assert_int_eq(SSL_get_error(peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
    disconnect();
}
END_TEST

START_TEST(a_damaged_record_ends_it_with_the_right_alert) {
    uint8_t alert[TLS_REPLY_MAX_BYTES];
    size_t used, opened;
    connect_with(_i);
    ck_assert_int_eq(SSL_write(peer.ssl, stream, 100), 100);
    size_t n = peer_take(&peer, wire, sizeof wire);
    wire[n - 20] ^= 1;
    ck_assert_int_eq(tls_records_open(records, wire, n, &used, plain, sizeof plain, &opened),
                     TLS_OPEN_FATAL);
    ck_assert_uint_eq(opened, 0);
    ck_assert_str_ne(tls_records_error(records), "");
    peer_give(&peer, alert, tls_records_reply(records, alert));
    ck_assert_int_le(SSL_read(peer.ssl, plain, 10), 0);
    ck_assert_int_eq(peer_alert(), TLS_ALERT_BAD_RECORD_MAC);
    ck_assert_int_eq(tls_records_open(records, wire, n, &used, plain, sizeof plain, &opened),
                     TLS_OPEN_FATAL);
    disconnect();
}
END_TEST

START_TEST(the_client_s_alert_is_named) {
    uint8_t alert[TLS_REPLY_MAX_BYTES];
    connect_with(_i);
    tls_records_seal(records, stream, 100, wire);
    wire[50] ^= 1;
    peer_give(&peer, wire, tls_records_sealed_size(records, 100));
    ck_assert_int_eq(SSL_read(peer.ssl, plain, 10), -1);
    open_all(TLS_OPEN_FATAL);
    ck_assert_str_eq(tls_records_error(records), "the peer sent the alert bad_record_mac");
    ck_assert_uint_eq(tls_records_reply(records, alert), 0);
    disconnect();
}
END_TEST

START_TEST(renegotiation_is_declined_once) {
    uint8_t alert[TLS_REPLY_MAX_BYTES];
    connect_with(_i);
    ck_assert_int_eq(SSL_renegotiate(peer.ssl), 1);
    SSL_do_handshake(peer.ssl);
    open_all(TLS_OPEN_REPLY);
    size_t size = tls_records_reply(records, alert);
    ck_assert_uint_gt(size, 0);
    peer_give(&peer, alert, size);
    SSL_read(peer.ssl, plain, 10);
    ck_assert_int_eq(peer_alert(), TLS_ALERT_NO_RENEGOTIATION);
    disconnect();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls interop: records");
    TCase *tcase = tcase_create("OpenSSL");
    tls_library_init();
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, what_we_seal_the_client_reads, 0, SUITE_COUNT);
    tcase_add_loop_test(tcase, what_the_client_seals_we_open, 0, SUITE_COUNT);
    if (tls_library_info().key_update) {
        tcase_add_loop_test(tcase, the_client_may_change_keys, 0, MODERN_COUNT);
        tcase_add_loop_test(tcase, we_may_change_keys, 0, MODERN_COUNT);
    }
    tcase_add_loop_test(tcase, both_sides_say_goodbye, 0, SUITE_COUNT);
    tcase_add_loop_test(tcase, a_damaged_record_ends_it_with_the_right_alert, 0, SUITE_COUNT);
    tcase_add_loop_test(tcase, the_client_s_alert_is_named, 0, SUITE_COUNT);
    tcase_add_loop_test(tcase, renegotiation_is_declined_once, MODERN_COUNT, SUITE_COUNT);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
