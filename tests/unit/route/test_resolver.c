// SPDX-License-Identifier: Apache-2.0
//
// The resolver's thread: it reports what changed, only that, and ends when told to.
#include "route/resolver.h"

#include "core/log.h"

#include <check.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// Stands in for glibc's, so that no name server is asked: "app" has an address, "slow" takes its
// time, nothing else exists.
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    static struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {0x0100007f}};
    static struct addrinfo found = {.ai_addr = (struct sockaddr *)&address};
    (void)service, (void)hints;
    if (strcmp(node, "slow") == 0)
        sleep(3);
    *out = &found;
    return strcmp(node, "app") == 0 ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list) {
    (void)list;
}

// What `changed` was told.
struct listener {
    pthread_mutex_t mutex;
    pthread_cond_t told;
    unsigned count;
    struct resolve_table *last;
};

static struct listener listener = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .told = PTHREAD_COND_INITIALIZER,
};

static void listener_tell(void *context, struct resolve_table *table) {
    struct listener *told = context;
    pthread_mutex_lock(&told->mutex);
    resolve_table_drop(told->last);
    told->last = table;
    told->count++;
    pthread_cond_signal(&told->told);
    pthread_mutex_unlock(&told->mutex);
}

// Waits up to `seconds` until `changed` was called; returns how often it was.
static unsigned listener_wait(unsigned seconds) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += seconds;
    pthread_mutex_lock(&listener.mutex);
    int waited = 0;
    while (listener.count == 0 && waited == 0)
        waited = pthread_cond_timedwait(&listener.told, &listener.mutex, &deadline);
    unsigned count = listener.count;
    pthread_mutex_unlock(&listener.mutex);
    return count;
}

static void log_silence(void) {
    struct conf_log quiet = {.target = LOG_TARGET_NONE};
    ck_assert_int_eq(log_open(&quiet), 0);
}

static void listener_end(void) {
    resolve_table_drop(listener.last);
    log_close();
}

static struct resolve_table *table_of(const char *host) {
    struct conf_server server = {.host = host, .port = 1};
    struct conf_upstream upstream = {.servers = &server, .server_count = 1};
    struct config config = {.upstreams = &upstream, .upstream_count = 1};
    struct resolve_table *table = resolve_table_make(&config, NULL);
    ck_assert_ptr_nonnull(table);
    return table;
}

// A table in which the host has no address, as if the name had not been known before.
static struct resolve_table *table_without_answer(const char *host) {
    struct resolve_table *table = table_of(host);
    ((struct resolve_answer *)resolve_table_find(table, host))->address_count = 0;
    return table;
}

START_TEST(a_resolver_without_names_starts_and_stops) {
    struct resolver *resolver;
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_stop(resolver);
    ck_assert_uint_eq(listener.count, 0);
}
END_TEST

START_TEST(a_changed_answer_is_told_once) {
    struct resolver *resolver;
    struct resolve_table *before = table_without_answer("app");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_watch(resolver, before, 20);
    ck_assert_uint_eq(listener_wait(20), 1);
    usleep(300 * 1000);
    ck_assert_uint_eq(listener_wait(0), 1);
    resolver_stop(resolver);
    ck_assert_uint_ge(resolve_table_find(listener.last, "app")->address_count, 1);
    resolve_table_drop(before);
}
END_TEST

START_TEST(what_stays_the_same_is_not_told) {
    struct resolver *resolver;
    struct resolve_table *before = table_of("app");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_watch(resolver, before, 20);
    resolve_table_drop(before);
    usleep(300 * 1000);
    resolver_stop(resolver);
    ck_assert_uint_eq(listener.count, 0);
}
END_TEST

START_TEST(what_is_watched_can_be_replaced) {
    struct resolver *resolver;
    struct resolve_table *literal = table_of("192.0.2.7");
    struct resolve_table *name = table_without_answer("app");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    for (int i = 0; i < 50; i++) {
        resolver_watch(resolver, literal, 1);
        resolver_watch(resolver, name, 1000);
        resolver_watch(resolver, literal, 1);
    }
    resolver_watch(resolver, name, 20);
    ck_assert_uint_eq(listener_wait(20), 1);
    resolver_stop(resolver);
    resolve_table_drop(literal);
    resolve_table_drop(name);
}
END_TEST

START_TEST(a_name_that_never_resolves_is_no_change) {
    struct resolver *resolver;
    struct resolve_table *before = table_of("unknown");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_watch(resolver, before, 20);
    usleep(200 * 1000);
    resolver_stop(resolver);
    ck_assert_uint_eq(listener.count, 0);
    resolve_table_drop(before);
}
END_TEST

START_TEST(stopping_takes_no_longer_than_a_moment) {
    struct timespec from, to;
    struct resolver *resolver;
    struct resolve_table *before = table_of("app");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_watch(resolver, before, 3600 * 1000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    resolver_stop(resolver);
    clock_gettime(CLOCK_MONOTONIC, &to);
    ck_assert_int_le(to.tv_sec - from.tv_sec, 2);
    resolve_table_drop(before);
}
END_TEST

// Main must not hang on reload or exit because a name server does not answer.
START_TEST(a_lookup_that_hangs_is_left_behind) {
    struct timespec from, to;
    struct resolver *resolver;
    struct resolve_table *before = table_of("slow");
    ck_assert_int_eq(resolver_start(&resolver, listener_tell, &listener), 0);
    resolver_watch(resolver, before, 1);
    resolve_table_drop(before);
    usleep(200 * 1000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    resolver_stop(resolver);
    clock_gettime(CLOCK_MONOTONIC, &to);
    ck_assert_int_le(to.tv_sec - from.tv_sec, 2);
    sleep(3); // it ends by itself and frees what it has: the leak check sees it
    ck_assert_uint_eq(listener.count, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolver");
    TCase *tcase = tcase_create("resolver");
    tcase_add_checked_fixture(tcase, log_silence, listener_end);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_resolver_without_names_starts_and_stops);
    tcase_add_test(tcase, a_changed_answer_is_told_once);
    tcase_add_test(tcase, what_stays_the_same_is_not_told);
    tcase_add_test(tcase, what_is_watched_can_be_replaced);
    tcase_add_test(tcase, a_name_that_never_resolves_is_no_change);
    tcase_add_test(tcase, stopping_takes_no_longer_than_a_moment);
    tcase_add_test(tcase, a_lookup_that_hangs_is_left_behind);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
