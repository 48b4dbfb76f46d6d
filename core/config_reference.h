// SPDX-License-Identifier: Apache-2.0
//
// The option table as the manual page ringway.yaml(5).
#ifndef RINGWAY_CORE_CONFIG_REFERENCE_H
#define RINGWAY_CORE_CONFIG_REFERENCE_H

#include <stdio.h>

// Prints the page as scdoc(5) text.
void config_reference_print(FILE *out);

#endif
