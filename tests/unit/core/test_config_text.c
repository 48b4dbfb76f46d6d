// SPDX-License-Identifier: Apache-2.0
//
// Single texts and what they come to, where a whole configuration would only be in the way:
// quantities, hosts, prefixes, and guesses at what was meant.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/config_address.h"
#include "core/config_nearest.h"
#include "core/config_quantity.h"
#include "core/config_url.h"

#define COUNT(cases) (int)(sizeof(cases) / sizeof((cases)[0]))

struct quantity_case {
    const char *text;
    enum value_verdict verdict;
    uint64_t value;
};

static const struct quantity_case sizes[] = {
    {"0", VALUE_OK, 0},
    {"17", VALUE_OK, 17},
    {"1K", VALUE_OK, 1024},
    {"200M", VALUE_OK, 200u << 20},
    {"3G", VALUE_OK, UINT64_C(3) << 30},
    {"18446744073709551615", VALUE_OK, UINT64_MAX},
    {"18446744073709551616", VALUE_TOO_LARGE, 0},
    {"17179869184G", VALUE_TOO_LARGE, 0},
    {"1T", VALUE_UNIT_UNKNOWN, 0},
    {"1k", VALUE_UNIT_UNKNOWN, 0},
    {"1 K", VALUE_UNIT_UNKNOWN, 0},
    {"1.5K", VALUE_FRACTION, 0},
    {"-1K", VALUE_NEGATIVE, 0},
    {"+1", VALUE_MALFORMED, 0},
    {"-", VALUE_MALFORMED, 0},
    {"K", VALUE_MALFORMED, 0},
    {"", VALUE_MALFORMED, 0},
};

START_TEST(sizes_are_read) {
    uint64_t value = 0;
    ck_assert_int_eq(quantity_size_parse(str_from(sizes[_i].text), &value), sizes[_i].verdict);
    ck_assert_uint_eq(value, sizes[_i].value);
}
END_TEST

static const struct quantity_case durations[] = {
    {"0", VALUE_OK, 0},
    {"250ms", VALUE_OK, 250},
    {"5s", VALUE_OK, 5000},
    {"10m", VALUE_OK, 600000},
    {"1h", VALUE_OK, 3600000},
    {"180d", VALUE_OK, UINT64_C(15552000000)},
    {"5", VALUE_UNIT_MISSING, 0},
    {"5min", VALUE_UNIT_UNKNOWN, 0},
    {"1h30m", VALUE_UNIT_UNKNOWN, 0},
    {"999999999999999999d", VALUE_TOO_LARGE, 0},
    {"0.5s", VALUE_FRACTION, 0},
};

START_TEST(durations_are_read) {
    uint64_t value = 0;
    const struct quantity_case *c = &durations[_i];
    ck_assert_int_eq(quantity_duration_parse(str_from(c->text), &value), c->verdict);
    ck_assert_uint_eq(value, c->value);
    if (c->verdict == VALUE_OK)
        ck_assert_str_eq(quantity_duration_text(value).text, c->text);
}
END_TEST

START_TEST(quantities_are_printed_in_the_largest_unit_that_fits) {
    ck_assert_str_eq(quantity_size_text(1536).text, "1536");
    ck_assert_str_eq(quantity_size_text(1 << 20).text, "1M");
    ck_assert_str_eq(quantity_duration_text(90000).text, "90s");
    ck_assert_str_eq(quantity_duration_text(120000).text, "2m");
    ck_assert_str_eq(quantity_duration_text(0).text, "0");
}
END_TEST

static const struct {
    const char *text;
    enum value_verdict verdict;
    const char *host;
} hosts[] = {
    {"a", VALUE_OK, "a"},
    {"A.Example.", VALUE_OK, "a.example"},
    {"my_service", VALUE_OK, "my_service"},
    {"1.example", VALUE_OK, "1.example"},
    {"*.Example.", VALUE_OK, "*.example"},
    {"*.localhost", VALUE_OK, "*.localhost"},
    {"*", VALUE_OK, "*"},
    {"10.0.0.1", VALUE_OK, "10.0.0.1"},
    {"[2001:DB8:0::1]", VALUE_OK, "[2001:db8::1]"},
    {"10.0.0.1.2", VALUE_HOST_ADDRESS, ""},
    {"example.123", VALUE_HOST_ADDRESS, ""},
    {"[2001:db8::1", VALUE_HOST_BRACKETS, ""},
    {"[fe80::1%lo]", VALUE_HOST_BRACKETS, ""},
    {"[10.0.0.1]", VALUE_HOST_BRACKETS, ""},
    {"[::1]:80", VALUE_HOST_PORT, ""},
    {"a:80", VALUE_HOST_PORT, ""},
    {"**", VALUE_HOST_WILDCARD, ""},
    {"*.", VALUE_HOST_LABEL, ""},
    {".", VALUE_HOST_LABEL, ""},
    {"a..", VALUE_HOST_LABEL, ""},
    {"a-.b", VALUE_HOST_LABEL, ""},
    {"123456789012345678901234567890123456789012345678901234567890123.a", VALUE_OK,
     "123456789012345678901234567890123456789012345678901234567890123.a"},
    {"1234567890123456789012345678901234567890123456789012345678901234.a", VALUE_HOST_LABEL, ""},
};

START_TEST(hosts_are_read) {
    char host[CONF_HOST_SIZE] = "";
    ck_assert_int_eq(conf_host_parse(str_from(hosts[_i].text), host), hosts[_i].verdict);
    ck_assert_str_eq(host, hosts[_i].host);
}
END_TEST

START_TEST(names_have_at_most_253_characters) {
    char name[300], host[CONF_HOST_SIZE];
    for (size_t i = 0; i < 300; i++)
        name[i] = i % 2 ? '.' : 'a';
    ck_assert_int_eq(conf_host_parse((struct str){name, 253}, host), VALUE_OK);
    ck_assert_int_eq(conf_host_parse((struct str){name, 254}, host), VALUE_OK); // final dot
    ck_assert_uint_eq(strlen(host), 253);
    ck_assert_int_eq(conf_host_parse((struct str){name, 255}, host), VALUE_HOST_LONG);
    memcpy(name, "*.", 2);
    ck_assert_int_eq(conf_host_parse((struct str){name, 253}, host), VALUE_OK);
    ck_assert_int_eq(conf_host_parse((struct str){name, 255}, host), VALUE_HOST_LONG);
}
END_TEST

static const struct {
    const char *text;
    enum value_verdict verdict;
    const char *normal;
} prefixes[] = {
    {"/", VALUE_OK, "/"},
    {"/a/", VALUE_OK, "/a/"},
    {"/%61%7e", VALUE_OK, "/a~"},
    {"/%2f%3f", VALUE_OK, "/%2F%3F"},
    {"/a b|ö", VALUE_OK, "/a%20b%7C%C3%B6"},
    {"/.well-known/x", VALUE_OK, "/.well-known/x"},
    {"/...", VALUE_OK, "/..."},
    {"", VALUE_PREFIX_START, ""},
    {"//", VALUE_PREFIX_SEGMENT, ""},
    {"/a//", VALUE_PREFIX_SEGMENT, ""},
    {"/..", VALUE_PREFIX_SEGMENT, ""},
    {"/.%2E/a", VALUE_PREFIX_SEGMENT, ""},
    {"/a\n", VALUE_CONTROL, ""},
    {"/%4", VALUE_PREFIX_ESCAPE, ""},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33",
     VALUE_PREFIX_LONG, ""},
};

START_TEST(prefixes_are_brought_into_one_form) {
    struct conf_arena *arena = arena_new();
    const char *normal = "";
    ck_assert_int_eq(url_prefix_parse(str_from(prefixes[_i].text), arena, &normal),
                     prefixes[_i].verdict);
    ck_assert_str_eq(normal, prefixes[_i].normal);
    arena_free(arena);
}
END_TEST

static const struct {
    const char *wanted, *known, *best;
} guesses[] = {
    {"max_haed", "max_head|max_body", "max_head"}, // neighbours swapped
    {"MAX_HEAD", "max_head|max_body", "max_head"},
    {"max-head", "max_head|max_body", "max_head"},
    {"drian", "drain|strict", "drain"},
    {"colour", "drain|strict", ""},
    {"a", "b|c", ""}, // too short to guess
    {"", "b|c", ""},
};

START_TEST(the_nearest_name_is_guessed) {
    struct nearest nearest = nearest_start(str_from(guesses[_i].wanted));
    struct str rest = str_from(guesses[_i].known), word;
    while (value_word_next(&rest, &word))
        nearest_offer(&nearest, word);
    ck_assert(str_eq(nearest.best, str_from(guesses[_i].best)));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config_text");
    TCase *tcase = tcase_create("config_text");
    tcase_add_loop_test(tcase, sizes_are_read, 0, COUNT(sizes));
    tcase_add_loop_test(tcase, durations_are_read, 0, COUNT(durations));
    tcase_add_test(tcase, quantities_are_printed_in_the_largest_unit_that_fits);
    tcase_add_loop_test(tcase, hosts_are_read, 0, COUNT(hosts));
    tcase_add_test(tcase, names_have_at_most_253_characters);
    tcase_add_loop_test(tcase, prefixes_are_brought_into_one_form, 0, COUNT(prefixes));
    tcase_add_loop_test(tcase, the_nearest_name_is_guessed, 0, COUNT(guesses));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
