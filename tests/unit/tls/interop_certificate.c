// SPDX-License-Identifier: Apache-2.0
//
// Certificates made by OpenSSL: what is loaded, what is refused, and in which words.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls/openssl_peer.h"
#include "tls/library.h"

#define DAY_S (24L * 3600)

static struct problems problems;

static struct tls_certificate *parse(const char *chain, const char *key) {
    struct conf_certificate from = {{3, 5}, {4, 6}, "cert.pem", "key.pem"};
    problems_free(&problems);
    memset(&problems, 0, sizeof problems);
    return tls_certificate_parse(str_from(chain), str_from(key), &from, NULL, time(NULL),
                                 &problems);
}

static void refused(const struct tls_certificate *certificate, const char *words, unsigned line) {
    ck_assert_ptr_null(certificate);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_uint_eq(problems.errors, 1);
    ck_assert_msg(strstr(problems.items[0].text, words) != NULL, "%s", problems.items[0].text);
    ck_assert_uint_eq(problems.items[0].pos.line, line);
}

static void warned(struct tls_certificate *certificate, const char *words) {
    ck_assert_ptr_nonnull(certificate);
    ck_assert_uint_eq(problems.errors, 0);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_msg(strstr(problems.items[0].text, words) != NULL, "%s", problems.items[0].text);
    tls_certificate_free(certificate);
}

START_TEST(good_keys_are_taken) {
    static const struct {
        const char *key;
        enum tls_key_kind kind;
    } kinds[] = {{"P-256", TLS_KEY_ECDSA_P256},
                 {"P-384", TLS_KEY_ECDSA_P384},
                 {"RSA-2048", TLS_KEY_RSA},
                 {"RSA-3072", TLS_KEY_RSA}};
    struct test_pem pem;
    test_pem_make(&pem, kinds[_i].key, "DNS:a.example", -DAY_S, 90 * DAY_S);
    struct tls_certificate *certificate = parse(pem.certificate, pem.key);
    ck_assert_ptr_nonnull(certificate);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_int_eq(tls_certificate_key_kind(certificate), kinds[_i].kind);
    long left = tls_certificate_not_after(certificate) - time(NULL);
    ck_assert_int_ge(left, 90 * DAY_S - 60);
    ck_assert_int_le(left, 90 * DAY_S);
    tls_certificate_free(certificate);
}
END_TEST

START_TEST(other_keys_are_refused) {
    struct test_pem pem;
    test_pem_make(&pem, "RSA-1024", "DNS:a.example", -DAY_S, 90 * DAY_S);
    refused(parse(pem.certificate, pem.key), "less than 2048 bits", 3);
    test_pem_make(&pem, "P-521", "DNS:a.example", -DAY_S, 90 * DAY_S);
    refused(parse(pem.certificate, pem.key), "of a kind not supported", 3);
}
END_TEST

START_TEST(names_come_from_the_alternative_name) {
    struct test_pem pem;
    test_pem_make(&pem, "P-256", "DNS:A.example,DNS:*.b.example,IP:127.0.0.1,IP:::1", -DAY_S,
                  90 * DAY_S);
    struct tls_certificate *certificate = parse(pem.certificate, pem.key);
    ck_assert_uint_eq(tls_certificate_name_count(certificate), 4);
    static const struct {
        const char *host;
        bool covered;
    } hosts[] = {
        {"a.example", true},   {"A.EXAMPLE", true},    {"x.a.example", false},
        {"x.b.example", true}, {"b.example", false},   {"x.y.b.example", false},
        {"*.b.example", true}, {"*.a.example", false}, {"127.0.0.1", true},
        {"127.0.0.2", false},  {"::1", true},          {"0:0:0:0:0:0:0:1", true},
        {"::2", false},        {"cn.example", false},  {"", false},
    };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        ck_assert_msg(tls_certificate_covers(certificate, hosts[i].host) == hosts[i].covered, "%s",
                      hosts[i].host);
    tls_certificate_free(certificate);
}
END_TEST

START_TEST(the_common_name_counts_only_alone) {
    struct test_pem pem;
    test_pem_make(&pem, "P-256", NULL, -DAY_S, 90 * DAY_S);
    struct tls_certificate *certificate = parse(pem.certificate, pem.key);
    ck_assert_uint_eq(tls_certificate_name_count(certificate), 1);
    ck_assert(tls_certificate_covers(certificate, "cn.example"));
    tls_certificate_free(certificate);
}
END_TEST

START_TEST(dates_are_checked) {
    struct test_pem pem;
    char date[40];
    time_t then = time(NULL) - 10 * DAY_S;
    test_pem_make(&pem, "P-256", "DNS:a.example", -90 * DAY_S, -10 * DAY_S);
    strftime(date, sizeof date, "expired on %Y-%m-%d", gmtime(&then));
    refused(parse(pem.certificate, pem.key), date, 3);
    test_pem_make(&pem, "P-256", "DNS:a.example", DAY_S, 90 * DAY_S);
    warned(parse(pem.certificate, pem.key), "is not valid before");
    test_pem_make(&pem, "P-256", "DNS:a.example", -85 * DAY_S, 5 * DAY_S);
    warned(parse(pem.certificate, pem.key), "expires soon");
    test_pem_make(&pem, "P-256", "DNS:a.example", -100, 2 * 3600); // short-lived by design
    struct tls_certificate *certificate = parse(pem.certificate, pem.key);
    ck_assert_ptr_nonnull(certificate);
    ck_assert_uint_eq(problems.count, 0);
    tls_certificate_free(certificate);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    struct test_pem one, two;
    test_pem_make(&one, "P-256", "DNS:a.example", -DAY_S, 90 * DAY_S);
    test_pem_make(&two, "P-256", "DNS:a.example", -DAY_S, 90 * DAY_S);
    refused(parse(one.certificate, two.key), "does not belong to the certificate", 4);
    test_pem_make(&two, "RSA-2048", "DNS:a.example", -DAY_S, 90 * DAY_S);
    refused(parse(one.certificate, two.key), "does not belong to the certificate", 4);
    refused(parse(two.certificate, one.key), "does not belong to the certificate", 4);
}
END_TEST

START_TEST(garbage_is_refused) {
    struct test_pem pem;
    test_pem_make(&pem, "P-256", "DNS:a.example", -DAY_S, 90 * DAY_S);
    refused(parse("", pem.key), "no PEM certificate", 3);
    refused(parse("hello", pem.key), "no PEM certificate", 3);
    refused(parse(pem.key, pem.key), "no PEM certificate", 3);
    refused(parse("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pem.key),
            "cannot be decoded", 3);
    refused(parse(pem.certificate, ""), "no PEM private key", 4);
    refused(parse(pem.certificate, pem.certificate), "no PEM private key", 4);
    refused(
        parse(pem.certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "cannot be read", 4);
    refused(parse(pem.certificate, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                                   "-----END ENCRYPTED PRIVATE KEY-----\n"),
            "without a passphrase", 4);
}
END_TEST

// Every cut of a good file: an error or a certificate, never a crash.
START_TEST(a_file_cut_anywhere_is_survived) {
    struct test_pem pem;
    test_pem_make(&pem, "P-256", "DNS:a.example", -DAY_S, 90 * DAY_S);
    char *cut = strdup(pem.certificate);
    for (size_t n = strlen(cut); n-- > 0;) {
        cut[n] = '\0';
        struct tls_certificate *certificate = parse(cut, pem.key);
        ck_assert(certificate != NULL || problems.errors == 1);
        tls_certificate_free(certificate);
    }
    free(cut);
}
END_TEST

START_TEST(chain_and_key_may_share_a_file) {
    struct test_pem pem, other;
    char both[2 * sizeof pem];
    test_pem_make(&pem, "P-256", "DNS:a.example", -DAY_S, 90 * DAY_S);
    test_pem_make(&other, "P-256", "DNS:issuer.example", -DAY_S, 90 * DAY_S);
    snprintf(both, sizeof both, "%s%s%s", pem.certificate, other.certificate, pem.key);
    struct tls_certificate *certificate = parse(both, both);
    ck_assert_ptr_nonnull(certificate);
    ck_assert(tls_certificate_covers(certificate, "a.example"));
    ck_assert(!tls_certificate_covers(certificate, "issuer.example"));
    tls_certificate_free(certificate);
    snprintf(both, sizeof both, "%s%s", pem.key, pem.certificate);
    certificate = parse(both, both);
    ck_assert_ptr_nonnull(certificate);
    tls_certificate_free(certificate);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls interop: certificates");
    TCase *tcase = tcase_create("OpenSSL");
    tls_library_init();
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, good_keys_are_taken, 0, 4);
    tcase_add_test(tcase, other_keys_are_refused);
    tcase_add_test(tcase, names_come_from_the_alternative_name);
    tcase_add_test(tcase, the_common_name_counts_only_alone);
    tcase_add_test(tcase, dates_are_checked);
    tcase_add_test(tcase, what_does_not_fit_is_refused);
    tcase_add_test(tcase, garbage_is_refused);
    tcase_add_test(tcase, a_file_cut_anywhere_is_survived);
    tcase_add_test(tcase, chain_and_key_may_share_a_file);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    problems_free(&problems);
    tls_library_cleanup();
    return failed;
}
