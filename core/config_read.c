// SPDX-License-Identifier: Apache-2.0
//
// One walk over the tree and the option table together. A section is read key by key; the shape of
// a row says how its value is arranged, the type what each single value is (config_scalar.c).
#include "core/config_read.h"

#include <assert.h>
#include <string.h>

static void option_read(struct config_reader *reader, const struct option *option,
                        const struct yaml_node *value, void *base);
static void key_unknown(struct config_reader *reader, enum option_section section,
                        const struct yaml_node *key);
static struct phrase known_keys(enum option_section section);
static void needs_check(struct config_reader *reader, enum option_section section,
                        const struct yaml_node *map);
static void list_read(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value, void *base);
static void text_map_read(struct config_reader *reader, const struct option *option,
                          const struct yaml_node *value);
static bool entries_check(struct config_reader *reader, const struct option *option,
                          const struct yaml_node *value, enum yaml_kind kind);

void config_section_read(struct config_reader *reader, enum option_section section,
                         const struct yaml_node *map, void *base) {
    config_defaults_set(reader, section, base);
    if (map->kind != YAML_MAP) {
        struct phrase keys = known_keys(section);
        problems_add(reader->problems, PROBLEM_ERROR, map->pos,
                     "found %s; expected a map with the keys %s",
                     map->kind == YAML_LIST   ? "a list"
                     : yaml_node_is_null(map) ? "nothing"
                                              : "a text",
                     keys.text);
        return;
    }
    for (const struct yaml_node *entry = map->first; entry; entry = entry->next) {
        const struct option *option = option_find(section, entry->key->text);
        if (!option) {
            key_unknown(reader, section, entry->key);
            continue;
        }
        if (option->status == OPTION_LATER)
            problems_add(reader->problems, PROBLEM_NOTE, entry->key->pos,
                         "%s: accepted, not active yet", option->key);
        option_read(reader, option, entry, base);
    }
    needs_check(reader, section, map);
}

// Defaults are written in the table as a user would write them, and read the same way. Those of a
// section within the section come with it when the file does not name it.
void config_defaults_set(struct config_reader *reader, enum option_section section, void *base) {
    for (const struct option *row = option_first(section); row; row = option_next(row)) {
        void *field = (char *)base + row->field.offset;
        if (row->shape == SHAPE_SECTION)
            config_defaults_set(reader, row->child, field);
        if (!row->fallback || row->field.size_bytes == 0)
            continue;
        struct str text = str_from(row->fallback);
        if (text.len > 1 && text.ptr[0] == '"')
            text = (struct str){text.ptr + 1, text.len - 2};
        struct yaml_node value = {.kind = YAML_TEXT, .text = text};
        bool read = config_value_read(reader, row, &value, field);
        assert(read);
    }
}

static void option_read(struct config_reader *reader, const struct option *option,
                        const struct yaml_node *value, void *base) {
    if (option->read) {
        option->read(reader, option, value, base);
        return;
    }
    void *field = (char *)base + option->field.offset;
    switch (option->shape) {
    case SHAPE_ONE:
        config_value_read(reader, option, value, option->field.size_bytes ? field : NULL);
        break;
    case SHAPE_LIST:
    case SHAPE_ONE_OR_LIST:
        list_read(reader, option, value, base);
        break;
    case SHAPE_TEXT_MAP:
        text_map_read(reader, option, value);
        break;
    case SHAPE_SECTION:
        config_section_read(reader, option->child, value, field);
        break;
    case SHAPE_SECTION_LIST:
    case SHAPE_SECTION_MAP:
        assert(!"read by a function of its own");
    }
}

static void key_unknown(struct config_reader *reader, enum option_section section,
                        const struct yaml_node *key) {
    struct nearest nearest = nearest_start(key->text);
    if (reader->problems->errors < CONFIG_GUESSES_MAX)
        for (const struct option *row = option_first(section); row; row = option_next(row))
            nearest_offer(&nearest, str_from(row->key));
    if (nearest.best.len > 0) {
        problems_add(reader->problems, PROBLEM_ERROR, key->pos,
                     "unknown key \"%.*s\"; did you mean \"%.*s\"?", STR_SHOWN(key->text),
                     STR_ARG(nearest.best));
        return;
    }
    for (size_t i = 0; i < option_count; i++) {
        if (!str_eq(key->text, str_from(option_table[i].key)))
            continue;
        const char *place = option_section_path(option_table[i].section);
        problems_add(reader->problems, PROBLEM_ERROR, key->pos,
                     "the key \"%.*s\" has no meaning here; it belongs %s%s", STR_SHOWN(key->text),
                     place[0] ? "into " : "to the top level", place);
        return;
    }
    struct phrase keys = known_keys(section);
    problems_add(reader->problems, PROBLEM_ERROR, key->pos,
                 "unknown key \"%.*s\"; the keys here are %s", STR_SHOWN(key->text), keys.text);
}

static struct phrase known_keys(enum option_section section) {
    struct phrase phrase = {0};
    size_t used = 0;
    for (const struct option *row = option_first(section); row; row = option_next(row)) {
        assert(used + strlen(row->key) + 3 < sizeof(phrase.text));
        if (used > 0)
            used = (size_t)(stpcpy(phrase.text + used, ", ") - phrase.text);
        used = (size_t)(stpcpy(phrase.text + used, row->key) - phrase.text);
    }
    return phrase;
}

static void needs_check(struct config_reader *reader, enum option_section section,
                        const struct yaml_node *map) {
    const struct option *choice = NULL;
    unsigned chosen = 0;
    struct phrase choices = {0};
    for (const struct option *row = option_first(section); row; row = option_next(row)) {
        bool given = yaml_map_find(map, row->key) != NULL;
        if (row->need == OPTION_REQUIRED && !given)
            problems_add(reader->problems, PROBLEM_ERROR, map->pos,
                         "the key \"%s\" is missing; for example %s: %s", row->key, row->key,
                         row->example);
        if (row->need != OPTION_CHOICE)
            continue;
        if (choice)
            strcat(choices.text, ", ");
        strcat(choices.text, row->key);
        choice = row;
        chosen += given;
    }
    if (choice && chosen != 1)
        problems_add(reader->problems, PROBLEM_ERROR, map->pos,
                     "found %s of %s; expected exactly one, for example {%s: %s}",
                     chosen ? "several" : "none", choices.text, choice->key, choice->example);
}

// An entry that is refused leaves its place empty: the configuration will not be used.
static void list_read(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value, void *base) {
    bool is_one = option->shape == SHAPE_ONE_OR_LIST && value->kind == YAML_TEXT;
    if (!is_one && !config_list_check(reader, option, value))
        return;
    size_t count = is_one ? 1 : value->count, size_bytes = option_type_size_bytes(option->type);
    char *items = arena_alloc(reader->arena, count, size_bytes);
    const struct yaml_node *entry = is_one ? value : value->first;
    for (size_t i = 0; i < count; i++, entry = entry->next)
        config_value_read(reader, option, entry, items + i * size_bytes);
    if (option->field.size_bytes == 0)
        return;
    assert(option->field.size_bytes == sizeof(items));
    memcpy((char *)base + option->field.offset, &items, sizeof(items));
    memcpy((char *)base + option->count_offset, &count, sizeof(count));
}

static void text_map_read(struct config_reader *reader, const struct option *option,
                          const struct yaml_node *value) {
    static const struct option name = {
        .key = "the field name", .type = OPTION_FIELD_NAME, .example = "X-Client-IP"};
    if (!config_map_check(reader, option, value))
        return;
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next) {
        config_value_read(reader, &name, entry->key, NULL);
        config_value_read(reader, option, entry, NULL);
    }
}

bool config_list_check(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value) {
    return entries_check(reader, option, value, YAML_LIST);
}

bool config_map_check(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value) {
    return entries_check(reader, option, value, YAML_MAP);
}

static bool entries_check(struct config_reader *reader, const struct option *option,
                          const struct yaml_node *value, enum yaml_kind kind) {
    if (value->kind != kind) {
        config_shape_refuse(reader, option, value);
        return false;
    }
    if (value->count > 0 || option->min == 0)
        return true;
    problems_add(reader->problems, PROBLEM_ERROR, value->pos,
                 "%s: it is empty; expected at least one entry, for example %s: %s", option->key,
                 option->key, option->example);
    return false;
}
