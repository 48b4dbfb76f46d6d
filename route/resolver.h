// SPDX-License-Identifier: Apache-2.0
//
// The thread that looks upstream names up again and again, and hands out a new table when an answer
// has changed. Names that fail are tried again sooner.
#ifndef RINGWAY_ROUTE_RESOLVER_H
#define RINGWAY_ROUTE_RESOLVER_H

#include "route/resolve.h"

struct resolver;

// Called on the resolver's thread with a reference that is the callee's to drop. Must be short and
// not call the resolver.
typedef void resolver_changed(void *context, struct resolve_table *table);

// Starts the thread; it idles until `resolver_watch`. `context` must live until `resolver_stop` has
// returned. Negative errno.
int resolver_start(struct resolver **out, resolver_changed *changed, void *context);

// From now on looks the hosts of `current`, the table in use, up every `every_ms`, instead of what
// was watched before. Holds a reference of its own. Any thread; does not wait for a lookup.
void resolver_watch(struct resolver *resolver, struct resolve_table *current, unsigned every_ms);

// Ends the thread and frees. `changed` is not called after this returned. getaddrinfo(3) cannot be
// interrupted: a lookup that takes longer than another second is left to end by itself.
void resolver_stop(struct resolver *resolver);

#endif
