// SPDX-License-Identifier: Apache-2.0
//
// The error log: what a line says, that a peer cannot forge or flood it, and that it survives
// rotation, reload and a full disk.
#include "core/log.h"
#include "core/line.h"
#include "core/str.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96], rotated_path[96];

static void folder_make(void) {
    strcpy(folder, "/tmp/ringway-test-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/error.log", folder);
    snprintf(rotated_path, sizeof(rotated_path), "%s/error.log.1", folder);
}

static void folder_remove(void) {
    log_close();
    unlink(path);
    unlink(rotated_path);
    rmdir(folder);
}

static struct conf_log file_conf(enum log_level level, enum log_format format) {
    return (struct conf_log){
        .target = LOG_TARGET_FILE, .path = path, .level = level, .format = format};
}

// The whole file, terminated; lives until the next call.
static char *file_read(const char *name) {
    static char content[1 << 20];
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    size_t size_bytes = fread(content, 1, sizeof(content) - 1, file);
    fclose(file);
    content[size_bytes] = '\0';
    return content;
}

static unsigned lines_count(const char *text, const char *needle) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, needle)); at += strlen(needle))
        count++;
    return count;
}

static const struct log_context connecting = {
    .worker = 1,
    .client = "203.0.113.9:5123",
    .site = "a.example",
    .phase = "connecting to upstream",
    .upstream = "127.0.0.1:3001",
};

// "2026-11-21T08:46:53.123Z " precedes what is compared.
#define TIME_SIZE 24

START_TEST(text_says_who_what_and_when) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    log_line(LOG_WARN, &connecting, "connection refused (%d)", 111);
    log_line(LOG_INFO, NULL, "ready");
    char *first = file_read(path);
    char *second = strchr(first, '\n') + 1;
    ck_assert_str_eq(second + TIME_SIZE, " info: ready\n");
    second[-1] = '\0';
    ck_assert_str_eq(first + TIME_SIZE,
                     " warn worker 1 client 203.0.113.9:5123 site a.example: connection refused"
                     " (111) while connecting to upstream 127.0.0.1:3001");
    ck_assert_int_eq(first[10], 'T');
    ck_assert_int_eq(first[TIME_SIZE - 1], 'Z');
}
END_TEST

START_TEST(json_has_the_same_as_keys) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_JSON);
    ck_assert_int_eq(log_open(&conf), 0);
    log_line(LOG_ERROR, &connecting, "no \"luck\"");
    char *line = file_read(path);
    ck_assert_int_eq(strncmp(line, "{\"time\":\"20", 11), 0);
    ck_assert_str_eq(line + strlen("{\"time\":\"") + TIME_SIZE,
                     "\",\"level\":\"error\",\"worker\":1,\"client\":\"203.0.113.9:5123\","
                     "\"site\":\"a.example\",\"message\":\"no \\\"luck\\\"\","
                     "\"phase\":\"connecting to upstream\",\"upstream\":\"127.0.0.1:3001\"}\n");
}
END_TEST

START_TEST(a_peer_cannot_forge_a_line) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    log_line(LOG_INFO, NULL, "bad method %s", "X\n2026-11-21T08:46:53.123Z error: forged\x1b[2J");
    const char *line = file_read(path);
    ck_assert_str_eq(line + TIME_SIZE, " info: bad method X\\x0A2026-11-21T08:46:53.123Z error:"
                                       " forged\\x1B[2J\n");
}
END_TEST

START_TEST(a_long_message_is_cut_and_the_object_closed) {
    char message[LINE_SIZE_MAX * 2];
    memset(message, '\n', sizeof(message)); // the longest escape
    message[sizeof(message) - 1] = '\0';
    struct log_context context = {1, message, message, message, message};
    struct conf_log conf = file_conf(LOG_INFO, LOG_JSON);
    ck_assert_int_eq(log_open(&conf), 0);
    log_line(LOG_INFO, &context, "%s", message);
    const char *line = file_read(path);
    size_t size_bytes = strlen(line);
    ck_assert_uint_le(size_bytes, LINE_SIZE_MAX);
    ck_assert_str_eq(line + size_bytes - strlen("…\"}\n"), "…\"}\n");
    ck_assert_uint_eq(lines_count(line, "\n"), 1);
}
END_TEST

START_TEST(levels_below_the_configured_one_are_left_out) {
    struct conf_log conf = file_conf(LOG_WARN, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    ck_assert(!log_enabled(LOG_INFO));
    ck_assert(log_enabled(LOG_WARN));
    log_line(LOG_INFO, NULL, "not this");
    log_line(LOG_ERROR, NULL, "but this");
    ck_assert_str_eq(file_read(path) + TIME_SIZE, " error: but this\n");
}
END_TEST

START_TEST(none_enables_nothing) {
    struct conf_log conf = {.target = LOG_TARGET_NONE, .level = LOG_DEBUG};
    ck_assert_int_eq(log_open(&conf), 0);
    ck_assert(!log_enabled(LOG_ERROR));
    log_close();
    ck_assert(log_enabled(LOG_ERROR));
}
END_TEST

START_TEST(errno_survives_a_line) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    errno = ECONNRESET;
    log_line(LOG_INFO, NULL, "x");
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_changes_nothing) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    struct conf_log wrong = conf;
    wrong.path = "/nonexistent/error.log";
    ck_assert_int_eq(log_open(&wrong), -ENOENT);
    log_line(LOG_INFO, NULL, "still here");
    ck_assert_str_eq(file_read(path) + TIME_SIZE, " info: still here\n");
}
END_TEST

START_TEST(a_flood_from_peers_is_counted) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    for (int i = 0; i < 500; i++)
        log_peer(LOG_INFO, NULL, "refused: %d", i);
    log_peer(LOG_INFO, NULL, "something else");
    log_peer_tick(); // the second is not over: nothing yet, unless the loop met its end
    sleep(2);
    log_peer_tick();
    log_peer_tick();
    const char *text = file_read(path);
    unsigned written = lines_count(text, " info: refused: ");
    ck_assert_uint_ge(written, 20);
    ck_assert_uint_le(written, 40); // the loop may meet the end of a second
    ck_assert_uint_eq(lines_count(text, "something else"), 1);
    if (written == 20)
        ck_assert_ptr_nonnull(strstr(text, " info: 480 similar lines suppressed: \"refused: %d\""));
    ck_assert_uint_le(lines_count(text, "similar"), 2);
    log_peer(LOG_INFO, NULL, "refused: again");
    ck_assert_ptr_nonnull(strstr(file_read(path), "refused: again"));
}
END_TEST

#define WRITERS 4
#define LINES_EACH 2000

static void *lines_write(void *argument) {
    struct log_context context = {.worker = *(int *)argument, .phase = "being rotated"};
    for (int i = 0; i < LINES_EACH; i++)
        log_line(LOG_INFO, &context, "line %d", i);
    return NULL;
}

START_TEST(rotation_under_fire_loses_and_mixes_nothing) {
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(log_open(&conf), 0);
    pthread_t threads[WRITERS];
    int workers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        workers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, lines_write, &workers[i]), 0);
    }
    usleep(2000);
    ck_assert_int_eq(rename(path, rotated_path), 0);
    ck_assert_int_eq(log_open(&conf), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);

    unsigned whole = 0, lines = 0;
    const char *names[] = {path, rotated_path};
    for (int i = 0; i < 2; i++) {
        const char *text = file_read(names[i]);
        lines += lines_count(text, "\n");
        whole += lines_count(text, " while being rotated\n");
    }
    ck_assert_uint_eq(lines, WRITERS * LINES_EACH);
    ck_assert_uint_eq(whole, WRITERS * LINES_EACH);
}
END_TEST

START_TEST(a_full_disk_is_said_once_on_stderr) {
    int old_stderr = dup(STDERR_FILENO);
    int capture = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(capture, STDERR_FILENO);
    struct conf_log conf = file_conf(LOG_INFO, LOG_TEXT);
    conf.path = "/dev/full";
    int opened = log_open(&conf);
    log_line(LOG_INFO, NULL, "one");
    log_line(LOG_INFO, NULL, "two");
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(capture);

    ck_assert_int_eq(opened, 0);
    const char *text = file_read(path);
    ck_assert_uint_eq(lines_count(text, "cannot write the log: No space left on device"), 1);
    ck_assert_uint_eq(lines_count(text, " info: one\n"), 1);
    ck_assert_uint_eq(lines_count(text, " info: two\n"), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, text_says_who_what_and_when);
    tcase_add_test(tcase, json_has_the_same_as_keys);
    tcase_add_test(tcase, a_peer_cannot_forge_a_line);
    tcase_add_test(tcase, a_long_message_is_cut_and_the_object_closed);
    tcase_add_test(tcase, levels_below_the_configured_one_are_left_out);
    tcase_add_test(tcase, none_enables_nothing);
    tcase_add_test(tcase, errno_survives_a_line);
    tcase_add_test(tcase, a_file_that_cannot_be_opened_changes_nothing);
    tcase_add_test(tcase, a_flood_from_peers_is_counted);
    tcase_add_test(tcase, rotation_under_fire_loses_and_mixes_nothing);
    tcase_add_test(tcase, a_full_disk_is_said_once_on_stderr);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
