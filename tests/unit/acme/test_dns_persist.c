// SPDX-License-Identifier: Apache-2.0
//
// The account's URI in records of dns-persist-01, against the draft's own example.
#include "acme/dns_persist.h"

#include <check.h>
#include <stdlib.h>

// draft-ietf-acme-dns-persist-02, section 10.2.
#define PREFIX "https://ca.example/account-hash/"
#define THUMBPRINT "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
#define ACCOUNT "https://ca.example/acct/123"

START_TEST(the_example_of_the_draft) {
    char *uri = acme_dns_persist_uri(PREFIX, "example.com", THUMBPRINT, ACCOUNT);
    ck_assert_str_eq(uri, PREFIX "sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw");
    free(uri);
    uri = acme_dns_persist_uri(PREFIX, "*", THUMBPRINT, ACCOUNT);
    ck_assert_str_eq(uri, PREFIX "sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug");
    free(uri);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dns_persist");
    TCase *tcase = tcase_create("uri");
    tcase_add_test(tcase, the_example_of_the_draft);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
