// SPDX-License-Identifier: Apache-2.0
//
// The checks that need the whole file: names that refer to each other, what may stand only once,
// and defaults that depend on what else is there.
#ifndef RINGWAY_CORE_CONFIG_CHECK_H
#define RINGWAY_CORE_CONFIG_CHECK_H

#include "core/config_read.h"

// Completes and checks the configuration that has been read.
void config_check(struct config_reader *reader);

// Whether any of the listeners has TLS. After those have been read, or implied.
bool config_has_tls_listener(const struct config *config);

#endif
