// SPDX-License-Identifier: Apache-2.0
//
// Heads that pass, and what was understood: each is fed in every way it can be cut, with bytes of
// the next message behind it.
#include "tests/unit/ws/feeding.h"

#define HOST "Host: a.example\r\n"
#define LABEL_63 "label-of-sixty-three-bytes-which-is-the-most-that-dns-will-have"
#define NEXT "GET /next HTTP/1.1\r\n"

struct good {
    const char *input;
    const char *expected; // see describe_request and describe_response
};

static const char *framing_name(enum body_framing framing) {
    static const char *const names[] = {"none", "length", "chunked", "close"};
    return names[framing];
}

static const char *describe_request(const struct head *head) {
    static char text[1024];
    snprintf(text, sizeof text, "%.*s path=%.*s query=%s%.*s host=%.*s port=%u 1.%u %s %llu%s%s%s",
             STR_ARG(head->method_name), STR_ARG(head->path), head->has_query ? "?" : "",
             STR_ARG(head->query), STR_ARG(head->host), head->port, head->minor,
             framing_name(head->framing), (unsigned long long)head->content_length,
             head->keep_alive ? " keep" : "", head->expect_continue ? " expect" : "",
             head->upgrade_websocket ? " websocket" : "");
    return text;
}

static const char *describe_response(const struct head *head) {
    static char text[1024];
    snprintf(text, sizeof text, "%u '%.*s' 1.%u %s %llu%s", head->status, STR_ARG(head->reason),
             head->minor, framing_name(head->framing), (unsigned long long)head->content_length,
             head->keep_alive ? " keep" : "");
    return text;
}

static const struct good requests[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET path=/ query= host=a.example port=0 1.1 none 0 keep"},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/ query= host=a.example port=0 1.1 none 0 keep"},
    {"GET /a%20b//../c?x=1&y=?z HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/a%20b//../c query=?x=1&y=?z host=a.example port=0 1.1 none 0 keep"},
    {"GET /? HTTP/1.1\r\n" HOST "\r\n", "GET path=/ query=? host=a.example port=0 1.1 none 0 keep"},
    {"GET /{}|\"<>^`\\ HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/{}|\"<>^`\\ query= host=a.example port=0 1.1 none 0 keep"},

    // Host: the form that is compared, whatever was sent.
    {"GET / HTTP/1.1\r\nhost:\t A.Example.:8443 \t\r\n\r\n",
     "GET path=/ query= host=a.example port=8443 1.1 none 0 keep"},
    {"GET / HTTP/1.1\r\nHost: chat_server:\r\n\r\n",
     "GET path=/ query= host=chat_server port=0 1.1 none 0 keep"},
    {"GET / HTTP/1.1\r\nHost: [0:0::1]:80\r\n\r\n",
     "GET path=/ query= host=[::1] port=80 1.1 none 0 keep"},
    {"GET / HTTP/1.1\r\nHost: " LABEL_63 "." LABEL_63 "\r\n\r\n",
     "GET path=/ query= host=" LABEL_63 "." LABEL_63 " port=0 1.1 none 0 keep"},
    {"GET / HTTP/1.1\r\nHost: [::]\r\n\r\n", "GET path=/ query= host=[::] port=0 1.1 none 0 keep"},
    {"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
     "GET path=/ query= host=127.0.0.1 port=0 1.1 none 0 keep"},

    // The other forms of a target (RFC 9112 §3.2).
    {"GET http://B.example:81/p?q HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/p query=?q host=b.example port=81 1.1 none 0 keep"},
    {"GET HTTPS://b.example HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/ query= host=b.example port=0 1.1 none 0 keep"},
    {"GET http://b.example?q HTTP/1.1\r\n" HOST "\r\n",
     "GET path=/ query=?q host=b.example port=0 1.1 none 0 keep"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "OPTIONS path=* query= host=a.example port=0 1.1 none 0 keep"},
    {"OPTIONS http://b.example HTTP/1.1\r\n" HOST "\r\n",
     "OPTIONS path=* query= host=b.example port=0 1.1 none 0 keep"},

    // Framing.
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.1 length 0 keep"},
    {"POST / HTTP/1.1\r\n" HOST "CONTENT-LENGTH:9223372036854775807\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.1 length 9223372036854775807 keep"},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n",
     "GET path=/ query= host=a.example port=0 1.1 length 7 keep"},
    {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked \r\n\r\n",
     "PUT path=/ query= host=a.example port=0 1.1 chunked 0 keep"},
    // The name alone decides: CGI's spelling is another field.
    {"POST / HTTP/1.1\r\n" HOST "Content_Length: 7\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.1 none 0 keep"},

    // Persistence (RFC 9112 §9.3).
    {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n",
     "GET path=/ query= host=a.example port=0 1.1 none 0"},
    {"GET / HTTP/1.0\r\n\r\n", "GET path=/ query= host= port=0 1.0 none 0"},
    {"GET / HTTP/1.0\r\n" HOST "Connection: Keep-Alive\r\n\r\n",
     "GET path=/ query= host=a.example port=0 1.0 none 0 keep"},
    {"GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n",
     "GET path=/ query= host=a.example port=0 1.0 none 0"},

    // Expectations matter only with a body, and not in HTTP/1.0 (RFC 9110 §10.1.1).
    {"POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.1 length 1 keep expect"},
    {"POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.1 length 0 keep"},
    {"POST / HTTP/1.0\r\n" HOST "Expect: something\r\nContent-Length: 1\r\n\r\n",
     "POST path=/ query= host=a.example port=0 1.0 length 1"},

    {"GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nUpgrade: , WebSocket/1, WebSocket\r\n\r\n",
     "GET path=/ query= host=a.example port=0 1.1 none 0 keep websocket"},
    {"M-SEARCH / HTTP/1.1\r\n" HOST "\r\n",
     "M-SEARCH path=/ query= host=a.example port=0 1.1 none 0 keep"},
};

static const struct good responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 'OK' 1.1 length 5 keep"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 'OK' 1.1 chunked 0 keep"},
    {"HTTP/1.1 200 OK\r\n\r\n", "200 'OK' 1.1 close 0"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 'OK' 1.0 length 5"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
     "200 'OK' 1.0 length 5 keep"},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 'No Content' 1.1 none 5 keep"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "304 'Not Modified' 1.1 none 5 keep"},
    {"HTTP/1.1 100 Continue\r\n\r\n", "100 'Continue' 1.1 none 0 keep"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
     "101 'Switching Protocols' 1.1 none 0"},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 '' 1.1 length 0 keep"},
    {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 '' 1.1 length 0 keep"},
    {"HTTP/1.1 404 \xc3\x9c"
     "ber - weg\t!\r\nContent-Length: 0\r\n\r\n",
     "404 '\xc3\x9c"
     "ber - weg\t!' 1.1 length 0 keep"},
    {"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", "999 'Denied' 1.1 length 0 keep"},
};

static void check_good(const struct good *good, enum head_kind kind) {
    char text[1024];
    size_t size = strlen(good->input);
    struct str input = {text, (size_t)snprintf(text, sizeof text, "%s" NEXT, good->input)};
    for (size_t way = 0; way < cuts_count(input.len); way++) {
        struct head head;
        size_t used;
        if (kind == HEAD_REQUEST)
            head_request_init(&head, 32768);
        else
            head_response_init(&head, 32768, METHOD_GET);
        ck_assert(head_is_empty(&head));
        enum head_verdict verdict = feed_head(&head, input, cuts_at(way, input.len), &used);
        ck_assert_msg(verdict == HEAD_DONE, "%s, cut %zu: %s", head.why ? head.why : "not complete",
                      way, good->input);
        ck_assert_uint_eq(used, size);
        const char *seen =
            kind == HEAD_REQUEST ? describe_request(&head) : describe_response(&head);
        ck_assert_str_eq(seen, good->expected);
        head_free(&head);
    }
}

START_TEST(requests_are_understood) {
    check_good(&requests[_i], HEAD_REQUEST);
}
END_TEST

START_TEST(responses_are_understood) {
    check_good(&responses[_i], HEAD_RESPONSE);
}
END_TEST

START_TEST(response_to_head_has_no_body) {
    struct head head;
    read_response(&head, METHOD_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_int_eq(head.framing, BODY_NONE);
    head_free(&head);
    read_response(&head, METHOD_HEAD, "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(head.framing, BODY_NONE);
    ck_assert(head.keep_alive);
    head_free(&head);
}
END_TEST

START_TEST(fields_are_found_and_trimmed) {
    struct head head;
    read_request(&head, "GET / HTTP/1.1\r\n" HOST "A: \t one two\t \r\nEmpty:\r\nBlank: \t \r\n"
                        "a:three\r\nObs: \xff\r\nConnection: Foo , bar\r\n\r\n");
    ck_assert(str_eq(head_find(&head, STR("a"))->value, STR("one two")));
    ck_assert(str_eq(head_find(&head, STR("EMPTY"))->value, STR("")));
    ck_assert(str_eq(head_find(&head, STR("Blank"))->value, STR("")));
    ck_assert(str_eq(head_find(&head, STR("Obs"))->value, STR("\xff")));
    ck_assert_ptr_null(head_find(&head, STR("B")));
    ck_assert_uint_eq(head_count(&head, STR("A")), 2);
    ck_assert(head_has_option(&head, STR("foo")) && head_has_option(&head, STR("BAR")));
    ck_assert(!head_has_option(&head, STR("fo")));
    head_free(&head);
}
END_TEST

// Everything parsed moves along when the bytes move to a larger buffer.
START_TEST(long_heads_move) {
    static char text[20000];
    size_t at =
        (size_t)sprintf(text, "GET /%0900d?q HTTP/1.1\r\n" HOST "Connection: one, two\r\n", 1);
    for (int i = 0; i < 100; i++)
        at += (size_t)sprintf(text + at, "Name-%d: %0150d\r\n", i, i);
    at += (size_t)sprintf(text + at, "\r\n");
    struct cuts ways[] = {{at, at}, {1, 1}, {1000, 1000}, {1023, 1}};
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        struct head head;
        size_t used;
        head_request_init(&head, sizeof text);
        ck_assert_int_eq(feed_head(&head, (struct str){text, at}, ways[way], &used), HEAD_DONE);
        ck_assert_uint_eq(head.path.len, 901);
        ck_assert(str_eq(head.query, STR("q")));
        ck_assert(str_eq(head.authority, STR("a.example")));
        ck_assert(head_has_option(&head, STR("one")) && head_has_option(&head, STR("two")));
        for (int i = 0; i < 100; i++) {
            char name[16], value[160];
            snprintf(name, sizeof name, "name-%d", i);
            snprintf(value, sizeof value, "%0150d", i);
            const struct head_field *field = head_find(&head, str_from(name));
            ck_assert(field && str_eq(field->value, str_from(value)));
        }
        head_free(&head);
    }
}
END_TEST

START_TEST(lists_are_split) {
    static const char *const expected[] = {"a", "b;q=\"x,y\\\",z\"", "c d", "\"open, end"};
    struct str rest = STR(" ,a,, \t,b;q=\"x,y\\\",z\" ,c d,\"open, end"), member;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ck_assert(head_list_next(&rest, &member));
        ck_assert_msg(str_eq(member, str_from(expected[i])), "%.*s", STR_ARG(member));
    }
    ck_assert(!head_list_next(&rest, &member));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head");
    TCase *tests = tcase_create("heads that pass");
    tcase_add_loop_test(tests, requests_are_understood, 0, sizeof requests / sizeof *requests);
    tcase_add_loop_test(tests, responses_are_understood, 0, sizeof responses / sizeof *responses);
    tcase_add_test(tests, response_to_head_has_no_body);
    tcase_add_test(tests, fields_are_found_and_trimmed);
    tcase_add_test(tests, long_heads_move);
    tcase_add_test(tests, lists_are_split);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
