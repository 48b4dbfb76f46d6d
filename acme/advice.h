// SPDX-License-Identifier: Apache-2.0
//
// What a look at DNS and at this machine's addresses adds to an error of validation.
#ifndef RINGWAY_ACME_ADVICE_H
#define RINGWAY_ACME_ADVICE_H

#include "acme/error.h"

// Appends what is wrong with the addresses of `name`, if something is: it has none, or none of
// them is of this machine. Blocking.
void acme_advise_addresses(struct acme_error *error, const char *name);

#endif
