// SPDX-License-Identifier: Apache-2.0
#include "bench/command.h"

#include "bench/options.h"
#include "bench/report.h"
#include "bench/result_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct merge_arguments {
    const char *json_path;
};

static const struct option_row rows[] = {
    {.name = "json",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct merge_arguments, json_path),
     .argument = "FILE",
     .help = "write the sum as JSON (- is stdout, instead of the table)"},
    {0},
};

static void help(void) {
    printf("ringway-bench merge FILE... [OPTION...]\n\n"
           "Adds up results of ringway-bench load --json that ran at the same time, from several\n"
           "machines or processes, and reports them as one.\n\n");
    options_help(stdout, rows);
}

static int fail(int code, const char *why) {
    fprintf(stderr, "ringway-bench: %s\n", why);
    return code;
}

// Adds one file's result. False with a sentence in `why`.
static bool merge_file(const char *path, struct load_settings *settings, struct load_result *sum,
                       char *why, size_t why_size) {
    struct load_settings its = {0};
    struct load_result *result = calloc(1, sizeof *result);
    if (!result) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    bool is_good = result_read(path, &its, result, why, why_size);
    bool is_first = settings->plan.connections == 0;
    bool is_alike =
        its.plan.mode == settings->plan.mode && its.plan.answer == settings->plan.answer;
    if (is_good && !is_first && !is_alike) {
        snprintf(why, why_size, "%s is a %s (--answer %s), the results before it are not", path,
                 load_mode_names[its.plan.mode], load_answer_names[its.plan.answer]);
        is_good = false;
    }
    if (is_good && is_first) {
        *settings = its;
    } else if (is_good) {
        settings->plan.connections += its.plan.connections;
        settings->plan.threads += its.plan.threads;
        settings->plan.rate += its.plan.rate;
    }
    if (is_good)
        load_result_merge(sum, result);
    free(result);
    return is_good;
}

int command_merge(int argc, char **argv) {
    char why[400];
    const char *paths[OPERANDS_MAX];
    struct merge_arguments arguments = {0};
    if (options_want_help(argc, argv)) {
        help();
        return EXIT_SUCCESS;
    }
    int count = options_parse(rows, &arguments, argc, argv, paths, OPERANDS_MAX, why, sizeof why);
    if (count < 0)
        return fail(EXIT_USAGE, why);
    if (count == 0)
        return fail(EXIT_USAGE, "which files? See ringway-bench merge --help");
    struct load_settings settings = {0};
    struct load_result *sum = calloc(1, sizeof *sum);
    struct report report = {0};
    bool is_good = sum;
    if (!sum)
        snprintf(why, sizeof why, "out of memory");
    for (int i = 0; i < count && is_good; i++)
        is_good = merge_file(paths[i], &settings, sum, why, sizeof why);
    // Only now: the sum may go to one of the files it was read from.
    is_good = is_good && report_open(&report, arguments.json_path, why, sizeof why) &&
              report_write(&report, &settings, sum, why, sizeof why);
    report_close(&report);
    free(sum);
    return is_good ? EXIT_SUCCESS : fail(EXIT_FAILURE, why);
}
