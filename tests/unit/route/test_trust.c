// SPDX-License-Identifier: Apache-2.0
//
// Which peers are trusted.
#include "route/trust.h"

#include "core/address.h"

#include <check.h>
#include <stdlib.h>

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static struct conf_cidr block(const char *literal, unsigned prefix_bits) {
    struct sockaddr_storage address;
    struct conf_cidr cidr = {.prefix_bits = prefix_bits};
    ck_assert_uint_ne(address_parse(str_from(literal), &address), 0);
    address_to_in6((struct sockaddr *)&address, &cidr.address);
    if (address.ss_family == AF_INET)
        cidr.prefix_bits += 96;
    return cidr;
}

struct trust_case {
    const char *block;
    unsigned prefix_bits;
    const char *address;
    bool inside;
};

static const struct trust_case trust_cases[] = {
    {"10.0.0.0", 8, "10.0.0.0", true},
    {"10.0.0.0", 8, "10.255.255.255", true},
    {"10.0.0.0", 8, "11.0.0.0", false},
    {"10.0.0.0", 8, "::ffff:10.1.2.3", true}, // as a dual-stack listener sees it
    {"10.0.0.0", 8, "::10.1.2.3", false},
    {"173.245.48.0", 20, "173.245.63.255", true},
    {"173.245.48.0", 20, "173.245.64.0", false},
    {"192.0.2.7", 32, "192.0.2.7", true},
    {"192.0.2.7", 32, "192.0.2.6", false},
    {"0.0.0.0", 0, "203.0.113.1", true},
    {"0.0.0.0", 0, "::1", false}, // all of IPv4 is not IPv6
    {"2400:cb00::", 32, "2400:cb00:ffff::1", true},
    {"2400:cb00::", 32, "2400:cb01::", false},
    {"2001:db8::1", 128, "2001:db8::1", true},
    {"2001:db8::1", 128, "2001:db8::2", false},
    {"2001:db8::", 127, "2001:db8::1", true},
    {"2001:db8::", 127, "2001:db8::2", false},
    {"::", 0, "2001:db8::1", true},
    {"::", 0, "10.0.0.1", true},
};

START_TEST(blocks_have_their_addresses) {
    const struct trust_case *c = &trust_cases[_i];
    struct conf_cidr cidr = block(c->block, c->prefix_bits);
    struct sockaddr_storage address;
    ck_assert_uint_ne(address_parse(str_from(c->address), &address), 0);
    bool inside = trust_has(&cidr, 1, (struct sockaddr *)&address);
    ck_assert_msg(inside == c->inside, "%s in %s/%u: %d", c->address, c->block, c->prefix_bits,
                  inside);
}
END_TEST

START_TEST(any_block_of_the_list_will_do) {
    struct conf_cidr blocks[] = {block("10.0.0.0", 8), block("2001:db8::", 32),
                                 block("192.0.2.0", 24)};
    struct sockaddr_storage address;
    address_parse(STR("192.0.2.200"), &address);
    ck_assert(trust_has(blocks, 3, (struct sockaddr *)&address));
    ck_assert(!trust_has(blocks, 2, (struct sockaddr *)&address));
    ck_assert(!trust_has(NULL, 0, (struct sockaddr *)&address));
}
END_TEST

START_TEST(local_sockets_are_in_no_block) {
    struct conf_cidr all = block("::", 0);
    struct sockaddr local = {.sa_family = AF_UNIX};
    ck_assert(!trust_has(&all, 1, &local));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust");
    TCase *tcase = tcase_create("trust");
    tcase_add_loop_test(tcase, blocks_have_their_addresses, 0, COUNT(trust_cases));
    tcase_add_test(tcase, any_block_of_the_list_will_do);
    tcase_add_test(tcase, local_sockets_are_in_no_block);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
