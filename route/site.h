// SPDX-License-Identifier: Apache-2.0
//
// Host name → site. Three answers, the most specific first: the exact name, the wildcard of exactly
// one label ("*.a.example" has "x.a.example", not "a.example", not "y.x.a.example"), the default
// "*".
//
// Life: built with a snapshot, immutable, any thread may look up; borrows the sites and host
// strings of the configuration, which must outlive it.
#ifndef RINGWAY_ROUTE_SITE_H
#define RINGWAY_ROUTE_SITE_H

#include "core/config.h"
#include "core/str.h"

struct site_table;

// NULL when memory is short. Two sites with the same host are an error of the configuration; here
// the first has it.
struct site_table *site_table_build(const struct config *config);

// No thread may be using it. NULL is allowed.
void site_table_free(struct site_table *table);

// Finds the site of `host`: lower case, without port; an IPv6 literal with or without brackets, a
// name with or without the final dot. Constant time. NULL when none matches (421 or 404).
const struct conf_site *site_find(const struct site_table *table, struct str host);

#endif
