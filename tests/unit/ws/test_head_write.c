// SPDX-License-Identifier: Apache-2.0
//
// Heads written on: what a backend and a client get to see of what the other side sent. What was
// written is read again, since a head that we would refuse must not leave us.
#include "ws/head_write.h"

#include <errno.h>

#include "tests/unit/ws/feeding.h"

#define HOST "Host: a.example\r\n"
#define ORIGIN                                                                                     \
    "X-Forwarded-For: 192.0.2.1\r\n"                                                               \
    "X-Forwarded-Proto: https\r\n"                                                                 \
    "X-Forwarded-Host: a.example\r\n"                                                              \
    "X-Real-IP: 192.0.2.1\r\n"                                                                     \
    "Via: 1.1 ringway\r\n"
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define OWN_DATE "Date: " DATE "\r\n"
#define VIA "Via: 1.1 ringway\r\n"

struct forwarded {
    struct head_forward forward;
    const char *request, *written;
};

#define PEER                                                                                       \
    .peer = {"192.0.2.1", 9}, .scheme = {"https", 5}, .default_host = {"default.example", 15}
#define UNTRUSTED                                                                                  \
    { PEER }
#define WITH(...)                                                                                  \
    { PEER, __VA_ARGS__ }

static const struct forwarded forwarded[] = {
    {UNTRUSTED, "GET /a?b HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n",
     "GET /a?b HTTP/1.1\r\n" HOST "Accept: */*\r\n" ORIGIN "\r\n"},
    {UNTRUSTED, "GET /? HTTP/1.1\r\nhost: \t a.example \r\nx:y\r\nE:\r\n\r\n",
     "GET /? HTTP/1.1\r\n" HOST "x: y\r\nE: \r\n" ORIGIN "\r\n"},

    // Prefixes.
    {WITH(.strip_bytes = 5), "GET /echo/chat?x HTTP/1.1\r\n" HOST "\r\n",
     "GET /chat?x HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.strip_bytes = 6), "GET /echo/chat?x HTTP/1.1\r\n" HOST "\r\n",
     "GET /chat?x HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.strip_bytes = 6), "GET /echo?x HTTP/1.1\r\n" HOST "\r\n",
     "GET /?x HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.strip_bytes = 6), "GET /echo/ HTTP/1.1\r\n" HOST "\r\n",
     "GET / HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.strip_bytes = 1), "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "OPTIONS * HTTP/1.1\r\n" HOST ORIGIN "\r\n"},

    // An authority in the target replaces Host (RFC 9112 §3.2.2).
    {UNTRUSTED, "GET http://a.example HTTP/1.1\r\nHost: other.example\r\n\r\n",
     "GET / HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {UNTRUSTED, "GET / HTTP/1.0\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: default.example\r\n"
     "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
     "X-Forwarded-Host: default.example\r\nX-Real-IP: 192.0.2.1\r\nVia: 1.0 ringway\r\n\r\n"},

    // One hop's fields stay on their hop (RFC 9110 §7.6.1).
    {UNTRUSTED,
     "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, x-own\r\nKeep-Alive: 5\r\nX-Own: 1\r\n"
     "TE: trailers\r\nTrailer: X\r\nProxy-Connection: close\r\nProxy-Authorization: a\r\n"
     "Upgrade: h2c\r\nHTTP2-Settings: a\r\nProxy: http://evil\r\nCookie: c\r\n\r\n",
     "GET / HTTP/1.1\r\n" HOST "Trailer: X\r\nCookie: c\r\n" ORIGIN "\r\n"},
    {WITH(.persistence = CONNECTION_CLOSE), "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     "GET / HTTP/1.1\r\n" HOST ORIGIN "Connection: close\r\n\r\n"},
    // Naming end-to-end fields there cannot remove what we set.
    {UNTRUSTED,
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
     "Connection: Host, Content-Length, X-Forwarded-For, Via\r\n\r\n",
     "POST / HTTP/1.1\r\n" HOST ORIGIN "Content-Length: 3\r\n\r\n"},

    // Framing.
    {UNTRUSTED, "POST / HTTP/1.1\r\n" HOST "Content-Length: 007\r\nExpect: 100-continue\r\n\r\n",
     "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n" ORIGIN "Content-Length: 7\r\n\r\n"},
    {UNTRUSTED, "POST / HTTP/1.1\r\n" HOST "transfer-encoding:CHUNKED\r\n\r\n",
     "POST / HTTP/1.1\r\n" HOST ORIGIN "Transfer-Encoding: chunked\r\n\r\n"},
    {UNTRUSTED,
     "POST / HTTP/1.1\r\n" HOST "Content_Length: 7\r\nTransfer_Encoding: chunked\r\n\r\n",
     "POST / HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {UNTRUSTED, "POST / HTTP/1.0\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
     "POST / HTTP/1.1\r\n" HOST "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
     "X-Forwarded-Host: a.example\r\nX-Real-IP: 192.0.2.1\r\nVia: 1.0 ringway\r\n"
     "Content-Length: 1\r\n\r\n"},

    // Where it came from: an untrusted peer cannot say, in any spelling.
    {UNTRUSTED,
     "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1\r\n"
     "x-forwarded-proto: gopher\r\nX-FORWARDED_HOST: evil\r\nX-Forwarded-Prefix: /x\r\n"
     "X-Real-IP: 1.1.1.1\r\nX_REAL_IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nVia: 1.1 evil\r\n\r\n",
     "GET / HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.trust = PEER_TRUSTED), "GET / HTTP/1.1\r\n" HOST "\r\n",
     "GET / HTTP/1.1\r\n" HOST ORIGIN "\r\n"},
    {WITH(.trust = PEER_TRUSTED),
     "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n"
     "X-Forwarded-For:\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: first.example\r\n"
     "X-Forwarded-Prefix: /x\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n"
     "Via: 1.1 edge\r\n\r\n",
     "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Proto: http\r\nX-Forwarded-Host: first.example\r\n"
     "X-Forwarded-Prefix: /x\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n"
     "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\r\n"
     "Via: 1.1 edge, 1.1 ringway\r\n\r\n"},

    {WITH(.purpose = PURPOSE_WEBSOCKET),
     "GET /ws HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
     "GET /ws HTTP/1.1\r\n" HOST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" ORIGIN
     "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
};

START_TEST(requests_are_written_anew) {
    const struct forwarded *f = &forwarded[_i];
    struct head head, again;
    char out[4096];
    read_request(&head, f->request);
    ssize_t size = head_write_request(&head, &f->forward, out, sizeof out - 1);
    ck_assert_int_gt(size, 0);
    out[size] = '\0';
    ck_assert_str_eq(out, f->written);
    read_request(&again, out);
    ck_assert_int_eq(again.framing, head.framing);
    ck_assert_uint_eq(again.content_length, head.content_length);
    head_free(&again);
    for (size_t capacity = 0; capacity < (size_t)size; capacity++)
        ck_assert_int_eq(head_write_request(&head, &f->forward, out, capacity), -ENOSPC);
    head_free(&head);
}
END_TEST

struct returned {
    enum head_method method;
    struct head_return back;
    const char *response, *written;
};

#define TO_1_1                                                                                     \
    {                                                                                              \
        .client_minor = 1, .date = { DATE, sizeof DATE - 1 }                                       \
    }
#define TO(...)                                                                                    \
    { .date = {DATE, sizeof DATE - 1}, __VA_ARGS__ }

static const struct returned returned[] = {
    {METHOD_GET, TO_1_1, "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 200 OK\r\nServer: s\r\n" OWN_DATE VIA "Content-Length: 5\r\n\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.1 200\r\ndate: today\r\nVia: 1.1 b\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 200 \r\ndate: today\r\nVia: 1.1 b\r\n" VIA "Content-Length: 0\r\n\r\n"},
    {METHOD_GET, TO_1_1,
     "HTTP/1.1 200 OK\r\nConnection: x-own, close\r\nX-Own: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n"
     "Proxy-Authenticate: b\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" OWN_DATE VIA
     "Content-Length: 0\r\n\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
     "HTTP/1.1 200 OK\r\nTrailer: X\r\n" OWN_DATE VIA "Transfer-Encoding: chunked\r\n\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.0 200 OK\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE "Via: 1.0 ringway\r\nConnection: close\r\n\r\n"},
    {METHOD_GET, TO(.client_minor = 1, .persistence = CONNECTION_CLOSE),
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE VIA "Content-Length: 5\r\nConnection: close\r\n\r\n"},
    // To HTTP/1.0.
    {METHOD_GET, TO(.client_minor = 0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE VIA "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n"},
    {METHOD_GET, TO(.client_minor = 0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE VIA "Connection: close\r\n\r\n"},
    // No body, but a length that tells of one (RFC 9110 §8.6).
    {METHOD_HEAD, TO_1_1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE VIA "Content-Length: 5\r\n\r\n"},
    {METHOD_HEAD, TO_1_1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" OWN_DATE VIA "\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 304 Not Modified\r\n" OWN_DATE VIA "Content-Length: 5\r\n\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 204 No Content\r\n" OWN_DATE VIA "\r\n"},
    // Interim responses, and the last one.
    {METHOD_GET, TO_1_1, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n" VIA "\r\n"},
    {METHOD_GET, TO_1_1, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
     "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" VIA "\r\n"},
    {METHOD_GET, TO(.client_minor = 1, .purpose = PURPOSE_WEBSOCKET),
     "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "
     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" VIA "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
    {METHOD_GET, TO_1_1,
     "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n" OWN_DATE VIA
     "Content-Length: 0\r\nConnection: Upgrade\r\n\r\n"},
};

START_TEST(responses_are_written_anew) {
    const struct returned *r = &returned[_i];
    struct head head, again;
    char out[4096];
    read_response(&head, r->method, r->response);
    ssize_t size = head_write_response(&head, &r->back, out, sizeof out - 1);
    ck_assert_int_gt(size, 0);
    out[size] = '\0';
    ck_assert_str_eq(out, r->written);
    read_response(&again, r->method, out);
    ck_assert_uint_eq(again.status, head.status);
    if (!head_return_closes(&head, &r->back))
        ck_assert_int_eq(again.framing, head.framing);
    else
        ck_assert(again.framing == BODY_UNTIL_CLOSE && !again.keep_alive);
    head_free(&again);
    for (size_t capacity = 0; capacity < (size_t)size; capacity++)
        ck_assert_int_eq(head_write_response(&head, &r->back, out, capacity), -ENOSPC);
    head_free(&head);
}
END_TEST

// The most that can be added still fits into what the header promises.
START_TEST(promised_room_is_enough) {
    static char text[16384], out[32768];
    char host[300] = "";
    for (int i = 0; i < 253; i++)
        host[i] = i % 50 == 49 ? '.' : 'h';
    size_t at = (size_t)sprintf(text, "GET http://%s:12345 HTTP/1.1\r\nHost:b\r\n", host);
    for (unsigned i = 1; i < HEAD_FIELDS_MAX; i++)
        at += (size_t)sprintf(text + at, "n:v\r\n");
    sprintf(text + at, "\r\n");
    struct head head;
    read_request(&head, text);
    struct head_forward forward = {.peer = STR("2001:db8:1111:2222:3333:4444:5555:6666"),
                                   .scheme = STR("https"),
                                   .purpose = PURPOSE_WEBSOCKET};
    size_t own = 2 * (forward.peer.len + forward.scheme.len);
    size_t room = strlen(text) + own + HEAD_WRITE_EXTRA_BYTES;
    ck_assert_int_gt(head_write_request(&head, &forward, out, room), 0);
    head_free(&head);
}
END_TEST

START_TEST(errors_are_written) {
    char out[HEAD_ERROR_BYTES_MAX + 1];
    struct head_reply reply = {.status = 400, .client_minor = 1, .date = STR(DATE)};
    out[head_write_error(&reply, out, sizeof out - 1)] = '\0';
    ck_assert_str_eq(out, "HTTP/1.1 400 Bad Request\r\n" OWN_DATE
                          "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 16\r\n"
                          "Connection: close\r\n\r\n400 Bad Request\n");
    reply.request_method = METHOD_HEAD;
    out[head_write_error(&reply, out, sizeof out - 1)] = '\0';
    ck_assert_ptr_nonnull(strstr(out, "Content-Length: 16\r\n"));
    ck_assert_ptr_null(strstr(out, "\r\n\r\n4"));
    ck_assert_int_eq(head_write_error(&reply, out, 100), -ENOSPC);
}
END_TEST

START_TEST(errors_say_what_helps) {
    static const struct {
        unsigned status;
        const char *line;
    } cases[] = {
        {405, "\r\nAllow: GET\r\n"},
        {426, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"},
        {503, "\r\nRetry-After: 7\r\n"},
        {502, "\r\n\r\n502 Bad Gateway\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[HEAD_ERROR_BYTES_MAX + 1];
        struct head_reply reply = {
            .status = cases[i].status, .client_minor = 1, .date = STR(DATE), .retry_after_s = 7};
        out[head_write_error(&reply, out, sizeof out - 1)] = '\0';
        ck_assert_msg(strstr(out, cases[i].line), "%s", out);
    }
}
END_TEST

// Every error fits where HEAD_ERROR_BYTES_MAX says, and we could read it ourselves.
START_TEST(errors_are_good_responses) {
    for (unsigned status = 400; status < 600; status++) {
        char out[HEAD_ERROR_BYTES_MAX + 1];
        struct head_reply reply = {
            .status = status, .date = STR(DATE), .retry_after_s = 4294967295u};
        ssize_t size = head_write_error(&reply, out, sizeof out - 1);
        ck_assert_int_gt(size, 0);
        out[size] = '\0';
        struct head head;
        read_response(&head, METHOD_GET, out);
        ck_assert_uint_eq(head.status, status);
        ck_assert_uint_eq(head.content_length, strlen(strstr(out, "\r\n\r\n") + 4));
        ck_assert(!head.keep_alive);
        head_free(&head);
    }
}
END_TEST

#define SOME "GET /p/q?x=1 HTTP/1.1\r\nHost: A.example:8080\r\n\r\n"

static const struct {
    const char *template, *request, *location; // NULL: refused
} redirects[] = {
    {"https://${host}${path}${query}", SOME, "https://a.example/p/q?x=1"},
    {"https://${host}:8443/", SOME, "https://a.example:8443/"},
    {"${scheme}://${host}:${port}/new", SOME, "http://a.example:8080/new"},
    {"http://x:${port}/", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http://x:80/"},
    {"https://${host}/${query}", "GET /? HTTP/1.1\r\nHost: [::1]\r\n\r\n", "https://[::1]/?"},
    {"/a$b$", SOME, "/a$b$"},
    {"${path}", "GET //evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n", "/evil.example/x"},
    {"${path}", "GET /\\evil.example HTTP/1.1\r\nHost: a\r\n\r\n", "/%5Cevil.example"},
    {"/x${path}${query}", "GET /<\">`?{|}^ HTTP/1.1\r\nHost: a\r\n\r\n",
     "/x/%3C%22%3E%60?%7B%7C%7D%5E"},
    {"https://h${path}", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "https://h/"},
    {"https://${host}/", "GET / HTTP/1.0\r\n\r\n", NULL},
    {"", SOME, NULL},
    {"https://${hots}/", SOME, NULL},
    {"https://${host", SOME, NULL},
    {"https://${}/", SOME, NULL},
    {"https://a/\r\nX: y", SOME, NULL},
    {"https://a/ b", SOME, NULL},
    {"https://\xc3\xbc/", SOME, NULL},
};

START_TEST(redirects_are_written) {
    char out[1024], expected[1024];
    struct head head;
    struct head_reply reply = {.status = 308, .client_minor = 1, .date = STR(DATE)};
    struct str template = str_from(redirects[_i].template);
    read_request(&head, redirects[_i].request);
    ssize_t size = head_write_redirect(&reply, template, STR("http"), &head, out, sizeof out - 1);
    head_free(&head);
    if (!redirects[_i].location) {
        ck_assert_int_eq(size, -EINVAL);
        return;
    }
    ck_assert(head_redirect_is_valid(template));
    ck_assert_int_gt(size, 0);
    out[size] = '\0';
    snprintf(expected, sizeof expected,
             "HTTP/1.1 308 Permanent Redirect\r\n" OWN_DATE
             "Location: %s\r\nContent-Length: 0\r\n\r\n",
             redirects[_i].location);
    ck_assert_str_eq(out, expected);
}
END_TEST

START_TEST(texts_are_written) {
    char out[512];
    struct head_reply reply = {.status = 200, .date = STR(DATE)};
    ssize_t size = head_write_respond(&reply, STR("text/plain"), STR("pong\n"), out, sizeof out);
    out[size] = '\0';
    ck_assert_str_eq(out, "HTTP/1.1 200 OK\r\n" OWN_DATE
                          "Content-Type: text/plain\r\nContent-Length: 5\r\n"
                          "Connection: keep-alive\r\n\r\npong\n");
    reply = (struct head_reply){.status = 204, .client_minor = 1};
    size = head_write_respond(&reply, STR(""), STR(""), out, sizeof out);
    out[size] = '\0';
    ck_assert_str_eq(out, "HTTP/1.1 204 No Content\r\n\r\n");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head_write");
    TCase *tests = tcase_create("heads written");
    tcase_add_loop_test(tests, requests_are_written_anew, 0, sizeof forwarded / sizeof *forwarded);
    tcase_add_loop_test(tests, responses_are_written_anew, 0, sizeof returned / sizeof *returned);
    tcase_add_test(tests, promised_room_is_enough);
    tcase_add_test(tests, errors_are_written);
    tcase_add_test(tests, errors_say_what_helps);
    tcase_add_test(tests, errors_are_good_responses);
    tcase_add_loop_test(tests, redirects_are_written, 0, sizeof redirects / sizeof *redirects);
    tcase_add_test(tests, texts_are_written);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
