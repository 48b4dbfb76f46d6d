// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys: what opens what, and for how long.
#include <check.h>
#include <string.h>

#include "tls/library.h"
#include "tls/ticket.h"

static const uint8_t site_a[TLS_TICKET_BINDING_BYTES] = "a", site_b[TLS_TICKET_BINDING_BYTES] = "b";

struct ticket {
    uint8_t name[TLS_TICKET_NAME_BYTES], nonce[TLS_TICKET_NONCE_BYTES], tag[TLS_TICKET_TAG_BYTES];
    uint8_t bytes[200];
};

static struct ticket seal(struct tls_tickets *tickets, const uint8_t *binding) {
    struct ticket ticket;
    memset(ticket.bytes, 42, sizeof ticket.bytes);
    ck_assert_int_eq(tls_tickets_seal(tickets, binding, ticket.name, ticket.nonce, ticket.tag,
                                      ticket.bytes, sizeof ticket.bytes),
                     0);
    return ticket;
}

static enum tls_ticket_verdict open(struct tls_tickets *tickets, const uint8_t *binding,
                                    struct ticket ticket) {
    enum tls_ticket_verdict verdict = tls_tickets_open(
        tickets, binding, ticket.name, ticket.nonce, ticket.tag, ticket.bytes, sizeof ticket.bytes);
    uint8_t expected[sizeof ticket.bytes];
    memset(expected, 42, sizeof expected);
    if (verdict != TLS_TICKET_REFUSED)
        ck_assert_mem_eq(ticket.bytes, expected, sizeof expected);
    return verdict;
}

START_TEST(a_ticket_opens_for_two_rotations) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct ticket ticket = seal(tickets, site_a);
    ck_assert_int_eq(open(tickets, site_a, ticket), TLS_TICKET_OPENED);
    tls_tickets_rotate(tickets);
    ck_assert_int_eq(open(tickets, site_a, ticket), TLS_TICKET_OLD_KEY);
    tls_tickets_rotate(tickets);
    ck_assert_int_eq(open(tickets, site_a, ticket), TLS_TICKET_OLD_KEY);
    tls_tickets_rotate(tickets);
    ck_assert_int_eq(open(tickets, site_a, ticket), TLS_TICKET_REFUSED);
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(a_ticket_opens_only_where_it_was_made) {
    struct tls_tickets *tickets = tls_tickets_new(3600), *others = tls_tickets_new(3600);
    struct ticket ticket = seal(tickets, site_a);
    ck_assert_int_eq(open(tickets, site_b, ticket), TLS_TICKET_REFUSED);
    ck_assert_int_eq(open(others, site_a, ticket), TLS_TICKET_REFUSED);
    tls_tickets_free(tickets);
    tls_tickets_free(others);
}
END_TEST

START_TEST(any_damage_is_noticed) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct ticket ticket = seal(tickets, site_a);
    for (size_t i = 0; i < sizeof ticket; i++) {
        struct ticket damaged = ticket;
        ((uint8_t *)&damaged)[i] ^= 1;
        ck_assert_int_eq(open(tickets, site_a, damaged), TLS_TICKET_REFUSED);
    }
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(no_two_tickets_are_alike) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct ticket one = seal(tickets, site_a), two = seal(tickets, site_a);
    ck_assert_mem_ne(one.nonce, two.nonce, sizeof one.nonce);
    ck_assert_mem_ne(one.bytes, two.bytes, sizeof one.bytes);
    tls_tickets_free(tickets);
}
END_TEST

START_TEST(clients_keep_them_while_they_open) {
    struct tls_tickets *tickets = tls_tickets_new(3600);
    ck_assert_uint_eq(tls_tickets_lifetime_s(tickets), 7200);
    tls_tickets_free(tickets);
    tickets = tls_tickets_new(30 * 24 * 3600);
    ck_assert_uint_eq(tls_tickets_lifetime_s(tickets), 7 * 24 * 3600);
    tls_tickets_free(tickets);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: ticket");
    TCase *tcase = tcase_create("keys");
    tls_library_init();
    tcase_add_test(tcase, a_ticket_opens_for_two_rotations);
    tcase_add_test(tcase, a_ticket_opens_only_where_it_was_made);
    tcase_add_test(tcase, any_damage_is_noticed);
    tcase_add_test(tcase, no_two_tickets_are_alike);
    tcase_add_test(tcase, clients_keep_them_while_they_open);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
