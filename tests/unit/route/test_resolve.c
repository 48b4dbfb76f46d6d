// SPDX-License-Identifier: Apache-2.0
//
// Answers for literals and for names of /etc/hosts; nothing here asks a name server, except that
// ".invalid" names (RFC 6761 §6.4) fail with or without one.
#include "route/resolve.h"

#include "core/address.h"
#include "core/log.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define NO_SUCH_HOST "no-such-host.invalid"

static void log_silence(void) {
    struct conf_log quiet = {.target = LOG_TARGET_NONE};
    ck_assert_int_eq(log_open(&quiet), 0);
}

static struct config *config_with(const char *a, const char *b, const char *c) {
    static struct conf_server servers[3];
    static struct conf_upstream upstreams[2];
    static struct config config;
    servers[0] = (struct conf_server){.host = a, .port = 1};
    servers[1] = (struct conf_server){.host = b, .port = 2};
    servers[2] = (struct conf_server){.host = c, .port = 3};
    upstreams[0] = (struct conf_upstream){.servers = servers, .server_count = 2};
    upstreams[1] = (struct conf_upstream){.servers = &servers[2], .server_count = 1, .index = 1};
    config = (struct config){.upstreams = upstreams, .upstream_count = 2};
    return &config;
}

static const char *address_text(const struct sockaddr_storage *address) {
    static char text[ADDRESS_TEXT_MAX];
    address_format((const struct sockaddr *)address, text);
    return text;
}

START_TEST(literals_need_no_name_server) {
    struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
    ck_assert_int_eq(resolve_host("192.0.2.7", found), 1);
    ck_assert_str_eq(address_text(&found[0]), "192.0.2.7");
    ck_assert_int_eq(resolve_host("2001:db8::7", found), 1);
    ck_assert_str_eq(address_text(&found[0]), "[2001:db8::7]");
}
END_TEST

START_TEST(localhost_is_loopback_sorted_and_each_once) {
    struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
    int count = resolve_host("localhost", found);
    ck_assert_int_ge(count, 1);
    for (int i = 0; i < count; i++) {
        const char *text = address_text(&found[i]);
        ck_assert_msg(strncmp(text, "127.", 4) == 0 || strcmp(text, "[::1]") == 0, "%s", text);
        if (i > 0)
            ck_assert_int_lt(
                address_compare((struct sockaddr *)&found[i - 1], (struct sockaddr *)&found[i]), 0);
    }
}
END_TEST

START_TEST(unknown_names_are_errors) {
    struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
    int result = resolve_host(NO_SUCH_HOST, found);
    ck_assert_msg(result == -ENOENT || result == -EAGAIN, "%d", result);
}
END_TEST

START_TEST(a_table_has_each_host_once) {
    struct config *config = config_with("192.0.2.7", "localhost", "192.0.2.7");
    struct resolve_table *table = resolve_table_make(config, NULL);
    ck_assert_ptr_nonnull(table);
    ck_assert_uint_eq(resolve_table_find(table, "192.0.2.7")->address_count, 1);
    ck_assert_uint_ge(resolve_table_find(table, "localhost")->address_count, 1);
    ck_assert_ptr_null(resolve_table_find(table, "elsewhere"));
    ck_assert(!resolve_table_fails(table));
    ck_assert(resolve_table_has_names(table));
    resolve_table_drop(table);
}
END_TEST

START_TEST(literals_alone_are_no_names) {
    struct resolve_table *table = resolve_table_make(config_with("192.0.2.7", "::1", "::2"), NULL);
    ck_assert(!resolve_table_has_names(table));
    resolve_table_drop(table);
}
END_TEST

START_TEST(a_table_covers_its_own_configuration) {
    struct resolve_table *table =
        resolve_table_make(config_with("192.0.2.7", "192.0.2.8", "::1"), NULL);
    ck_assert(resolve_table_covers(table, config_with("::1", "192.0.2.7", "::1")));
    ck_assert(!resolve_table_covers(table, config_with("::1", "192.0.2.7", "192.0.2.9")));
    resolve_table_drop(table);
}
END_TEST

START_TEST(a_failed_name_is_in_the_table_without_addresses) {
    struct config *config = config_with(NO_SUCH_HOST, "192.0.2.7", "192.0.2.7");
    struct resolve_table *table = resolve_table_make(config, NULL);
    const struct resolve_answer *answer = resolve_table_find(table, NO_SUCH_HOST);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(answer->address_count, 0);
    ck_assert_int_lt(answer->error, 0);
    ck_assert(resolve_table_fails(table));
    ck_assert(resolve_table_covers(table, config));
    resolve_table_drop(table);
}
END_TEST

// A good answer from earlier, put in by hand because the name has never had one.
static struct resolve_table *table_with_earlier_answer(void) {
    struct config *config = config_with(NO_SUCH_HOST, "192.0.2.7", "192.0.2.7");
    struct resolve_table *table = resolve_table_make(config, NULL);
    struct resolve_answer *answer =
        (struct resolve_answer *)resolve_table_find(table, NO_SUCH_HOST);
    answer->addresses = realloc(answer->addresses, sizeof(*answer->addresses));
    address_parse(STR("192.0.2.99"), &answer->addresses[0]);
    answer->address_count = 1;
    answer->error = 0;
    return table;
}

START_TEST(a_name_that_fails_keeps_its_last_good_answer) {
    struct resolve_table *before = table_with_earlier_answer();
    struct resolve_table *after = resolve_table_refresh(before);
    const struct resolve_answer *answer = resolve_table_find(after, NO_SUCH_HOST);
    ck_assert_uint_eq(answer->address_count, 1);
    ck_assert_str_eq(address_text(&answer->addresses[0]), "192.0.2.99");
    ck_assert_int_lt(answer->error, 0);
    ck_assert(resolve_table_equal(before, after));
    resolve_table_drop(before);
    resolve_table_drop(after);
}
END_TEST

START_TEST(a_new_configuration_takes_good_answers_over) {
    struct resolve_table *before = table_with_earlier_answer();
    struct config *config = config_with(NO_SUCH_HOST, "192.0.2.8", "192.0.2.8");
    struct resolve_table *after = resolve_table_make(config, before);
    const struct resolve_answer *answer = resolve_table_find(after, NO_SUCH_HOST);
    ck_assert_int_eq(answer->error, 0); // it was not looked up
    ck_assert_uint_eq(answer->address_count, 1);
    ck_assert_ptr_nonnull(resolve_table_find(after, "192.0.2.8"));
    ck_assert_ptr_null(resolve_table_find(after, "192.0.2.7"));
    ck_assert(!resolve_table_equal(before, after));
    resolve_table_drop(before);
    resolve_table_drop(after);
}
END_TEST

START_TEST(tables_are_counted) {
    struct resolve_table *table = resolve_table_make(config_with("::1", "::2", "::3"), NULL);
    ck_assert_ptr_eq(resolve_table_hold(table), table);
    resolve_table_drop(table);
    ck_assert_ptr_nonnull(resolve_table_find(table, "::2"));
    resolve_table_drop(table);
    resolve_table_drop(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolve");
    TCase *tcase = tcase_create("resolve");
    tcase_add_checked_fixture(tcase, log_silence, log_close);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, literals_need_no_name_server);
    tcase_add_test(tcase, localhost_is_loopback_sorted_and_each_once);
    tcase_add_test(tcase, unknown_names_are_errors);
    tcase_add_test(tcase, a_table_has_each_host_once);
    tcase_add_test(tcase, literals_alone_are_no_names);
    tcase_add_test(tcase, a_table_covers_its_own_configuration);
    tcase_add_test(tcase, a_failed_name_is_in_the_table_without_addresses);
    tcase_add_test(tcase, a_name_that_fails_keeps_its_last_good_answer);
    tcase_add_test(tcase, a_new_configuration_takes_good_answers_over);
    tcase_add_test(tcase, tables_are_counted);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
