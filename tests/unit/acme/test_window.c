// SPDX-License-Identifier: Apache-2.0
//
// The names of certificates and the dates of windows (RFC 9773).
#include <check.h>
#include <string.h>

#include "acme/window.h"

START_TEST(a_certificate_has_the_name_of_the_rfc) {
    static const uint8_t issuer[] = {0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3,
                                     0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4};
    static const char long_one[400];
    struct acme_leaf leaf = {.issuer_key_id = {(const char *)issuer, sizeof issuer},
                             .serial_bytes = {0x87, 0x65, 0x43, 0x21},
                             .serial_size = 4};
    char id[ACME_CERTIFICATE_ID_BYTES];
    ck_assert(acme_certificate_id(&leaf, id));
    ck_assert_str_eq(id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    leaf.serial_bytes[0] = 0x07; // no zero byte is needed in front of it
    ck_assert(acme_certificate_id(&leaf, id));
    ck_assert_str_eq(id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.B2VDIQ");
    memset(leaf.serial_bytes, 0xff, ACME_LEAF_SERIAL_BYTES);
    leaf.serial_size = ACME_LEAF_SERIAL_BYTES;
    ck_assert(acme_certificate_id(&leaf, id));
    leaf.issuer_key_id = (struct str){long_one, 300};
    ck_assert(acme_certificate_id(&leaf, id));
    ck_assert_uint_eq(strlen(id), 400 + 1 + 28);
    leaf.issuer_key_id.len = sizeof long_one;
    ck_assert(!acme_certificate_id(&leaf, id));
    leaf.issuer_key_id = STR("");
    ck_assert(!acme_certificate_id(&leaf, id));
}
END_TEST

START_TEST(dates_are_read) {
    static const struct {
        const char *text;
        time_t when;
    } cases[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2025-01-02T04:00:00Z", 1735790400},
                 {"2025-01-02T04:00:00.123456789Z", 1735790400},
                 {"2025-01-02T04:00:00+00:00", 1735790400},
                 {"2025-01-02T06:30:00+02:30", 1735790400},
                 {"2025-01-01T23:00:00.5-05:00", 1735790400}};
    static const char *const bad[] = {"",
                                      "2025-01-02",
                                      "2025-01-02T04:00:00",
                                      "2025-13-02T04:00:00Z",
                                      "2025-01-02T04:00:00Zx",
                                      "2025-01-02T04:00:00+1",
                                      "2025-01-02T04:00:00+01:00x",
                                      "Thu, 02 Jan 2025 04:00:00 GMT"};
    time_t when;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(acme_date_read(cases[i].text, &when), "%s", cases[i].text);
        ck_assert_int_eq(when, cases[i].when);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!acme_date_read(bad[i], &when), "%s", bad[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: window");
    TCase *tcase = tcase_create("renewal information");
    tcase_add_test(tcase, a_certificate_has_the_name_of_the_rfc);
    tcase_add_test(tcase, dates_are_read);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
