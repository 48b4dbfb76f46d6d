// SPDX-License-Identifier: Apache-2.0
//
// The checks that need the whole file: names that refer to each other, what may stand only once,
// and defaults that depend on what else is there.
#ifndef RINGWAY_CORE_CONFIG_CHECK_H
#define RINGWAY_CORE_CONFIG_CHECK_H

#include "core/config_read.h"

// Completes and checks the configuration that has been read.
void config_check(struct config_reader *reader);

#endif
