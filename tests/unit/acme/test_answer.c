// SPDX-License-Identifier: Apache-2.0
//
// HTTP answers as servers send them, whole and byte by byte, and those that are too much.
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/answer.h"
#include "acme/json.h"
#include "acme/url.h"

static const struct acme_request post = {.method = "POST", .url = "https://ca.example:14000/x"};
static const struct acme_request head = {.method = "HEAD", .url = "https://ca.example:14000/x"};

static int read_answer(const struct acme_request *request, const char *bytes, size_t n, size_t step,
                       struct acme_response *response) {
    struct acme_answer answer;
    int result = 0;
    *response = (struct acme_response){0};
    acme_answer_start(&answer, request, response);
    for (size_t i = 0; i < n && result == 0; i += step)
        result = acme_answer_feed(&answer, bytes + i, step < n - i ? step : n - i);
    return result == 0 && acme_answer_end(&answer) == 0 ? 1 : result;
}

START_TEST(fields_and_body_are_read_however_they_are_cut) {
    static const char text[] =
        "HTTP/1.1 201 Created\r\nLocation: /acct/1\r\nReplay-Nonce: abc\r\n"
        "Retry-After: 7\r\nLink: <https://ca.example/alt/1>;rel=\"alternate\"\r\n"
        "link: </alt/2> ; rel=\"alternate\"\r\nLink: </dir>;rel=\"index\"\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    for (size_t step = 1; step < sizeof text; step++) {
        struct acme_response response;
        ck_assert_int_eq(read_answer(&post, text, sizeof text - 1, step, &response), 1);
        ck_assert_uint_eq(response.status, 201);
        ck_assert_str_eq(response.location, "https://ca.example:14000/acct/1");
        ck_assert_str_eq(response.nonce, "abc");
        ck_assert_uint_eq(response.retry_after_s, 7);
        ck_assert_uint_eq(response.alternate_count, 2);
        ck_assert_str_eq(response.alternates[0], "https://ca.example/alt/1");
        ck_assert_str_eq(response.alternates[1], "https://ca.example:14000/alt/2");
        ck_assert_str_eq(response.body, "hello!");
        acme_response_free(&response);
    }
}
END_TEST

START_TEST(links_may_share_a_field) {
    static const char text[] = "HTTP/1.1 200 OK\r\nLink: </dir>;rel=\"index\", </alt/1>;"
                               "title=\"a, b\";rel=\"alternate\",</up>; rel=up, </alt/2>;"
                               "rel=alternate, <, >;rel=alternate, </alt/3\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct acme_response response;
    ck_assert_int_eq(read_answer(&post, text, sizeof text - 1, 1, &response), 1);
    ck_assert_uint_eq(response.alternate_count, 2);
    ck_assert_str_eq(response.alternates[0], "https://ca.example:14000/alt/1");
    ck_assert_str_eq(response.alternates[1], "https://ca.example:14000/alt/2");
    acme_response_free(&response);
}
END_TEST

START_TEST(fields_that_are_none_are_not_there) {
    static const struct {
        const char *field, *location, *nonce;
    } cases[] = {
        {"Location: /a\xffz", "", ""},       {"Location: http://ca.example/a", "", ""},
        {"Location: /a b", "", ""},          {"Location: /a \t", "https://ca.example:14000/a", ""},
        {"Replay-Nonce: a+b", "", ""},       {"Replay-Nonce: a\xffz", "", ""},
        {"Replay-Nonce: _a-b ", "", "_a-b"}, {"Link: <ftp://x>;rel=\"alternate\"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        struct acme_response response;
        int size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 0\r\n\r\n",
                            cases[i].field);
        ck_assert_int_eq(read_answer(&post, text, (size_t)size, 1, &response), 1);
        ck_assert_str_eq(response.location, cases[i].location);
        ck_assert_str_eq(response.nonce, cases[i].nonce);
        ck_assert_uint_eq(response.alternate_count, 0);
        acme_response_free(&response);
    }
}
END_TEST

START_TEST(other_forms_are_read) {
    static const struct {
        const char *text;
        int result;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 1, "hi"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 1, "hi"},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", 1, "to the end"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 1, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", 0, "cut"},
        {"HTTP/1.1 200 OK\r\nContent-Le", 0, NULL},
        {"SSH-2.0-OpenSSH\r\n", -EBADMSG, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", -EBADMSG, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct acme_response response;
        int result = read_answer(&post, cases[i].text, strlen(cases[i].text), 1000, &response);
        ck_assert_msg(result == cases[i].result, "%s: %d", cases[i].text, result);
        ck_assert_str_eq(response.body ? response.body : "", cases[i].body ? cases[i].body : "");
        acme_response_free(&response);
    }
}
END_TEST

START_TEST(a_head_has_no_body) {
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nReplay-Nonce: n\r\n\r\n";
    struct acme_response response;
    ck_assert_int_eq(read_answer(&head, text, strlen(text), 1000, &response), 1);
    ck_assert_str_eq(response.nonce, "n");
    acme_response_free(&response);
}
END_TEST

START_TEST(what_is_too_large_is_refused) {
    struct acme_response response;
    size_t size = ACME_ANSWER_BODY_BYTES_MAX + 100;
    char *text = malloc(size + 100);
    int start = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    memset(text + start, 'x', size);
    ck_assert_int_eq(read_answer(&post, text, (size_t)start + size, 4096, &response), -EMSGSIZE);
    acme_response_free(&response);
    start = sprintf(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + start, 'x', size);
    ck_assert_int_eq(read_answer(&post, text, (size_t)start + size, 4096, &response), -EMSGSIZE);
    acme_response_free(&response);
    free(text);
}
END_TEST

START_TEST(json_is_bounded) {
    char *deep = malloc(ACME_JSON_BYTES_MAX + 2);
    memset(deep, '[', ACME_JSON_BYTES_MAX + 1);
    memcpy(deep, "{\"a\":", 5);
    ck_assert_ptr_null(acme_json_read(deep, ACME_JSON_BYTES_MAX));
    memset(deep, ' ', ACME_JSON_BYTES_MAX + 1);
    memcpy(deep, "{}", 2);
    ck_assert_ptr_null(acme_json_read(deep, ACME_JSON_BYTES_MAX + 1));
    json_t *object = acme_json_read(deep, ACME_JSON_BYTES_MAX);
    ck_assert_ptr_nonnull(object);
    ck_assert_ptr_null(acme_json_text(object, "a"));
    json_decref(object);
    free(deep);
    static const char *const bad[] = {
        "", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_ptr_null(acme_json_read(bad[i], strlen(bad[i])));
}
END_TEST

START_TEST(urls_are_taken_apart) {
    struct acme_url url;
    ck_assert(acme_url_read("https://a.example:14000/dir?x=1#y", &url));
    ck_assert_str_eq(url.host, "a.example");
    ck_assert_uint_eq(url.port, 14000);
    ck_assert(str_eq(url.target, STR("/dir?x=1")) && str_eq(url.authority, STR("a.example:14000")));
    ck_assert(acme_url_read("https://[2001:db8::1]/", &url));
    ck_assert_str_eq(url.host, "2001:db8::1");
    ck_assert_uint_eq(url.port, 443);
    ck_assert(acme_url_read("https://a", &url) && str_eq(url.target, STR("/")));
    static const char *const bad[] = {
        "http://a/",        "https://",     "https:///x",   "https://a:0/",       "https://a:x/",
        "https://a:65536/", "https://u@a/", "https://a b/", "https://a/\r\nX: y", "",
        "https://a:/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!acme_url_read(bad[i], &url), "%s", bad[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: answer");
    TCase *tcase = tcase_create("answers");
    tcase_add_test(tcase, fields_and_body_are_read_however_they_are_cut);
    tcase_add_test(tcase, links_may_share_a_field);
    tcase_add_test(tcase, fields_that_are_none_are_not_there);
    tcase_add_test(tcase, other_forms_are_read);
    tcase_add_test(tcase, a_head_has_no_body);
    tcase_add_test(tcase, what_is_too_large_is_refused);
    tcase_add_test(tcase, json_is_bounded);
    tcase_add_test(tcase, urls_are_taken_apart);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
