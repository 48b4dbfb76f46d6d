// SPDX-License-Identifier: Apache-2.0
//
// Which sites get their certificate by ACME, made out to which names, kept in which file.
#ifndef RINGWAY_CORE_CONFIG_ACME_H
#define RINGWAY_CORE_CONFIG_ACME_H

#include "core/config_read.h"

// Checks `acme:` and the sites' `tls.acme`, and fills in what sites need to know of it. After the
// listeners are known.
void config_acme_check(struct config_reader *reader);

#endif
