// SPDX-License-Identifier: Apache-2.0
//
// The tree of a YAML text: what it holds and where, and the sentence for what is no YAML or more
// than a configuration may have. How values are read is test_config's.
#include "core/yaml_tree.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

static struct conf_arena *arena;
static struct problems problems;

static void setup(void) {
    arena = arena_new();
    problems = (struct problems){0};
}

static void teardown(void) {
    problems_free(&problems);
    arena_free(arena);
}

static struct yaml_node *parse(const char *text) {
    return yaml_tree_parse(text, strlen(text), arena, &problems);
}

START_TEST(every_node_knows_its_place) {
    struct yaml_node *root = parse("ä: 1\nlist:\n  - \"x\"\n  - {k: v}\n");
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_int_eq(root->kind, YAML_MAP);
    ck_assert_uint_eq(root->count, 2);
    ck_assert_uint_eq(root->first->pos.column, 4); // characters, not bytes

    const struct yaml_node *list = yaml_map_find(root, "list");
    ck_assert_int_eq(list->kind, YAML_LIST);
    ck_assert_uint_eq(list->key->pos.line, 2);
    ck_assert_int_eq(list->first->style, YAML_QUOTED);
    ck_assert_uint_eq(list->first->pos.line, 3);
    ck_assert_uint_eq(list->first->pos.column, 5);
    const struct yaml_node *value = yaml_map_find(list->first->next, "k");
    ck_assert(str_eq(value->text, STR("v")));
    ck_assert_uint_eq(value->pos.line, 4);
    ck_assert_uint_eq(value->pos.column, 9);
    ck_assert_ptr_null(yaml_map_find(root, "none"));
}
END_TEST

START_TEST(only_plain_texts_are_null) {
    const char *const nulls[] = {"a:", "a: ~", "a: null"};
    const char *const texts[] = {"a: \"\"", "a: \"null\"", "a: '~'", "a: nil", "a: []"};
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
        ck_assert_msg(yaml_node_is_null(parse(nulls[i])->first), "%s", nulls[i]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!yaml_node_is_null(parse(texts[i])->first), "%s", texts[i]);
}
END_TEST

START_TEST(a_byte_order_mark_and_crlf_change_nothing) {
    struct yaml_node *root = parse("\xef\xbb\xbf"
                                   "a: 1\r\nb: 2\r\n");
    ck_assert_uint_eq(problems.count, 0);
    ck_assert(str_eq(root->first->key->text, STR("a")));
    ck_assert_uint_eq(root->first->pos.column, 4);
    ck_assert(str_eq(root->first->next->text, STR("2")));
    ck_assert_uint_eq(root->first->next->pos.line, 2);
}
END_TEST

START_TEST(an_alias_is_what_it_stands_for) {
    struct yaml_node *root = parse("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n");
    ck_assert_uint_eq(problems.count, 0);
    const struct yaml_node *copy = yaml_map_find(root, "b");
    ck_assert_uint_eq(copy->first->count, 2);
    ck_assert(str_eq(copy->key->text, STR("b")));
    ck_assert_uint_eq(copy->first->pos.line, 1); // where a mistake in it is mended
    ck_assert_uint_eq(yaml_map_find(root, "c")->count, 2);
}
END_TEST

START_TEST(nothing_is_no_tree_and_no_problem) {
    ck_assert_ptr_null(parse(""));
    ck_assert_ptr_null(parse("# a comment\n\n"));
    ck_assert_ptr_null(yaml_tree_parse("", 0, arena, &problems));
    ck_assert_uint_eq(problems.count, 0);
}
END_TEST

struct refused_case {
    const char *text;
    unsigned line, column;
    const char *fragment;
};

static const struct refused_case stopping[] = {
    {"a:\n\tb: c\n", 2, 1, "a tab cannot indent YAML"},
    {"a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab cannot indent YAML"},
    {"a: *b\n", 1, 4, "\"*b\" is an alias, and no anchor \"&b\""},
    {"a: &b [*b]\n", 1, 8, "\"*b\" is an alias, and no anchor \"&b\""},
    {"a: *.example.com\n", 1, 5, "a text that starts with '*' or '&' needs quotes"},
    {"a: b: c\n", 1, 5, "a ':' too many"},
    {"a: 1\n b: 2\n", 2, 3, "a ':' too many"},
    {"a:\n  b: 1\n c: 2\n", 3, 2, "check the indentation"},
    {"a: [1, 2\nb: 1\n", 2, 2, "close the list with ']'"},
    {"a: {b: 1\n", 2, 1, "close the map with '}'"},
    {"a: \"b\n", 2, 1, "the closing quote is missing"},
    {"a: \"\\q\"\n", 1, 5, "'\\\\' for one '\\'"},
    {"a: @b\n", 1, 4, "put a text that starts with '@'"},
    {"a: 1\nb\n", 3, 1, "a key needs a ':'"},
    {"a: 1\n---\nb: 2\n", 2, 1, "a second document starts here"},
    {"a: \x01\n", 1, 4, "the control character 0x01"},
    {"a: ok\nb: \xc3\x28\n", 2, 4, "the byte 0xc3 is no UTF-8"},
    {"a: \xc3\xa4\xff\n", 1, 5, "the byte 0xff is no UTF-8"},
    {"a: b\xe2\x82", 1, 5, "the byte 0xe2 is no UTF-8"},
    {"a: \xef\xbf\xbe", 1, 4, "the control character 0xfffe is not allowed"},
    {"a: \xed\xa0\x80\n", 1, 4, "no UTF-8"},
    {"\xff\xfe"
     "a\n",
     1, 1, "the file is UTF-16"},
    {"%YAML 9.9\n---\na: 1\n", 1, 1, "not YAML"},
};

START_TEST(what_is_no_yaml_has_one_message) {
    const struct refused_case *c = &stopping[_i];
    ck_assert_ptr_null(parse(c->text));
    ck_assert_uint_eq(problems.count, 1);
    const struct problem *problem = &problems.items[0];
    ck_assert_msg(problem->pos.line == c->line && problem->pos.column == c->column &&
                      strstr(problem->text, c->fragment),
                  "%u:%u: %s; expected %u:%u: %s", problem->pos.line, problem->pos.column,
                  problem->text, c->line, c->column, c->fragment);
}
END_TEST

START_TEST(what_a_configuration_cannot_use_is_told_all_at_once) {
    struct yaml_node *root = parse("a: 1\na: 2\nb: !!str x\n<<: {c: d}\n? [k]\n: v\n\"n\\0\": 1\n"
                                   "~: no key\na: 3\nz: 1\n");
    static const struct refused_case expected[] = {
        {"", 3, 4, "tags (\"!\") mean nothing here"},
        {"", 4, 1, "merge keys (\"<<\") are not supported"},
        {"", 5, 3, "a key must be a text"},
        {"", 7, 1, "a text cannot hold a NUL byte"},
        {"", 8, 1, "the key before this ':' is missing"},
        {"", 2, 1, "the key \"a\" is here twice; the first is at 1:1"},
        {"", 9, 1, "the key \"a\" is here twice; the first is at 1:1"},
    };
    ck_assert_uint_eq(problems.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < problems.count; i++) {
        ck_assert_uint_eq(problems.items[i].pos.line, expected[i].line);
        ck_assert_uint_eq(problems.items[i].pos.column, expected[i].column);
        ck_assert_ptr_nonnull(strstr(problems.items[i].text, expected[i].fragment));
    }
    ck_assert(str_eq(yaml_map_find(root, "a")->text, STR("1"))); // the first one stays
    ck_assert_uint_eq(root->count, 4);
}
END_TEST

// --- bounds ---

static void refused_as(const char *fragment) {
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_msg(strstr(problems.items[0].text, fragment) != NULL, "%s", problems.items[0].text);
}

START_TEST(an_alias_bomb_is_defused) {
    char text[2000] = "a0: &a0 [x]\n";
    for (int i = 1; i < 20; i++) {
        char line[100];
        snprintf(line, sizeof(line), "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
                 i - 1, i - 1);
        strcat(text, line);
    }
    ck_assert_ptr_null(parse(text));
    refused_as("more than 400000 values");
}
END_TEST

START_TEST(depth_is_bounded) {
    char text[100] = "";
    for (int i = 0; i < YAML_DEPTH_MAX - 1; i++)
        strcat(text, "[");
    strcat(text, "x");
    for (int i = 0; i < YAML_DEPTH_MAX - 1; i++)
        strcat(text, "]");
    ck_assert_ptr_nonnull(parse(text));
    char deeper[110];
    snprintf(deeper, sizeof(deeper), "[%s]", text);
    ck_assert_ptr_null(parse(deeper));
    refused_as("more than 32 deep");
}
END_TEST

START_TEST(anchors_are_bounded) {
    static char text[8000];
    strcpy(text, "[");
    for (int i = 0; i < 257; i++) {
        char entry[30];
        snprintf(entry, sizeof(entry), "&a%d x, ", i);
        strcat(text, entry);
    }
    strcat(text, "]");
    ck_assert_ptr_null(parse(text));
    refused_as("more than 256 anchors");
}
END_TEST

START_TEST(size_is_bounded) {
    size_t size_bytes = YAML_SIZE_MAX_BYTES + 1;
    char *text = malloc(size_bytes);
    memset(text, '#', size_bytes);
    ck_assert_ptr_null(yaml_tree_parse(text, size_bytes, arena, &problems));
    refused_as("larger than 8 MiB");
    free(text);
}
END_TEST

START_TEST(a_cut_never_splits_a_character) {
    char text[100];
    memset(text, 'a', 63);
    strcpy(text + 63, "äb");
    ck_assert_int_eq(yaml_shown_bytes(str_from(text)), 63);
    ck_assert_int_eq(yaml_shown_bytes(STR("abc")), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("yaml");
    TCase *tcase = tcase_create("yaml");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_node_knows_its_place);
    tcase_add_test(tcase, only_plain_texts_are_null);
    tcase_add_test(tcase, a_byte_order_mark_and_crlf_change_nothing);
    tcase_add_test(tcase, an_alias_is_what_it_stands_for);
    tcase_add_test(tcase, nothing_is_no_tree_and_no_problem);
    tcase_add_loop_test(tcase, what_is_no_yaml_has_one_message, 0,
                        (int)(sizeof(stopping) / sizeof(stopping[0])));
    tcase_add_test(tcase, what_a_configuration_cannot_use_is_told_all_at_once);
    tcase_add_test(tcase, an_alias_bomb_is_defused);
    tcase_add_test(tcase, depth_is_bounded);
    tcase_add_test(tcase, anchors_are_bounded);
    tcase_add_test(tcase, size_is_bounded);
    tcase_add_test(tcase, a_cut_never_splits_a_character);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
