// SPDX-License-Identifier: Apache-2.0
#include "bench/options.h"

#include "core/config_quantity.h"
#include "core/str.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

// Where the reader of a command line stands.
struct reader {
    const struct option_row *rows;
    void *values;
    int argc, at;
    char **argv;
    char *why;
    size_t why_size;
};

static bool refuse(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct reader *reader, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->why, reader->why_size, format, arguments);
    va_end(arguments);
    return false;
}

static const struct option_row *row_by_name(const struct option_row *rows, struct str name) {
    for (; rows->name; rows++)
        if (str_eq(str_from(rows->name), name))
            return rows;
    return NULL;
}

static const struct option_row *row_by_letter(const struct option_row *rows, char letter) {
    for (; rows->name; rows++)
        if (rows->letter == letter)
            return rows;
    return NULL;
}

// What a number must look like, by kind.
static const char *const kind_forms[] = {
    [OPTION_COUNT] = "must be a whole number, without a unit",
    [OPTION_SIZE] = "must be a size such as 500, 64K or 1M",
    [OPTION_DURATION] = "must be a time such as 500ms, 10s or 2m",
};

static bool number_set(struct reader *reader, const struct option_row *row, const char *text) {
    uint64_t *number = (uint64_t *)((char *)reader->values + row->offset);
    enum value_verdict verdict =
        row->kind == OPTION_COUNT  ? quantity_number_parse(str_from(text), number)
        : row->kind == OPTION_SIZE ? quantity_size_parse(str_from(text), number)
                                   : quantity_duration_parse(str_from(text), number);
    if (verdict != VALUE_OK) {
        const char *advice = value_verdict_advice(verdict);
        return refuse(reader, "--%s %s: %s", row->name, text,
                      advice ? advice : kind_forms[row->kind]);
    }
    const char *unit = row->kind == OPTION_DURATION ? " ms" : "";
    if (*number < row->min || *number > row->max)
        return refuse(reader, "--%s %s: must be between %llu%s and %llu%s", row->name, text,
                      (unsigned long long)row->min, unit, (unsigned long long)row->max, unit);
    return true;
}

static bool choice_set(struct reader *reader, const struct option_row *row, const char *text) {
    for (int i = 0; row->choices[i]; i++)
        if (strcasecmp(row->choices[i], text) == 0) {
            *(int *)((char *)reader->values + row->offset) = i;
            return true;
        }
    char known[200] = "";
    for (int i = 0; row->choices[i]; i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", row->choices[i]);
    }
    return refuse(reader, "--%s %s: must be one of %s", row->name, text, known);
}

static bool value_set(struct reader *reader, const struct option_row *row, const char *text) {
    void *value = (char *)reader->values + row->offset;
    struct option_list *list = value;
    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)value = text;
        return true;
    case OPTION_LIST:
        if (list->count == OPTION_LIST_MAX)
            return refuse(reader, "--%s: more than %d of them", row->name, OPTION_LIST_MAX);
        list->items[list->count++] = text;
        return true;
    case OPTION_FLAG:
        *(bool *)value = true;
        return true;
    case OPTION_CHOICE:
        return choice_set(reader, row, text);
    default:
        return number_set(reader, row, text);
    }
}

// One option, "--name value", "--name=value", "-n value" or "-nvalue".
static bool option_read(struct reader *reader) {
    const char *word = reader->argv[reader->at];
    const struct option_row *row;
    const char *text = NULL;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        row = row_by_name(reader->rows, (struct str){word + 2, length - 2});
        text = equals ? equals + 1 : NULL;
    } else {
        row = row_by_letter(reader->rows, word[1]);
        text = word[2] ? word + 2 : NULL;
    }
    if (!row)
        return refuse(reader, "unknown option %s", word);
    if (row->kind == OPTION_FLAG && text)
        return refuse(reader, "--%s takes no value", row->name);
    if (!text && row->kind != OPTION_FLAG) {
        if (reader->at + 1 == reader->argc)
            return refuse(reader, "%s needs a value: %s", word, row->argument);
        text = reader->argv[++reader->at];
    }
    return value_set(reader, row, text);
}

int options_parse(const struct option_row *rows, void *values, int argc, char **argv,
                  const char **operands, int max, char *why, size_t why_size) {
    struct reader reader = {.rows = rows,
                            .values = values,
                            .argc = argc,
                            .at = 1,
                            .argv = argv,
                            .why = why,
                            .why_size = why_size};
    int count = 0;
    for (; reader.at < argc; reader.at++) {
        const char *word = argv[reader.at];
        if (word[0] == '-' && word[1] != '\0') {
            if (!option_read(&reader))
                return -EINVAL;
        } else if (count == max) {
            refuse(&reader, "unexpected argument %s", word);
            return -EINVAL;
        } else {
            operands[count++] = word;
        }
    }
    return count;
}

bool options_want_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

void options_help(FILE *out, const struct option_row *rows) {
    for (; rows->name; rows++) {
        char left[40], letter[8] = "    ";
        if (rows->letter)
            snprintf(letter, sizeof letter, "-%c, ", rows->letter);
        snprintf(left, sizeof left, "%s--%s %s", letter, rows->name, rows->argument);
        fprintf(out, "  %-26s ", left);
        for (const char *c = rows->help; *c; c++) { // further lines under the first
            fputc(*c, out);
            if (*c == '\n')
                fprintf(out, "%29s", "");
        }
        fputc('\n', out);
    }
}
