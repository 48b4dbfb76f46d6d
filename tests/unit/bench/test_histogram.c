// SPDX-License-Identifier: Apache-2.0
//
// Histograms: how exact they are, that they add up, and their ends.
#include "bench/histogram.h"
#include "bench/random.h"

#include <check.h>
#include <stdlib.h>

static struct histogram a, b, both;

static void clear(void) {
    a = b = both = (struct histogram){0};
}

START_TEST(every_value_is_known_to_a_64th) {
    for (unsigned shift = 0; shift < 41; shift++) {
        uint64_t values[] = {UINT64_C(1) << shift, (UINT64_C(1) << shift) + 1,
                             (UINT64_C(2) << shift) - 1, (UINT64_C(1) << shift) * 3 / 2};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            clear();
            histogram_add(&a, values[i]);
            histogram_add(&a, UINT64_C(1) << 41); // so that the maximum does not answer
            uint64_t found = histogram_quantile_ns(&a, 0.5);
            ck_assert_uint_ge(found, values[i]);
            ck_assert_uint_le(found - values[i], values[i] / 64);
        }
    }
}
END_TEST

START_TEST(buckets_follow_each_other_without_gap) {
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        ck_assert_uint_gt(histogram_bucket_ns(i), histogram_bucket_ns(i - 1));
        clear();
        histogram_add(&a, histogram_bucket_ns(i) - 1);
        histogram_add(&a, histogram_bucket_ns(i));
        ck_assert_uint_eq(a.buckets[i - 1], 1);
        ck_assert_uint_eq(a.buckets[i], 1);
    }
}
END_TEST

START_TEST(quantiles_count_ranks) {
    for (uint64_t value = 1; value <= 10; value++)
        histogram_add(&a, value);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0), 1);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.5), 5);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.9), 9);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.95), 10);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 1), 10);
    ck_assert_double_eq(histogram_mean_ns(&a), 5.5);
}
END_TEST

START_TEST(merging_equals_adding_to_one) {
    struct random random = {.state = 7};
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t value = random_next(&random) >> (random_next(&random) % 60);
        value %= UINT64_C(1) << 45;
        histogram_add(i % 3 ? &a : &b, value);
        histogram_add(&both, value);
    }
    histogram_merge(&a, &b);
    ck_assert_mem_eq(&a, &both, sizeof both);
}
END_TEST

START_TEST(the_ends_hold) {
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.5), 0);
    ck_assert_double_eq(histogram_mean_ns(&a), 0);
    histogram_add(&a, UINT64_MAX);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.5), UINT64_MAX);
    histogram_add(&a, 0);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0.5), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("histogram");
    TCase *tests = tcase_create("histogram");
    tcase_add_checked_fixture(tests, clear, NULL);
    tcase_add_test(tests, every_value_is_known_to_a_64th);
    tcase_add_test(tests, buckets_follow_each_other_without_gap);
    tcase_add_test(tests, quantiles_count_ranks);
    tcase_add_test(tests, merging_equals_adding_to_one);
    tcase_add_test(tests, the_ends_hold);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
