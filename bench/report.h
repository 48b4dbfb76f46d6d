// SPDX-License-Identifier: Apache-2.0
//
// What a run of load found, as a table for people and as JSON for programs.
#ifndef RINGWAY_BENCH_REPORT_H
#define RINGWAY_BENCH_REPORT_H

#include "bench/load.h"

#include <stdbool.h>
#include <stdio.h>

// Where a result goes.
struct report {
    FILE *json;        // NULL: not asked for
    bool shows_table;  // on stdout
    const char *where; // JSON goes to: a path, borrowed
};

// Opens the file for JSON, where `json_path` is not NULL: before the run, whose result would be
// lost if it could not be written. "-" is stdout, instead of the table. False with a sentence in
// `why`.
bool report_open(struct report *report, const char *json_path, char *why, size_t why_size);

// Writes the result. False with a sentence in `why` when not all of it could be.
bool report_write(struct report *report, const struct load_settings *settings,
                  const struct load_result *result, char *why, size_t why_size);

// Closes the file.
void report_close(struct report *report);

#endif
