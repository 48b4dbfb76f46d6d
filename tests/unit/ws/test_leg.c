// SPDX-License-Identifier: Apache-2.0
//
// One leg on the fake ring: what reaches its owner, in which order, and that nothing is left.
#include "tests/unit/ws/one_leg.h"

#include <errno.h>
#include <string.h>

static bool is_lost(void) {
    return owner.losts > 0;
}

static bool has_drained(void) {
    return owner.drains > 0;
}

// --- receiving --------------------------------------------------------------------------------

START_TEST(bytes_arrive_and_then_the_end) {
    start();
    leg_resume(leg);
    ck_assert_uint_eq(fake_peer_send(peer, data, 300000), 300000);
    fake_peer_finish(peer);
    ck_assert(run(has_ended, WAIT_MS));
    expect_got(300000);
    ck_assert_uint_eq(owner.eofs, 1);
    finish();
}
END_TEST

START_TEST(a_new_leg_waits_for_leave_to_read) {
    start();
    fake_peer_send(peer, data, 10);
    run(NULL, 100);
    ck_assert_uint_eq(owner.got_size, 0);
    leg_resume(leg);
    expect_got(10);
    finish();
}
END_TEST

START_TEST(what_is_not_taken_is_kept) {
    start();
    owner.take_max = 7;
    leg_resume(leg);
    fake_peer_send(peer, data, 100);
    for (size_t n = 7; n <= 98; n += 7) {
        expect_got(n);
        run(NULL, 50);
        ck_assert_uint_eq(owner.got_size, n); // paused
        ck_assert(leg->paused);
        leg_resume(leg);
    }
    fake_peer_send(peer, data + 100, 5);
    expect_got(105);
    finish();
}
END_TEST

static void resume_at_once(struct leg *from) {
    leg_resume(from);
}

START_TEST(an_owner_may_resume_while_it_takes) {
    start();
    owner.take_max = 3;
    owner.on_input = resume_at_once;
    leg_resume(leg);
    fake_peer_send(peer, data, 1000);
    expect_got(1000);
    finish();
}
END_TEST

START_TEST(an_owner_may_close_while_it_takes) {
    start();
    owner.closes = true;
    leg_resume(leg);
    fake_peer_send(peer, data, 1000);
    ck_assert(run(is_gone, WAIT_MS));
    ck_assert_uint_eq(owner.ends, 0);
    finish();
}
END_TEST

static bool receives_messages(void) {
    return leg->rx.submitted && leg->receive == LEG_MESSAGES;
}

// Sends `n` bytes in small messages, each after the one before has arrived.
static void send_messages(size_t n) {
    size_t end = owner.got_size + n;
    while (owner.got_size < end) {
        size_t part = end - owner.got_size < 20 ? end - owner.got_size : 20;
        fake_peer_send(peer, data + owner.got_size, part);
        expect_got(owner.got_size + part);
    }
}

START_TEST(small_messages_change_the_way_to_receive) {
    start_with(&(struct fake_chances){.late = 100}, _i);
    leg_resume(leg);
    send_messages(200);
    ck_assert(!run(receives_messages, 100)); // not allowed yet
    leg_allow_messages(leg);
    send_messages(200);
    ck_assert(run(receives_messages, WAIT_MS));
    send_messages(200);
    ck_assert(receives_messages());
    fake_peer_send(peer, data + 600, 200000); // too much for it
    expect_got(200600);
    ck_assert(!receives_messages());
    fake_peer_finish(peer);
    ck_assert(run(has_ended, WAIT_MS));
    finish();
}
END_TEST

START_TEST(a_pause_takes_back_the_submitted_receive) {
    start();
    leg_allow_messages(leg);
    leg_resume(leg);
    send_messages(200);
    ck_assert(run(receives_messages, WAIT_MS));
    leg_pause(leg);
    fake_peer_send(peer, data + 200, 100000);
    run(NULL, 200);
    ck_assert(!receives_messages());
    ck_assert_uint_eq(owner.got_size, 200);
    // What had been received when the pause began is held; the rest stays in the socket.
    ck_assert_uint_lt(chain_length(&leg->in), 64 * RING_BUFFER_BYTES);
    leg_resume(leg);
    expect_got(100200);
    finish();
}
END_TEST

START_TEST(buffers_run_out_and_come_back) {
    start();
    leg_allow_messages(leg);
    leg_resume(leg);
    send_messages(200);
    ck_assert(run(receives_messages, WAIT_MS));
    fake_set_chances(&(struct fake_chances){.no_buffers = 900});
    fake_peer_send(peer, data + 200, 100);
    expect_got(300);
    ck_assert_uint_gt(worker.ring_counters.buffers_exhausted, 0);
    finish();
}
END_TEST

static struct leg *other;
static size_t got_before_other;

static size_t other_input(void *context, struct leg *from, const uint8_t *bytes, size_t n) {
    (void)context, (void)from, (void)bytes;
    got_before_other = owner.got_size;
    return n;
}

static const struct leg_events other_events = {.input = other_input};

START_TEST(one_leg_does_not_keep_others_waiting) {
    start_with(&(struct fake_chances){0}, true);
    int fds = fake_listen();
    struct fake_peer *far = fake_connect(fds, &(struct sockaddr_in){.sin_family = AF_INET});
    other = leg_new(&worker, ring_accept_now(worker.ring, fds), &other_events, NULL);
    ring_close_socket(worker.ring, fds);
    leg->read_limit = 1000; // many reads for what is there
    fake_peer_send(peer, data, 300000);
    fake_peer_send(far, data, 1);
    leg_resume(leg);
    leg_resume(other);
    expect_got(300000);
    ck_assert_uint_gt(got_before_other, 0);
    ck_assert_uint_lt(got_before_other, 300000);
    leg_close(other);
    finish();
}
END_TEST

// --- the end of the stream --------------------------------------------------------------------

START_TEST(a_reset_is_told_after_what_came_before) {
    start();
    leg_resume(leg);
    fake_peer_send(peer, data, 1000);
    expect_got(1000);
    fake_peer_reset(peer);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.losts, 1);
    ck_assert_uint_eq(owner.eofs, 0);
    finish();
}
END_TEST

START_TEST(a_reset_after_the_end_is_told_too) {
    start();
    leg_resume(leg);
    fake_peer_finish(peer);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.eofs, 1);
    fake_peer_reset(peer);
    ck_assert(run(is_lost, WAIT_MS));
    ck_assert_uint_eq(owner.ends, 2);
    finish();
}
END_TEST

static bool is_hung_up(void) {
    return owner.hangups > 0;
}

START_TEST(a_paused_leg_tells_that_the_peer_hung_up) {
    start();
    leg_resume(leg);
    run(NULL, 50);
    leg_pause(leg);
    fake_peer_send(peer, data, 1000);
    fake_peer_finish(peer);
    ck_assert(run(is_hung_up, WAIT_MS));
    run(NULL, 100);
    ck_assert_uint_eq(owner.hangups, 1);
    ck_assert_uint_eq(owner.ends, 0);
    ck_assert_int_eq(leg->lost, 0);
    leg_resume(leg);
    expect_got(1000);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.eofs, 1);
    finish();
}
END_TEST

START_TEST(a_paused_leg_tells_that_it_is_lost) {
    start();
    leg_resume(leg);
    run(NULL, 50);
    leg_pause(leg);
    fake_peer_reset(peer);
    ck_assert(run(is_hung_up, WAIT_MS));
    ck_assert_int_ne(leg->lost, 0);
    finish();
}
END_TEST

START_TEST(the_end_is_told_anew_to_a_new_owner) {
    start();
    leg_resume(leg);
    fake_peer_finish(peer);
    ck_assert(run(has_ended, WAIT_MS));
    leg_adopt(leg, &events, &owner);
    owner.ends = 0;
    ck_assert(!run(has_ended, 100)); // paused
    leg_resume(leg);
    ck_assert(run(has_ended, WAIT_MS));
    finish();
}
END_TEST

START_TEST(reusable_is_who_lives_and_is_silent) {
    start();
    leg_resume(leg);
    run(NULL, 50);
    ck_assert(leg_is_reusable(leg));
    fake_peer_send(peer, data, 1);
    ck_assert(!leg_is_reusable(leg));
    fake_peer_finish(peer);
    ck_assert(!leg_is_reusable(leg));
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert(!leg_is_reusable(leg));
    finish();
}
END_TEST

// --- sending ----------------------------------------------------------------------------------

static void send_start(const struct fake_chances *chances) {
    start_with(chances, true);
    leg_resume(leg);
}

START_TEST(what_the_socket_does_not_take_waits_and_then_it_is_told) {
    send_start(&(struct fake_chances){.late = 100, .short_io = 500, .send_full = 200});
    leg_send(leg, data, 350000);
    leg_send(leg, data + 350000, 350000);
    ck_assert(leg_is_backlogged(leg));
    run(NULL, 100);
    ck_assert_uint_eq(owner.drains, 0);
    while (arrived.size < 700000) {
        peer_read(100000);
        run(has_drained, 20);
    }
    run(NULL, 20);
    ck_assert_uint_eq(owner.drains, 1);
    ck_assert(!leg_is_backlogged(leg));
    ck_assert(memcmp(arrived.bytes, data, 700000) == 0);
    finish();
}
END_TEST

START_TEST(what_may_go_later_goes_with_the_next_or_by_itself) {
    send_start(&(struct fake_chances){0});
    leg_send_later(leg, data, 10);
    ck_assert_uint_eq(peer_read(100), 0);
    leg_send(leg, data + 10, 10);
    ck_assert_uint_eq(peer_read(100), 20);
    leg_send_later(leg, data + 20, 10);
    ck_assert_uint_eq(peer_read(100), 0);
    run(NULL, 10);
    ck_assert_uint_eq(peer_read(100), 10);
    ck_assert(memcmp(arrived.bytes, data, 30) == 0);
    finish();
}
END_TEST

START_TEST(fin_goes_behind_the_last_byte) {
    send_start(&(struct fake_chances){.late = 100});
    leg_send(leg, data, 600000);
    leg_finish(leg);
    run(NULL, 50);
    while (arrived.size < 600000) {
        ck_assert_int_eq(fake_peer_state(peer), FAKE_PEER_OPEN);
        peer_read(50000);
        run(NULL, 10);
    }
    ck_assert_int_eq(fake_peer_state(peer), FAKE_PEER_ENDED);
    fake_peer_send(peer, data, 100); // receiving goes on
    expect_got(100);
    finish();
}
END_TEST

START_TEST(a_broken_socket_is_told_from_the_loop) {
    send_start(&(struct fake_chances){.late = 100});
    run(NULL, 50);
    fake_peer_send(peer, data, 10);
    fake_peer_reset(peer);
    leg_send(leg, data, 10);
    leg_send(leg, data, 10);
    ck_assert_uint_eq(owner.ends, 0);
    ck_assert(run(has_ended, WAIT_MS));
    ck_assert_uint_eq(owner.losts, 1);
    ck_assert_uint_le(owner.got_size, 10); // a reset may overtake bytes
    finish();
}
END_TEST

// --- connecting -------------------------------------------------------------------------------

static bool has_connected(void) {
    return owner.connects > 0;
}

static const struct sockaddr_in somewhere = {.sin_family = AF_INET, .sin_port = 1};

static void dial_start(enum fake_dial what) {
    start();
    leg_close(leg);
    fate = what;
    leg = leg_dial(&worker, (const struct sockaddr *)&somewhere, sizeof somewhere, &events, &owner);
    ck_assert_ptr_nonnull(leg);
}

START_TEST(a_connection_is_made) {
    dial_start(FAKE_DIAL_ACCEPT);
    ck_assert(run(has_connected, WAIT_MS));
    ck_assert_int_eq(owner.connected, 0);
    leg_resume(leg);
    fake_peer_send(peer, data, 10);
    expect_got(10);
    finish();
}
END_TEST

START_TEST(a_connection_is_refused) {
    dial_start(FAKE_DIAL_REFUSE);
    ck_assert(run(has_connected, WAIT_MS));
    ck_assert_int_eq(owner.connected, -ECONNREFUSED);
    finish();
}
END_TEST

START_TEST(a_connect_is_given_up) {
    dial_start(FAKE_DIAL_SILENT);
    run(NULL, (unsigned)_i);
    leg_close(leg);
    leg = NULL;
    finish();
    ck_assert_uint_eq(owner.connects, 0);
}
END_TEST

static void add_receiving(Suite *suite) {
    TCase *receiving = tcase_create("receiving");
    tcase_add_test(receiving, bytes_arrive_and_then_the_end);
    tcase_add_test(receiving, a_new_leg_waits_for_leave_to_read);
    tcase_add_test(receiving, what_is_not_taken_is_kept);
    tcase_add_test(receiving, an_owner_may_resume_while_it_takes);
    tcase_add_test(receiving, an_owner_may_close_while_it_takes);
    tcase_add_loop_test(receiving, small_messages_change_the_way_to_receive, 0, 2);
    tcase_add_test(receiving, a_pause_takes_back_the_submitted_receive);
    tcase_add_test(receiving, buffers_run_out_and_come_back);
    tcase_add_test(receiving, one_leg_does_not_keep_others_waiting);
    tcase_add_test(receiving, a_reset_is_told_after_what_came_before);
    tcase_add_test(receiving, a_reset_after_the_end_is_told_too);
    tcase_add_test(receiving, a_paused_leg_tells_that_the_peer_hung_up);
    tcase_add_test(receiving, a_paused_leg_tells_that_it_is_lost);
    tcase_add_test(receiving, the_end_is_told_anew_to_a_new_owner);
    tcase_add_test(receiving, reusable_is_who_lives_and_is_silent);
    suite_add_tcase(suite, receiving);
}

static void add_sending(Suite *suite) {
    TCase *sending = tcase_create("sending");
    tcase_add_test(sending, what_the_socket_does_not_take_waits_and_then_it_is_told);
    tcase_add_test(sending, what_may_go_later_goes_with_the_next_or_by_itself);
    tcase_add_test(sending, fin_goes_behind_the_last_byte);
    tcase_add_test(sending, a_broken_socket_is_told_from_the_loop);
    tcase_add_test(sending, a_connection_is_made);
    tcase_add_test(sending, a_connection_is_refused);
    tcase_add_loop_test(sending, a_connect_is_given_up, 0, 3);
    suite_add_tcase(suite, sending);
}

int main(void) {
    Suite *suite = suite_create("ws/leg");
    add_receiving(suite);
    add_sending(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
