// SPDX-License-Identifier: Apache-2.0
//
// Upstream names → addresses: a table of the answers for every server's host. Making one blocks, so
// it is done away from the data path: once with each configuration, then by the resolver's thread.
// A name that fails keeps its last good answer; that is logged once per change of state.
//
// Life: tables are immutable and counted; the last reference dropped frees. Any thread.
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
    char *host;                         // as written in the configuration
    struct sockaddr_storage *addresses; // sorted, each once, port 0
    size_t address_count;
    int error; // of the last lookup: 0 or a negative errno, which keeps earlier addresses;
               // -ETIMEDOUT: not looked up yet
};

struct resolve_table;

// What an answer's error is, as in "no such name". Any thread.
const char *resolve_error_text(int error);

// Looks `host` up: a literal address at once, a name with getaddrinfo(3), which blocks. Returns the
// number of addresses written, at least 1, or a negative errno (-ENOENT no such name, -EAGAIN the
// name servers do not answer).
int resolve_host(const char *host, struct sockaddr_storage out[RESOLVE_ADDRESSES_MAX]);

// Looks up each host of `config` once; a good answer `previous` (may be NULL) has is taken over
// without a lookup. Blocks, but not for long: names that would have to wait for others are left
// with -ETIMEDOUT to resolve_table_refresh. Any thread. NULL when memory is short. The caller has
// one reference.
struct resolve_table *resolve_table_make(const struct config *config,
                                         const struct resolve_table *previous);

// Looks up each name of `previous` again, however long it takes. Otherwise like
// resolve_table_make.
struct resolve_table *resolve_table_refresh(const struct resolve_table *previous);

// The answer for a host as written in the configuration; NULL when the table does not have it.
const struct resolve_answer *resolve_table_find(const struct resolve_table *table,
                                                const char *host);

// Does the table have every host of `config`? One made for an older configuration may not.
bool resolve_table_covers(const struct resolve_table *table, const struct config *config);

// Do both have the same hosts with the same addresses?
bool resolve_table_equal(const struct resolve_table *a, const struct resolve_table *b);

// Did the last lookup of any host fail?
bool resolve_table_fails(const struct resolve_table *table);

// Is any host a name, so that looking it up again can change the answer?
bool resolve_table_has_names(const struct resolve_table *table);

// Takes one reference more, and returns the table; drops one, the last of which frees it.
struct resolve_table *resolve_table_hold(struct resolve_table *table);
void resolve_table_drop(struct resolve_table *table);

#endif
