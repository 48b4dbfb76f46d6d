// SPDX-License-Identifier: Apache-2.0
//
// Addresses to text, back, and in order.
#include "core/address.h"

#include <check.h>
#include <stdlib.h>

START_TEST(literals_are_read_and_written) {
    static const struct {
        const char *in;
        uint16_t port;
        const char *out; // NULL = no literal
    } cases[] = {
        {"127.0.0.1", 443, "127.0.0.1:443"},
        {"127.0.0.1", 0, "127.0.0.1"},
        {"::1", 443, "[::1]:443"},
        {"[::1]", 443, "[::1]:443"},
        {"2001:DB8:0:0::0:1", 0, "[2001:db8::1]"},
        {"::ffff:192.0.2.1", 80, "192.0.2.1:80"},
        {"fe80::1%1", 80, "[fe80::1%1]:80"},
        {"localhost", 80, NULL},
        {"127.0.0", 80, NULL},
        {"127.0.0.1:80", 80, NULL},
        {"01.2.3.4", 80, NULL},
        {"[::1", 80, NULL},
        {"[]", 80, NULL},
        {"", 80, NULL},
        {"fe80::1%nosuchdevice", 80, NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999", 80, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage address;
        socklen_t size_bytes = address_parse(str_from(cases[i].in), &address);
        ck_assert_msg((size_bytes != 0) == (cases[i].out != NULL), "%s", cases[i].in);
        if (size_bytes == 0)
            continue;
        ck_assert_uint_eq(size_bytes, address_size((struct sockaddr *)&address));
        address_set_port(&address, cases[i].port);
        char text[ADDRESS_TEXT_MAX];
        ck_assert_uint_eq(address_format((struct sockaddr *)&address, text), strlen(cases[i].out));
        ck_assert_str_eq(text, cases[i].out);
    }
}
END_TEST

START_TEST(other_families_are_unknown) {
    struct sockaddr local = {.sa_family = AF_UNIX};
    char text[ADDRESS_TEXT_MAX];
    struct in6_addr in6;
    address_format(&local, text);
    ck_assert_str_eq(text, "unknown");
    ck_assert_uint_eq(address_size(&local), 0);
    ck_assert(!address_to_in6(&local, &in6));
}
END_TEST

static int compare(const char *a_host, uint16_t a_port, const char *b_host, uint16_t b_port) {
    struct sockaddr_storage a, b;
    ck_assert_uint_ne(address_parse(str_from(a_host), &a), 0);
    ck_assert_uint_ne(address_parse(str_from(b_host), &b), 0);
    address_set_port(&a, a_port);
    address_set_port(&b, b_port);
    return address_compare((struct sockaddr *)&a, (struct sockaddr *)&b);
}

START_TEST(addresses_have_an_order) {
    ck_assert_int_eq(compare("10.0.0.1", 80, "10.0.0.1", 80), 0);
    ck_assert_int_lt(compare("10.0.0.1", 80, "10.0.0.2", 79), 0);
    ck_assert_int_lt(compare("9.0.0.1", 80, "10.0.0.1", 80), 0);
    ck_assert_int_lt(compare("10.0.0.1", 255, "10.0.0.1", 256), 0);
    ck_assert_int_gt(compare("::1", 80, "10.0.0.1", 80), 0);
    ck_assert_int_lt(compare("fe80::1%1", 80, "fe80::1%2", 1), 0);
}
END_TEST

START_TEST(loopback_is_for_this_machine) {
    static const struct {
        const char *host;
        bool loopback;
    } cases[] = {{"127.0.0.1", true},        {"127.9.9.9", true},        {"::1", true},
                 {"::ffff:127.0.0.1", true}, {"0.0.0.0", false},         {"::", false},
                 {"126.0.0.1", false},       {"::ffff:10.0.0.1", false}, {"fe80::1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_storage address;
        ck_assert_uint_ne(address_parse(str_from(cases[i].host), &address), 0);
        ck_assert_msg(address_is_loopback((struct sockaddr *)&address) == cases[i].loopback, "%s",
                      cases[i].host);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    ck_assert(!address_is_loopback(&local));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("address");
    tcase_add_test(tcase, literals_are_read_and_written);
    tcase_add_test(tcase, other_families_are_unknown);
    tcase_add_test(tcase, addresses_have_an_order);
    tcase_add_test(tcase, loopback_is_for_this_machine);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
