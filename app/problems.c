// SPDX-License-Identifier: Apache-2.0
#include "app/problems.h"

#include "core/log.h"

static const char *const kind_names[] = {
    [PROBLEM_ERROR] = "error",
    [PROBLEM_WARNING] = "warning",
    [PROBLEM_NOTE] = "note",
};

static const enum log_level kind_levels[] = {
    [PROBLEM_ERROR] = LOG_ERROR,
    [PROBLEM_WARNING] = LOG_WARN,
    [PROBLEM_NOTE] = LOG_INFO,
};

// "FILE:LINE:COLUMN", or "FILE" for what has no place in it.
static void format_place(const struct problem *problem, const char *path, char *out, size_t size) {
    if (!path)
        path = "configuration";
    if (problem->pos.line == 0)
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s:%u:%u", path, problem->pos.line, problem->pos.column);
}

void problems_print(const struct problems *problems, const char *path, FILE *out) {
    char place[4200];
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        format_place(problem, path, place, sizeof place);
        fprintf(out, "%s: %s: %s\n", place, kind_names[problem->kind], problem->text);
    }
}

void problems_log(const struct problems *problems, const char *path) {
    char place[4200];
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        format_place(problem, path, place, sizeof place);
        log_line(kind_levels[problem->kind], NULL, "%s: %s", place, problem->text);
    }
}
