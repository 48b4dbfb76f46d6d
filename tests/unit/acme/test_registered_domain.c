// SPDX-License-Identifier: Apache-2.0
//
// What limits are counted for, by the list of public suffixes.
#include <check.h>
#include <string.h>

#include "acme/registered_domain.h"

static void check_one(const char *name, const char *wanted) {
    json_t *list = acme_registered_domains(&name, 1);
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(json_string_value(json_array_get(list, 0)), wanted);
    json_decref(list);
}

START_TEST(domains_are_as_they_are_registered) {
    check_one("example.com", "example.com");
    check_one("a.b.c.example.com", "example.com");
    check_one("*.example.com", "example.com");
    check_one("www.example.co.uk", "example.co.uk");
    check_one("new.blog.example.co.uk", "example.co.uk");
    check_one("a.b.someone.github.io", "someone.github.io"); // a private suffix
    check_one("a.b.c.d.ck", "c.d.ck");                       // *.ck
    check_one("a.www.ck", "www.ck");                         // but not !www.ck
    check_one("a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn");       // as DNS has it
    check_one("a.b.of-no-list", "b.of-no-list");
}
END_TEST

START_TEST(suffixes_count_as_they_are) {
    check_one("github.io", "github.io");
    check_one("*.co.uk", "co.uk");
    check_one("localhost", "localhost");
}
END_TEST

START_TEST(addresses_count_for_themselves) {
    check_one("192.0.2.7", "192.0.2.7");
    check_one("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
    check_one("::1", "::/64");
}
END_TEST

START_TEST(each_is_there_once) {
    static const char *const names[] = {"example.com", "*.example.com", "a.example.org",
                                        "b.example.com", "example.org"};
    json_t *list = acme_registered_domains(names, 5);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(json_string_value(json_array_get(list, 0)), "example.com");
    ck_assert_str_eq(json_string_value(json_array_get(list, 1)), "example.org");
    json_decref(list);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: registered domain");
    TCase *tcase = tcase_create("domains");
    tcase_add_test(tcase, domains_are_as_they_are_registered);
    tcase_add_test(tcase, suffixes_count_as_they_are);
    tcase_add_test(tcase, addresses_count_for_themselves);
    tcase_add_test(tcase, each_is_there_once);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
