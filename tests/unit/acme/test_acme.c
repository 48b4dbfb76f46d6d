// SPDX-License-Identifier: Apache-2.0
//
// The thread and what it reports, with an authority that is not there.
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/acme.h"
#include "tls/library.h"

struct seen {
    size_t count;
    char sites[4][64], error[ACME_ERROR_BYTES];
    unsigned failures;
    time_t not_after, next_at;
};

static void see(void *context, const struct acme_report *report) {
    struct seen *seen = context;
    snprintf(seen->sites[seen->count++], sizeof seen->sites[0], "%s", report->site);
    snprintf(seen->error, sizeof seen->error, "%s", report->error);
    seen->failures = report->failures;
    seen->not_after = report->not_after;
    seen->next_at = report->next_at;
    ck_assert_str_eq(report->key, "ecdsa");
}

static struct config *config_make(const char *state) {
    struct problems problems = {0};
    char text[1024];
    // Nobody listens on port 1.
    snprintf(text, sizeof text,
             "acme: {agree_tos: true, directory: \"https://127.0.0.1:1/dir\", state_dir: %s}\n"
             "listen: [{address: \"127.0.0.1:8443\", tls: true}]\n"
             "sites:\n"
             "  a.example: {routes: {/: {respond: a}}}\n"
             "  b.example: {routes: {/: {respond: b}}}\n",
             state);
    struct config *config = config_parse(text, strlen(text), "test", "/", &problems);
    ck_assert_msg(config, "%s", problems.count > 0 ? problems.items[0].text : "?");
    problems_free(&problems);
    return config;
}

static void ignore_change(void *context) {
    (void)context;
}

START_TEST(every_certificate_is_reported) {
    char state[] = "/tmp/ringway-acme-XXXXXX", command[64];
    struct seen seen = {0};
    struct acme *acme;
    ck_assert_ptr_nonnull(mkdtemp(state));
    struct config *config = config_make(state);
    ck_assert_int_eq(acme_start(&acme, ignore_change, NULL), 0);
    ck_assert_uint_eq(acme_report_each(acme, see, &seen), 0);
    acme_watch(acme, config);
    // At once, whatever the thread is doing.
    ck_assert_uint_eq(acme_report_each(acme, see, &seen), 2);
    ck_assert(acme_ask(acme, "b.example", ACME_ASK_RENEW));
    ck_assert(!acme_ask(acme, "c.example", ACME_ASK_RENEW));
    for (int i = 0; i < 1000 && seen.failures == 0; i++) {
        seen = (struct seen){0};
        acme_report_each(acme, see, &seen);
        poll(NULL, 0, 10);
    }
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_str_eq(seen.sites[0], "a.example");
    ck_assert_str_eq(seen.sites[1], "b.example");
    ck_assert_uint_eq(seen.failures, 1);
    ck_assert_ptr_nonnull(strstr(seen.error, "Connection refused"));
    ck_assert_int_eq(seen.not_after, 0);
    ck_assert_int_gt(seen.next_at, time(NULL));
    acme_stop(acme);
    config_free(config);
    snprintf(command, sizeof command, "rm -r %s", state);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: acme");
    TCase *tcase = tcase_create("thread");
    tls_library_init();
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_certificate_is_reported);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
