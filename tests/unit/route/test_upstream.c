// SPDX-License-Identifier: Apache-2.0
//
// Whose turn it is: the order in which exchanges try servers and addresses.
#include "route/upstream.h"

#include "route/resolve.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

// An upstream by hand: `counts[i]` addresses for server i, named "1a", "1b", …, "2a", ….
struct bench {
    struct conf_upstream conf;
    struct upstream_address addresses[32];
    struct upstream_server servers[8];
    struct upstream upstream;
    struct upstream_cursor cursor;
};

static struct bench *bench_make(const unsigned *counts, unsigned server_count, unsigned retries) {
    static struct bench bench;
    bench = (struct bench){.conf.retries = retries};
    unsigned used = 0;
    for (unsigned i = 0; i < server_count; i++) {
        bench.servers[i] = (struct upstream_server){.addresses = &bench.addresses[used],
                                                    .address_count = counts[i]};
        for (unsigned j = 0; j < counts[i]; j++)
            snprintf(bench.addresses[used++].text, ADDRESS_TEXT_MAX, "%u%c", i + 1, 'a' + (int)j);
    }
    bench.upstream = (struct upstream){&bench.conf, bench.servers, server_count};
    return &bench;
}

// All that one exchange would try when nothing can be connected to, separated by spaces.
static const char *tries_text(struct bench *bench) {
    static char text[256];
    struct upstream_tries tries = {0};
    const struct upstream_address *address;
    text[0] = '\0';
    while ((address = upstream_pick(&bench->upstream, &bench->cursor, &tries))) {
        strcat(text, text[0] ? " " : "");
        strcat(text, address->text);
        ck_assert_uint_lt(strlen(text), 200);
    }
    ck_assert_ptr_null(upstream_pick(&bench->upstream, &bench->cursor, &tries));
    return text;
}

START_TEST(exchanges_go_round_the_servers) {
    struct bench *bench = bench_make((unsigned[]){1, 1, 1}, 3, 0);
    ck_assert_str_eq(tries_text(bench), "1a");
    ck_assert_str_eq(tries_text(bench), "2a");
    ck_assert_str_eq(tries_text(bench), "3a");
    ck_assert_str_eq(tries_text(bench), "1a");
}
END_TEST

START_TEST(retries_go_to_further_servers) {
    struct bench *bench = bench_make((unsigned[]){1, 1, 1}, 3, 1);
    ck_assert_str_eq(tries_text(bench), "1a 2a");
    ck_assert_str_eq(tries_text(bench), "2a 3a");
    ck_assert_str_eq(tries_text(bench), "3a 1a");
}
END_TEST

START_TEST(no_server_is_tried_twice) {
    struct bench *bench = bench_make((unsigned[]){1, 1}, 2, 10);
    ck_assert_str_eq(tries_text(bench), "1a 2a");
    bench = bench_make((unsigned[]){1}, 1, 10);
    ck_assert_str_eq(tries_text(bench), "1a");
}
END_TEST

START_TEST(the_other_addresses_of_a_server_are_no_retries) {
    struct bench *bench = bench_make((unsigned[]){2}, 1, 0);
    ck_assert_str_eq(tries_text(bench), "1a 1b");
    ck_assert_str_eq(tries_text(bench), "1b 1a");
    bench = bench_make((unsigned[]){2, 1}, 2, 1);
    ck_assert_str_eq(tries_text(bench), "1a 1b 2a");
    ck_assert_str_eq(tries_text(bench), "2a 1a 1b");
    ck_assert_str_eq(tries_text(bench), "1b 1a 2a");
}
END_TEST

START_TEST(many_addresses_are_taken_in_turn_but_few_tried) {
    struct bench *bench = bench_make((unsigned[]){5}, 1, 0);
    ck_assert_str_eq(tries_text(bench), "1a 1b 1c");
    ck_assert_str_eq(tries_text(bench), "1b 1c 1d");
    ck_assert_str_eq(tries_text(bench), "1c 1d 1e");
    ck_assert_str_eq(tries_text(bench), "1d 1e 1a");
}
END_TEST

START_TEST(servers_without_addresses_are_passed_over) {
    struct bench *bench = bench_make((unsigned[]){0, 1, 0, 1}, 4, 0);
    ck_assert_str_eq(tries_text(bench), "2a");
    ck_assert_str_eq(tries_text(bench), "2a");
    ck_assert_str_eq(tries_text(bench), "4a");
    ck_assert_str_eq(tries_text(bench), "4a");
    bench = bench_make((unsigned[]){0, 0}, 2, 3);
    ck_assert_str_eq(tries_text(bench), "");
}
END_TEST

START_TEST(the_turn_may_wrap) {
    struct bench *bench = bench_make((unsigned[]){1, 1, 1}, 3, 2);
    bench->cursor.turn = UINT32_MAX;
    ck_assert_uint_eq(strlen(tries_text(bench)), strlen("1a 2a 3a"));
    ck_assert_str_eq(tries_text(bench), "1a 2a 3a");
}
END_TEST

START_TEST(the_table_has_the_configured_servers_with_addresses) {
    struct conf_server first[] = {{.host = "127.0.0.1", .port = 3001}, {.host = "::1", .port = 80}};
    struct conf_server second[] = {{.host = "127.0.0.1", .port = 3002}};
    struct conf_upstream upstreams[] = {
        {.name = "first", .servers = first, .server_count = 2, .index = 0},
        {.name = "second", .servers = second, .server_count = 1, .index = 1},
    };
    struct config config = {.upstreams = upstreams, .upstream_count = 2};
    struct resolve_table *resolved = resolve_table_make(&config, NULL);
    ck_assert_ptr_nonnull(resolved);
    struct upstream_table *table = upstream_table_build(&config, resolved);
    resolve_table_drop(resolved);
    ck_assert_ptr_nonnull(table);
    ck_assert_uint_eq(table->count, 2);
    ck_assert_ptr_eq(table->upstreams[1].conf, &upstreams[1]);
    ck_assert_uint_eq(table->upstreams[0].server_count, 2);
    ck_assert_ptr_eq(table->upstreams[0].servers[1].conf, &first[1]);
    ck_assert_str_eq(table->upstreams[0].servers[0].addresses[0].text, "127.0.0.1:3001");
    ck_assert_str_eq(table->upstreams[0].servers[1].addresses[0].text, "[::1]:80");
    ck_assert_str_eq(table->upstreams[1].servers[0].addresses[0].text, "127.0.0.1:3002");
    ck_assert_uint_eq(table->upstreams[1].servers[0].addresses[0].size_bytes,
                      sizeof(struct sockaddr_in));
    upstream_table_free(table);
}
END_TEST

START_TEST(an_unknown_host_gives_a_server_without_addresses) {
    struct config empty = {.upstream_count = 0};
    struct conf_server servers[] = {{.host = "app", .port = 80}};
    struct conf_upstream upstream = {.servers = servers, .server_count = 1};
    struct config config = {.upstreams = &upstream, .upstream_count = 1};
    struct resolve_table *resolved = resolve_table_make(&empty, NULL);
    struct upstream_table *table = upstream_table_build(&config, resolved);
    struct upstream_cursor cursor = {0};
    struct upstream_tries tries = {0};
    ck_assert_uint_eq(table->upstreams[0].servers[0].address_count, 0);
    ck_assert_ptr_null(upstream_pick(&table->upstreams[0], &cursor, &tries));
    upstream_table_free(table);
    upstream_table_free(NULL);
    resolve_table_drop(resolved);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("upstream");
    TCase *tcase = tcase_create("upstream");
    tcase_add_test(tcase, exchanges_go_round_the_servers);
    tcase_add_test(tcase, retries_go_to_further_servers);
    tcase_add_test(tcase, no_server_is_tried_twice);
    tcase_add_test(tcase, the_other_addresses_of_a_server_are_no_retries);
    tcase_add_test(tcase, many_addresses_are_taken_in_turn_but_few_tried);
    tcase_add_test(tcase, servers_without_addresses_are_passed_over);
    tcase_add_test(tcase, the_turn_may_wrap);
    tcase_add_test(tcase, the_table_has_the_configured_servers_with_addresses);
    tcase_add_test(tcase, an_unknown_host_gives_a_server_without_addresses);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
