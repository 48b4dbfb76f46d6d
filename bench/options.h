// SPDX-License-Identifier: Apache-2.0
//
// Command lines from a table: what an option is called, what it takes and means stands in one row,
// from which both parsing and `--help` come.
#ifndef RINGWAY_BENCH_OPTIONS_H
#define RINGWAY_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_TEXT,     // const char *, borrowed from argv
    OPTION_LIST,     // struct option_list: may be given again
    OPTION_COUNT,    // uint64_t
    OPTION_SIZE,     // uint64_t, bytes: 128, 16K, 1M
    OPTION_DURATION, // uint64_t, ms: 500ms, 10s, 2m
    OPTION_CHOICE,   // int, the place in `choices`
    OPTION_FLAG,     // bool: takes no value
};

enum { OPTION_LIST_MAX = 32 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

// A row; the table ends with a row without name.
struct option_row {
    const char *name;
    char letter; // 0: none
    enum option_kind kind;
    size_t offset;              // of the value in the caller's structure
    uint64_t min, max;          // of COUNT, SIZE and DURATION
    const char *const *choices; // of CHOICE; NULL ends it
    const char *argument;       // what help calls the value: "N"; of FLAG ""
    const char *help;
};

enum { OPERANDS_MAX = 256 };

// Reads argv[1..] into `values`; `operands` gets the arguments that are no options, `max` at the
// most. Returns their number, or -EINVAL with a sentence in `why`.
int options_parse(const struct option_row *rows, void *values, int argc, char **argv,
                  const char **operands, int max, char *why, size_t why_size);

// Whether --help or -h stands anywhere in argv[1..]: then it is all that is asked for.
bool options_want_help(int argc, char **argv);

// A line or more for each row.
void options_help(FILE *out, const struct option_row *rows);

#endif
