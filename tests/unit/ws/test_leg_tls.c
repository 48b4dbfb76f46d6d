// SPDX-License-Identifier: Apache-2.0
//
// A leg that speaks TLS: records cut anywhere, and what may come between them.
#include "tests/unit/ws/one_leg.h"

#include "tls/library.h"

#include <errno.h>
#include <string.h>

static struct tls_records *far_records;

// Both ends of a connection, after a handshake that was not made.
static struct tls_records *records_make(bool ours) {
    struct tls_keys keys = {.version = TLS_VERSION_1_3,
                            .cipher = TLS_AES_128_GCM,
                            .key_size_bytes = 16,
                            .secret_size_bytes = 32};
    memset(keys.rx.key, 1, 16);
    memset(keys.tx.key, 2, 16);
    memset(keys.rx.secret, 3, 32);
    memset(keys.tx.secret, 4, 32);
    struct tls_traffic_keys rx = keys.rx;
    if (!ours) {
        keys.rx = keys.tx;
        keys.tx = rx;
    }
    return tls_records_new(&keys);
}

static void tls_start(void) {
    start();
    leg_resume(leg);
    leg_secure(leg, records_make(true));
    far_records = records_make(false);
}

static void tls_finish(void) {
    tls_records_free(far_records);
    finish();
}

static size_t far_seal(size_t from, size_t n, uint8_t *sealed) {
    return (size_t)tls_records_seal(far_records, data + from, n, sealed);
}

START_TEST(records_open_wherever_they_are_cut) {
    static uint8_t sealed[70000];
    tls_start();
    size_t size = far_seal(0, 20, sealed);
    size += far_seal(20, 0, sealed + size);
    size += far_seal(20, 30, sealed + size);
    for (size_t at = 0; at < size; at++) {
        fake_peer_send(peer, sealed + at, 1);
        run(NULL, 5);
    }
    expect_got(50);
    size = far_seal(50, 60000, sealed);
    for (size_t at = 0, n; at < size; at += n) {
        n = size - at < 5000 ? size - at : 5000;
        fake_peer_send(peer, sealed + at, n);
        run(NULL, 3);
    }
    expect_got(60050);
    ck_assert_ptr_null(leg->partial);
    tls_finish();
}
END_TEST

// The plain beginning is 5 bytes; what is behind them in the same read are records.
static void secure_here(struct leg *from) {
    owner.on_input = NULL;
    owner.take_max = SIZE_MAX;
    leg_secure(from, records_make(true));
    leg_resume(from);
}

START_TEST(records_begin_in_the_middle_of_a_read) {
    uint8_t bytes[200];
    start();
    leg_resume(leg);
    far_records = records_make(false);
    owner.take_max = 5;
    owner.on_input = secure_here;
    memcpy(bytes, data, 5);
    size_t size = 5 + far_seal(5, 100, bytes + 5);
    fake_peer_send(peer, bytes, size);
    expect_got(105);
    tls_finish();
}
END_TEST

START_TEST(close_notify_is_the_end) {
    uint8_t notice[TLS_REPLY_MAX_BYTES];
    tls_start();
    fake_peer_send(peer, notice, tls_records_close_notify(far_records, notice));
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.eofs, 1);
    tls_finish();
}
END_TEST

// Opens what has come to the peer.
static enum tls_open_verdict far_open(uint8_t *plain, size_t capacity, size_t *length) {
    size_t used;
    peer_read(sizeof arrived.bytes - arrived.size);
    enum tls_open_verdict verdict =
        tls_records_open(far_records, arrived.bytes, arrived.size, &used, plain, capacity, length);
    arrived.size -= used;
    memmove(arrived.bytes, arrived.bytes + used, arrived.size);
    return verdict;
}

START_TEST(finishing_says_close_notify) {
    static uint8_t plain[TLS_OPEN_MIN_BYTES];
    size_t length;
    tls_start();
    leg_send(leg, data, 1000);
    leg_finish(leg);
    run(NULL, 50);
    ck_assert_int_eq(far_open(plain, sizeof plain, &length), TLS_OPEN_CLOSE_NOTIFY);
    ck_assert_uint_eq(length, 1000);
    ck_assert_int_eq(fake_peer_state(peer), FAKE_PEER_ENDED);
    tls_finish();
}
END_TEST

START_TEST(garbage_is_answered_by_an_alert) {
    static uint8_t plain[TLS_OPEN_MIN_BYTES];
    uint8_t garbage[] = {0x17, 3,  3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
                         9,    10, 1, 2, 3,  4, 5, 6, 7, 8, 9, 10};
    size_t length;
    tls_start();
    fake_peer_send(peer, garbage, sizeof garbage);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.losts, 1);
    ck_assert_int_eq(leg->lost, -EPROTO);
    ck_assert_int_eq(far_open(plain, sizeof plain, &length), TLS_OPEN_FATAL);
    tls_finish();
}
END_TEST

START_TEST(a_record_that_says_it_is_too_long_is_not_waited_for) {
    uint8_t header[] = {0x17, 3, 3, 0xff, 0xff};
    tls_start();
    fake_peer_send(peer, header, 3);
    run(NULL, 20);
    fake_peer_send(peer, header + 3, 2);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.losts, 1);
    tls_finish();
}
END_TEST

START_TEST(keys_change_when_the_peer_wants_it) {
    static uint8_t plain[TLS_OPEN_MIN_BYTES];
    uint8_t bytes[300];
    size_t length;
    tls_start();
    size_t size = tls_records_key_update(far_records, TLS_UPDATE_REQUESTED, bytes);
    size += far_seal(0, 100, bytes + size);
    fake_peer_send(peer, bytes, size);
    expect_got(100);
    leg_send(leg, data, 50); // under the new key
    run(NULL, 20);
    enum tls_open_verdict verdict = far_open(plain, sizeof plain, &length);
    ck_assert_int_eq(verdict, TLS_OPEN_MORE);
    ck_assert_uint_eq(length, 50);
    tls_finish();
}
END_TEST

static void add_tls(Suite *suite) {
    TCase *tls = tcase_create("tls");
    tcase_add_test(tls, records_open_wherever_they_are_cut);
    tcase_add_test(tls, records_begin_in_the_middle_of_a_read);
    tcase_add_test(tls, close_notify_is_the_end);
    tcase_add_test(tls, finishing_says_close_notify);
    tcase_add_test(tls, garbage_is_answered_by_an_alert);
    tcase_add_test(tls, a_record_that_says_it_is_too_long_is_not_waited_for);
    tcase_add_test(tls, keys_change_when_the_peer_wants_it);
    suite_add_tcase(suite, tls);
}

int main(void) {
    Suite *suite = suite_create("ws/leg_tls");
    tls_library_init();
    add_tls(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
