// SPDX-License-Identifier: Apache-2.0
//
// The opening handshake, checked on both sides.
#include "ws/upgrade.h"

#include "tests/unit/ws/feeding.h"

#define START "GET /chat HTTP/1.1\r\nHost: a.example\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static const struct {
    const char *request;
    unsigned status;
    const char *why;
} requests[] = {
    {START UPGRADE KEY VERSION "\r\n", UPGRADE_OK, NULL},
    {START "upgrade: h2c, WebSocket\r\nCONNECTION: keep-alive, UPGRADE\r\n" KEY VERSION "\r\n",
     UPGRADE_OK, NULL},
    {START "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n" KEY VERSION
           "\r\n",
     UPGRADE_OK, NULL},
    {START UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n", UPGRADE_OK, NULL},
    {"POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 405,
     "WebSocket handshake: not GET"},
    {"GET / HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 400,
     "WebSocket handshake: HTTP/1.0"},
    {START "Connection: upgrade\r\n" KEY VERSION "\r\n", 400,
     "WebSocket handshake: no Upgrade: websocket"},
    {START "Upgrade: websocket\r\nConnection: keep-alive\r\n" KEY VERSION "\r\n", 400,
     "WebSocket handshake: no Connection: upgrade"},
    {START "Upgrade: websocket\r\n" KEY VERSION "\r\n", 400,
     "WebSocket handshake: no Connection: upgrade"},
    {START UPGRADE KEY VERSION "Content-Length: 1\r\n\r\n", 400,
     "WebSocket handshake: with a body"},
    {START UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n", 400,
     "WebSocket handshake: with a body"},
    {START UPGRADE KEY "\r\n", 426, "WebSocket handshake: version is not 13"},
    {START UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426,
     "WebSocket handshake: version is not 13"},
    {START UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n", 426,
     "WebSocket handshake: version is not 13"},
    {START UPGRADE KEY VERSION "Sec-WebSocket-Version: 8\r\n\r\n", 426,
     "WebSocket handshake: version is not 13"},
    {START UPGRADE VERSION "\r\n", 400, "WebSocket handshake: not one key of 16 bytes"},
    {START UPGRADE VERSION KEY KEY "\r\n", 400, "WebSocket handshake: not one key of 16 bytes"},
    {START UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n", 400,
     "WebSocket handshake: not one key of 16 bytes"},
    {START UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n", 400,
     "WebSocket handshake: not one key of 16 bytes"},
    {START UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n\r\n", 400,
     "WebSocket handshake: not one key of 16 bytes"},
    {START UPGRADE VERSION "Sec-WebSocket-Key: dGhl*HNhbXBsZSBub25jZQ==\r\n\r\n", 400,
     "WebSocket handshake: not one key of 16 bytes"},
};

START_TEST(requests_are_checked) {
    struct head head;
    const char *why = NULL;
    read_request(&head, requests[_i].request);
    ck_assert_uint_eq(upgrade_request_check(&head, &why), requests[_i].status);
    if (requests[_i].why)
        ck_assert_str_eq(why, requests[_i].why);
    head_free(&head);
}
END_TEST

// The example of RFC 6455 §1.3.
START_TEST(accept_answers_the_key) {
    char accept[UPGRADE_ACCEPT_BYTES + 1];
    upgrade_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: "
#define EXTENSIONS "Sec-WebSocket-Extensions: "

static const struct {
    const char *response;
    const char *why; // NULL: it passes
} responses[] = {
    {SWITCHING UPGRADE ACCEPT "\r\n", NULL},
    {SWITCHING "upgrade: WebSocket\r\nconnection: upgrade\r\n" ACCEPT "\r\n", NULL},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "superchat\r\n\r\n", NULL},
    {SWITCHING UPGRADE ACCEPT EXTENSIONS "permessage-deflate; a=\"x,y\", x-other\r\n\r\n", NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" UPGRADE ACCEPT "\r\n",
     "upstream's handshake: not 101"},
    {"HTTP/1.0 101 Switching\r\n" UPGRADE ACCEPT "\r\n", "upstream's handshake: HTTP/1.0"},
    {SWITCHING "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
     "upstream's handshake: no Upgrade: websocket"},
    {SWITCHING "Upgrade: websocket\r\n" ACCEPT "\r\n",
     "upstream's handshake: no Connection: upgrade"},
    {SWITCHING UPGRADE ACCEPT "Content-Length: 0\r\n\r\n", "upstream's handshake: with a body"},
    {SWITCHING UPGRADE ACCEPT "Transfer-Encoding: chunked\r\n\r\n",
     "upstream's handshake: with a body"},
    {SWITCHING UPGRADE "\r\n", "upstream's handshake: wrong Sec-WebSocket-Accept"},
    {SWITCHING UPGRADE ACCEPT ACCEPT "\r\n", "upstream's handshake: wrong Sec-WebSocket-Accept"},
    {SWITCHING UPGRADE "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     "upstream's handshake: wrong Sec-WebSocket-Accept"},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "other\r\n\r\n",
     "upstream's handshake: subprotocol not offered"},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "Chat\r\n\r\n",
     "upstream's handshake: subprotocol not offered"},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "chat, superchat\r\n\r\n",
     "upstream's handshake: subprotocol not offered"},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "\r\n\r\n", "upstream's handshake: subprotocol not offered"},
    {SWITCHING UPGRADE ACCEPT PROTOCOL "chat\r\n" PROTOCOL "superchat\r\n\r\n",
     "upstream's handshake: subprotocol not offered"},
    {SWITCHING UPGRADE ACCEPT EXTENSIONS "x-unknown\r\n\r\n",
     "upstream's handshake: extension not offered"},
    {SWITCHING UPGRADE ACCEPT EXTENSIONS "permessage-deflate\r\n" EXTENSIONS "x-unknown\r\n\r\n",
     "upstream's handshake: extension not offered"},
};

START_TEST(responses_are_checked) {
    struct head request, response;
    struct upgrade_offer offer;
    const char *why = NULL;
    read_request(&request, START UPGRADE KEY VERSION PROTOCOL
                 "chat, other-chat\r\n" PROTOCOL "superchat\r\n" EXTENSIONS
                 "permessage-deflate; client_max_window_bits, x-other;q\r\n\r\n");
    read_response(&response, METHOD_GET, responses[_i].response);
    upgrade_offer_init(&offer, &request);
    ck_assert_uint_eq(upgrade_response_check(&response, &offer, &why),
                      responses[_i].why ? 502 : UPGRADE_OK);
    if (responses[_i].why)
        ck_assert_str_eq(why, responses[_i].why);
    head_free(&request);
    head_free(&response);
}
END_TEST

START_TEST(nothing_offered_allows_nothing) {
    struct head request, response;
    struct upgrade_offer offer;
    const char *why;
    read_request(&request, START UPGRADE KEY VERSION "\r\n");
    read_response(&response, METHOD_GET, SWITCHING UPGRADE ACCEPT PROTOCOL "chat\r\n\r\n");
    upgrade_offer_init(&offer, &request);
    ck_assert_uint_eq(upgrade_response_check(&response, &offer, &why), 502);
    head_free(&request);
    head_free(&response);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("upgrade");
    TCase *tests = tcase_create("opening handshake");
    tcase_add_loop_test(tests, requests_are_checked, 0, sizeof requests / sizeof *requests);
    tcase_add_test(tests, accept_answers_the_key);
    tcase_add_loop_test(tests, responses_are_checked, 0, sizeof responses / sizeof *responses);
    tcase_add_test(tests, nothing_offered_allows_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
