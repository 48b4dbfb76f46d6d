// SPDX-License-Identifier: Apache-2.0
//
// From libyaml's events to a tree. One event is held at a time; reading a node takes the events
// from its start to its end. What stops the reading (a syntax error, a bound) sets `stopped` and
// takes back what was found before, because the rest of such a file says nothing reliable; what is
// merely not allowed is recorded and the tree goes on without it.
#include "core/yaml_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <yaml.h>

#include "core/arena.h"

#define ANCHORS_MAX 256

struct anchor {
    const char *name;
    const struct yaml_node *node;
};

struct builder {
    yaml_parser_t parser;
    yaml_event_t event; // the current one; owned
    struct str text;
    struct conf_arena *arena;
    struct problems *problems;
    size_t problems_before;
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    size_t node_count; // after expansion
    bool stopped;
};

// libyaml's words for mistakes that are often made, and what to do about them.
static const struct {
    const char *problem, *advice;
} syntax_advice[] = {
    {"mapping values are not allowed in this context",
     "a ':' too many: put the text in quotes, or check the indentation"},
    {"did not find expected key", "check the indentation: the keys of one map stand in one column"},
    {"did not find expected '-' indicator",
     "check the indentation: the '-' of one list stand in one column"},
    {"did not find expected ',' or ']'",
     "close the list with ']', and put ',' between its entries"},
    {"did not find expected ',' or '}'", "close the map with '}', and put ',' between its entries"},
    {"could not find expected ':'", "a key needs a ':' and a space after it"},
    {"did not find expected alphabetic or numeric character",
     "a text that starts with '*' or '&' needs quotes, as in \"*.example.com\""},
    {"found unexpected end of stream", "the closing quote is missing"},
    {"found character that cannot start any token",
     "put a text that starts with '@', '`' or '%' in quotes"},
    {"found unknown escape character", "write '\\\\' for one '\\', or use single quotes"},
};

static bool input_is_acceptable(struct builder *b);
static struct yaml_node *document_read(struct builder *b);
static bool event_next(struct builder *b);
static struct yaml_node *node_read(struct builder *b, unsigned depth);
static void tag_refuse(struct builder *b, const yaml_char_t *tag);
static struct yaml_node *text_read(struct builder *b);
static struct yaml_node *list_read(struct builder *b, unsigned depth);
static struct yaml_node *map_read(struct builder *b, unsigned depth);
static bool key_is_usable(struct builder *b, const struct yaml_node *key);
static void map_refuse_duplicates(struct builder *b, struct yaml_node *map);
static struct yaml_node *alias_read(struct builder *b, unsigned depth);
static struct yaml_node *node_copy(struct builder *b, const struct yaml_node *from, unsigned depth);
static void anchor_keep(struct builder *b, const char *name, const struct yaml_node *node);
static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct conf_pos pos);
static bool is_too_deep(struct builder *b, unsigned depth, struct conf_pos pos);
static void stop(struct builder *b, struct conf_pos pos, const char *text);
static void syntax_error(struct builder *b);
static const char *syntax_advice_find(const char *problem);
static void reader_error(struct builder *b);
static bool tab_is_at(struct str text, struct conf_pos pos);
static struct conf_pos pos_from_mark(yaml_mark_t mark);
static struct conf_pos pos_from_offset(struct str text, size_t offset);

struct yaml_node *yaml_tree_parse(const char *text, size_t size_bytes, struct conf_arena *arena,
                                  struct problems *problems) {
    struct builder *b = arena_alloc(arena, 1, sizeof(*b));
    b->text = (struct str){text, size_bytes};
    b->arena = arena;
    b->problems = problems;
    b->problems_before = problems->count;
    if (!input_is_acceptable(b))
        return NULL;
    if (!yaml_parser_initialize(&b->parser)) {
        stop(b, (struct conf_pos){1, 1}, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)b->text.ptr, b->text.len);
    struct yaml_node *root = document_read(b);
    yaml_event_delete(&b->event);
    yaml_parser_delete(&b->parser);
    return b->stopped ? NULL : root;
}

bool yaml_node_is_null(const struct yaml_node *node) {
    return node->kind == YAML_TEXT && node->style == YAML_PLAIN &&
           (node->text.len == 0 || str_eq(node->text, STR("~")) || str_eq(node->text, STR("null")));
}

const struct yaml_node *yaml_map_find(const struct yaml_node *map, const char *key) {
    assert(map->kind == YAML_MAP);
    for (const struct yaml_node *entry = map->first; entry; entry = entry->next)
        if (str_eq(entry->key->text, str_from(key)))
            return entry;
    return NULL;
}

int yaml_shown_bytes(struct str text) {
    if (text.len <= 64)
        return (int)text.len;
    int shown = 64;
    while (shown > 0 && ((unsigned char)text.ptr[shown] & 0xc0) == 0x80)
        shown--;
    return shown;
}

// A UTF-8 byte order mark is skipped (editors add it unasked); UTF-16 is refused by name, because
// its first error would otherwise be an obscure one.
static bool input_is_acceptable(struct builder *b) {
    const struct conf_pos start = {1, 1};
    if (b->text.len > YAML_SIZE_MAX_BYTES)
        stop(b, start, "the file is larger than 8 MiB, which no configuration needs to be");
    else if (str_starts(b->text, STR("\xff\xfe")) || str_starts(b->text, STR("\xfe\xff")))
        stop(b, start, "the file is UTF-16; save it as UTF-8");
    else if (str_starts(b->text, STR("\xef\xbb\xbf")))
        b->text = str_skip(b->text, 3);
    return !b->stopped;
}

static struct yaml_node *document_read(struct builder *b) {
    if (!event_next(b) || !event_next(b)) // the first is the start of the stream
        return NULL;
    if (b->event.type == YAML_STREAM_END_EVENT)
        return NULL;
    assert(b->event.type == YAML_DOCUMENT_START_EVENT);
    if (!event_next(b))
        return NULL;
    struct yaml_node *root = node_read(b, 1);
    if (!root || !event_next(b) || !event_next(b)) // the first is the end of the document
        return NULL;
    if (b->event.type != YAML_STREAM_END_EVENT)
        stop(b, pos_from_mark(b->event.start_mark),
             "a second document starts here; one file is one configuration: remove the '---'");
    return root;
}

// Replaces the current event by the next one. False when there is none: the reading has stopped.
static bool event_next(struct builder *b) {
    yaml_event_delete(&b->event);
    if (yaml_parser_parse(&b->parser, &b->event))
        return true;
    syntax_error(b);
    return false;
}

// Reads the node the current event starts; afterwards the current event is the node's last one.
// NULL: the reading has stopped.
static struct yaml_node *node_read(struct builder *b, unsigned depth) {
    if (is_too_deep(b, depth, pos_from_mark(b->event.start_mark)))
        return NULL;
    const yaml_char_t *anchor = NULL;
    switch (b->event.type) {
    case YAML_ALIAS_EVENT:
        return alias_read(b, depth);
    case YAML_SCALAR_EVENT:
        anchor = b->event.data.scalar.anchor;
        tag_refuse(b, b->event.data.scalar.tag);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = b->event.data.sequence_start.anchor;
        tag_refuse(b, b->event.data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = b->event.data.mapping_start.anchor;
        tag_refuse(b, b->event.data.mapping_start.tag);
        break;
    default:
        assert(!"an event that starts no node");
    }

    const char *name =
        anchor ? arena_copy(b->arena, (const char *)anchor, strlen((const char *)anchor)) : NULL;
    struct yaml_node *node;
    if (b->event.type == YAML_SCALAR_EVENT)
        node = text_read(b);
    else if (b->event.type == YAML_SEQUENCE_START_EVENT)
        node = list_read(b, depth);
    else
        node = map_read(b, depth);
    if (node && name)
        anchor_keep(b, name, node);
    return b->stopped ? NULL : node;
}

static void tag_refuse(struct builder *b, const yaml_char_t *tag) {
    if (tag)
        problems_add(b->problems, PROBLEM_ERROR, pos_from_mark(b->event.start_mark),
                     "tags (\"!\") mean nothing here; remove it");
}

static struct yaml_node *text_read(struct builder *b) {
    struct yaml_node *node = node_new(b, YAML_TEXT, pos_from_mark(b->event.start_mark));
    if (!node)
        return NULL;
    size_t size_bytes = b->event.data.scalar.length;
    const char *bytes = (const char *)b->event.data.scalar.value;
    if (memchr(bytes, 0, size_bytes)) {
        problems_add(b->problems, PROBLEM_ERROR, node->pos,
                     "a text cannot hold a NUL byte; remove the \"\\0\"");
        size_bytes = strlen(bytes);
    }
    node->text = (struct str){arena_copy(b->arena, bytes, size_bytes), size_bytes};
    bool plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->style = plain ? YAML_PLAIN : YAML_QUOTED;
    return node;
}

static struct yaml_node *list_read(struct builder *b, unsigned depth) {
    struct yaml_node *list = node_new(b, YAML_LIST, pos_from_mark(b->event.start_mark));
    if (!list)
        return NULL;
    struct yaml_node **end = &list->first;
    while (event_next(b) && b->event.type != YAML_SEQUENCE_END_EVENT) {
        struct yaml_node *entry = node_read(b, depth + 1);
        if (!entry)
            return NULL;
        *end = entry;
        end = &entry->next;
        list->count++;
    }
    return list;
}

static struct yaml_node *map_read(struct builder *b, unsigned depth) {
    struct yaml_node *map = node_new(b, YAML_MAP, pos_from_mark(b->event.start_mark));
    if (!map)
        return NULL;
    struct yaml_node **end = &map->first;
    while (event_next(b) && b->event.type != YAML_MAPPING_END_EVENT) {
        struct yaml_node *key = node_read(b, depth + 1);
        if (!key || !event_next(b))
            return NULL;
        struct yaml_node *value = node_read(b, depth + 1);
        if (!value)
            return NULL;
        if (!key_is_usable(b, key))
            continue;
        value->key = key;
        *end = value;
        end = &value->next;
        map->count++;
    }
    if (!b->stopped)
        map_refuse_duplicates(b, map);
    return map;
}

static bool key_is_usable(struct builder *b, const struct yaml_node *key) {
    const char *text = NULL;
    if (key->kind != YAML_TEXT)
        text = "a key must be a text, not a list or a map; a '{' or '[' at the start of a text "
               "needs quotes";
    else if (yaml_node_is_null(key))
        text = "the key before this ':' is missing";
    else if (key->style == YAML_PLAIN && str_eq(key->text, STR("<<")))
        text = "merge keys (\"<<\") are not supported; write the keys out, or use an alias for the "
               "whole value";
    if (text)
        problems_add(b->problems, PROBLEM_ERROR, key->pos, "%s", text);
    return !text;
}

static int compare_keys(const void *left, const void *right) {
    const struct yaml_node *a = *(struct yaml_node *const *)left;
    const struct yaml_node *b = *(struct yaml_node *const *)right;
    const struct str x = a->key->text, y = b->key->text;
    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    int order = memcmp(x.ptr, y.ptr, x.len);
    if (order)
        return order;
    const struct conf_pos p = a->key->pos, q = b->key->pos;
    if (p.line != q.line)
        return p.line < q.line ? -1 : 1;
    return p.column < q.column ? -1 : p.column > q.column;
}

// Sorted, because comparing each key with each other is a CPU loop in a large hostile file.
static void map_refuse_duplicates(struct builder *b, struct yaml_node *map) {
    if (map->count < 2)
        return;
    struct yaml_node **sorted = malloc(map->count * sizeof(struct yaml_node *));
    if (!sorted) {
        stop(b, map->pos, "out of memory");
        return;
    }
    size_t count = 0;
    for (struct yaml_node *entry = map->first; entry; entry = entry->next)
        sorted[count++] = entry;
    qsort(sorted, count, sizeof(struct yaml_node *), compare_keys);
    const struct yaml_node *original = sorted[0]->key;
    for (size_t i = 1; i < count; i++) {
        if (!str_eq(sorted[i]->key->text, original->text)) {
            original = sorted[i]->key;
            continue;
        }
        problems_add(b->problems, PROBLEM_ERROR, sorted[i]->key->pos,
                     "the key \"%.*s\" is here twice; the first is at %u:%u",
                     STR_SHOWN(original->text), original->pos.line, original->pos.column);
        sorted[i]->key = NULL; // taken out below
    }
    free(sorted);
    for (struct yaml_node **link = &map->first; *link;) {
        if ((*link)->key) {
            link = &(*link)->next;
            continue;
        }
        *link = (*link)->next;
        map->count--;
    }
}

static struct yaml_node *alias_read(struct builder *b, unsigned depth) {
    const char *name = (const char *)b->event.data.alias.anchor;
    for (size_t i = b->anchor_count; i-- > 0;)
        if (strcmp(b->anchors[i].name, name) == 0)
            return node_copy(b, b->anchors[i].node, depth);
    stop(b, pos_from_mark(b->event.start_mark),
         arena_printf(b->arena,
                      "\"*%.64s\" is an alias, and no anchor \"&%.64s\" stands before it; a text "
                      "that starts with '*' needs quotes",
                      name, name));
    return NULL;
}

// The copies keep the position of the text they come from: that is where a mistake is mended.
static struct yaml_node *node_copy(struct builder *b, const struct yaml_node *from,
                                   unsigned depth) {
    if (is_too_deep(b, depth, from->pos))
        return NULL;
    struct yaml_node *node = node_new(b, from->kind, from->pos);
    if (!node)
        return NULL;
    node->style = from->style;
    node->text = from->text;
    node->key = from->key;
    node->count = from->count;
    struct yaml_node **end = &node->first;
    for (const struct yaml_node *entry = from->first; entry; entry = entry->next) {
        *end = node_copy(b, entry, depth + 1);
        if (!*end)
            return NULL;
        end = &(*end)->next;
    }
    return node;
}

static void anchor_keep(struct builder *b, const char *name, const struct yaml_node *node) {
    if (b->anchor_count == ANCHORS_MAX) {
        stop(b, node->pos, "more than 256 anchors (\"&\"), which no configuration needs");
        return;
    }
    b->anchors[b->anchor_count++] = (struct anchor){name, node};
}

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct conf_pos pos) {
    if (b->node_count == YAML_NODES_MAX) {
        stop(b, pos, "more than 400000 values (aliases count each time they are used)");
        return NULL;
    }
    b->node_count++;
    struct yaml_node *node = arena_alloc(b->arena, 1, sizeof(*node));
    node->kind = kind;
    node->pos = pos;
    return node;
}

static bool is_too_deep(struct builder *b, unsigned depth, struct conf_pos pos) {
    if (depth > YAML_DEPTH_MAX)
        stop(b, pos, "lists and maps stand in each other more than 32 deep");
    return depth > YAML_DEPTH_MAX;
}

static void stop(struct builder *b, struct conf_pos pos, const char *text) {
    assert(!b->stopped);
    b->stopped = true;
    problems_rewind(b->problems, b->problems_before);
    problems_add(b->problems, PROBLEM_ERROR, pos, "%s", text);
}

static void syntax_error(struct builder *b) {
    const yaml_parser_t *parser = &b->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        stop(b, (struct conf_pos){1, 1}, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        reader_error(b);
        return;
    }

    struct conf_pos pos = pos_from_mark(parser->problem_mark);
    if (tab_is_at(b->text, pos)) {
        stop(b, pos, "a tab cannot indent YAML; use spaces");
        return;
    }
    const char *from = "", *advice = syntax_advice_find(parser->problem);
    if (parser->context) {
        struct conf_pos start = pos_from_mark(parser->context_mark);
        from = arena_printf(b->arena, ", %s from %u:%u", parser->context, start.line, start.column);
    }
    stop(b, pos,
         arena_printf(b->arena, "not YAML: %s%s%s%s", parser->problem, from, advice ? "; " : "",
                      advice ? advice : ""));
}

static const char *syntax_advice_find(const char *problem) {
    for (size_t i = 0; i < sizeof(syntax_advice) / sizeof(syntax_advice[0]); i++)
        if (strcmp(problem, syntax_advice[i].problem) == 0)
            return syntax_advice[i].advice;
    return NULL;
}

// Bytes that are no text. libyaml points into the middle of a broken UTF-8 sequence; the message
// names its first byte.
static void reader_error(struct builder *b) {
    const yaml_parser_t *parser = &b->parser;
    size_t offset = parser->problem_offset;
    if (strstr(parser->problem, "control characters")) {
        stop(b, pos_from_offset(b->text, offset),
             arena_printf(b->arena, "the control character 0x%02x is not allowed; remove it",
                          (unsigned)parser->problem_value));
        return;
    }
    if (strstr(parser->problem, "trailing"))
        while (offset > 0 && ((unsigned char)b->text.ptr[offset] & 0xc0) != 0xc0)
            offset--;
    assert(offset < b->text.len);
    stop(b, pos_from_offset(b->text, offset),
         arena_printf(b->arena, "the byte 0x%02x is no UTF-8; save the file as UTF-8",
                      (unsigned char)b->text.ptr[offset]));
}

// In the white space at the start of a line, or right at `pos`.
static bool tab_is_at(struct str text, struct conf_pos pos) {
    const char *line = text.ptr, *end = text.ptr + text.len;
    for (uint32_t i = 1; i < pos.line && line; i++) {
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    for (uint32_t column = 1; line && line < end && column <= pos.column; column++, line++) {
        if (*line == '\t')
            return true;
        if (*line != ' ')
            return false;
    }
    return false;
}

static struct conf_pos pos_from_mark(yaml_mark_t mark) {
    return (struct conf_pos){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

// Columns count characters, as libyaml's do: the bytes that continue a UTF-8 sequence do not.
static struct conf_pos pos_from_offset(struct str text, size_t offset) {
    struct conf_pos pos = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            pos.line++;
            pos.column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            pos.column++;
        }
    }
    return pos;
}
