// SPDX-License-Identifier: Apache-2.0
//
// What a run of load found, as a table for people and as JSON for programs.
#ifndef RINGWAY_BENCH_REPORT_H
#define RINGWAY_BENCH_REPORT_H

#include "bench/load.h"

#include <stdbool.h>
#include <stdio.h>

void report_table(FILE *out, const struct load_settings *settings,
                  const struct load_result *result);

// The table to stdout, and JSON to `json_path` where one is given; "-" is stdout, instead of the
// table. False with errno when it could not be written.
bool report_write(const char *json_path, const struct load_settings *settings,
                  const struct load_result *result);

// One object. Times in microseconds, sizes in bytes; the histograms as [lower bound in ns, count]
// of each bucket that is not empty, so that those of several runs can be added.
void report_json(FILE *out, const struct load_settings *settings, const struct load_result *result);

#endif
