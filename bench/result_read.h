// SPDX-License-Identifier: Apache-2.0
//
// Reads what report_json() wrote, so that runs of several machines or processes can be put
// together.
#ifndef RINGWAY_BENCH_RESULT_READ_H
#define RINGWAY_BENCH_RESULT_READ_H

#include "bench/load.h"

// Fills what a report is made of; what the file does not have (the server's processes) stays empty.
// False with a sentence in `why`. Blocking.
bool result_read(const char *path, struct load_settings *settings, struct load_result *result,
                 char *why, size_t why_size);

#endif
