// SPDX-License-Identifier: Apache-2.0
//
// Records of every hostile kind. The peer is another record layer with the keys swapped, or a bare
// cipher where a record must be wrong in a way no record layer would make it.
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/aead.h"
#include "tls/alert.h"
#include "tls/control.h"
#include "tls/library.h"
#include "tls/record.h"

static const struct {
    enum tls_version version;
    enum tls_cipher cipher;
    size_t key_size, secret_size;
} suites[] = {
    {TLS_VERSION_1_3, TLS_AES_128_GCM, 16, 32},
    {TLS_VERSION_1_3, TLS_AES_256_GCM, 32, 48},
    {TLS_VERSION_1_3, TLS_CHACHA20_POLY1305, 32, 32},
    {TLS_VERSION_1_2, TLS_AES_128_GCM, 16, 0},
    {TLS_VERSION_1_2, TLS_AES_256_GCM, 32, 0},
    {TLS_VERSION_1_2, TLS_CHACHA20_POLY1305, 32, 0},
};
#define MODERN_COUNT 3
#define SUITE_COUNT (int)(sizeof suites / sizeof *suites)

// A KeyUpdate in a record of its own: header, message, inner type, tag.
enum { UPDATE_RECORD_BYTES = 5 + TLS_KEY_UPDATE_BYTES + 1 + TLS_AEAD_TAG_BYTES };

static struct tls_keys keys;
static struct tls_records *ours, *peer;
static uint8_t wire[256 * 1024], plain[256 * 1024], data[100000];
static size_t used, opened;

static void keys_make(int suite) {
    keys = (struct tls_keys){.version = suites[suite].version,
                             .cipher = suites[suite].cipher,
                             .key_size_bytes = suites[suite].key_size,
                             .secret_size_bytes = suites[suite].secret_size};
    bool salted = keys.version == TLS_VERSION_1_2 && keys.cipher != TLS_CHACHA20_POLY1305;
    memset(keys.rx.key, 1, keys.key_size_bytes);
    memset(keys.tx.key, 2, keys.key_size_bytes);
    memset(keys.rx.iv, 3, salted ? 4 : TLS_IV_BYTES);
    memset(keys.tx.iv, 4, salted ? 4 : TLS_IV_BYTES);
    memset(keys.rx.secret, 5, keys.secret_size_bytes);
    memset(keys.tx.secret, 6, keys.secret_size_bytes);
    keys.tx.explicit_nonce = 77;
}

static void both_start(void) {
    struct tls_keys swapped = keys;
    swapped.rx = keys.tx;
    swapped.tx = keys.rx;
    ours = tls_records_new(&keys);
    peer = tls_records_new(&swapped);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
}

static void both_end(void) {
    tls_records_free(ours);
    tls_records_free(peer);
}

// Hands `n` bytes on the wire to our side.
static enum tls_open_verdict receive(size_t n) {
    return tls_records_open(ours, wire, n, &used, plain, sizeof plain, &opened);
}

static void fails_with(size_t n, enum tls_alert alert) {
    uint8_t reply[TLS_REPLY_MAX_BYTES];
    ck_assert_int_eq(receive(n), TLS_OPEN_FATAL);
    ck_assert_str_ne(tls_records_error(ours), "");
    size_t size = tls_records_reply(ours, reply);
    ck_assert_uint_gt(size, 0);
    // The peer reads which alert it is.
    char expected[80];
    snprintf(expected, sizeof expected, "the peer sent the alert %s", tls_alert_name(alert));
    ck_assert_int_eq(tls_records_open(peer, reply, size, &used, plain, sizeof plain, &opened),
                     TLS_OPEN_FATAL);
    ck_assert_str_eq(tls_records_error(peer), expected);
    both_end();
}

// Seals any content of any type, with padding (TLS 1.3), as the peer's record number `sequence`.
static size_t forge(uint64_t sequence, uint8_t content, const void *bytes, size_t n, size_t padding,
                    uint8_t *out) {
    _Alignas(16) static uint8_t state[2048];
    uint8_t nonce[TLS_IV_BYTES], additional[13] = {0}, number[8];
    bool modern = keys.version == TLS_VERSION_1_3;
    bool explicit = !modern && keys.cipher != TLS_CHACHA20_POLY1305;
    size_t inner = modern ? n + 1 + padding : n, head = explicit ? 13 : 5;
    size_t size = head - 5 + inner + TLS_AEAD_TAG_BYTES;
    const uint8_t header[] = {modern ? 23 : content, 3, 3, (uint8_t)(size >> 8), (uint8_t)size};
    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)(sequence >> (56 - 8 * i));
    memcpy(out, header, 5);
    memcpy(nonce, keys.rx.iv, sizeof nonce);
    if (explicit) {
        memcpy(out + 5, number, 8);
        memcpy(nonce + 4, number, 8);
    }
    for (int i = 0; i < 8 && !explicit; i++)
        nonce[4 + i] ^= number[i];
    memcpy(additional, modern ? header : number, modern ? 5 : 8);
    if (!modern) {
        const uint8_t tail[] = {content, 3, 3, (uint8_t)(n >> 8), (uint8_t)n};
        memcpy(additional + 8, tail, 5);
    }
    memcpy(out + head, bytes, n);
    memset(out + head + n, 0, inner - n);
    if (modern)
        out[head + n] = content;
    ck_assert(tls_aead_size(keys.cipher) <= sizeof state);
    memset(state, 0, sizeof state);
    ck_assert(tls_aead_key(state, keys.cipher, keys.rx.key, keys.key_size_bytes));
    struct tls_aead_job job = {nonce, additional, modern ? 5 : 13, out + head, inner, out + head};
    tls_aead_seal(state, keys.cipher, &job, out + head + inner);
    tls_aead_end(state, keys.cipher);
    return head + inner + TLS_AEAD_TAG_BYTES;
}

// --- good records ------------------------------------------------------------------------------

START_TEST(data_goes_both_ways_at_every_size) {
    static const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 100000};
    keys_make(_i);
    both_start();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int turn = 0; turn < 2; turn++) {
            struct tls_records *from = turn ? ours : peer, *to = turn ? peer : ours;
            size_t size = tls_records_sealed_size(from, sizes[i]);
            ck_assert_int_eq(tls_records_seal(from, data, sizes[i], wire), (ssize_t)size);
            ck_assert_int_eq(tls_records_open(to, wire, size, &used, plain, sizeof plain, &opened),
                             TLS_OPEN_MORE);
            ck_assert_uint_eq(used, size);
            ck_assert_uint_eq(opened, sizes[i]);
            ck_assert_mem_eq(plain, data, opened);
        }
    }
    both_end();
}
END_TEST

START_TEST(a_record_may_be_opened_at_every_cut) {
    keys_make(_i);
    for (int in_place = 0; in_place <= 1; in_place++) {
        both_start();
        size_t size = (size_t)tls_records_seal(peer, data, 50, wire);
        for (size_t n = 0; n < size; n++) {
            ck_assert_int_eq(tls_records_open(ours, wire, n, &used, in_place ? wire : plain,
                                              sizeof plain, &opened),
                             TLS_OPEN_MORE);
            ck_assert_uint_eq(used + opened, 0);
            ck_assert_uint_eq(tls_record_size(wire, n), n < 5 ? 5 : size);
        }
        tls_records_open(ours, wire, size, &used, in_place ? wire : plain, sizeof plain, &opened);
        ck_assert_uint_eq(used, size);
        ck_assert_mem_eq(in_place ? wire : plain, data, 50);
        both_end();
    }
}
END_TEST

START_TEST(records_opened_in_place_lie_together) {
    keys_make(_i);
    both_start();
    size_t n = 0;
    for (size_t i = 0; i < 100; i++)
        n += (size_t)tls_records_seal(peer, data + i * 100, 100, wire + n);
    ck_assert_int_eq(tls_records_open(ours, wire, n, &used, wire, n, &opened), TLS_OPEN_MORE);
    ck_assert_uint_eq(opened, 10000);
    ck_assert_mem_eq(wire, data, 10000);
    both_end();
}
END_TEST

START_TEST(too_little_room_is_told_and_nothing_lost) {
    keys_make(_i);
    both_start();
    size_t n = (size_t)tls_records_seal(peer, data, 40000, wire), at = 0, got = 0;
    while (at < n) {
        enum tls_open_verdict verdict =
            tls_records_open(ours, wire + at, n - at, &used, plain, TLS_OPEN_MIN_BYTES, &opened);
        ck_assert(verdict == TLS_OPEN_FULL || verdict == TLS_OPEN_MORE);
        ck_assert_uint_gt(used, 0);
        ck_assert_mem_eq(plain, data + got, opened);
        at += used;
        got += opened;
    }
    ck_assert_uint_eq(got, 40000);
    both_end();
}
END_TEST

START_TEST(padding_is_taken_off) {
    keys_make(_i);
    both_start();
    size_t n = forge(0, TLS_CONTENT_APPLICATION_DATA, data, 500, 0, wire);
    n += forge(1, TLS_CONTENT_APPLICATION_DATA, data + 500, 1, 16383, wire + n);
    n += forge(2, TLS_CONTENT_APPLICATION_DATA, data, 0, 100, wire + n);
    ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
    ck_assert_uint_eq(used, n);
    ck_assert_uint_eq(opened, 501);
    ck_assert_mem_eq(plain, data, 501);
    both_end();
}
END_TEST

// --- bad records -------------------------------------------------------------------------------

START_TEST(any_damaged_byte_is_noticed) {
    keys_make(_i);
    both_start();
    size_t n = (size_t)tls_records_seal(peer, data, 20, wire);
    both_end();
    for (size_t at = 0; at < n; at++) {
        both_start();
        tls_records_seal(peer, data, 20, wire);
        wire[at] ^= 0x10;
        // A length that grew waits for more. In TLS 1.2 the minor version is not what we go by.
        enum tls_open_verdict verdict = receive(n);
        if (keys.version == TLS_VERSION_1_2 && at == 2)
            ck_assert_int_eq(verdict, TLS_OPEN_MORE);
        else if (at != 3 && at != 4)
            ck_assert_int_eq(verdict, TLS_OPEN_FATAL);
        else
            ck_assert_int_ne(verdict, TLS_OPEN_REPLY);
        ck_assert(verdict != TLS_OPEN_FATAL || opened == 0);
        both_end();
    }
}
END_TEST

START_TEST(a_record_sent_twice_is_refused) {
    keys_make(_i);
    both_start();
    size_t n = (size_t)tls_records_seal(peer, data, 20, wire);
    memcpy(wire + n, wire, n);
    fails_with(2 * n, TLS_ALERT_BAD_RECORD_MAC);
}
END_TEST

START_TEST(a_record_over_the_limit_is_refused_by_its_header) {
    keys_make(_i);
    both_start();
    const uint8_t header[] = {23, 3, 3, 0x41, 0x01}; // 16384 + 257
    memcpy(wire, header, sizeof header);
    fails_with(5, TLS_ALERT_RECORD_OVERFLOW);
}
END_TEST

START_TEST(plaintext_over_the_limit_is_refused) {
    keys_make(_i);
    both_start();
    fails_with(forge(0, TLS_CONTENT_APPLICATION_DATA, data, 16385, 0, wire),
               TLS_ALERT_RECORD_OVERFLOW);
}
END_TEST

START_TEST(a_record_without_room_for_a_tag_is_refused) {
    keys_make(_i);
    both_start();
    const uint8_t header[] = {23, 3, 3, 0, 15};
    memset(wire, 0, 20);
    memcpy(wire, header, sizeof header);
    fails_with(20, TLS_ALERT_BAD_RECORD_MAC);
}
END_TEST

START_TEST(nothing_but_padding_is_refused) {
    keys_make(_i);
    both_start();
    fails_with(forge(0, 0, "", 0, 300, wire), TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(plain_records_are_refused) {
    static const uint8_t record[] = {21, 3, 3, 0, 2, 1, 0}; // close_notify in the clear
    keys_make(_i);
    both_start();
    memcpy(wire, record, sizeof record);
    fails_with(sizeof record,
               _i < MODERN_COUNT ? TLS_ALERT_UNEXPECTED_MESSAGE : TLS_ALERT_BAD_RECORD_MAC);
}
END_TEST

START_TEST(change_cipher_spec_comes_too_late) {
    keys_make(_i);
    both_start();
    fails_with(forge(0, TLS_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, 0, wire),
               TLS_ALERT_UNEXPECTED_MESSAGE);
    static const uint8_t record[] = {20, 3, 3, 0, 1, 1};
    both_start();
    memcpy(wire, record, sizeof record);
    fails_with(sizeof record,
               _i < MODERN_COUNT ? TLS_ALERT_UNEXPECTED_MESSAGE : TLS_ALERT_BAD_RECORD_MAC);
}
END_TEST

START_TEST(empty_records_are_skipped_but_not_for_ever) {
    keys_make(_i);
    both_start();
    size_t n = 0;
    for (unsigned i = 0; i < TLS_CONTROL_IDLE_MAX; i++)
        n += (size_t)tls_records_seal(peer, data, 0, wire + n);
    n += (size_t)tls_records_seal(peer, data, 1, wire + n); // starts the count again
    for (unsigned i = 0; i < TLS_CONTROL_IDLE_MAX; i++)
        n += (size_t)tls_records_seal(peer, data, 0, wire + n);
    ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
    ck_assert_uint_eq(used, n);
    ck_assert_uint_eq(opened, 1);
    n = (size_t)tls_records_seal(peer, data, 0, wire);
    fails_with(n, TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

// --- keys --------------------------------------------------------------------------------------

START_TEST(key_updates_are_followed_and_answered) {
    keys_make(_i);
    both_start();
    size_t plain_size = tls_records_sealed_size(ours, 10);
    for (int round = 0; round < 100; round++) {
        enum tls_update_request request = (enum tls_update_request)(round % 2);
        size_t n = tls_records_key_update(peer, request, wire);
        if (round % 3 == 0) // asking again is answered by the same KeyUpdate
            n += tls_records_key_update(peer, request, wire + n);
        n += (size_t)tls_records_seal(peer, data, 10, wire + n);
        ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
        ck_assert_uint_eq(used, n);
        ck_assert_uint_eq(opened, 10);
        size_t update = request == TLS_UPDATE_REQUESTED ? UPDATE_RECORD_BYTES : 0;
        ck_assert_uint_eq(tls_records_sealed_size(ours, 10), plain_size + update);
        n = (size_t)tls_records_seal(ours, data, 10, wire);
        ck_assert_uint_eq(n, plain_size + update);
        ck_assert_uint_eq(tls_records_sealed_size(ours, 10), plain_size);
        ck_assert_int_eq(tls_records_open(peer, wire, n, &used, plain, sizeof plain, &opened),
                         TLS_OPEN_MORE);
        ck_assert_uint_eq(opened, 10);
    }
    both_end();
}
END_TEST

START_TEST(key_updates_without_data_are_bounded) {
    enum tls_open_verdict verdict = TLS_OPEN_MORE;
    int rounds = 0;
    keys_make(_i);
    both_start();
    for (; verdict != TLS_OPEN_FATAL && rounds < 1000; rounds++)
        verdict = receive(tls_records_key_update(peer, TLS_UPDATE_REQUESTED, wire));
    ck_assert_int_eq(rounds, TLS_CONTROL_IDLE_MAX + 1);
    both_end();
}
END_TEST

START_TEST(a_key_is_changed_before_it_is_used_up) {
    keys_make(_i);
    keys.tx.sequence = (UINT64_C(1) << 24) - 10;
    both_start();
    for (int i = 0; i < 30; i++) {
        size_t size = tls_records_sealed_size(ours, 40000);
        ck_assert_int_eq(tls_records_seal(ours, data, 40000, wire), (ssize_t)size);
        ck_assert_int_eq(tls_records_open(peer, wire, size, &used, plain, sizeof plain, &opened),
                         TLS_OPEN_MORE);
        ck_assert_uint_eq(opened, 40000);
        ck_assert_mem_eq(plain, data, opened);
    }
    both_end();
}
END_TEST

START_TEST(a_key_that_cannot_be_changed_ends_the_connection) {
    keys_make(0);
    keys.tx.sequence = (UINT64_C(1) << 24) - 1;
    keys.secret_size_bytes = 0; // a library that does not give them out
    both_start();
    ck_assert_int_eq(tls_records_seal(ours, data, 1, wire), -EKEYEXPIRED);
    both_end();
    keys_make(0);
    both_start();
    struct tls_records *able = peer;
    tls_records_free(ours);
    keys.secret_size_bytes = 0;
    both_start();
    fails_with(tls_records_key_update(able, TLS_UPDATE_NOT_REQUESTED, wire),
               TLS_ALERT_INTERNAL_ERROR);
    tls_records_free(able);
}
END_TEST

START_TEST(a_key_update_may_be_cut_but_not_mixed) {
    static const uint8_t update[] = {24, 0, 0, 1, 0};
    keys_make(_i);
    both_start();
    size_t n = forge(0, TLS_CONTENT_HANDSHAKE, update, 2, 0, wire);
    n += forge(1, TLS_CONTENT_HANDSHAKE, update + 2, 1, 0, wire + n);
    n += forge(2, TLS_CONTENT_HANDSHAKE, update + 3, 2, 0, wire + n);
    ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
    ck_assert_uint_eq(used, n);
    both_end();

    both_start(); // data before the message is whole
    n = forge(0, TLS_CONTENT_HANDSHAKE, update, 2, 0, wire);
    n += forge(1, TLS_CONTENT_APPLICATION_DATA, data, 5, 0, wire + n);
    fails_with(n, TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

// --- goodbye -----------------------------------------------------------------------------------

START_TEST(close_notify_is_the_last_word) {
    keys_make(_i);
    both_start();
    size_t n = (size_t)tls_records_seal(peer, data, 5, wire);
    n += tls_records_close_notify(peer, wire + n);
    ck_assert_int_eq(receive(n), TLS_OPEN_CLOSE_NOTIFY);
    ck_assert_uint_eq(opened, 5);
    ck_assert_uint_eq(used, n);
    memset(wire, 0xff, 100); // whatever follows is not looked at
    ck_assert_int_eq(receive(100), TLS_OPEN_CLOSE_NOTIFY);
    ck_assert_uint_eq(used + opened, 0);
    both_end();
}
END_TEST

START_TEST(a_closed_sender_answers_nothing) {
    uint8_t reply[TLS_REPLY_MAX_BYTES];
    keys_make(0);
    both_start();
    tls_records_close_notify(ours, reply);
    ck_assert_int_eq(receive(tls_records_key_update(peer, TLS_UPDATE_REQUESTED, wire)),
                     TLS_OPEN_MORE);
    ck_assert_uint_eq(tls_records_reply(ours, reply), 0);
    ck_assert_int_eq(tls_records_seal(ours, data, 5, wire), -EPIPE);
    size_t n = (size_t)tls_records_seal(peer, data, 5, wire);
    ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
    ck_assert_uint_eq(opened, 5);
    both_end();
}
END_TEST

START_TEST(nothing_follows_the_last_word) {
    uint8_t out[TLS_REPLY_MAX_BYTES];
    for (int fatal = 0; fatal <= 1; fatal++) {
        keys_make(_i);
        both_start();
        if (fatal) {
            ck_assert_int_eq(receive(forge(0, 99, "", 0, 0, wire)), TLS_OPEN_FATAL);
            ck_assert_uint_gt(tls_records_reply(ours, out), 0);
        } else {
            ck_assert_uint_gt(tls_records_close_notify(ours, out), 0);
        }
        ck_assert_uint_eq(tls_records_close_notify(ours, out), 0);
        ck_assert_uint_eq(tls_records_key_update(ours, TLS_UPDATE_REQUESTED, out), 0);
        ck_assert_uint_eq(tls_records_reply(ours, out), 0);
        ck_assert_int_eq(tls_records_seal(ours, data, 1, wire), -EPIPE);
        both_end();
    }
}
END_TEST

// Where the kernel seals, ours opens and says in the clear what is to be answered.
START_TEST(one_that_receives_only_seals_nothing) {
    uint8_t content, reply[TLS_REPLY_MAX_BYTES];
    keys_make(_i);
    both_start();
    tls_records_free(ours);
    ours = tls_records_new_receiving(&keys);
    size_t n = (size_t)tls_records_seal(peer, data, 1000, wire);
    ck_assert_int_eq(receive(n), TLS_OPEN_MORE);
    ck_assert_uint_eq(opened, 1000);
    ck_assert_int_eq(tls_records_seal(ours, data, 10, wire), -EPIPE);
    ck_assert_uint_eq(tls_records_close_notify(ours, wire), 0);

    n = tls_records_key_update(peer, TLS_UPDATE_REQUESTED, wire);
    if (n > 0) {
        ck_assert_int_eq(receive(n), TLS_OPEN_REPLY);
        ck_assert_uint_eq(tls_records_reply_plain(ours, &content, reply), TLS_KEY_UPDATE_BYTES);
        ck_assert_uint_eq(content, TLS_CONTENT_HANDSHAKE);
    }
    n = (size_t)tls_records_seal(peer, data, 10, wire);
    wire[n - 1] ^= 1;
    ck_assert_int_eq(receive(n), TLS_OPEN_FATAL);
    ck_assert_uint_eq(tls_records_reply_plain(ours, &content, reply), 2);
    ck_assert_uint_eq(content, TLS_CONTENT_ALERT);
    ck_assert_uint_eq(reply[1], TLS_ALERT_BAD_RECORD_MAC);
    ck_assert_uint_eq(tls_records_reply_plain(ours, &content, reply), 0);
    both_end();
}
END_TEST

START_TEST(memory_is_what_it_says) {
    ck_assert_uint_le(tls_records_size(TLS_CHACHA20_POLY1305), 512);
    ck_assert_uint_le(tls_records_size(TLS_AES_256_GCM), 3072);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: record");
    TCase *good = tcase_create("good"), *bad = tcase_create("bad"), *key = tcase_create("keys");
    tls_library_init();
    tcase_add_loop_test(good, data_goes_both_ways_at_every_size, 0, SUITE_COUNT);
    tcase_add_loop_test(good, a_record_may_be_opened_at_every_cut, 0, SUITE_COUNT);
    tcase_add_loop_test(good, records_opened_in_place_lie_together, 0, SUITE_COUNT);
    tcase_add_loop_test(good, too_little_room_is_told_and_nothing_lost, 0, SUITE_COUNT);
    tcase_add_loop_test(good, padding_is_taken_off, 0, MODERN_COUNT);
    tcase_add_loop_test(good, close_notify_is_the_last_word, 0, SUITE_COUNT);
    tcase_add_test(good, a_closed_sender_answers_nothing);
    tcase_add_loop_test(good, nothing_follows_the_last_word, 0, MODERN_COUNT);
    tcase_add_test(good, memory_is_what_it_says);
    tcase_add_loop_test(good, one_that_receives_only_seals_nothing, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, any_damaged_byte_is_noticed, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, a_record_sent_twice_is_refused, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, a_record_over_the_limit_is_refused_by_its_header, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, plaintext_over_the_limit_is_refused, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, a_record_without_room_for_a_tag_is_refused, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, nothing_but_padding_is_refused, 0, MODERN_COUNT);
    tcase_add_loop_test(bad, plain_records_are_refused, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, change_cipher_spec_comes_too_late, 0, SUITE_COUNT);
    tcase_add_loop_test(bad, empty_records_are_skipped_but_not_for_ever, 0, SUITE_COUNT);
    tcase_add_loop_test(key, key_updates_are_followed_and_answered, 0, MODERN_COUNT);
    tcase_add_loop_test(key, key_updates_without_data_are_bounded, 0, MODERN_COUNT);
    tcase_add_loop_test(key, a_key_is_changed_before_it_is_used_up, 0, SUITE_COUNT);
    tcase_add_test(key, a_key_that_cannot_be_changed_ends_the_connection);
    tcase_add_loop_test(key, a_key_update_may_be_cut_but_not_mixed, 0, MODERN_COUNT);
    suite_add_tcase(suite, good);
    suite_add_tcase(suite, bad);
    suite_add_tcase(suite, key);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
