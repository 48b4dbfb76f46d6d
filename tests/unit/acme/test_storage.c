// SPDX-License-Identifier: Apache-2.0
//
// The state folder: modes, whole files, names that stay inside, the lock, and what a record says.
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/json.h"
#include "acme/record.h"
#include "acme/storage.h"

static char folder[] = "/tmp/ringway-storage-XXXXXX";
static char state[64];

static void folder_make(void) {
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(state, sizeof state, "%s/state", folder);
    struct acme_error error;
    ck_assert_int_eq(acme_storage_open(state, &error), 0);
}

static void folder_remove(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static unsigned mode_of(const char *path) {
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(files_are_private_and_replaced_as_a_whole) {
    char path[PATH_MAX];
    struct acme_error error;
    acme_storage_path(state, ACME_ORDERS, "a.example", ".json", path);
    umask(0);
    ck_assert_int_eq(acme_storage_write(path, STR("one"), &error), 0);
    ck_assert_int_eq(acme_storage_write(path, STR("two, longer"), &error), 0);
    char *text = acme_storage_read(path);
    ck_assert_str_eq(text, "two, longer");
    free(text);
    ck_assert_uint_eq(mode_of(path), 0600);
    ck_assert_uint_eq(mode_of(state), 0700);
    acme_storage_remove(path);
    ck_assert_ptr_null(acme_storage_read(path));
    acme_storage_remove(path);
}
END_TEST

START_TEST(a_leftover_of_a_crash_is_overwritten) {
    char path[PATH_MAX], beside[PATH_MAX + 8];
    struct acme_error error;
    acme_storage_path(state, ACME_ACCOUNTS, "a", ".json", path);
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = fopen(beside, "w");
    fputs("half of something that is much longer", file);
    fclose(file);
    ck_assert_int_eq(acme_storage_write(path, STR("whole"), &error), 0);
    char *text = acme_storage_read(path);
    ck_assert_str_eq(text, "whole");
    free(text);
}
END_TEST

START_TEST(names_stay_in_the_folder) {
    char path[PATH_MAX];
    acme_storage_path(state, ACME_CERTIFICATES, "../../etc/x", ".pem", path);
    ck_assert_ptr_null(strstr(path, "/../"));
    ck_assert_str_eq(strrchr(path, '/') + 1, "_._.._etc_x.pem");
    acme_storage_path(state, ACME_CERTIFICATES, "*.a.example", ".pem", path);
    ck_assert_str_eq(strrchr(path, '/') + 1, "_.a.example.pem");
}
END_TEST

START_TEST(the_lock_is_for_one) {
    int first = acme_storage_lock(state);
    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(acme_storage_lock(state), -EWOULDBLOCK);
    close(first);
    int second = acme_storage_lock(state);
    ck_assert_int_ge(second, 0);
    close(second);
}
END_TEST

START_TEST(trouble_is_said) {
    struct acme_error error;
    ck_assert_int_eq(acme_storage_open("/proc/none", &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, "/proc/none"));
    ck_assert_ptr_nonnull(strstr(error.text, "acme.state_dir"));
    ck_assert_int_eq(acme_storage_write("/proc/none/x", STR("x"), &error), -ENOENT);
}
END_TEST

static const char *hosts[] = {"a.example"};

START_TEST(a_record_is_read_as_it_was_written) {
    char file[PATH_MAX];
    struct acme_error error;
    acme_storage_path(state, ACME_CERTIFICATES, "a.example", ".pem", file);
    struct conf_acme acme = {.state_dir = state,
                             .authority = {.directory = "https://ca.example/dir"}};
    struct conf_site site = {.name = "a.example", .acme_hosts = hosts, .acme_host_count = 1};
    struct conf_managed managed = {.site = &site, .name = "a.example", .file = file};
    struct acme_record record, again;
    acme_record_read(&acme, &managed, &record);
    ck_assert(!record.has_leaf && record.failures == 0 && record.next_at == 0);
    ck_assert_int_eq(acme_record_due(&record, &acme, &managed), 0);
    record.failures = 3;
    record.next_at = 5000000000;
    strcpy(record.error, "what \"it\" said");
    ck_assert_int_eq(acme_record_write(&acme, &managed, &record, &error), 0);
    acme_record_read(&acme, &managed, &again);
    ck_assert_uint_eq(again.failures, 3);
    ck_assert_str_eq(again.error, "what \"it\" said");
    ck_assert_int_eq(acme_record_due(&again, &acme, &managed), 5000000000);
    acme_record_free(&record);
    acme_record_free(&again);
}
END_TEST

START_TEST(nonsense_in_a_file_is_nothing) {
    char file[PATH_MAX], json[PATH_MAX];
    struct acme_error error;
    acme_storage_path(state, ACME_CERTIFICATES, "a.example", ".pem", file);
    acme_storage_path(state, ACME_CERTIFICATES, "a.example", ".json", json);
    struct conf_acme acme = {.state_dir = state,
                             .authority = {.directory = "https://ca.example/dir"}};
    struct conf_site site = {.name = "a.example", .acme_hosts = hosts, .acme_host_count = 1};
    struct conf_managed managed = {.site = &site, .name = "a.example", .file = file};
    static const char *const texts[] = {"", "{", "[1]", "{\"failures\": -1, \"next_at\": \"x\"}",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct acme_record record;
        ck_assert_int_eq(acme_storage_write(file, str_from(texts[i]), &error), 0);
        ck_assert_int_eq(acme_storage_write(json, str_from(texts[i]), &error), 0);
        acme_record_read(&acme, &managed, &record);
        ck_assert(!record.has_leaf && record.failures == 0);
        ck_assert_int_eq(acme_record_due(&record, &acme, &managed), 0);
        acme_record_free(&record);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: storage");
    TCase *tcase = tcase_create("folder");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_test(tcase, files_are_private_and_replaced_as_a_whole);
    tcase_add_test(tcase, a_leftover_of_a_crash_is_overwritten);
    tcase_add_test(tcase, names_stay_in_the_folder);
    tcase_add_test(tcase, the_lock_is_for_one);
    tcase_add_test(tcase, trouble_is_said);
    tcase_add_test(tcase, a_record_is_read_as_it_was_written);
    tcase_add_test(tcase, nonsense_in_a_file_is_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
