// SPDX-License-Identifier: Apache-2.0
//
// URLs of targets, taken apart and refused.
#include "bench/target.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(urls_are_taken_apart) {
    static const struct {
        const char *url;
        enum target_security security;
        const char *host, *authority, *path;
        uint16_t port;
    } cases[] = {
        {"ws://a.example", TARGET_PLAIN, "a.example", "a.example", "/", 80},
        {"wss://a.example", TARGET_TLS, "a.example", "a.example", "/", 443},
        {"wss://a.example:8443/x/y?z=1", TARGET_TLS, "a.example", "a.example:8443", "/x/y?z=1",
         8443},
        {"ws://127.0.0.1?q", TARGET_PLAIN, "127.0.0.1", "127.0.0.1", "/?q", 80},
        {"wss://[::1]:8443/", TARGET_TLS, "::1", "[::1]:8443", "/", 8443},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target target;
        char why[200];
        ck_assert_msg(target_parse(&target, cases[i].url, why, sizeof why), "%s", cases[i].url);
        ck_assert_int_eq(target.security, cases[i].security);
        ck_assert_str_eq(target.host, cases[i].host);
        ck_assert_str_eq(target.authority, cases[i].authority);
        ck_assert_str_eq(target.path, cases[i].path);
        ck_assert_uint_eq(target.port, cases[i].port);
    }
}
END_TEST

START_TEST(a_path_may_have_the_number_of_the_client) {
    static const struct {
        const char *url, *path;
    } cases[] = {
        {"ws://a/x?y={n", "/x?y={n"},
        {"ws://a/{n}", "/4294967295"},
        {"ws://a/u/{n}?room={n}{n}&z", "/u/4294967295?room=42949672954294967295&z"},
    };
    struct target target;
    char why[200], path[TARGET_PATH_NUMBERED_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(target_parse(&target, cases[i].url, why, sizeof why));
        target_path_write(&target, UINT32_MAX, path);
        ck_assert_str_eq(path, cases[i].path);
    }
    char url[TARGET_PATH_MAX + 16] = "ws://a/";
    while (strlen(url) < sizeof "ws://a" - 1 + TARGET_PATH_MAX - 1 - 3)
        strcat(url, TARGET_NUMBER);
    ck_assert_msg(target_parse(&target, url, why, sizeof why), "%s", why);
    target_path_write(&target, UINT32_MAX, path);
    ck_assert_uint_eq(strlen(path), 1 + (strlen(target.path) - 1) / 3 * 10);
    ck_assert_uint_le(strlen(path) + 1, sizeof path);
}
END_TEST

START_TEST(what_is_no_target_is_refused) {
    static const char *const cases[] = {
        "",          "http://a",  "a.example",    "ws://",         "ws://:80",
        "ws://a:0",  "ws://a:b",  "ws://a:65536", "ws://u@a",      "ws://a/#f",
        "ws://a /x", "ws://[::1", "ws://[::1]x",  "ws://a:000080", "ws://a/\r\nX: y",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target target;
        char why[200] = "";
        ck_assert_msg(!target_parse(&target, cases[i], why, sizeof why), "%s", cases[i]);
        ck_assert_str_ne(why, "");
    }
}
END_TEST

START_TEST(loopback_and_literals_are_told) {
    struct target target;
    char why[200];
    ck_assert(target_parse(&target, "ws://127.0.0.9:1/", why, sizeof why));
    ck_assert(target_is_literal(&target));
    ck_assert(target_resolve(&target, why, sizeof why));
    ck_assert(target_is_loopback(&target));
    ck_assert(target_parse(&target, "ws://[::1]:1/", why, sizeof why));
    ck_assert(target_resolve(&target, why, sizeof why));
    ck_assert(!target_is_loopback(&target));
    ck_assert(target_parse(&target, "ws://localhost/", why, sizeof why));
    ck_assert(!target_is_literal(&target));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("target");
    TCase *tests = tcase_create("target");
    tcase_add_test(tests, urls_are_taken_apart);
    tcase_add_test(tests, a_path_may_have_the_number_of_the_client);
    tcase_add_test(tests, what_is_no_target_is_refused);
    tcase_add_test(tests, loopback_and_literals_are_told);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
