// SPDX-License-Identifier: Apache-2.0
//
// The opening handshake from both ends, with the example of RFC 6455 §1.3.
#include "bench/upgrade.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ASKED "Origin: https://a.example\r\nsec-websocket-protocol: chat, v2.chat\r\n"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// An answer that lacks nothing, up to further fields.
#define GOOD                                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: " ACCEPT "\r\n"

START_TEST(the_example_of_the_rfc_holds) {
    char key[UPGRADE_KEY_TEXT], accept[UPGRADE_ACCEPT_TEXT];
    upgrade_key_make(key, (const uint8_t *)"the sample nonce");
    ck_assert_str_eq(key, KEY);
    upgrade_accept_make(accept, str_from(key));
    ck_assert_str_eq(accept, ACCEPT);
}
END_TEST

START_TEST(our_request_is_accepted_however_it_is_cut) {
    char request[512], accept[UPGRADE_ACCEPT_TEXT];
    struct upgrade_result result;
    size_t n = upgrade_request_write(request, sizeof request, "h:9001", "/a?b", KEY, "A: b\r\n");
    ck_assert_uint_gt(n, 0);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(upgrade_request_check((struct str){request, cut}, accept, &result),
                         UPGRADE_WANTS_MORE);
    ck_assert_int_eq(upgrade_request_check((struct str){request, n}, accept, &result),
                     UPGRADE_DONE);
    ck_assert_str_eq(accept, ACCEPT);
    ck_assert_uint_eq(result.head_bytes, n);
    ck_assert_uint_eq(upgrade_request_write(request, n, "h:9001", "/a?b", KEY, "A: b\r\n"), 0);
}
END_TEST

START_TEST(answers_are_judged) {
    static const struct {
        const char *text;
        enum upgrade_verdict verdict;
        unsigned status;
    } cases[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
         "connection: keep-alive, Upgrade\r\nsec-websocket-accept:" ACCEPT " \r\n\r\n\x81",
         UPGRADE_DONE, 101},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
         UPGRADE_BROKEN, 101},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         UPGRADE_BROKEN, 101},
        {GOOD "Sec-WebSocket-Protocol: v2.chat\r\n\r\n\x81", UPGRADE_DONE, 101},
        {GOOD "Sec-WebSocket-Protocol: v3.chat\r\n\r\n", UPGRADE_BROKEN, 101},
        {GOOD "Sec-WebSocket-Protocol: chat, v2.chat\r\n\r\n", UPGRADE_BROKEN, 101},
        {GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", UPGRADE_BROKEN, 101},
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", UPGRADE_REFUSED, 502},
        {"HTTP/1.1 1o1 Switching\r\n\r\n", UPGRADE_BROKEN, 0},
        {"HTTP/1.0 200 ok\r\n\r\n", UPGRADE_REFUSED, 200},
        {"HTTP/1.0 101 Switching Protocols\r\n\r\n", UPGRADE_BROKEN, 101},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", UPGRADE_BROKEN, 0},
        {"HTTP/1.1 200 OK\r\n", UPGRADE_WANTS_MORE, 0},
        {"", UPGRADE_WANTS_MORE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upgrade_result result;
        ck_assert_msg(upgrade_response_check(str_from(cases[i].text), KEY, ASKED, &result) ==
                          cases[i].verdict,
                      "%s", cases[i].text);
        ck_assert_uint_eq(result.status, cases[i].status);
        if (cases[i].verdict == UPGRADE_DONE)
            ck_assert_uint_eq(result.head_bytes, strlen(cases[i].text) - 1);
    }
}
END_TEST

START_TEST(requests_are_judged) {
    static const struct {
        const char *text;
        enum upgrade_verdict verdict;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", UPGRADE_REFUSED},
        {"POST / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         UPGRADE_REFUSED},
        {"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         UPGRADE_REFUSED},
        {"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
         UPGRADE_BROKEN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char accept[UPGRADE_ACCEPT_TEXT];
        struct upgrade_result result;
        ck_assert_msg(upgrade_request_check(str_from(cases[i].text), accept, &result) ==
                          cases[i].verdict,
                      "%s", cases[i].text);
    }
}
END_TEST

START_TEST(an_endless_head_is_refused) {
    static char head[UPGRADE_HEAD_MAX];
    memset(head, 'a', sizeof head);
    struct upgrade_result result;
    ck_assert_int_eq(upgrade_response_check((struct str){head, sizeof head - 1}, KEY, "", &result),
                     UPGRADE_WANTS_MORE);
    ck_assert_int_eq(upgrade_response_check((struct str){head, sizeof head}, KEY, "", &result),
                     UPGRADE_BROKEN);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("upgrade");
    TCase *tests = tcase_create("upgrade");
    tcase_add_test(tests, the_example_of_the_rfc_holds);
    tcase_add_test(tests, our_request_is_accepted_however_it_is_cut);
    tcase_add_test(tests, answers_are_judged);
    tcase_add_test(tests, requests_are_judged);
    tcase_add_test(tests, an_endless_head_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
