// SPDX-License-Identifier: Apache-2.0
//
// Upstream names → addresses, away from the data path.
//
// `resolve_table_make` looks up every server's host of a configuration and blocks while it does. A
// `resolver` is a thread that does so again and again, and hands out a new table when an answer has
// changed. A name that fails keeps its last good answer; that is logged once per change of state.
// Tables are immutable and counted; answers are sorted, so that equal answers are equal bytes.
#ifndef RINGWAY_ROUTE_RESOLVE_H
#define RINGWAY_ROUTE_RESOLVE_H

#include "core/config.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

// More addresses of one name than these are left out.
#define RESOLVE_ADDRESSES_MAX 64

struct resolve_answer {
    char *host;
    struct sockaddr_storage *addresses; // sorted, each once, port 0
    size_t address_count;
    int error; // of the last lookup: 0 or a negative errno; earlier addresses are kept
};

struct resolve_table;

// Looks `host` up: a literal address at once, a name with getaddrinfo(3), which blocks. Returns the
// number of addresses written, at least 1, or a negative errno (-ENOENT no such name, -EAGAIN the
// name servers do not answer).
int resolve_host(const char *host, struct sockaddr_storage out[RESOLVE_ADDRESSES_MAX]);

// Looks up each host of `config` once. Answers `previous` (may be NULL) has are taken from there
// without a lookup when `reuse` says so, and stand in for a failed one. Blocks; any thread. NULL
// when memory is short. The caller has one reference.
enum resolve_reuse { RESOLVE_AGAIN, RESOLVE_REUSE };
struct resolve_table *resolve_table_make(const struct config *config,
                                         const struct resolve_table *previous,
                                         enum resolve_reuse reuse);

// The answer for a host as written in the configuration; NULL when the table does not have it.
const struct resolve_answer *resolve_table_find(const struct resolve_table *table,
                                                const char *host);

// Does the table have every host of `config`? One made for an older configuration may not.
bool resolve_table_covers(const struct resolve_table *table, const struct config *config);

// Do both have the same hosts with the same addresses?
bool resolve_table_equal(const struct resolve_table *a, const struct resolve_table *b);

struct resolve_table *resolve_table_hold(struct resolve_table *table);
void resolve_table_drop(struct resolve_table *table);

struct resolver;

// Called on the resolver's thread with a reference that is the callee's to drop.
typedef void resolver_changed(void *context, struct resolve_table *table);

// Starts the thread; it idles until `resolver_watch`. `context` must live until `resolver_stop` has
// returned. Negative errno.
int resolver_start(struct resolver **out, resolver_changed *changed, void *context);

// Watches the hosts of `config` (copied) from now on, every `config->resolve_every_ms`, instead of
// what was watched; `current` is the table in use, to compare with (held). Literal addresses are
// never looked up again. -ENOMEM, and the old ones are watched on. Any thread, does not block.
int resolver_watch(struct resolver *resolver, const struct config *config,
                   struct resolve_table *current);

// Ends the thread and frees. `changed` is not called after this returned. getaddrinfo(3) cannot be
// interrupted: a lookup under way for longer than a second is left to end by itself.
void resolver_stop(struct resolver *resolver);

#endif
