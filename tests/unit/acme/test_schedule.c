// SPDX-License-Identifier: Apache-2.0
//
// When: renewals within their part of the lifetime, attempts further and further apart.
#include <check.h>
#include <stdio.h>

#include "acme/schedule.h"

#define DAY ((time_t)24 * 3600)

START_TEST(renewal_is_after_two_thirds_less_a_little) {
    time_t from = 1000000, lowest = from + 90 * DAY, highest = 0;
    char seed[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(seed, sizeof seed, "s%d.example", i);
        time_t when = acme_schedule_renewal(from, from + 90 * DAY, seed);
        ck_assert_int_eq(when, acme_schedule_renewal(from, from + 90 * DAY, seed));
        lowest = when < lowest ? when : lowest;
        highest = when > highest ? when : highest;
    }
    ck_assert_int_ge(lowest, from + 60 * DAY - 90 * DAY / 20);
    ck_assert_int_le(highest, from + 60 * DAY);
    ck_assert_int_gt(highest - lowest, 4 * DAY); // they are spread over the whole part
}
END_TEST

START_TEST(short_lives_are_renewed_half_way) {
    time_t when = acme_schedule_renewal(0, 6 * DAY, "a");
    ck_assert_int_le(when, 3 * DAY);
    ck_assert_int_ge(when, 3 * DAY - 6 * DAY / 20);
    ck_assert_int_eq(acme_schedule_renewal(5, 5, "a"), 5);
    ck_assert_int_eq(acme_schedule_renewal(9, 5, "a"), 9);
}
END_TEST

START_TEST(failures_wait_longer_up_to_a_day) {
    time_t least[] = {45, 90, 180, 360};
    for (unsigned i = 1; i <= 4; i++) {
        time_t wait = acme_schedule_retry(1000, i, 0, "a") - 1000;
        ck_assert_int_ge(wait, least[i - 1]);
        ck_assert_int_le(wait, (time_t)60 << (i - 1));
    }
    for (unsigned i = 12; i < 1000; i++) {
        time_t wait = acme_schedule_retry(1000, i, 0, "a") - 1000;
        ck_assert_int_le(wait, DAY);
        ck_assert_int_ge(wait, DAY - DAY / 4);
    }
}
END_TEST

START_TEST(what_the_server_wants_is_kept_to) {
    ck_assert_int_eq(acme_schedule_retry(1000, 1, 7200, "a"), 1000 + 7200);
    ck_assert_int_gt(acme_schedule_retry(1000, 20, 7200, "a"), 1000 + 7200);
}
END_TEST

START_TEST(a_window_is_used_all_of_it) {
    time_t start = 1000000, end = start + 2 * DAY, lowest = end, highest = 0;
    char seed[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(seed, sizeof seed, "%08x", i * 7919);
        time_t when = acme_schedule_window(start, end, seed);
        ck_assert_int_eq(when, acme_schedule_window(start, end, seed));
        lowest = when < lowest ? when : lowest;
        highest = when > highest ? when : highest;
    }
    ck_assert_int_ge(lowest, start);
    ck_assert_int_lt(highest, end);
    ck_assert_int_gt(highest - lowest, DAY * 19 / 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: schedule");
    TCase *tcase = tcase_create("times");
    tcase_add_test(tcase, renewal_is_after_two_thirds_less_a_little);
    tcase_add_test(tcase, short_lives_are_renewed_half_way);
    tcase_add_test(tcase, failures_wait_longer_up_to_a_day);
    tcase_add_test(tcase, what_the_server_wants_is_kept_to);
    tcase_add_test(tcase, a_window_is_used_all_of_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
