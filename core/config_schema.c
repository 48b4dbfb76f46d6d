// SPDX-License-Identifier: Apache-2.0
//
// One definition for each section ("$defs"), one property for each row. Printed as it goes: JSON of
// this shape needs no library, only the rule that who opens a brace closes it.
#include "core/config_schema.h"

#include <inttypes.h>
#include <string.h>

#include "core/option.h"

static void section_print(FILE *out, enum option_section section, const char *indent);
static void needs_print(FILE *out, enum option_section section, const char *indent);
static void option_print(FILE *out, const struct option *option, const char *indent);
static void shape_print(FILE *out, const struct option *option);
static void value_print(FILE *out, const struct option *option);
static void number_print(FILE *out, const struct option *option);
static void words_print(FILE *out, const struct option *option);
static void default_print(FILE *out, const struct option *option);
static void string_print(FILE *out, struct str text);
static void pattern_print(FILE *out, enum option_type type);

void config_schema_print(FILE *out) {
    fputs("{\n"
          "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
          "  \"title\": \"The configuration of ringway\",\n",
          out);
    section_print(out, SECTION_TOP, "  ");
    fputs(",\n  \"$defs\": {\n", out);
    for (enum option_section section = SECTION_TOP + 1; section < SECTION_COUNT; section++) {
        fprintf(out, "    \"%s\": {\n", option_section_path(section));
        section_print(out, section, "      ");
        fprintf(out, "\n    }%s\n", section + 1 < SECTION_COUNT ? "," : "");
    }
    fputs("  }\n}\n", out);
}

// The members of an object schema, without the braces around them.
static void section_print(FILE *out, enum option_section section, const char *indent) {
    fprintf(out, "%s\"type\": \"object\",\n%s\"additionalProperties\": false,\n", indent, indent);
    needs_print(out, section, indent);
    fprintf(out, "%s\"properties\": {\n", indent);
    for (const struct option *row = option_first(section); row;) {
        const struct option *next = option_next(row);
        option_print(out, row, indent);
        fputs(next ? ",\n" : "\n", out);
        row = next;
    }
    fprintf(out, "%s}", indent);
}

static void needs_print(FILE *out, enum option_section section, const char *indent) {
    const char *between = "";
    bool any = false;
    for (const struct option *row = option_first(section); row; row = option_next(row)) {
        if (row->need != OPTION_REQUIRED)
            continue;
        if (!any)
            fprintf(out, "%s\"required\": [", indent);
        fprintf(out, "%s\"%s\"", between, row->key);
        between = ", ";
        any = true;
    }
    fputs(any ? "],\n" : "", out);
    any = false;
    for (const struct option *row = option_first(section); row; row = option_next(row)) {
        if (row->need != OPTION_CHOICE)
            continue;
        if (!any)
            fprintf(out, "%s\"oneOf\": [", indent);
        fprintf(out, "%s{\"required\": [\"%s\"]}", any ? ", " : "", row->key);
        any = true;
    }
    fputs(any ? "],\n" : "", out);
}

static void option_print(FILE *out, const struct option *option, const char *indent) {
    fprintf(out, "%s  \"%s\": {\n%s    \"description\": ", indent, option->key, indent);
    string_print(out, str_from(option->help));
    fprintf(out, ",\n%s    ", indent);
    if (option->status == OPTION_LATER)
        fprintf(out, "\"$comment\": \"Accepted, not active yet.\",\n%s    ", indent);
    if (option->fallback) {
        default_print(out, option);
        fprintf(out, ",\n%s    ", indent);
    }
    shape_print(out, option);
    fprintf(out, "\n%s  }", indent);
}

static void shape_print(FILE *out, const struct option *option) {
    const char *least = option->min == 1 ? "1" : "0", *child = option_section_path(option->child);
    switch (option->shape) {
    case SHAPE_ONE:
        value_print(out, option);
        break;
    case SHAPE_LIST:
        fprintf(out, "\"type\": \"array\", \"minItems\": %s, \"items\": {", least);
        value_print(out, option);
        fputs("}", out);
        break;
    case SHAPE_ONE_OR_LIST:
        fputs("\"anyOf\": [{", out);
        value_print(out, option);
        fputs("}, {\"type\": \"array\", \"items\": {", out);
        value_print(out, option);
        fputs("}}]", out);
        break;
    case SHAPE_TEXT_MAP:
        fputs("\"type\": \"object\", \"propertyNames\": {", out);
        pattern_print(out, OPTION_FIELD_NAME);
        fputs("}, \"additionalProperties\": {", out);
        value_print(out, option);
        fputs("}", out);
        break;
    case SHAPE_SECTION:
        fprintf(out, "\"$ref\": \"#/$defs/%s\"", child);
        break;
    case SHAPE_SECTION_LIST:
        fprintf(out, "\"type\": \"array\", \"minItems\": %s, \"items\": {\"$ref\": \"#/$defs/%s\"}",
                least, child);
        break;
    case SHAPE_SECTION_MAP:
        fprintf(out, "\"type\": \"object\", \"minProperties\": %s, \"propertyNames\": {", least);
        pattern_print(out, option->type);
        fprintf(out, "}, \"additionalProperties\": {\"$ref\": \"#/$defs/%s\"}", child);
        break;
    }
}

static void value_print(FILE *out, const struct option *option) {
    switch (option->type) {
    case OPTION_BOOL:
        fputs("\"type\": \"boolean\"", out);
        break;
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION_MS:
    case OPTION_DURATION_S:
        number_print(out, option);
        break;
    case OPTION_ENUM:
        words_print(out, option);
        break;
    default:
        fputs("\"type\": \"string\"", out);
        if (option_type_pattern(option->type)) {
            fputs(", ", out);
            pattern_print(out, option->type);
        }
    }
}

// A number as such where it needs no unit, a text with a unit, a word: whichever there are.
static void number_print(FILE *out, const struct option *option) {
    const char *pattern = option_type_pattern(option->type);
    bool is_duration = option->type == OPTION_DURATION_MS || option->type == OPTION_DURATION_S;
    const char *between = "";
    fputs("\"anyOf\": [", out);
    if (!is_duration || option->min == 0) {
        fprintf(out, "{\"type\": \"integer\", \"minimum\": %" PRIu64 ", \"maximum\": %" PRIu64 "}",
                option->min, is_duration ? 0 : option->max);
        between = ", ";
    }
    if (pattern) {
        fprintf(out, "%s{\"type\": \"string\", ", between);
        pattern_print(out, option->type);
        fputs("}", out);
        between = ", ";
    }
    if (option->word)
        fprintf(out, "%s{\"const\": \"%s\"}", between, option->word);
    fputs("]", out);
}

// YAML takes a bare 1.2 for a number, and the reader does not mind.
static void words_print(FILE *out, const struct option *option) {
    struct str rest = str_from(option->values), word;
    fputs("\"enum\": [", out);
    for (const char *between = ""; value_word_next(&rest, &word); between = ", ") {
        fprintf(out, "%s\"%.*s\"", between, STR_ARG(word));
        if (word.ptr[0] >= '0' && word.ptr[0] <= '9')
            fprintf(out, ", %.*s", STR_ARG(word));
    }
    fputs("]", out);
}

static void default_print(FILE *out, const struct option *option) {
    struct str text = str_from(option->fallback);
    bool is_word = option->word && strcmp(option->word, option->fallback) == 0;
    fputs("\"default\": ", out);
    if (option->type == OPTION_BOOL || (option->type == OPTION_NUMBER && !is_word) ||
        text.ptr[0] == '"')
        fputs(option->fallback, out);
    else
        string_print(out, text);
}

static void pattern_print(FILE *out, enum option_type type) {
    fputs("\"pattern\": ", out);
    string_print(out, str_from(option_type_pattern(type)));
}

// RFC 8259 §7. The texts come from the option table: printable, UTF-8.
static void string_print(FILE *out, struct str text) {
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            fputc('\\', out);
        fputc(text.ptr[i], out);
    }
    fputc('"', out);
}
