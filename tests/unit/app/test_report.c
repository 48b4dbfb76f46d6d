// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a report in its three forms, with texts in it that mean to be something else.
#include "app/report.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "app/metrics.h"
#include "app/status_json.h"
#include "app/status_page.h"
#include "core/arena.h"

#define EVIL "<script>\"'&\\\n"
#define NOW 1800000000

typedef void report_writer(const struct report *report, FILE *out);

static const char config_text[] =
    "listen: [{address: \":80\"}]\n"
    "sites:\n"
    "  a.example: {routes: {/: {upstream: app}}}\n"
    "  \"*\": {routes: {/: {respond: hello}}}\n"
    "upstreams: {app: {servers: [\"127.0.0.1:1\", \"127.0.0.1:1\"]}}\n";

// A report of `config_text` with certificates and failures as the caller adds them.
static void report_make(struct report *report) {
    static struct tls_kernel kernel = {.why = "it has none"};
    struct problems problems = {0};
    *report = (struct report){.state = REPORT_SERVING, .taken_at = NOW, .started_at = NOW - 90061};
    report->arena = arena_new();
    report->kernel = &kernel;
    report->config = config_parse(config_text, strlen(config_text), "test", ".", &problems);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_uint_eq(report->config->site_count, 2);
    report->resolved = resolve_table_make(report->config, NULL);
    report->sites = arena_alloc(report->arena, 2, sizeof *report->sites);
    for (size_t i = 0; i < 2; i++)
        report->sites[i].conf = &report->config->sites[i];
    for (size_t i = 0; i < REPORT_VALUES; i++)
        report->values[i] = (struct report_value){REPORT_COUNTER, "other", "a help", 7};
    static const char *const needed[] = {"connections", "websockets", "requests",
                                         "handshakes",  "ktls_tx",    "ktls_rx"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        report->values[i].name = needed[i];
}

// Writes the report, which ends with it, to a text the caller frees.
static void write_to(char **text, struct report *report, report_writer *write) {
    size_t size;
    FILE *out = open_memstream(text, &size);
    write(report, out);
    fclose(out);
    report_free(report);
}

static void assert_has(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part), "no '%s' in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part) {
    ck_assert_msg(!strstr(text, part), "'%s' in:\n%s", part, text);
}

START_TEST(labels_are_escaped) {
    struct report report;
    const char *names[] = {EVIL};
    report_make(&report);
    report.sites[0].certificates = &(struct report_certificate){
        .names = names, .name_count = 1, .issuer = EVIL, .key = "rsa", .not_after = NOW};
    char *text;
    write_to(&text, &report, metrics_write);
    assert_has(text, "_seconds{site=\"a.example\",name=\"<script>\\\"'&\\\\\\n\",key=\"rsa\","
                     "self_signed=\"false\"} 1800000000\n");
    assert_has(text, "ringway_site_connections{site=\"*\"} 0\n");
    free(text);
}
END_TEST

// A series that came twice would make the whole answer worthless.
START_TEST(no_series_comes_twice) {
    struct report report;
    const char *names[] = {"a.example"};
    report_make(&report);
    struct report_certificate last = {
        .names = names, .name_count = 1, .issuer = "", .key = "rsa", .not_after = NOW + 2};
    struct report_certificate same = last, first = last;
    last.next = NULL, same.next = &last, first.next = &same;
    same.not_after = first.not_after = NOW + 1;
    report.sites[0].certificates = &first;
    char *text;
    write_to(&text, &report, metrics_write);
    const char *series = strstr(text, "_seconds{site=\"a.example\"");
    ck_assert_ptr_nonnull(series);
    assert_has(series, "} 1800000001\n"); // the one that expires first
    ck_assert_ptr_null(strstr(series + 1, "_seconds{site=\"a.example\""));
    const char *server = strstr(text, "server=\"127.0.0.1:1\"");
    ck_assert_ptr_nonnull(server);
    ck_assert_ptr_null(strstr(server + 1, "server=\"127.0.0.1:1\""));
    free(text);
}
END_TEST

START_TEST(a_window_that_nobody_suggested_is_no_series) {
    struct report report;
    report_make(&report);
    struct report_acme rsa = {.key = "rsa"}, ecdsa = {.key = "ecdsa", .next = &rsa};
    ecdsa.window_start = NOW, ecdsa.window_end = NOW + 7200;
    report.sites[0].acme = &ecdsa;
    char *text;
    write_to(&text, &report, metrics_write);
    assert_has(text,
               "window_start_timestamp_seconds{site=\"a.example\",key=\"ecdsa\"} 1800000000\n");
    assert_has(text, "window_end_timestamp_seconds{site=\"a.example\",key=\"ecdsa\"} 1800007200\n");
    assert_lacks(text, "window_start_timestamp_seconds{site=\"a.example\",key=\"rsa\"}");
    assert_lacks(text, "window_end_timestamp_seconds{site=\"a.example\",key=\"rsa\"}");
    assert_has(text, "next_attempt_timestamp_seconds{site=\"a.example\",key=\"rsa\"} 0\n");
    free(text);
}
END_TEST

START_TEST(the_page_is_escaped) {
    struct report report;
    const char *names[] = {EVIL, "b", "c", "d", "e", "f"};
    report_make(&report);
    report.sites[0].certificates = &(struct report_certificate){
        .names = names, .name_count = 6, .issuer = EVIL, .key = "rsa", .not_after = NOW};
    report.sites[0].acme =
        &(struct report_acme){.key = "rsa", .failures = 3, .error = EVIL, .next_at = NOW + 60};
    char *text;
    write_to(&text, &report, status_page_write);
    assert_lacks(text, "<script");
    assert_has(text, "&lt;script&gt;&quot;&#39;&amp;\\\n, b, c, d and 2 more");
    assert_has(text, "<b>3 times in a row</b>: &lt;script&gt;");
    assert_has(text, "up 1 d 1 h");
    assert_has(text, "Not with this kernel: it has none.");
    free(text);
}
END_TEST

START_TEST(json_is_json) {
    struct report report;
    report_make(&report);
    report.sites[0].acme = &(struct report_acme){.key = "rsa", .failures = 1, .error = EVIL};
    char *text;
    write_to(&text, &report, status_json_write);
    assert_has(text, "\"error\": \"<script>\\\"'&\\\\\\n\"");
    assert_has(text, "\"uptime_s\": 90061");
    assert_lacks(text, "next_attempt");
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *tcase = tcase_create("report");
    tcase_add_test(tcase, labels_are_escaped);
    tcase_add_test(tcase, no_series_comes_twice);
    tcase_add_test(tcase, a_window_that_nobody_suggested_is_no_series);
    tcase_add_test(tcase, the_page_is_escaped);
    tcase_add_test(tcase, json_is_json);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
