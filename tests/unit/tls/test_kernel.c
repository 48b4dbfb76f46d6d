// SPDX-License-Identifier: Apache-2.0
//
// Kernel TLS against our own record layer: what one seals the other opens, in both directions,
// under every suite the kernel takes. Skipped (77) where the kernel has no TLS; what does not need
// it runs in any case.
#include "tls/kernel.h"

#include "tls/library.h"
#include "tls/record.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tls_kernel kernel;

// --- a connection whose one end is the kernel's, whose other is ours --------------------------

static struct tls_keys keys;        // as the server has them
static struct tls_records *client;  // the other end's record layer
static struct tls_offload *offload; // of the server's end
static int server_fd, client_fd;
static uint8_t unopened[2 * TLS_RECORD_MAX_BYTES]; // received by the client
static size_t unopened_size;

static void pair_open(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    client_fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client_fd, (struct sockaddr *)&address, sizeof address), 0);
    server_fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(server_fd, 0);
    close(listener);
}

static void keys_make(enum tls_version version, enum tls_cipher cipher) {
    memset(&keys, 0, sizeof keys);
    keys.version = version;
    keys.cipher = cipher;
    keys.key_size_bytes = cipher == TLS_AES_128_GCM ? 16 : 32;
    keys.secret_size_bytes = version == TLS_VERSION_1_2 ? 0 : cipher == TLS_AES_256_GCM ? 48 : 32;
    struct tls_traffic_keys *directions[] = {&keys.rx, &keys.tx};
    bool salted = version == TLS_VERSION_1_2 && cipher != TLS_CHACHA20_POLY1305;
    for (int i = 0; i < 2; i++) {
        memset(directions[i]->key, 17 + i, sizeof directions[i]->key);
        memset(directions[i]->iv, 34 + i, salted ? 4 : TLS_IV_BYTES);
        memset(directions[i]->secret, 51 + i, sizeof directions[i]->secret);
        directions[i]->sequence = version == TLS_VERSION_1_2 ? 1 : 2 + (uint64_t)i;
        directions[i]->explicit_nonce = 1000;
    }
}

static void connection_open(enum tls_version version, enum tls_cipher cipher) {
    pair_open();
    keys_make(version, cipher);
    unopened_size = 0;
    struct tls_keys mirrored = keys;
    mirrored.rx = keys.tx;
    mirrored.tx = keys.rx;
    client = tls_records_new(&mirrored);
    ck_assert_ptr_nonnull(client);
    offload = tls_offload_new(NULL, server_fd, &kernel, &keys,
                              (struct tls_offload_wish){.tx = true, .rx = true});
    ck_assert_ptr_nonnull(offload);
}

static void connection_close(void) {
    tls_offload_free(offload);
    tls_records_free(client);
    close(server_fd);
    close(client_fd);
}

static void client_send(const void *bytes, size_t n) {
    uint8_t sealed[256];
    ssize_t size = tls_records_seal(client, bytes, n, sealed);
    ck_assert_int_eq(send(client_fd, sealed, (size_t)size, 0), size);
}

// What the server's end gets of one record, waiting for it.
static ssize_t server_receive(uint8_t *content, uint8_t *bytes, size_t size) {
    ssize_t n;
    for (int tries = 0;
         (n = ring_recv_record_now(NULL, server_fd, bytes, size, content)) == -EAGAIN; tries++) {
        ck_assert_int_lt(tries, 2000);
        usleep(1000);
    }
    return n;
}

// Opens what the client gets until a verdict other than MORE, or `wanted` bytes of data.
static enum tls_open_verdict client_receive(uint8_t *data, size_t wanted, size_t *got) {
    static uint8_t opened[TLS_RECORD_MAX_BYTES];
    size_t used, length;
    *got = 0;
    for (;;) {
        enum tls_open_verdict verdict = tls_records_open(client, unopened, unopened_size, &used,
                                                         opened, sizeof opened, &length);
        memcpy(data + *got, opened, length);
        *got += length;
        unopened_size -= used;
        memmove(unopened, unopened + used, unopened_size);
        if ((verdict != TLS_OPEN_MORE && verdict != TLS_OPEN_FULL) || *got >= wanted)
            return verdict;
        ssize_t n =
            recv(client_fd, unopened + unopened_size, TLS_RECORD_MAX_BYTES - unopened_size, 0);
        ck_assert_int_gt(n, 0);
        unopened_size += (size_t)n;
    }
}

// --- with a kernel ----------------------------------------------------------------------------

START_TEST(both_ends_understand_each_other) {
    enum tls_version version = _i / TLS_CIPHERS;
    enum tls_cipher cipher = _i % TLS_CIPHERS;
    uint8_t content, bytes[64];
    size_t got;
    connection_open(version, cipher);
    ck_assert(offload->rx);
    for (int turn = 0; turn < 3; turn++) {
        client_send("from the client", 15);
        ck_assert_int_eq(server_receive(&content, bytes, sizeof bytes), 15);
        ck_assert_uint_eq(content, TLS_CONTENT_APPLICATION_DATA);
        ck_assert_mem_eq(bytes, "from the client", 15);
        ck_assert_int_eq(send(server_fd, "from the kernel", 15, 0), 15);
        client_receive(bytes, 15, &got);
        ck_assert_uint_eq(got, 15);
        ck_assert_mem_eq(bytes, "from the kernel", 15);
    }
    connection_close();
}
END_TEST

START_TEST(close_notify_both_ways) {
    uint8_t content, bytes[64], alert[TLS_REPLY_MAX_BYTES];
    size_t got;
    connection_open(_i / TLS_CIPHERS, _i % TLS_CIPHERS);
    size_t size = tls_records_close_notify(client, alert);
    ck_assert_int_eq(send(client_fd, alert, size, 0), (int)size);
    ck_assert_int_eq(server_receive(&content, bytes, sizeof bytes), 2);
    ck_assert_uint_eq(content, TLS_CONTENT_ALERT);
    ck_assert_int_eq(tls_control_receive(&offload->control, content, bytes, 2),
                     TLS_CONTROL_CLOSE_NOTIFY);
    ck_assert_int_eq(tls_offload_close_notify(offload, NULL, server_fd), 0);
    ck_assert_int_eq(tls_offload_close_notify(offload, NULL, server_fd), 0); // once is enough
    ck_assert_int_eq(client_receive(bytes, 1, &got), TLS_OPEN_CLOSE_NOTIFY);
    connection_close();
}
END_TEST

START_TEST(an_empty_record_is_not_the_end) {
    uint8_t content, bytes[64];
    connection_open(TLS_VERSION_1_3, TLS_AES_128_GCM);
    client_send("", 0);
    client_send("data", 4);
    ssize_t n = server_receive(&content, bytes, sizeof bytes);
    if (n == 0) { // told or skipped, as the kernel likes
        ck_assert_uint_eq(content, TLS_CONTENT_APPLICATION_DATA);
        n = server_receive(&content, bytes, sizeof bytes);
    }
    ck_assert_int_eq(n, 4);
    shutdown(client_fd, SHUT_WR);
    ck_assert_int_eq(server_receive(&content, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(content, 0);
    connection_close();
}
END_TEST

START_TEST(a_record_without_room_is_kept) {
    static const uint8_t alert[] = {TLS_ALERT_WARNING, TLS_ALERT_NO_RENEGOTIATION};
    static uint8_t bytes[1 << 20];
    ssize_t n;
    size_t sent = 0, got;
    connection_open(TLS_VERSION_1_3, TLS_AES_128_GCM);
    while ((n = send(server_fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        sent += (size_t)n;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(
        tls_offload_send(offload, NULL, server_fd, TLS_CONTENT_ALERT, alert, sizeof alert),
        -EAGAIN);
    ck_assert_int_eq(tls_offload_close_notify(offload, NULL, server_fd), -EAGAIN);
    while (sent > 0) {
        ck_assert_int_ne(client_receive(bytes, 1, &got), TLS_OPEN_FATAL);
        sent -= got;
    }
    ck_assert_int_eq(tls_offload_flush(offload, NULL, server_fd), 0);
    ck_assert_int_eq(tls_offload_close_notify(offload, NULL, server_fd), 0);
    // TLS 1.3 knows no such warning: our own record layer refuses it.
    ck_assert_int_eq(client_receive(bytes, 1, &got), TLS_OPEN_FATAL);
    connection_close();
}
END_TEST

START_TEST(keys_are_replaced_or_refused) {
    uint8_t content, bytes[64], update[TLS_REPLY_MAX_BYTES];
    size_t got;
    connection_open(TLS_VERSION_1_3, _i);
    size_t size = tls_records_key_update(client, TLS_UPDATE_REQUESTED, update);
    ck_assert_int_eq(send(client_fd, update, size, 0), (int)size);
    client_send("new", 3);
    ck_assert_int_eq(server_receive(&content, bytes, sizeof bytes), TLS_KEY_UPDATE_BYTES);
    ck_assert_uint_eq(content, TLS_CONTENT_HANDSHAKE);
    ck_assert_int_eq(tls_control_receive(&offload->control, content, bytes, TLS_KEY_UPDATE_BYTES),
                     TLS_CONTROL_NEW_KEYS);
    if (!kernel.rekeys) {
        ck_assert_int_eq(tls_offload_next_rx_key(offload, NULL, server_fd), -ENOTSUP);
        ck_assert_int_eq(tls_offload_next_tx_key(offload, NULL, server_fd), -ENOTSUP);
        return connection_close();
    }
    ck_assert_int_eq(tls_offload_next_rx_key(offload, NULL, server_fd), 0);
    ck_assert_int_eq(server_receive(&content, bytes, sizeof bytes), 3);
    ck_assert_mem_eq(bytes, "new", 3);
    ck_assert_int_eq(tls_offload_next_tx_key(offload, NULL, server_fd), 0);
    ck_assert_int_eq(send(server_fd, "new as well", 11, 0), 11);
    client_receive(bytes, 11, &got);
    ck_assert_mem_eq(bytes, "new as well", 11);
    connection_close();
}
END_TEST

START_TEST(a_socket_with_fin_is_not_taken) {
    pair_open();
    keys_make(TLS_VERSION_1_3, TLS_AES_128_GCM);
    shutdown(client_fd, SHUT_WR);
    usleep(10000);
    ck_assert_ptr_null(tls_offload_new(NULL, server_fd, &kernel, &keys,
                                       (struct tls_offload_wish){.tx = true, .rx = true}));
    ck_assert_int_eq(send(server_fd, "plain", 5, 0), 5); // unharmed
    uint8_t bytes[8];
    ck_assert_int_eq(recv(client_fd, bytes, sizeof bytes, 0), 5);
    close(server_fd);
    close(client_fd);
}
END_TEST

START_TEST(sending_alone_leaves_receiving_as_it_was) {
    uint8_t bytes[64];
    pair_open();
    keys_make(TLS_VERSION_1_3, TLS_AES_128_GCM);
    offload =
        tls_offload_new(NULL, server_fd, &kernel, &keys, (struct tls_offload_wish){.tx = true});
    ck_assert_ptr_nonnull(offload);
    ck_assert(!offload->rx);
    ck_assert_int_eq(send(client_fd, "as it is", 8, 0), 8);
    ck_assert_int_eq(recv(server_fd, bytes, sizeof bytes, 0), 8);
    ck_assert_mem_eq(bytes, "as it is", 8);
    tls_offload_free(offload);
    close(server_fd);
    close(client_fd);
}
END_TEST

// --- without ----------------------------------------------------------------------------------

START_TEST(what_is_taken_is_said) {
    char text[TLS_KERNEL_TEXT_BYTES];
    struct tls_kernel some = {0};
    ck_assert_str_eq(tls_kernel_describe(&some, TLS_SEND, text), "nothing");
    some.takes[TLS_SEND][TLS_VERSION_1_2][TLS_AES_128_GCM] = true;
    some.takes[TLS_SEND][TLS_VERSION_1_3][TLS_AES_128_GCM] = true;
    some.takes[TLS_SEND][TLS_VERSION_1_3][TLS_AES_256_GCM] = true;
    some.takes[TLS_SEND][TLS_VERSION_1_2][TLS_CHACHA20_POLY1305] = true;
    ck_assert_str_eq(tls_kernel_describe(&some, TLS_SEND, text),
                     "AES-128-GCM, AES-256-GCM (TLS 1.3 only), ChaCha20-Poly1305 (TLS 1.2 only)");
    ck_assert_str_eq(tls_kernel_describe(&some, TLS_RECEIVE, text), "nothing");
}
END_TEST

START_TEST(what_is_not_wanted_or_taken_is_not_given) {
    const struct tls_kernel none = {0};
    pair_open();
    keys_make(TLS_VERSION_1_3, TLS_AES_128_GCM);
    ck_assert_ptr_null(tls_offload_new(NULL, server_fd, &none, &keys,
                                       (struct tls_offload_wish){.tx = true, .rx = true}));
    ck_assert_ptr_null(
        tls_offload_new(NULL, server_fd, &kernel, &keys, (struct tls_offload_wish){.rx = true}));
    close(server_fd);
    close(client_fd);
}
END_TEST

START_TEST(a_key_is_used_up_by_bytes) {
    const uint64_t max = UINT64_C(1) << 38;
    struct tls_offload some = {.cipher = TLS_AES_128_GCM, .control.version = TLS_VERSION_1_3};
    ck_assert(tls_offload_count(&some, 16384));
    ck_assert_uint_eq(some.tx_load_bytes, 16384 + 2 * 48);
    some.tx_load_bytes = max - 100;
    ck_assert(tls_offload_count(&some, 1));
    ck_assert(!tls_offload_count(&some, 100));
    some.cipher = TLS_CHACHA20_POLY1305; // has no need (RFC 8446 §5.5)
    ck_assert(tls_offload_count(&some, 100));
    some.cipher = TLS_AES_128_GCM;
    some.control.version = TLS_VERSION_1_2; // has no way
    ck_assert(tls_offload_count(&some, 100));
}
END_TEST

int main(void) {
    tls_library_init();
    tls_kernel_probe(&kernel);
    Suite *suite = suite_create("tls/kernel");
    TCase *any = tcase_create("any kernel");
    tcase_add_test(any, what_is_taken_is_said);
    tcase_add_test(any, what_is_not_wanted_or_taken_is_not_given);
    tcase_add_test(any, a_key_is_used_up_by_bytes);
    suite_add_tcase(suite, any);
    if (!kernel.why) {
        TCase *tls = tcase_create("a kernel with TLS");
        tcase_add_loop_test(tls, both_ends_understand_each_other, 0, TLS_VERSIONS * TLS_CIPHERS);
        tcase_add_loop_test(tls, close_notify_both_ways, 0, TLS_VERSIONS * TLS_CIPHERS);
        tcase_add_test(tls, an_empty_record_is_not_the_end);
        tcase_add_test(tls, a_record_without_room_is_kept);
        tcase_add_loop_test(tls, keys_are_replaced_or_refused, 0, TLS_CIPHERS);
        tcase_add_test(tls, a_socket_with_fin_is_not_taken);
        tcase_add_test(tls, sending_alone_leaves_receiving_as_it_was);
        suite_add_tcase(suite, tls);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    if (failed == 0 && kernel.why) {
        printf("skipped: the rest wants kernel TLS; this kernel: %s\n", kernel.why);
        return 77;
    }
    return failed;
}
