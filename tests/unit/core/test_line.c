// SPDX-License-Identifier: Apache-2.0
//
// Whatever bytes a peer sends, a log line stays one line of valid UTF-8 of bounded size.
#include "core/line.h"

#include <check.h>
#include <stdlib.h>

static const char *escaped(struct str s, enum line_escape escape, size_t max_bytes) {
    static char buffer[256];
    struct line line = line_start(buffer, sizeof(buffer));
    line_add_escaped(&line, s, escape, max_bytes);
    buffer[line.size_bytes] = '\0';
    return buffer;
}

struct escape_case {
    const char *about;
    struct str in;
    const char *text, *quoted, *json;
};

static const struct escape_case escape_cases[] = {
    {"plain", {"GET /a?b=c", 10}, "GET /a?b=c", "GET /a?b=c", "GET /a?b=c"},
    {"newline", {"a\r\nb", 4}, "a\\x0D\\x0Ab", "a\\x0D\\x0Ab", "a\\u000d\\u000ab"},
    {"NUL", {"a\0b", 3}, "a\\x00b", "a\\x00b", "a\\u0000b"},
    {"terminal", {"\x1b[2J", 4}, "\\x1B[2J", "\\x1B[2J", "\\u001b[2J"},
    {"DEL", {"\x7f", 1}, "\\x7F", "\\x7F", "\\u007f"},
    {"quote", {"a\"b", 3}, "a\"b", "a\\\"b", "a\\\"b"},
    {"backslash", {"a\\b", 3}, "a\\\\b", "a\\\\b", "a\\\\b"},
    {"UTF-8", {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "ä€😀", "ä€😀", "ä€😀"},
    {"C1 control",
     {"\xc2\x9b"
      "1m",
      4},
     "\\xC2\\x9B1m",
     "\\xC2\\x9B1m",
     "\\u009b1m"},
    {"line separator", {"\xe2\x80\xa8", 3}, "\\xE2\\x80\\xA8", "\\xE2\\x80\\xA8", "\\u2028"},
    {"bidi override", {"\xe2\x80\xae", 3}, "\\xE2\\x80\\xAE", "\\xE2\\x80\\xAE", "\\u202e"},
    {"lone continuation", {"\x80", 1}, "\\x80", "\\x80", "\uFFFD"},
    {"overlong slash", {"\xc0\xaf", 2}, "\\xC0\\xAF", "\\xC0\\xAF", "\uFFFD\uFFFD"},
    {"overlong in three",
     {"\xe0\x80\xaf", 3},
     "\\xE0\\x80\\xAF",
     "\\xE0\\x80\\xAF",
     "\uFFFD\uFFFD\uFFFD"},
    {"surrogate", {"\xed\xa0\x80", 3}, "\\xED\\xA0\\x80", "\\xED\\xA0\\x80", "\uFFFD\uFFFD\uFFFD"},
    {"over U+10FFFF",
     {"\xf4\x90\x80\x80", 4},
     "\\xF4\\x90\\x80\\x80",
     "\\xF4\\x90\\x80\\x80",
     "\uFFFD\uFFFD\uFFFD\uFFFD"},
    {"cut character", {"a\xe2\x82", 3}, "a\\xE2\\x82", "a\\xE2\\x82", "a\uFFFD\uFFFD"},
};

START_TEST(bytes_are_escaped) {
    const struct escape_case *c = &escape_cases[_i];
    ck_assert_msg(strcmp(escaped(c->in, LINE_ESCAPE_TEXT, 200), c->text) == 0, "%s: %s", c->about,
                  escaped(c->in, LINE_ESCAPE_TEXT, 200));
    ck_assert_msg(strcmp(escaped(c->in, LINE_ESCAPE_QUOTED, 200), c->quoted) == 0, "%s: %s",
                  c->about, escaped(c->in, LINE_ESCAPE_QUOTED, 200));
    ck_assert_msg(strcmp(escaped(c->in, LINE_ESCAPE_JSON, 200), c->json) == 0, "%s: %s", c->about,
                  escaped(c->in, LINE_ESCAPE_JSON, 200));
}
END_TEST

START_TEST(long_values_end_in_an_ellipsis) {
    ck_assert_str_eq(escaped(STR("0123456789"), LINE_ESCAPE_TEXT, 10), "0123456789");
    ck_assert_str_eq(escaped(STR("0123456789a"), LINE_ESCAPE_TEXT, 10), "0123456…");
    ck_assert_str_eq(escaped(STR("0123456789"), LINE_ESCAPE_TEXT, 3), "…");
    ck_assert_str_eq(escaped(STR("0123456789"), LINE_ESCAPE_TEXT, 2), "");
}
END_TEST

START_TEST(a_cut_never_splits_a_character_or_an_escape) {
    ck_assert_str_eq(escaped(STR("123456äöü"), LINE_ESCAPE_TEXT, 10), "123456…");
    ck_assert_str_eq(escaped(STR("1234äöüß"), LINE_ESCAPE_TEXT, 10), "1234ä…");
    ck_assert_str_eq(escaped(STR("1234\n\n\n"), LINE_ESCAPE_JSON, 12), "1234…");
    ck_assert_str_eq(escaped(STR("123\n\n\n"), LINE_ESCAPE_JSON, 12), "123\\u000a…");
}
END_TEST

START_TEST(a_full_line_still_ends_in_a_newline) {
    char buffer[8];
    struct line line = line_start(buffer, sizeof(buffer));
    line_add(&line, STR("12345"));
    line_printf(&line, "%d", 123456);
    line_add(&line, STR("more"));
    line_add_escaped(&line, STR("more"), LINE_ESCAPE_TEXT, 100);
    struct str whole = line_end(&line);
    ck_assert(str_eq(whole, STR("1234512\n")));
}
END_TEST

START_TEST(times_are_rfc_3339) {
    static const struct {
        int64_t time_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795250813123000), "2026-11-21T08:46:53.123Z"},
        {INT64_C(1704067199000000), "2023-12-31T23:59:59.000Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[64];
        struct line line = line_start(buffer, sizeof(buffer));
        line_add_time(&line, cases[i].time_us);
        buffer[line.size_bytes] = '\0';
        ck_assert_str_eq(buffer, cases[i].text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("line");
    TCase *tcase = tcase_create("line");
    int cases = (int)(sizeof(escape_cases) / sizeof(escape_cases[0]));
    tcase_add_loop_test(tcase, bytes_are_escaped, 0, cases);
    tcase_add_test(tcase, long_values_end_in_an_ellipsis);
    tcase_add_test(tcase, a_cut_never_splits_a_character_or_an_escape);
    tcase_add_test(tcase, a_full_line_still_ends_in_a_newline);
    tcase_add_test(tcase, times_are_rfc_3339);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
