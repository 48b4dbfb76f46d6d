// SPDX-License-Identifier: Apache-2.0
//
// The list of findings of a check. Texts quote what stands in the file, so control characters are
// replaced before they reach somebody's terminal, and a file that is wrong from end to end does not
// fill memory: after a thousand findings the rest is only counted.
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 1000

static void item_push(struct problems *list, struct problem item);
static void text_make_printable(char *text);

void problems_add(struct problems *list, enum problem_kind kind, struct conf_pos pos,
                  const char *format, ...) {
    if (kind == PROBLEM_ERROR)
        list->errors++;
    if (list->count > KEPT_MAX)
        return;
    if (list->count == KEPT_MAX)
        format = "more problems follow; they are not shown";

    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text)
        text_make_printable(text);
    item_push(list, (struct problem){kind, pos, text});
}

// Without memory for the finding the process ends, as in arena.c and for the same reason.
static void item_push(struct problems *list, struct problem item) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = realloc(list->items, list->capacity * sizeof(*list->items));
    }
    if (!list->items || !item.text) {
        fputs("ringway: out of memory while reading the configuration\n", stderr);
        exit(EXIT_FAILURE);
    }
    list->items[list->count++] = item;
}

static void text_make_printable(char *text) {
    for (unsigned char *byte = (unsigned char *)text; *byte; byte++) {
        bool is_c1 = byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] <= 0x9f; // U+0080..U+009F
        if (*byte < ' ' || *byte == 0x7f || is_c1)
            *byte = '?';
        if (is_c1)
            *++byte = '?';
    }
}

void problems_rewind(struct problems *list, size_t count) {
    while (list->count > count) {
        struct problem *last = &list->items[--list->count];
        if (last->kind == PROBLEM_ERROR)
            list->errors--;
        free(last->text);
    }
}

static int compare_positions(const void *left, const void *right) {
    const struct problem *a = left, *b = right;
    if (a->pos.line != b->pos.line)
        return a->pos.line < b->pos.line ? -1 : 1;
    return a->pos.column < b->pos.column ? -1 : a->pos.column > b->pos.column;
}

void problems_sort(struct problems *list, size_t from) {
    if (list->count > from + 1)
        qsort(list->items + from, list->count - from, sizeof(*list->items), compare_positions);
}

void problems_free(struct problems *list) {
    problems_rewind(list, 0);
    free(list->items);
    *list = (struct problems){0};
}
