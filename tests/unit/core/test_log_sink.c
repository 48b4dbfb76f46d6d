// SPDX-License-Identifier: Apache-2.0
//
// A worker's access lines: whole, bounded, never waiting for who reads them.
#include "core/log_sink.h"
#include "core/line.h"
#include "core/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96], rotated_path[96];

static void folder_make(void) {
    strcpy(folder, "/tmp/ringway-test-sink-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/access.log", folder);
    snprintf(rotated_path, sizeof(rotated_path), "%s/access.log.1", folder);
    struct conf_log quiet = {.target = LOG_TARGET_NONE};
    ck_assert_int_eq(log_open(&quiet), 0);
}

static void folder_remove(void) {
    log_close();
    unlink(path);
    unlink(rotated_path);
    rmdir(folder);
}

static void file_open(struct log_file *file) {
    struct conf_log conf = {.target = LOG_TARGET_FILE, .path = path};
    ck_assert_int_eq(log_file_open(file, &conf), 0);
}

static off_t file_size(const char *name) {
    struct stat status;
    return stat(name, &status) == 0 ? status.st_size : -1;
}

static unsigned lines_count(const char *name, const char *expected) {
    char line[LINE_SIZE_MAX + 2];
    unsigned count = 0;
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        ck_assert_str_eq(line, expected);
        count++;
    }
    fclose(file);
    return count;
}

START_TEST(lines_wait_in_the_buffer_until_flushed) {
    struct log_file file;
    struct log_sink sink;
    file_open(&file);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);
    ck_assert(log_sink_wanted(&sink));
    log_sink_write(&sink, STR("one\n"));
    ck_assert_int_eq(file_size(path), 0);
    log_sink_flush(&sink);
    ck_assert_int_eq(file_size(path), 4);
    log_sink_write(&sink, STR("two\n"));
    log_sink_end(&sink);
    ck_assert_int_eq(file_size(path), 8);
    log_file_close(&file);
}
END_TEST

START_TEST(a_full_buffer_is_written_out) {
    struct log_file file;
    struct log_sink sink;
    file_open(&file);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);
    for (int i = 0; i < 100 * 1000; i++)
        log_sink_write(&sink, STR("0123456789\n"));
    ck_assert_int_gt(file_size(path), 1000 * 1000);
    log_sink_end(&sink);
    ck_assert_uint_eq(sink.dropped_lines, 0);
    ck_assert_uint_eq(lines_count(path, "0123456789\n"), 100 * 1000);
    log_file_close(&file);
}
END_TEST

START_TEST(target_none_wants_no_lines) {
    struct log_file file;
    struct log_sink sink;
    struct conf_log conf = {.target = LOG_TARGET_NONE};
    ck_assert_int_eq(log_file_open(&file, &conf), 0);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);
    ck_assert(!log_sink_wanted(&sink));

    conf = (struct conf_log){.target = LOG_TARGET_FILE, .path = path};
    ck_assert_int_eq(log_file_reopen(&file, &conf), 0);
    ck_assert(log_sink_wanted(&sink));
    log_sink_end(&sink);
    log_file_close(&file);
}
END_TEST

#define WRITERS 3
#define LINES_EACH 20000

static void *lines_write(void *argument) {
    struct log_sink sink;
    if (log_sink_start(&sink, argument) < 0)
        return NULL;
    for (int i = 0; i < LINES_EACH; i++) {
        log_sink_write(&sink, STR("a line among many\n"));
        if (i % 100 == 0)
            log_sink_flush(&sink);
    }
    log_sink_end(&sink);
    return NULL;
}

START_TEST(workers_and_rotation_mix_no_lines) {
    struct log_file file;
    file_open(&file);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, lines_write, &file), 0);
    usleep(2000);
    ck_assert_int_eq(rename(path, rotated_path), 0);
    struct conf_log conf = {.target = LOG_TARGET_FILE, .path = path};
    ck_assert_int_eq(log_file_reopen(&file, &conf), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    unsigned lines = lines_count(path, "a line among many\n");
    lines += lines_count(rotated_path, "a line among many\n");
    ck_assert_uint_eq(lines, WRITERS * LINES_EACH);
    log_file_close(&file);
}
END_TEST

// stdout becomes a pipe nobody reads: the sink must keep going, and give what it kept later.
START_TEST(a_stalled_reader_is_not_waited_for) {
    int ends[2], old_stdout = dup(STDOUT_FILENO);
    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDOUT_FILENO);
    struct log_file file;
    struct log_sink sink;
    struct conf_log conf = {.target = LOG_TARGET_STDOUT};
    int opened = log_file_open(&file, &conf);
    dup2(old_stdout, STDOUT_FILENO);
    ck_assert_int_eq(opened, 0);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);

    unsigned written = 100 * 1000;
    for (unsigned i = 0; i < written; i++)
        log_sink_write(&sink, STR("0123456789\n"));
    ck_assert_uint_gt(sink.dropped_lines, 0);

    static const char line[] = "0123456789\n";
    char buffer[11 * 1000];
    size_t total_bytes = 0;
    for (ssize_t got; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) {
        for (ssize_t i = 0; i < got; i++)
            ck_assert_int_eq(buffer[i], line[total_bytes++ % 11]);
        log_sink_flush(&sink);
    }
    ck_assert_uint_eq(total_bytes / 11 + sink.dropped_lines, written);
    log_sink_end(&sink);
    log_file_close(&file);
    close(ends[0]);
    close(ends[1]);
    close(old_stdout);
}
END_TEST

START_TEST(a_full_disk_drops_and_counts) {
    struct log_file file;
    struct log_sink sink;
    struct conf_log conf = {.target = LOG_TARGET_FILE, .path = "/dev/full"};
    ck_assert_int_eq(log_file_open(&file, &conf), 0);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);
    for (int i = 0; i < 3; i++)
        log_sink_write(&sink, STR("lost\n"));
    log_sink_flush(&sink);
    ck_assert_uint_eq(sink.dropped_lines, 3);

    conf.path = path;
    ck_assert_int_eq(log_file_reopen(&file, &conf), 0);
    log_sink_write(&sink, STR("kept\n"));
    log_sink_end(&sink);
    ck_assert_uint_eq(lines_count(path, "kept\n"), 1);
    log_file_close(&file);
}
END_TEST

// The disk fills in the middle of a line: the file size limit gives the same short write.
START_TEST(a_torn_line_does_not_swallow_the_next) {
    struct log_file file;
    struct log_sink sink;
    struct rlimit limit, old;
    file_open(&file);
    ck_assert_int_eq(log_sink_start(&sink, &file), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){.rlim_cur = 7, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    log_sink_write(&sink, STR("one\n"));
    log_sink_write(&sink, STR("torn line\n"));
    log_sink_flush(&sink);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_uint_eq(sink.dropped_lines, 1);
    log_sink_write(&sink, STR("two\n"));
    log_sink_end(&sink);
    log_file_close(&file);

    char content[64] = "";
    FILE *written = fopen(path, "r");
    ck_assert_ptr_nonnull(written);
    ck_assert_uint_gt(fread(content, 1, sizeof(content) - 1, written), 0);
    fclose(written);
    ck_assert_str_eq(content, "one\ntor\ntwo\n");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log_sink");
    TCase *tcase = tcase_create("log_sink");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, lines_wait_in_the_buffer_until_flushed);
    tcase_add_test(tcase, a_full_buffer_is_written_out);
    tcase_add_test(tcase, target_none_wants_no_lines);
    tcase_add_test(tcase, workers_and_rotation_mix_no_lines);
    tcase_add_test(tcase, a_stalled_reader_is_not_waited_for);
    tcase_add_test(tcase, a_full_disk_drops_and_counts);
    tcase_add_test(tcase, a_torn_line_does_not_swallow_the_next);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
