// SPDX-License-Identifier: Apache-2.0
//
// Shows the findings of a check in the form compilers use, which editors can jump to.
#ifndef RINGWAY_APP_PROBLEMS_H
#define RINGWAY_APP_PROBLEMS_H

#include "core/config.h"

#include <stdio.h>

// Writes each finding as "FILE:LINE:COLUMN: error: TEXT", a line each.
void problems_print(const struct problems *problems, const char *path, FILE *out);

// The same to the error log.
void problems_log(const struct problems *problems, const char *path);

#endif
