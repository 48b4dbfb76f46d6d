// SPDX-License-Identifier: Apache-2.0
//
// Heads that must not pass: what smuggles requests, and what is merely broken. Each is fed in every
// way it can be cut, with the same status and the same reason every time.
#include "tests/unit/ws/feeding.h"

#define HOST "Host: a.example\r\n"
#define LABEL_63 "label-of-sixty-three-bytes-which-is-the-most-that-DNS-will-have"

struct refused {
    struct str input;
    unsigned status;
    const char *why;
};

#define IN(literal)                                                                                \
    { literal, sizeof(literal) - 1 }

// The input ends with the byte that shows the fault: it must be refused there, not earlier or
// later.
static const struct refused requests[] = {
    // Framing: two lengths for one body.
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
     "Content-Length with Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400,
     "Content-Length with Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6"), 400,
     "repeated Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5"), 400,
     "repeated Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 5,"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: +"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: -"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n"), 400, "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n"), 400,
     "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621"), 400,
     "malformed Content-Length"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n"), 501, "unknown transfer coding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n"), 501,
     "unknown transfer coding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n"), 501,
     "unknown transfer coding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked,"), 400,
     "Transfer-Encoding does not end with chunked"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: c"), 400,
     "repeated Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n"), 400,
     "malformed Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n"), 400,
     "malformed Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n"), 400,
     "malformed Transfer-Encoding"},
    {IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n"), 400, "malformed Transfer-Encoding"},
    {IN("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n"), 400,
     "Transfer-Encoding in HTTP/1.0"},

    // Line ends and bytes.
    {IN("GET / HTTP/1.1\n"), 400, "bare LF"},
    {IN("GET / HTTP/1.1\rH"), 400, "bare CR"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\n"), 400, "bare LF"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\rc"), 400, "bare CR"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\r\r"), 400, "bare CR"},
    {IN("GET / HTTP/1.1\r\n" HOST "\rG"), 400, "bare CR"},
    {IN("GET / HTTP/1.1\r\n" HOST "A\n"), 400, "bare LF"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\0"), 400, "NUL in a head"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\x01"), 400, "control character in a field"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\x7f"), 400, "control character in a field"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\x0b"), 400, "control character in a field"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\r\n "), 400, "folded line"},
    {IN("GET / HTTP/1.1\r\n" HOST "A: b\r\n\t"), 400, "folded line"},
    {IN("GET / HTTP/1.1\r\n "), 400, "folded line"},
    {IN("GET / HTTP/1.1\r\n" HOST "A "), 400, "space before the colon"},
    {IN("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding "), 400, "space before the colon"},
    {IN("GET / HTTP/1.1\r\n" HOST ":"), 400, "field without a name"},
    {IN("GET / HTTP/1.1\r\n" HOST "A\r"), 400, "field line without a colon"},
    {IN("GET / HTTP/1.1\r\n" HOST "A\x80"), 400, "bad character in a field name"},
    {IN("GET / HTTP/1.1\r\n" HOST "("), 400, "bad character in a field name"},
    {IN("\r\n\r"), 400, "empty line before a head"},
    {IN("\n"), 400, "bare LF"},
    {IN("\rG"), 400, "bare CR"},
    {IN(" "), 400, "bad character in the start line"},

    // The request line.
    {IN("GET /\r\n"), 505, "HTTP/0.9"},
    {IN("GET / HTTP/0.9\r\n"), 505, "not HTTP/1.0 or 1.1"},
    {IN("GET / HTTP/2.0\r\n"), 505, "not HTTP/1.0 or 1.1"},
    {IN("GET / HTTP/3.0"), 505, "not HTTP/1.0 or 1.1"},
    {IN("GET / HTTP/1.2"), 505, "not HTTP/1.0 or 1.1"},
    {IN("PRI * HTTP/2.0\r\n"), 505, "not HTTP/1.0 or 1.1"},
    {IN("GET / HTTP/1.x"), 400, "malformed HTTP version"},
    {IN("GET / HTTP/1.1 "), 400, "malformed HTTP version"},
    {IN("GET / HTTPS"), 400, "malformed start line"},
    {IN("GET / RTSP/1.0\r\n"), 400, "malformed start line"},
    {IN("GET  / HTTP/1.1\r\n"), 400, "malformed start line"},
    {IN("GET /  HTTP/1.1\r\n"), 400, "malformed start line"},
    {IN("GET /a b"), 400, "malformed start line"},
    {IN("G@"), 400, "malformed method"},
    {IN("GET x "), 400, "malformed target"},
    {IN("GET\t"), 400, "bad character in the start line"},
    {IN("GET /\xc3"), 400, "bad character in the start line"},
    {IN("GET /\0"), 400, "NUL in a head"},
    {IN("GET /\x7f"), 400, "bad character in the start line"},
    {IN("GET /#top HTTP/1.1\r\n"), 400, "fragment in the target"},
    {IN("GET * HTTP/1.1\r\n"), 400, "malformed target"},
    {IN("OPTIONS *x HTTP/1.1\r\n"), 400, "malformed target"},
    {IN("GET ftp://a.example/ HTTP/1.1\r\n"), 400, "malformed target"},
    {IN("GET http://u@a.example/ HTTP/1.1\r\n"), 400, "malformed host in the target"},
    {IN("GET http://a.example:x/ HTTP/1.1\r\n"), 400, "malformed host in the target"},
    {IN("CONNECT a.example:443 HTTP/1.1\r\n"), 501, "CONNECT"},
    {IN("TRACE / HTTP/1.1\r\n"), 501, "TRACE"},
    {IN("GETX"), 501, "unknown method"},
    {IN("g"), 501, "unknown method"},
    {IN("BR"), 501, "unknown method"},
    {IN("\x16"), 400, "TLS on a plain-text port"},

    // Host.
    {IN("GET / HTTP/1.1\r\n\r\n"), 400, "no Host"},
    {IN("GET http://a.example/ HTTP/1.1\r\n\r\n"), 400, "no Host"},
    {IN("GET / HTTP/1.1\r\n" HOST HOST), 400, "repeated Host"},
    {IN("GET / HTTP/1.1\r\nHost:\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: user@a.example\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a.example:\x31\x32x\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a.example:0\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a.example:65536\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a..example\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: .example\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: .\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: " LABEL_63 "l\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: " LABEL_63 "l.example\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: " LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".a\r\n"), 400,
     "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a/b\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: a%2eb\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: b\xc3\xbc"
        "cher\r\n"),
     400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: [::1\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: [::1]x\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: [::g]\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n"), 400, "malformed Host"},
    {IN("GET / HTTP/1.1\r\nHost: ::1\r\n"), 400, "malformed Host"},

    // Others.
    {IN("GET / HTTP/1.1\r\n" HOST "Connection: a b\r\n"), 400, "malformed Connection"},
    {IN("GET / HTTP/1.1\r\n" HOST "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n"), 400,
     "too many Connection options"},
    {IN("POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n"), 417, "unknown expectation"},
};

static const struct refused responses[] = {
    {IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 502,
     "Content-Length with Transfer-Encoding"},
    {IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2"), 502,
     "repeated Content-Length"},
    {IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1"), 502,
     "repeated Content-Length"},
    {IN("HTTP/1.1 200 OK\r\nContent-Length: -"), 502, "malformed Content-Length"},
    {IN("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n"), 502, "unknown transfer coding"},
    {IN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n"), 502,
     "malformed Transfer-Encoding"},
    {IN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"), 502, "Transfer-Encoding in HTTP/1.0"},
    {IN("HTTP/1.1 200 OK\n"), 502, "bare LF"},
    {IN("HTTP/1.1 200 OK\r\nA: b\rc"), 502, "bare CR"},
    {IN("HTTP/1.1 200 OK\r\nA: b\r\n "), 502, "folded line"},
    {IN("HTTP/1.1 200 OK\r\nA "), 502, "space before the colon"},
    {IN("HTTP/1.1 200 OK\r\nA: \0"), 502, "NUL in a head"},
    {IN("\r"), 502, "empty line before a head"},
    {IN("HTTP/1.1 200 \x01"), 502, "bad character in the start line"},
    {IN("HTTP/2.0 200 OK\r\n"), 502, "malformed status line"},
    {IN("HTTP/1.1 20 OK\r\n"), 502, "malformed status line"},
    {IN("HTTP/1.1 2000"), 502, "malformed start line"},
    {IN("HTTP/1.1 099 Low\r\n"), 502, "malformed status line"},
    {IN("HTTP/1.1  200 OK\r\n"), 502, "malformed status line"},
    {IN("I"), 502, "malformed start line"},
    {IN("S"), 502, "malformed start line"},
};

static void check_refused(const struct refused *refused, enum head_kind kind) {
    struct str input = refused->input;
    for (size_t way = 0; way < cuts_count(input.len); way++) {
        struct head head;
        size_t used;
        if (kind == HEAD_REQUEST)
            head_request_init(&head, 32768);
        else
            head_response_init(&head, 32768, METHOD_GET);
        enum head_verdict verdict = feed_head(&head, input, cuts_at(way, input.len), &used);
        ck_assert_msg(verdict == HEAD_BAD, "passed, cut %zu: %.*s", way, STR_ARG(input));
        ck_assert_msg(head.status == refused->status && strcmp(head.why, refused->why) == 0,
                      "%u %s, cut %zu: %.*s", head.status, head.why, way, STR_ARG(input));
        ck_assert_msg(used == input.len, "used %zu of %zu: %.*s", used, input.len, STR_ARG(input));
        head_free(&head);
    }
}

START_TEST(requests_are_refused) {
    check_refused(&requests[_i], HEAD_REQUEST);
}
END_TEST

START_TEST(responses_are_refused) {
    check_refused(&responses[_i], HEAD_RESPONSE);
}
END_TEST

static enum head_verdict read_of_size(size_t line_bytes, size_t field_bytes, size_t max_bytes,
                                      struct head *head) {
    static char text[8192];
    size_t used, at = 0;
    at += (size_t)snprintf(text, sizeof text, "GET /");
    memset(text + at, 'a', line_bytes);
    at += line_bytes;
    at += (size_t)snprintf(text + at, sizeof text - at, " HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + at, 'b', field_bytes);
    at += field_bytes;
    at += (size_t)snprintf(text + at, sizeof text - at, "\r\n\r\n");
    head_request_init(head, max_bytes);
    return feed_head(head, (struct str){text, at}, (struct cuts){at, at}, &used);
}

START_TEST(limit_counts_the_whole_head) {
    struct head head;
    size_t fixed = strlen("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
    ck_assert_int_eq(read_of_size(0, 1000 - fixed, 1000, &head), HEAD_DONE);
    head_free(&head);
    ck_assert_int_eq(read_of_size(0, 1001 - fixed, 1000, &head), HEAD_BAD);
    ck_assert_uint_eq(head.status, 431);
    head_free(&head);
    ck_assert_int_eq(read_of_size(1001, 0, 1000, &head), HEAD_BAD);
    ck_assert_uint_eq(head.status, 414);
    head_free(&head);
}
END_TEST

START_TEST(fields_are_counted) {
    static char text[8192];
    for (unsigned extra = HEAD_FIELDS_MAX - 1; extra <= HEAD_FIELDS_MAX; extra++) {
        struct head head;
        size_t used, at = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" HOST);
        for (unsigned i = 0; i < extra; i++)
            at += (size_t)sprintf(text + at, "X%u: y\r\n", i);
        at += (size_t)sprintf(text + at, "\r\n");
        bool fits = extra + 1 <= HEAD_FIELDS_MAX;
        head_request_init(&head, sizeof text);
        ck_assert_int_eq(feed_head(&head, (struct str){text, at}, (struct cuts){7, 7}, &used),
                         fits ? HEAD_DONE : HEAD_BAD);
        ck_assert_uint_eq(head.status, fits ? 0 : 431);
        head_free(&head);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head_refused");
    TCase *tests = tcase_create("heads that must not pass");
    int request_count = sizeof requests / sizeof *requests;
    tcase_add_loop_test(tests, requests_are_refused, 0, request_count);
    tcase_add_loop_test(tests, responses_are_refused, 0, sizeof responses / sizeof *responses);
    tcase_add_test(tests, limit_counts_the_whole_head);
    tcase_add_test(tests, fields_are_counted);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
