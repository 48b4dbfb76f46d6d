// SPDX-License-Identifier: Apache-2.0
//
// Which idle connection is given, and when each goes.
#include "ws/pool.h"

#include "tests/unit/ws/one_leg.h"

#define LEGS 4

static struct pool pool;
static struct leg *legs[LEGS];
static struct fake_peer *peers[LEGS];
static const struct conf_upstream keeps_two = {.keep_alive = 2, .keep_alive_timeout_ms = 5000};

static const struct sockaddr *address(uint16_t port) {
    static struct sockaddr_in in;
    in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    return (const struct sockaddr *)&in;
}

// Connections that have been used.
static void pool_start(void) {
    start();
    pool = (struct pool){.worker = &worker};
    int listener = fake_listen();
    for (int i = 0; i < LEGS; i++) {
        peers[i] = fake_connect(listener, &(struct sockaddr_in){.sin_family = AF_INET});
        legs[i] = leg_new(&worker, ring_accept_now(worker.ring, listener), &events, &owner);
    }
    ring_close_socket(worker.ring, listener);
}

static void pool_finish(void) {
    pool_clear(&pool);
    ck_assert_ptr_null(pool.places);
    finish();
}

static void put(int which, uint16_t port) {
    pool_put(&pool, legs[which], address(port), &keeps_two);
}

static void close_rest(int from) {
    for (int i = from; i < LEGS; i++)
        leg_close(legs[i]);
}

static bool is_closed(int which) {
    return fake_peer_is_left(peers[which]);
}

START_TEST(the_last_put_is_taken_first) {
    pool_start();
    put(0, 1);
    put(1, 1);
    put(2, 2);
    run(NULL, 100);
    ck_assert_ptr_null(pool_take(&pool, address(3)));
    ck_assert_ptr_eq(pool_take(&pool, address(1)), legs[1]);
    ck_assert_ptr_eq(pool_take(&pool, address(1)), legs[0]);
    ck_assert_ptr_null(pool_take(&pool, address(1)));
    ck_assert_ptr_eq(pool_take(&pool, address(2)), legs[2]);
    ck_assert_ptr_null(pool.places);
    run(NULL, 6000); // no timer of theirs is left
    close_rest(0);
    pool_finish();
}
END_TEST

START_TEST(one_that_was_taken_goes_to_its_new_owner) {
    pool_start();
    put(0, 1);
    run(NULL, 100);
    leg_close(leg); // the owner's own; it waits for this one now
    leg = pool_take(&pool, address(1));
    leg_adopt(leg, &events, &owner);
    leg_resume(leg);
    fake_peer_send(peers[0], data, 10);
    expect_got(10);
    close_rest(1);
    pool_finish();
}
END_TEST

START_TEST(beyond_the_bound_the_oldest_goes) {
    pool_start();
    put(0, 1);
    put(1, 1);
    put(2, 1);
    put(3, 2); // another address
    run(NULL, 100);
    ck_assert(is_closed(0));
    ck_assert(!is_closed(1) && !is_closed(2) && !is_closed(3));
    pool_finish();
}
END_TEST

START_TEST(none_is_kept_where_none_shall_be) {
    static const struct conf_upstream keeps_none = {.keep_alive_timeout_ms = 5000};
    pool_start();
    pool_put(&pool, legs[0], address(1), &keeps_none);
    run(NULL, 100);
    ck_assert(is_closed(0));
    ck_assert_ptr_null(pool.places);
    close_rest(1);
    pool_finish();
}
END_TEST

START_TEST(each_goes_when_its_time_is_over) {
    pool_start();
    put(0, 1);
    run(NULL, 3000);
    put(1, 1);
    run(NULL, 1900);
    ck_assert(!is_closed(0));
    run(NULL, 300);
    ck_assert(is_closed(0) && !is_closed(1));
    run(NULL, 3000);
    ck_assert(is_closed(1));
    ck_assert_ptr_null(pool.places);
    close_rest(2);
    pool_finish();
}
END_TEST

// What a server may do with an idle connection.
static void (*const ends[])(struct fake_peer *) = {fake_peer_finish, fake_peer_close,
                                                   fake_peer_reset};

START_TEST(one_that_ends_is_dropped) {
    pool_start();
    put(0, 1);
    run(NULL, 100);
    ends[_i](peers[0]);
    run(NULL, 100);
    ck_assert(is_closed(0));
    ck_assert_ptr_null(pool.places);
    close_rest(1);
    pool_finish();
}
END_TEST

START_TEST(one_that_speaks_unasked_is_dropped) {
    pool_start();
    put(0, 1);
    run(NULL, 100);
    fake_peer_send(peers[0], "HTTP/1.1 408", 12);
    run(NULL, 100);
    ck_assert(is_closed(0));
    ck_assert_ptr_null(pool.places);
    close_rest(1);
    pool_finish();
}
END_TEST

START_TEST(one_that_is_over_is_not_given) {
    pool_start();
    put(0, 1);
    put(1, 1);
    run(NULL, 100);
    if (_i == 0)
        fake_peer_send(peers[1], "x", 1);
    else
        ends[_i - 1](peers[1]); // no event has told so yet
    ck_assert_ptr_eq(pool_take(&pool, address(1)), legs[0]);
    leg_close(legs[0]);
    run(NULL, 100);
    ck_assert(is_closed(1));
    close_rest(2);
    pool_finish();
}
END_TEST

START_TEST(clearing_closes_all) {
    pool_start();
    for (int i = 0; i < LEGS; i++)
        put(i, (uint16_t)(i / 2));
    pool_clear(&pool);
    run(NULL, 100);
    for (int i = 0; i < LEGS; i++)
        ck_assert(is_closed(i));
    pool_finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ws/pool");
    TCase *all = tcase_create("all");
    tcase_add_test(all, the_last_put_is_taken_first);
    tcase_add_test(all, one_that_was_taken_goes_to_its_new_owner);
    tcase_add_test(all, beyond_the_bound_the_oldest_goes);
    tcase_add_test(all, none_is_kept_where_none_shall_be);
    tcase_add_test(all, each_goes_when_its_time_is_over);
    tcase_add_loop_test(all, one_that_ends_is_dropped, 0, 3);
    tcase_add_test(all, one_that_speaks_unasked_is_dropped);
    tcase_add_loop_test(all, one_that_is_over_is_not_given, 0, 4);
    tcase_add_test(all, clearing_closes_all);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
