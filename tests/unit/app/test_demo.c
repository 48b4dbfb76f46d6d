// SPDX-License-Identifier: Apache-2.0
//
// What `ringway demo` prepares: a configuration that is accepted, and nothing left behind.
#include "app/demo.h"

#include "core/config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t mode_of(const char *folder, const char *name) {
    char path[512];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(the_configuration_is_accepted) {
    struct demo *demo;
    struct problems problems = {0};
    ck_assert_int_eq(demo_prepare(8443, &demo), 0);
    struct config *config =
        config_parse(demo->config_text, demo->config_size_bytes, "demo", demo->folder, &problems);
    ck_assert_msg(config != NULL, "%s: %s", demo->config_text,
                  problems.count > 0 ? problems.items[0].text : "?");
    ck_assert_msg(problems.count == 0, "%s", problems.count > 0 ? problems.items[0].text : "");
    ck_assert_uint_eq(config->site_count, 1);
    ck_assert_uint_eq(config->sites[0].certificate_count, 1);
    ck_assert_int_eq(access(config->sites[0].certificates[0].certificate_path, R_OK), 0);
    ck_assert_int_eq(access(config->sites[0].certificates[0].key_path, R_OK), 0);
    config_free(config);
    problems_free(&problems);
    demo_end(demo);
}
END_TEST

START_TEST(the_key_is_private_and_the_folder_goes) {
    struct demo *demo;
    char folder[256];
    ck_assert_int_eq(demo_prepare(8443, &demo), 0);
    snprintf(folder, sizeof(folder), "%s", demo->folder);
    ck_assert_uint_eq(mode_of(folder, "."), 0700);
    ck_assert_uint_eq(mode_of(folder, "key.pem"), 0600);
    ck_assert_uint_ne(mode_of(folder, "cert.pem"), 0);
    demo_end(demo);
    ck_assert_int_eq(access(folder, F_OK), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(two_demos_do_not_meet) {
    struct demo *one, *two;
    ck_assert_int_eq(demo_prepare(8443, &one), 0);
    ck_assert_int_eq(demo_prepare(8443, &two), 0);
    ck_assert_str_ne(one->folder, two->folder);
    ck_assert_str_ne(one->config_text, two->config_text); // another backend port
    demo_end(one);
    demo_end(two);
    demo_end(NULL);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_an_error) {
    struct demo *demo;
    setenv("TMPDIR", "/nonexistent", 1);
    ck_assert_int_eq(demo_prepare(8443, &demo), -ENOENT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("demo");
    TCase *tcase = tcase_create("demo");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_configuration_is_accepted);
    tcase_add_test(tcase, the_key_is_private_and_the_folder_goes);
    tcase_add_test(tcase, two_demos_do_not_meet);
    tcase_add_test(tcase, a_folder_that_cannot_be_made_is_an_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
