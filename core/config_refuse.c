// SPDX-License-Identifier: Apache-2.0
//
// The sentence for a value that does not fit: what was found, what is expected, an example.
#include "core/config_read.h"

#include <stdio.h>

#include "core/config_url.h"

static void variable_refuse(struct config_reader *reader, const struct option *option,
                            const struct yaml_node *value);
static struct phrase found_text(const struct option *option, const struct yaml_node *value);
static struct phrase guess_text(const struct option *option, const struct yaml_node *value);

void config_value_refuse(struct config_reader *reader, const struct option *option,
                         const struct yaml_node *value, enum value_verdict verdict) {
    if (verdict == VALUE_TEMPLATE_VARIABLE) {
        variable_refuse(reader, option, value);
        return;
    }
    struct phrase found = found_text(option, value);
    const char *advice = value_verdict_advice(verdict);
    if (advice) {
        problems_add(reader->problems, PROBLEM_ERROR, value->pos, "%s: %s %s", option->key,
                     found.text, advice);
        return;
    }
    struct phrase expected = option_value_expected(option), guess = guess_text(option, value);
    bool is_range = verdict == VALUE_OUT_OF_RANGE;
    problems_add(reader->problems, PROBLEM_ERROR, value->pos,
                 "%s: %s%s%s; expected %s%s, for example %s: %s", option->key,
                 is_range ? "" : "found ", found.text, is_range ? " is out of range" : "",
                 expected.text, guess.text, option->key, option->example);
}

void config_shape_refuse(struct config_reader *reader, const struct option *option,
                         const struct yaml_node *value) {
    struct phrase found = found_text(option, value), expected = option_expected(option);
    problems_add(reader->problems, PROBLEM_ERROR, value->pos,
                 "%s: found %s; expected %s, for example %s: %s", option->key, found.text,
                 expected.text, option->key, option->example);
}

static void variable_refuse(struct config_reader *reader, const struct option *option,
                            const struct yaml_node *value) {
    struct str unknown = {0}, rest = str_from(option->values), name;
    url_template_check(value->text, option->values, &unknown);
    struct nearest nearest = nearest_start(unknown);
    struct phrase known = {0};
    size_t used = 0;
    while (value_word_next(&rest, &name)) {
        nearest_offer(&nearest, name);
        used += (size_t)snprintf(known.text + used, sizeof(known.text) - used, " ${%.*s}",
                                 STR_ARG(name));
    }
    bool near = nearest.best.len > 0;
    problems_add(reader->problems, PROBLEM_ERROR, value->pos,
                 "%s: unknown variable \"${%.*s}\"%s%.*s%s; the variables here are%s", option->key,
                 STR_SHOWN(unknown), near ? ", did you mean \"${" : "", STR_ARG(nearest.best),
                 near ? "}\"?" : "", known.text);
}

// Quotes make a text of what looks like a number or a truth value: the message says so.
static struct phrase found_text(const struct option *option, const struct yaml_node *value) {
    if (value->kind == YAML_LIST)
        return (struct phrase){"a list"};
    if (value->kind == YAML_MAP)
        return (struct phrase){"a map"};
    if (yaml_node_is_null(value))
        return (struct phrase){"nothing"};
    bool quotes_matter = value->style == YAML_QUOTED &&
                         (option->type == OPTION_BOOL || option->type == OPTION_NUMBER);
    struct phrase phrase;
    snprintf(phrase.text, sizeof(phrase.text), "%s\"%.*s\"", quotes_matter ? "the text " : "",
             STR_SHOWN(value->text));
    return phrase;
}

static struct phrase guess_text(const struct option *option, const struct yaml_node *value) {
    struct phrase phrase = {0};
    if (value->kind != YAML_TEXT)
        return phrase;
    struct nearest nearest = nearest_start(value->text);
    struct str words = str_from(option->type == OPTION_ENUM         ? option->values
                                : option->type == OPTION_LOG_TARGET ? "stderr|stdout|none"
                                                                    : option->word);
    struct str word;
    while (value_word_next(&words, &word))
        nearest_offer(&nearest, word);
    if (nearest.best.len > 0 && nearest.best_distance > 0)
        snprintf(phrase.text, sizeof(phrase.text), " (did you mean %.*s?)", STR_ARG(nearest.best));
    return phrase;
}
