// SPDX-License-Identifier: Apache-2.0
#include "core/pipe_pool.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(a_few_are_kept) {
    struct pipe_pool pool = {0};
    struct ring_pipe pipes[PIPES_KEPT + 2];
    for (int i = 0; i < PIPES_KEPT + 2; i++)
        ck_assert(pipe_pool_get(&pool, NULL, &pipes[i]));
    ck_assert_uint_eq(pool.out, PIPES_KEPT + 2);
    for (int i = 0; i < PIPES_KEPT + 2; i++)
        pipe_pool_put(&pool, NULL, &pipes[i], PIPE_EMPTY);
    ck_assert_uint_eq(pool.out, 0);
    ck_assert_uint_eq(pool.kept_count, PIPES_KEPT);
    ck_assert(is_open(pipes[PIPES_KEPT - 1].in));
    ck_assert(!is_open(pipes[PIPES_KEPT].in) && !is_open(pipes[PIPES_KEPT].out));

    struct ring_pipe again;
    ck_assert(pipe_pool_get(&pool, NULL, &again));
    ck_assert_int_eq(again.in, pipes[PIPES_KEPT - 1].in);
    pipe_pool_put(&pool, NULL, &again, PIPE_EMPTY);
    pipe_pool_clear(&pool, NULL);
    ck_assert(!is_open(pipes[0].in));
}
END_TEST

START_TEST(one_that_holds_bytes_is_not_kept) {
    struct pipe_pool pool = {0};
    struct ring_pipe pipe;
    ck_assert(pipe_pool_get(&pool, NULL, &pipe));
    ck_assert_int_eq(write(pipe.in, "x", 1), 1);
    pipe_pool_put(&pool, NULL, &pipe, PIPE_HOLDS_BYTES);
    ck_assert_uint_eq(pool.kept_count, 0);
    ck_assert(!is_open(pipe.in) && !is_open(pipe.out));
}
END_TEST

START_TEST(there_is_a_bound) {
    struct pipe_pool pool = {.out = PIPES_MAX};
    struct ring_pipe pipe;
    ck_assert(!pipe_pool_get(&pool, NULL, &pipe));
    ck_assert_uint_eq(pool.out, PIPES_MAX);
}
END_TEST

START_TEST(no_descriptor_is_no_pipe) {
    struct pipe_pool pool = {0};
    struct ring_pipe pipe;
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    bool got = pipe_pool_get(&pool, NULL, &pipe);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert(!got);
    ck_assert_uint_eq(pool.out, 0);
}
END_TEST

START_TEST(pipes_do_not_block) {
    struct pipe_pool pool = {0};
    struct ring_pipe pipe;
    char byte;
    ck_assert(pipe_pool_get(&pool, NULL, &pipe));
    ck_assert_int_eq(read(pipe.out, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    pipe_pool_put(&pool, NULL, &pipe, PIPE_EMPTY);
    pipe_pool_clear(&pool, NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/pipe_pool");
    TCase *all = tcase_create("pool");
    tcase_add_test(all, a_few_are_kept);
    tcase_add_test(all, one_that_holds_bytes_is_not_kept);
    tcase_add_test(all, there_is_a_bound);
    tcase_add_test(all, no_descriptor_is_no_pipe);
    tcase_add_test(all, pipes_do_not_block);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
