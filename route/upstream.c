// SPDX-License-Identifier: Apache-2.0
//
// Servers with addresses, and whose turn it is; see the header.
#include "route/upstream.h"

#include "route/resolve.h"

#include <assert.h>
#include <stdlib.h>

static bool table_allocate(struct upstream_table *table, const struct config *config,
                           const struct resolve_table *resolved);
static size_t server_fill(struct upstream_server *server, const struct conf_server *conf,
                          const struct resolve_table *resolved, struct upstream_address *addresses);

struct upstream_table *upstream_table_build(const struct config *config,
                                            const struct resolve_table *resolved) {
    struct upstream_table *table = calloc(1, sizeof(*table));
    if (!table || !table_allocate(table, config, resolved)) {
        upstream_table_free(table);
        return NULL;
    }
    struct upstream_server *server = table->servers;
    struct upstream_address *address = table->addresses;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct conf_upstream *conf = &config->upstreams[i];
        table->upstreams[i] = (struct upstream){conf, server, conf->server_count};
        for (size_t j = 0; j < conf->server_count; j++)
            address += server_fill(server++, &conf->servers[j], resolved, address);
    }
    return table;
}

static size_t address_count(const struct resolve_table *resolved, const struct conf_server *conf) {
    const struct resolve_answer *answer = resolve_table_find(resolved, conf->host);
    return answer ? answer->address_count : 0;
}

static bool table_allocate(struct upstream_table *table, const struct config *config,
                           const struct resolve_table *resolved) {
    size_t servers = 0, addresses = 0;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct conf_upstream *conf = &config->upstreams[i];
        servers += conf->server_count;
        for (size_t j = 0; j < conf->server_count; j++)
            addresses += address_count(resolved, &conf->servers[j]);
    }
    // One more each: calloc(0) may give NULL, which would look like no memory.
    table->count = config->upstream_count;
    table->upstreams = calloc(table->count + 1, sizeof(*table->upstreams));
    table->servers = calloc(servers + 1, sizeof(*table->servers));
    table->addresses = calloc(addresses + 1, sizeof(*table->addresses));
    return table->upstreams && table->servers && table->addresses;
}

// Copies the server's addresses to `addresses` and returns how many they are.
static size_t server_fill(struct upstream_server *server, const struct conf_server *conf,
                          const struct resolve_table *resolved,
                          struct upstream_address *addresses) {
    *server = (struct upstream_server){conf, addresses, address_count(resolved, conf)};
    for (size_t i = 0; i < server->address_count; i++) {
        const struct resolve_answer *answer = resolve_table_find(resolved, conf->host);
        struct upstream_address *address = &addresses[i];
        address->address = answer->addresses[i];
        address_set_port(&address->address, conf->port);
        address->size_bytes = address_size((struct sockaddr *)&address->address);
        address_format((struct sockaddr *)&address->address, address->text);
    }
    return server->address_count;
}

void upstream_table_free(struct upstream_table *table) {
    if (!table)
        return;
    free(table->upstreams);
    free(table->servers);
    free(table->addresses);
    free(table);
}

static const struct upstream_address *address_next(const struct upstream *upstream,
                                                   struct upstream_tries *tries);

const struct upstream_address *upstream_pick(const struct upstream *upstream,
                                             struct upstream_cursor *cursor,
                                             struct upstream_tries *tries) {
    assert(upstream->server_count > 0); // the configuration refuses an upstream without servers
    if (tries->step == 0)
        tries->turn = cursor->turn++;
    const struct upstream_address *address = tries->step > 0 ? address_next(upstream, tries) : NULL;
    while (!address && tries->step < upstream->server_count &&
           tries->servers <= upstream->conf->retries) {
        tries->step++;
        tries->addresses = 0;
        address = address_next(upstream, tries);
        if (address)
            tries->servers++;
    }
    return address;
}

// The current server's next address, or NULL when it has had its tries. Each time the rotation has
// gone around the servers, it starts at another of their addresses.
static const struct upstream_address *address_next(const struct upstream *upstream,
                                                   struct upstream_tries *tries) {
    size_t count = upstream->server_count;
    const struct upstream_server *server =
        &upstream->servers[((size_t)tries->turn + tries->step - 1) % count];
    if (tries->addresses >= server->address_count ||
        tries->addresses >= UPSTREAM_ADDRESSES_TRIED_MAX)
        return NULL;
    size_t place = tries->turn / count + tries->addresses++;
    return &server->addresses[place % server->address_count];
}
