// SPDX-License-Identifier: Apache-2.0
//
// A message of the user's own, read from a file into memory.
#ifndef RINGWAY_BENCH_PAYLOAD_H
#define RINGWAY_BENCH_PAYLOAD_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

#define PAYLOAD_MAX_MB 64

// Reads a whole file, or what comes from a pipe. The caller frees `payload->ptr`, which is not NULL
// even for an empty file. False with a sentence in `why`. Blocking.
bool payload_read(struct str *payload, const char *path, char *why, size_t why_size);

#endif
