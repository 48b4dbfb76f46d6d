// SPDX-License-Identifier: Apache-2.0
//
// The option table for editors and other programs.
#ifndef RINGWAY_CORE_CONFIG_SCHEMA_H
#define RINGWAY_CORE_CONFIG_SCHEMA_H

#include <stdio.h>

// Prints the configuration's JSON Schema (draft 2020-12), for editors. It is a little wider than
// `config_parse`: what refers to another place, and ranges of values with units, it cannot say.
void config_schema_print(FILE *out);

#endif
