// SPDX-License-Identifier: Apache-2.0
//
// Which site a host belongs to.
#include "route/site.h"

#include <check.h>
#include <stdlib.h>

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static const char *shop_hosts[] = {"shop.example", "*.shop.example", "127.0.0.1", "[::1]"};
static const char *eu_hosts[] = {"eu.shop.example"};
static const char *deep_hosts[] = {"*.eu.shop.example"};
static const char *rest_hosts[] = {"*"};

static struct conf_site sites[] = {
    {.name = "shop", .hosts = shop_hosts, .host_count = COUNT(shop_hosts)},
    {.name = "eu", .hosts = eu_hosts, .host_count = COUNT(eu_hosts)},
    {.name = "deep", .hosts = deep_hosts, .host_count = COUNT(deep_hosts)},
    {.name = "rest", .hosts = rest_hosts, .host_count = COUNT(rest_hosts)},
};

struct host_case {
    const char *host;
    const char *site; // NULL: only the default has it
};

static const struct host_case host_cases[] = {
    {"shop.example", "shop"},
    {"shop.example.", "shop"}, // absolute form of the name
    {"www.shop.example", "shop"},
    {"eu.shop.example", "eu"},        // exact before wildcard
    {"x.eu.shop.example", "deep"},    // the wildcard with more labels
    {"a.b.shop.example", NULL},       // a wildcard is one label
    {"y.x.eu.shop.example", NULL},    //
    {".shop.example", NULL},          // an empty label is none
    {"xshop.example", NULL},          // not a suffix of characters
    {"*.shop.example", NULL},         // a pattern is not a name
    {"*", NULL},                      //
    {"shop.example.evil.test", NULL}, //
    {"shop", NULL},                   //
    {"127.0.0.1", "shop"},            //
    {"127.0.0.2", NULL},              //
    {"::1", "shop"},                  //
    {"[::1]", "shop"},                //
    {"[0:0:0:0:0:0:0:1]", "shop"},    // the same address, written long
    {"[::2]", NULL},                  //
    {"[::1%lo]", NULL},               //
    {".", NULL},                      //
    {"", NULL},                       //
};

START_TEST(the_most_specific_site_has_the_host) {
    struct config config = {.sites = sites, .site_count = COUNT(sites)};
    struct site_table *table = site_table_build(&config);
    const struct host_case *c = &host_cases[_i];
    const struct conf_site *site = site_find(table, str_from(c->host));
    ck_assert_ptr_nonnull(site);
    ck_assert_msg(strcmp(site->name, c->site ? c->site : "rest") == 0, "%s: %s", c->host,
                  site->name);
    site_table_free(table);
}
END_TEST

START_TEST(without_a_default_there_is_none) {
    struct config config = {.sites = sites, .site_count = COUNT(sites) - 1};
    struct site_table *table = site_table_build(&config);
    const struct host_case *c = &host_cases[_i];
    const struct conf_site *site = site_find(table, str_from(c->host));
    ck_assert_msg((site != NULL) == (c->site != NULL), "%s", c->host);
    site_table_free(table);
}
END_TEST

START_TEST(names_longer_than_any_are_not_found) {
    struct config config = {.sites = sites, .site_count = COUNT(sites) - 1};
    struct site_table *table = site_table_build(&config);
    char host[2000];
    memset(host, 'a', sizeof(host));
    memcpy(host + sizeof(host) - 13, ".shop.example", 13);
    ck_assert_ptr_null(site_find(table, (struct str){host, sizeof(host)}));
    ck_assert_ptr_nonnull(site_find(table, (struct str){host + sizeof(host) - 255, 255}));
    ck_assert_ptr_null(site_find(table, (struct str){host + sizeof(host) - 256, 256}));
    site_table_free(table);
}
END_TEST

START_TEST(the_first_of_two_equal_hosts_has_it) {
    struct conf_site twice[] = {sites[0], sites[0], sites[3], sites[3]};
    struct config config = {.sites = twice, .site_count = 4};
    struct site_table *table = site_table_build(&config);
    ck_assert_ptr_eq(site_find(table, STR("shop.example")), &twice[0]);
    ck_assert_ptr_eq(site_find(table, STR("other.example")), &twice[2]);
    site_table_free(table);
}
END_TEST

START_TEST(no_sites_find_nothing) {
    struct config config = {.site_count = 0};
    struct site_table *table = site_table_build(&config);
    ck_assert_ptr_nonnull(table);
    ck_assert_ptr_null(site_find(table, STR("shop.example")));
    site_table_free(table);
    site_table_free(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("site");
    TCase *tcase = tcase_create("site");
    tcase_add_loop_test(tcase, the_most_specific_site_has_the_host, 0, COUNT(host_cases));
    tcase_add_loop_test(tcase, without_a_default_there_is_none, 0, COUNT(host_cases));
    tcase_add_test(tcase, names_longer_than_any_are_not_found);
    tcase_add_test(tcase, the_first_of_two_equal_hosts_has_it);
    tcase_add_test(tcase, no_sites_find_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
