// SPDX-License-Identifier: Apache-2.0
//
// Names whose name servers are dead, by a getaddrinfo and a clock of our own: each such lookup
// takes three seconds, and a configuration must not wait for all of them.
#include "route/resolve.h"

#include "core/clock.h"
#include "core/log.h"

#include <check.h>
#include <errno.h>
#include <netdb.h>

#define LOOKUP_MS 3000

static uint64_t now_ms;
static unsigned lookups;

uint64_t clock_monotonic_ms(void) {
    return now_ms;
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict list) {
    (void)host, (void)service, (void)hints, (void)list;
    now_ms += LOOKUP_MS;
    lookups++;
    return EAI_AGAIN;
}

static void log_silence(void) {
    struct conf_log quiet = {.target = LOG_TARGET_NONE};
    ck_assert_int_eq(log_open(&quiet), 0);
}

static struct config *config_of_dead_names(void) {
    static struct conf_server servers[] = {
        {.host = "a.example"}, {.host = "b.example"}, {.host = "c.example"},
        {.host = "d.example"}, {.host = "fe80::1"},
    };
    static struct conf_upstream upstream = {.servers = servers, .server_count = 5};
    static struct config config = {.upstreams = &upstream, .upstream_count = 1};
    return &config;
}

static int error_of(const struct resolve_table *table, const char *host) {
    return resolve_table_find(table, host)->error;
}

START_TEST(dead_name_servers_are_not_waited_for_by_each_name) {
    struct resolve_table *table = resolve_table_make(config_of_dead_names(), NULL);
    ck_assert_uint_eq(lookups, 2);
    ck_assert_int_eq(error_of(table, "a.example"), -EAGAIN);
    ck_assert_int_eq(error_of(table, "b.example"), -EAGAIN);
    ck_assert_int_eq(error_of(table, "c.example"), -ETIMEDOUT);
    ck_assert_int_eq(error_of(table, "d.example"), -ETIMEDOUT);
    ck_assert_int_eq(error_of(table, "fe80::1"), 0); // an address needs no name server
    ck_assert(resolve_table_fails(table));           // so the thread asks again soon

    struct resolve_table *next = resolve_table_refresh(table);
    ck_assert_uint_eq(lookups, 2 + 4);
    ck_assert_int_eq(error_of(next, "d.example"), -EAGAIN);
    resolve_table_drop(next);
    resolve_table_drop(table);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolve late");
    TCase *tcase = tcase_create("resolve late");
    tcase_add_checked_fixture(tcase, log_silence, log_close);
    tcase_add_test(tcase, dead_name_servers_are_not_waited_for_by_each_name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
