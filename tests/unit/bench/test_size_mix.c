// SPDX-License-Identifier: Apache-2.0
//
// Mixes of message sizes: what is one, and that sizes come as often as their weights say.
#include "bench/size_mix.h"

#include <check.h>

static struct size_mix mix;

START_TEST(one_size_needs_no_weight) {
    ck_assert(size_mix_parse(&mix, STR("64K")));
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_uint_eq(size_mix_pick(&mix, i, i * i), 65536);
    ck_assert_str_eq(mix.text, "64K");
}
END_TEST

START_TEST(sizes_come_as_often_as_their_weights_say) {
    unsigned small = 0, medium = 0, large = 0;
    ck_assert(size_mix_parse(&mix, STR("128:90,4K:9,1M")));
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t size = size_mix_pick(&mix, i % 64, i / 64);
        small += size == 128;
        medium += size == 4096;
        large += size == 1 << 20;
    }
    ck_assert_uint_eq(small + medium + large, 100000);
    ck_assert(small > 89000 && small < 91000);
    ck_assert(medium > 8500 && medium < 9500);
    ck_assert(large > 850 && large < 1150);
}
END_TEST

static const char *const wrong[] = {
    "",        ",",           "x",  "128,",  "128,,64",          "128:", "128:0", "128:x",
    "128:1:2", "128:1000001", "-1", "2048G", "1,2,3,4,5,6,7,8,9"};

START_TEST(what_is_no_mix_is_refused) {
    ck_assert(!size_mix_parse(&mix, str_from(wrong[_i])));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("size_mix");
    TCase *tests = tcase_create("size_mix");
    tcase_add_test(tests, one_size_needs_no_weight);
    tcase_add_test(tests, sizes_come_as_often_as_their_weights_say);
    tcase_add_loop_test(tests, what_is_no_mix_is_refused, 0, (int)(sizeof wrong / sizeof *wrong));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
