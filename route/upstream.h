// SPDX-License-Identifier: Apache-2.0
//
// Upstreams as the data path sees them: servers with addresses one can connect to, and whose turn
// it is. The table is part of a snapshot: immutable, any thread reads it. Whose turn it is belongs
// to the worker: one cursor per upstream, by `conf->index`, kept across snapshots.
//
// Round robin goes over the servers; a server with several addresses (a name with several records)
// takes them in turn as well. When connecting fails, the server's other addresses come first (a
// name with an IPv6 address nobody listens on must work), then further servers, as many as
// `retries`.
#ifndef RINGWAY_ROUTE_UPSTREAM_H
#define RINGWAY_ROUTE_UPSTREAM_H

#include "core/address.h"
#include "core/config.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// How many addresses of one server an exchange tries before the next server's turn.
#define UPSTREAM_ADDRESSES_TRIED_MAX 3

struct resolve_table;

struct upstream_address {
    struct sockaddr_storage address;
    socklen_t size_bytes;
    char text[ADDRESS_TEXT_MAX]; // "127.0.0.1:3001"
};

struct upstream_server {
    const struct conf_server *conf;
    const struct upstream_address *addresses;
    size_t address_count; // 0: its name has not been resolved yet
};

struct upstream {
    const struct conf_upstream *conf;
    const struct upstream_server *servers;
    size_t server_count;
};

struct upstream_table {
    struct upstream *upstreams; // in the order of `config->upstreams`
    size_t count;
    struct upstream_server *servers;    // of all upstreams, one after the other
    struct upstream_address *addresses; // of all servers, one after the other
};

// A worker's place in the rotation of one upstream. Zero-initialise.
struct upstream_cursor {
    uint32_t turn;
};

// What one exchange has tried. Zero-initialise when the exchange starts.
struct upstream_tries {
    uint32_t turn;
    uint32_t step;      // servers looked at, the current one included; 0 = not begun
    uint32_t servers;   // of these, tried: those with addresses
    uint32_t addresses; // of the current server, tried
};

// Copies addresses out of `resolved`, so that only `config` must outlive the table. A host missing
// in `resolved` has no addresses. NULL when memory is short.
struct upstream_table *upstream_table_build(const struct config *config,
                                            const struct resolve_table *resolved);

// No thread may be using it. NULL is allowed.
void upstream_table_free(struct upstream_table *table);

// The address to connect to next, or NULL when all that may be tried has been (502, or 504 when the
// last one timed out). The first call for `tries` takes a turn from `cursor`.
const struct upstream_address *upstream_pick(const struct upstream *upstream,
                                             struct upstream_cursor *cursor,
                                             struct upstream_tries *tries);

#endif
