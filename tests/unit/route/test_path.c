// SPDX-License-Identifier: Apache-2.0
//
// Which route a request target takes, and what is sent on.
#include "route/path.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static struct conf_route routes[] = {
    {.prefix = "/echo/deep/", .strip_prefix = true}, {.prefix = "/admin", .strip_prefix = false},
    {.prefix = "/echo/", .strip_prefix = true},      {.prefix = "/a%2Fb/", .strip_prefix = true},
    {.prefix = "/", .strip_prefix = false},
};

static struct conf_site site = {.routes = routes, .route_count = COUNT(routes)};

struct path_case {
    const char *target;
    const char *prefix; // of the route; NULL = refused
    const char *sent;   // what goes on, with the slash put in front if one is missing
};

static const struct path_case path_cases[] = {
    // Prefixes end at segments, with and without the final slash.
    {"/", "/", "/"},
    {"/x", "/", "/x"},
    {"/admin", "/admin", "/admin"},
    {"/admin/", "/admin", "/admin/"},
    {"/admin/users?all=1", "/admin", "/admin/users?all=1"},
    {"/administrator", "/", "/administrator"},
    {"/Admin", "/", "/Admin"},
    {"/echo", "/echo/", "/"},
    {"/echo/", "/echo/", "/"},
    {"/echo/x", "/echo/", "/x"},
    {"/echoes", "/", "/echoes"},
    {"/x/echo/", "/", "/x/echo/"},

    // The longest prefix, whole segments only.
    {"/echo/deep", "/echo/deep/", "/"},
    {"/echo/deep/x/y", "/echo/deep/", "/x/y"},
    {"/echo/deeper", "/echo/", "/deeper"},

    // The query is no path.
    {"/echo?a=/../../x", "/echo/", "/?a=/../../x"},
    {"/echo/?x", "/echo/", "/?x"},
    {"/?/admin", "/", "/?/admin"},
    {"/admin?%zz", "/admin", "/admin?%zz"},

    // Percent-encoding is no way around a route; what is sent on keeps it.
    {"/%61dmin", "/admin", "/%61dmin"},
    {"/%41dmin", "/", "/%41dmin"},
    {"/ech%6F/%78", "/echo/", "/%78"},
    {"/echo%2Fx", "/", "/echo%2Fx"},
    {"/echo/a%2f..%2fb", "/echo/", "/a%2f..%2fb"},
    {"/a%2fb/c", "/a%2Fb/", "/c"},
    {"/a/b/c", "/", "/a/b/c"},
    {"/a%252Fb/c", "/", "/a%252Fb/c"},

    // Dot segments, plain and encoded.
    {"/./admin", "/admin", "/./admin"},
    {"/x/../admin", "/admin", "/x/../admin"},
    {"/x/%2e%2E/admin", "/admin", "/x/%2e%2E/admin"},
    {"/echo/../admin", "/admin", "/echo/../admin"},
    {"/admin/..", "/", "/admin/.."},
    {"/admin/.", "/admin", "/admin/."},
    {"/admin/...", "/admin", "/admin/..."},
    {"/admin/..x", "/admin", "/admin/..x"},
    {"/x/../echo/y", "/echo/", "/y"},
    {"/echo/./y", "/echo/", "/./y"},
    {"/echo/a/../y", "/echo/", "/a/../y"},
    {"/echo/deep/../y", "/echo/", "/deep/../y"},
    {"/echo/a/../../echo/y", "/echo/", "/y"},
    {"/echo/../echo/../echo/y", "/echo/", "/y"},

    // Runs of slashes count as one, and never start what is sent on after a strip.
    {"//admin", "/admin", "//admin"},
    {"//echo///deep//x", "/echo/deep/", "/x"},
    {"/echo//evil.example/", "/echo/", "/evil.example/"},
    {"/x/..//admin", "/admin", "/x/..//admin"},

    // Refused: above the root, broken encoding, not origin form.
    {"/..", NULL, NULL},
    {"/../", NULL, NULL},
    {"/%2e%2e/admin", NULL, NULL},
    {"/x/../../admin", NULL, NULL},
    {"/echo/../../echo/x", NULL, NULL},
    {"//..", NULL, NULL},
    {"/%", NULL, NULL},
    {"/%4", NULL, NULL},
    {"/%zz", NULL, NULL},
    {"/a%2", NULL, NULL},
    {"/a%2/b", NULL, NULL},
    {"/%00", NULL, NULL},
    {"/a%00b/c", NULL, NULL},
    {"/admin#top", NULL, NULL},
    {"", NULL, NULL},
    {"?x", NULL, NULL},
    {"*", NULL, NULL},
    {"admin", NULL, NULL},
    {"http://a.example/", NULL, NULL},
};

START_TEST(targets_find_their_route) {
    const struct path_case *c = &path_cases[_i];
    struct path_match match;
    enum path_verdict verdict = path_match(&site, str_from(c->target), &match);
    if (!c->prefix) {
        ck_assert_msg(verdict == PATH_REFUSED, "%s: verdict %d", c->target, verdict);
        return;
    }
    ck_assert_msg(verdict == PATH_MATCHED, "%s: verdict %d", c->target, verdict);
    ck_assert_msg(strcmp(match.route->prefix, c->prefix) == 0, "%s took %s", c->target,
                  match.route->prefix);
    char sent[128];
    snprintf(sent, sizeof(sent), "%s%s", match.slash_missing ? "/" : "",
             c->target + match.strip_bytes);
    ck_assert_msg(strcmp(sent, c->sent) == 0, "%s sends %s", c->target, sent);
}
END_TEST

START_TEST(no_route_is_unknown) {
    struct conf_site small = {.routes = &routes[1], .route_count = 1};
    struct path_match match;
    ck_assert_int_eq(path_match(&small, STR("/other"), &match), PATH_UNKNOWN);
    ck_assert_int_eq(path_match(&small, STR("/"), &match), PATH_UNKNOWN);
    ck_assert_int_eq(path_match(&small, STR("/admin/x"), &match), PATH_MATCHED);
    ck_assert_int_eq(path_match(&small, STR("/.."), &match), PATH_REFUSED);
}
END_TEST

// More segments than are kept must neither overflow nor confuse the way back up.
START_TEST(deep_paths_are_counted) {
    char target[4096] = "/echo";
    struct path_match match;
    for (int i = 0; i < 500; i++)
        strcat(target, "/a");
    ck_assert_int_eq(path_match(&site, str_from(target), &match), PATH_MATCHED);
    ck_assert_str_eq(match.route->prefix, "/echo/");
    for (int i = 0; i < 500; i++)
        strcat(target, "/..");
    strcat(target, "/deep/x");
    ck_assert_int_eq(path_match(&site, str_from(target), &match), PATH_MATCHED);
    ck_assert_str_eq(match.route->prefix, "/echo/deep/");
    ck_assert_str_eq(target + match.strip_bytes, "/x");
    strcat(target, "/../../../..");
    ck_assert_int_eq(path_match(&site, str_from(target), &match), PATH_REFUSED);
}
END_TEST

// Slices have no terminator: a match must not look past the end.
START_TEST(the_end_of_the_slice_is_the_end) {
    struct path_match match;
    ck_assert_int_eq(path_match(&site, (struct str){"/admin", 5}, &match), PATH_MATCHED);
    ck_assert_str_eq(match.route->prefix, "/");
    ck_assert_int_eq(path_match(&site, (struct str){"/%41", 3}, &match), PATH_REFUSED);
    ck_assert_int_eq(path_match(&site, (struct str){"/echo/", 5}, &match), PATH_MATCHED);
    ck_assert(match.slash_missing);
    ck_assert_uint_eq(match.strip_bytes, 5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("path");
    TCase *tcase = tcase_create("path");
    tcase_add_loop_test(tcase, targets_find_their_route, 0, COUNT(path_cases));
    tcase_add_test(tcase, no_route_is_unknown);
    tcase_add_test(tcase, deep_paths_are_counted);
    tcase_add_test(tcase, the_end_of_the_slice_is_the_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
