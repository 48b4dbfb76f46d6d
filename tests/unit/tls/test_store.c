// SPDX-License-Identifier: Apache-2.0
//
// Which certificate a name gets, and what a configuration's certificates become.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/library.h"
#include "tls/selfsigned.h"
#include "tls/store.h"

static char folder[] = "/tmp/ringway-test-store-XXXXXX";
static char path_a[80], key_a[80], path_b[80], key_b[80], pems[80], pem_wild[100], pem_ip[100];
static struct problems problems;

static struct tls_certificate *certificate_lasting(const char *name, unsigned days) {
    struct tls_selfsigned made;
    struct conf_certificate from = {.certificate_path = "x", .key_path = "x"};
    ck_assert_int_eq(tls_selfsigned_make(&name, 1, days, &made), 0);
    struct tls_certificate *certificate = tls_certificate_parse(
        str_from(made.certificate), str_from(made.key), &from, NULL, time(NULL), &problems);
    ck_assert_ptr_nonnull(certificate);
    return certificate;
}

static struct tls_certificate *certificate_make(const char *name) {
    return certificate_lasting(name, 90);
}

static struct tls_hello hello_for(const char *name) {
    struct tls_hello hello = {.offers_tls13 = true, .accepts = TLS_KEY_ECDSA_P256};
    snprintf(hello.server_name, sizeof hello.server_name, "%s", name);
    return hello;
}

// The pattern and the first name on the certificate that a name gets, as "pattern/name".
static const char *picked(const struct tls_store *store, const char *name) {
    static char text[200];
    struct tls_hello hello = hello_for(name);
    struct tls_pick pick;
    switch (tls_store_pick(store, &hello, &pick)) {
    case TLS_PICK_UNKNOWN_NAME:
        return "unknown";
    case TLS_PICK_NO_CERTIFICATE:
        return "none";
    case TLS_PICK_FOUND:
        break;
    }
    snprintf(text, sizeof text, "%s/%s/%s", pick.site ? (const char *)pick.site : "-",
             pick.host->pattern, tls_certificate_name(pick.certificate, 0));
    return text;
}

static void add_site(struct tls_store *store, const char *pattern, const char *name) {
    struct tls_certificate *certificate = name ? certificate_make(name) : NULL;
    if (certificate != NULL)
        tls_store_own(store, certificate);
    tls_store_add_host(store, pattern, (void *)pattern, TLS_VERSION_1_2, &certificate,
                       certificate != NULL);
}

// --- picking -----------------------------------------------------------------------------------

START_TEST(the_most_specific_host_wins) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    add_site(store, "a.example", "a");
    add_site(store, "*.a.example", "wild");
    add_site(store, "x.a.example", "x");
    ck_assert_str_eq(picked(store, "a.example"), "a.example/a.example/a");
    ck_assert_str_eq(picked(store, "x.a.example"), "x.a.example/x.a.example/x");
    ck_assert_str_eq(picked(store, "y.a.example"), "*.a.example/*.a.example/wild");
    ck_assert_str_eq(picked(store, "x.y.a.example"), "-/a.example/a"); // one label only
    ck_assert_str_eq(picked(store, "other"), "-/a.example/a");
    ck_assert_str_eq(picked(store, ""), "-/a.example/a");
    add_site(store, "*", "any");
    ck_assert_str_eq(picked(store, "other"), "*/*/any");
    ck_assert_str_eq(picked(store, "x.y.a.example"), "*/*/any");
    ck_assert_str_eq(picked(store, ""), "-/a.example/a");
    tls_store_free(store);
}
END_TEST

static void shown_append(void *context, const struct tls_host *host,
                         const struct tls_certificate *certificate) {
    char *shown = context;
    sprintf(shown + strlen(shown), "%s=%s ", host->pattern, tls_certificate_name(certificate, 0));
}

START_TEST(what_is_shown_is_what_is_served) {
    for (enum unknown_sni unknown = UNKNOWN_SNI_DEFAULT; unknown <= UNKNOWN_SNI_REJECT; unknown++) {
        char shown[500] = "";
        struct tls_store *store = tls_store_new(unknown);
        tls_store_each(store, shown_append, shown);
        ck_assert_str_eq(shown, "");
        add_site(store, "own.example", "own");
        add_site(store, "*.b.example", NULL);
        add_site(store, "lost.example", NULL);
        tls_store_add_common(store, certificate_make("*.b.example"));
        tls_store_each(store, shown_append, shown);
        ck_assert_str_eq(shown, unknown == UNKNOWN_SNI_REJECT
                                    ? "own.example=own *.b.example=*.b.example "
                                    : "own.example=own *.b.example=*.b.example lost.example=own ");
        tls_store_free(store);
    }
}
END_TEST

START_TEST(common_certificates_serve_sites_without_own) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_REJECT);
    add_site(store, "a.example", NULL);
    add_site(store, "*.b.example", NULL);
    add_site(store, "own.example", "own");
    add_site(store, "lost.example", NULL);
    tls_store_add_common(store, certificate_make("a.example"));
    tls_store_add_common(store, certificate_make("*.b.example"));
    tls_store_add_common(store, certificate_make("x.b.example"));
    tls_store_add_common(store, certificate_make("own.example"));
    ck_assert_str_eq(picked(store, "a.example"), "a.example/a.example/a.example");
    ck_assert_str_eq(picked(store, "y.b.example"), "*.b.example/*.b.example/*.b.example");
    ck_assert_str_eq(picked(store, "x.b.example"), "*.b.example/*.b.example/x.b.example");
    ck_assert_str_eq(picked(store, "own.example"), "own.example/own.example/own");
    ck_assert_str_eq(picked(store, "lost.example"), "unknown");
    ck_assert_str_eq(picked(store, "other.example"), "unknown");
    ck_assert_str_eq(picked(store, ""), "-/a.example/a.example");
    tls_store_free(store);
}
END_TEST

START_TEST(of_two_common_certificates_the_one_that_lasts_longer_is_served) {
    for (int longer_first = 0; longer_first <= 1; longer_first++) {
        struct tls_store *store = tls_store_new(UNKNOWN_SNI_REJECT);
        struct tls_hello hello = hello_for("a.example");
        struct tls_pick pick;
        add_site(store, "a.example", NULL);
        tls_store_add_common(store, certificate_lasting("a.example", longer_first ? 80 : 30));
        tls_store_add_common(store, certificate_lasting("a.example", longer_first ? 30 : 80));
        ck_assert_int_eq(tls_store_pick(store, &hello, &pick), TLS_PICK_FOUND);
        ck_assert_int_gt(tls_certificate_not_after(pick.certificate), time(NULL) + 70L * 24 * 3600);
        tls_store_free(store);
    }
}
END_TEST

START_TEST(without_a_name_any_certificate_is_better_than_none) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_REJECT);
    add_site(store, "*", NULL);
    tls_store_add_common(store, certificate_make("a.example"));
    ck_assert_str_eq(picked(store, ""), "-/*/a.example");
    ck_assert_str_eq(picked(store, "a.example"), "*/*/a.example");
    tls_store_free(store);
}
END_TEST

START_TEST(of_a_site_s_certificates_the_one_made_out_to_the_name_wins) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_REJECT);
    struct tls_certificate *both[] = {certificate_make("a.example"), certificate_make("b.example")};
    tls_store_own(store, both[0]);
    tls_store_own(store, both[1]);
    tls_store_add_host(store, "a.example", NULL, TLS_VERSION_1_2, both, 2);
    tls_store_add_host(store, "b.example", NULL, TLS_VERSION_1_2, both, 2);
    ck_assert_str_eq(picked(store, "a.example"), "-/a.example/a.example");
    ck_assert_str_eq(picked(store, "b.example"), "-/b.example/b.example");
    tls_store_free(store);
}
END_TEST

START_TEST(without_certificates_nobody_is_served) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    ck_assert_str_eq(picked(store, "a.example"), "none");
    ck_assert_str_eq(picked(store, ""), "none");
    add_site(store, "a.example", NULL);
    ck_assert_str_eq(picked(store, "a.example"), "none");
    tls_store_free(store);
}
END_TEST

START_TEST(a_client_that_takes_no_key_of_ours_gets_none) {
    struct tls_store *store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    struct tls_hello hello = hello_for("a.example");
    struct tls_pick pick;
    add_site(store, "a.example", "a.example");
    hello.accepts = TLS_KEY_RSA;
    ck_assert_int_eq(tls_store_pick(store, &hello, &pick), TLS_PICK_NO_CERTIFICATE);
    tls_store_free(store);
}
END_TEST

// --- loading -----------------------------------------------------------------------------------

static void files_make(void) {
    static const char *const wild[] = {"*.wild.example"}, *const ip[] = {"127.0.0.1"};
    static const char *const a[] = {"a.example"}, *const b[] = {"b.example"};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path_a, sizeof path_a, "%s/a.crt", folder);
    snprintf(key_a, sizeof key_a, "%s/a.key", folder);
    snprintf(path_b, sizeof path_b, "%s/b.crt", folder);
    snprintf(key_b, sizeof key_b, "%s/b.key", folder);
    snprintf(pems, sizeof pems, "%s/pems", folder);
    snprintf(pem_wild, sizeof pem_wild, "%s/wild.pem", pems);
    snprintf(pem_ip, sizeof pem_ip, "%s/ip.pem", pems);
    ck_assert_int_eq(mkdir(pems, 0700), 0);
    ck_assert_int_eq(tls_selfsigned_write(a, 1, 90, path_a, key_a), 0);
    ck_assert_int_eq(tls_selfsigned_write(b, 1, 90, path_b, key_b), 0);
    const char *const *names[] = {wild, ip};
    const char *paths[] = {pem_wild, pem_ip};
    for (int i = 0; i < 2; i++) {
        struct tls_selfsigned made;
        ck_assert_int_eq(tls_selfsigned_make(names[i], 1, 90, &made), 0);
        FILE *file = fopen(paths[i], "w");
        fprintf(file, "%s%s", made.certificate, made.key);
        fclose(file);
    }
}

static void files_remove(void) {
    const char *paths[] = {path_a, key_a, path_b, key_b, pem_wild, pem_ip};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        unlink(paths[i]);
    rmdir(pems);
    rmdir(folder);
    problems_free(&problems);
}

static struct tls_store *load(struct conf_site *sites, size_t site_count,
                              struct conf_certificate *common, size_t common_count) {
    static void *tags[4] = {"one", "two", "three", "four"};
    static struct conf_listen listen = {.kind = LISTEN_TLS};
    struct config config = {.unknown_sni = UNKNOWN_SNI_REJECT,
                            .listens = &listen,
                            .listen_count = 1,
                            .sites = sites,
                            .site_count = site_count,
                            .certificates = common,
                            .certificate_count = common_count};
    problems_free(&problems);
    memset(&problems, 0, sizeof problems);
    return tls_store_load(&config, tags, NULL, NULL, time(NULL), &problems);
}

static void problem_is(size_t index, enum problem_kind kind, unsigned line, const char *words) {
    ck_assert_uint_lt(index, problems.count);
    ck_assert_int_eq(problems.items[index].kind, kind);
    ck_assert_uint_eq(problems.items[index].pos.line, line);
    ck_assert_msg(strstr(problems.items[index].text, words) != NULL, "%s",
                  problems.items[index].text);
}

START_TEST(a_configuration_becomes_a_store) {
    const char *hosts_a[] = {"a.example"}, *hosts_wild[] = {"x.wild.example", "127.0.0.1"};
    struct conf_certificate own = {{1, 1}, {1, 1}, path_a, key_a};
    struct conf_certificate common[] = {{{2, 1}, {2, 1}, pems, pems},
                                        {{3, 1}, {3, 1}, path_b, key_b}};
    struct conf_site sites[] = {
        {.hosts = hosts_a, .host_count = 1, .certificates = &own, .certificate_count = 1},
        {.hosts = hosts_wild, .host_count = 2}};
    struct tls_store *store = load(sites, 2, common, 2);
    ck_assert_msg(problems.count == 0, "%s", problems.count ? problems.items[0].text : "");
    ck_assert_ptr_nonnull(store);
    ck_assert_str_eq(picked(store, "a.example"), "one/a.example/a.example");
    ck_assert_str_eq(picked(store, "x.wild.example"), "two/x.wild.example/*.wild.example");
    ck_assert_str_eq(picked(store, "127.0.0.1"), "two/127.0.0.1/127.0.0.1");
    ck_assert_str_eq(picked(store, "b.example"), "unknown"); // a certificate makes no site
    tls_store_free(store);
}
END_TEST

START_TEST(hosts_that_nothing_covers_are_warned_of) {
    const char *hosts[] = {"a.example", "c.example", "*"}, *others[] = {"d.example"};
    struct conf_certificate own = {{7, 1}, {8, 1}, path_a, key_a};
    struct conf_site sites[] = {
        {.hosts = hosts, .host_count = 3, .certificates = &own, .certificate_count = 1},
        {.pos = {9, 1}, .hosts = others, .host_count = 1}};
    struct tls_store *store = load(sites, 2, NULL, 0);
    ck_assert_ptr_nonnull(store);
    ck_assert_uint_eq(problems.count, 2);
    problem_is(0, PROBLEM_WARNING, 7, "\"c.example\"");
    problem_is(1, PROBLEM_WARNING, 9, "\"d.example\": its TLS clients get the alert");
    tls_store_free(store);
}
END_TEST

START_TEST(every_error_is_reported) {
    const char *hosts[] = {"a.example"};
    struct conf_certificate own[] = {{{1, 1}, {2, 1}, path_a, key_b},
                                     {{3, 1}, {4, 1}, "/nonexistent.pem", key_a}};
    struct conf_certificate common = {{5, 1}, {5, 1}, "/nonexistent/", "/nonexistent/"};
    struct conf_site site = {
        .hosts = hosts, .host_count = 1, .certificates = own, .certificate_count = 2};
    ck_assert_ptr_null(load(&site, 1, &common, 1));
    ck_assert_uint_eq(problems.errors, 3);
    problem_is(0, PROBLEM_ERROR, 2, "does not belong");
    problem_is(1, PROBLEM_ERROR, 3, "cannot read \"/nonexistent.pem\": No such file");
    problem_is(2, PROBLEM_ERROR, 5, "cannot read \"/nonexistent/\"");
}
END_TEST

START_TEST(an_empty_folder_is_warned_of) {
    char empty[80];
    struct conf_certificate common = {{5, 1}, {5, 1}, empty, empty};
    snprintf(empty, sizeof empty, "%s/empty", folder);
    ck_assert_int_eq(mkdir(empty, 0700), 0);
    struct tls_store *store = load(NULL, 0, &common, 1);
    rmdir(empty);
    ck_assert_ptr_nonnull(store);
    problem_is(0, PROBLEM_WARNING, 5, "no *.pem file");
    tls_store_free(store);
}
END_TEST

START_TEST(selfsigned_names_are_checked) {
    static const char *const bad[] = {"", "a b", "a/b", "a\nb"};
    struct tls_selfsigned made;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_lt(tls_selfsigned_make(&bad[i], 1, 90, &made), 0);
    ck_assert_int_lt(tls_selfsigned_make(bad, 0, 90, &made), 0);
    const char *many[200];
    for (int i = 0; i < 200; i++)
        many[i] = "a-rather-long-name.example";
    ck_assert_int_eq(tls_selfsigned_make(many, 30, 90, &made), 0);
    ck_assert_int_lt(tls_selfsigned_make(many, 200, 90, &made), 0);
}
END_TEST

START_TEST(selfsigned_certificates_are_made_out_to_all_names) {
    char label[64] = "", name[200];
    memset(label, 'x', 63);
    snprintf(name, sizeof name, "%s.%s.example", label, label);
    const char *names[] = {"::1", "127.0.0.1", "*.a.example", name};
    struct tls_selfsigned made;
    struct conf_certificate from = {.certificate_path = "x", .key_path = "x"};
    ck_assert_int_eq(tls_selfsigned_make(names, 4, 90, &made), 0);
    struct tls_certificate *certificate = tls_certificate_parse(
        str_from(made.certificate), str_from(made.key), &from, NULL, time(NULL), &problems);
    ck_assert_ptr_nonnull(certificate);
    for (int i = 0; i < 4; i++)
        ck_assert(tls_certificate_covers(certificate, names[i]));
    tls_certificate_free(certificate);
}
END_TEST

START_TEST(written_keys_are_private) {
    struct stat stat_buffer;
    ck_assert_int_eq(stat(key_a, &stat_buffer), 0);
    ck_assert_uint_eq(stat_buffer.st_mode & 0777, 0600);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: store");
    TCase *pick = tcase_create("pick"), *loading = tcase_create("load");
    tls_library_init();
    tcase_add_test(pick, the_most_specific_host_wins);
    tcase_add_test(pick, what_is_shown_is_what_is_served);
    tcase_add_test(pick, common_certificates_serve_sites_without_own);
    tcase_add_test(pick, of_a_site_s_certificates_the_one_made_out_to_the_name_wins);
    tcase_add_test(pick, of_two_common_certificates_the_one_that_lasts_longer_is_served);
    tcase_add_test(pick, without_a_name_any_certificate_is_better_than_none);
    tcase_add_test(pick, without_certificates_nobody_is_served);
    tcase_add_test(pick, a_client_that_takes_no_key_of_ours_gets_none);
    tcase_add_unchecked_fixture(loading, files_make, files_remove);
    tcase_add_test(loading, a_configuration_becomes_a_store);
    tcase_add_test(loading, hosts_that_nothing_covers_are_warned_of);
    tcase_add_test(loading, every_error_is_reported);
    tcase_add_test(loading, an_empty_folder_is_warned_of);
    tcase_add_test(loading, selfsigned_names_are_checked);
    tcase_add_test(loading, selfsigned_certificates_are_made_out_to_all_names);
    tcase_add_test(loading, written_keys_are_private);
    suite_add_tcase(suite, pick);
    suite_add_tcase(suite, loading);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
