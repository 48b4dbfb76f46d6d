// SPDX-License-Identifier: Apache-2.0
//
// Everything the data path needs to know of the configuration, in the form it is used: built and
// freed by the main thread, immutable between. Workers get a pointer and swap it between two
// completions; what is established goes on with the snapshot it started under.
//
// Life: `settings_open` (checks and opens everything; nothing is changed when it fails) →
// `snapshot_build` → handed to all workers → superseded → each worker lets go when its last
// connection has → the last one tells main → `snapshot_free`.
#ifndef RINGWAY_WS_SNAPSHOT_H
#define RINGWAY_WS_SNAPSHOT_H

#include "core/config.h"
#include "core/ring.h"
#include "route/resolve.h"
#include "route/site.h"
#include "route/upstream.h"
#include "tls/store.h"
#include "tls/ticket.h"

#include <stdatomic.h>
#include <stdint.h>

// A site's running count, shared by all workers and by every snapshot that has a site of that name.
// Only main makes and drops references.
struct site_count {
    char *name;
    unsigned references;
    atomic_uint_least64_t connections;
    struct site_count *next;
};

// A listening address with one socket per worker (SO_REUSEPORT: the kernel spreads connections).
// Kept across snapshots that name the same address; the sockets belong to the workers' listeners.
struct listen_socket {
    struct sockaddr_storage address;
    int *fds; // one per worker
};

// What one configuration file says, opened. Shared by the snapshots that differ only in the
// addresses its upstreams resolve to; settings that differ only in certificates from ACME share the
// configuration. Main thread counts.
struct settings {
    unsigned references;
    struct config *config; // a reference
    struct site_table *sites;
    struct tls_store *store;    // NULL without a TLS listener
    struct site_count **counts; // by index in config->sites
};

struct snapshot {
    struct settings *settings;
    const struct config *config; // of the settings
    struct upstream_table *upstreams;
    struct listen_socket *listens; // by index in config->listens
    unsigned worker_count;
    uint16_t https_port;       // of the first TLS listener; 0 = none
    unsigned holders;          // workers that have not let go; they decrement it
    struct ring_note released; // to main, from the last of them
};

// Checks what text alone could not tell (certificates), opens it and takes over `config`, which is
// freed when this fails. Every problem is reported; NULL if one is an error. `registry` is the list
// of site counts, `tickets` may be NULL; both must outlive the settings. Blocking.
struct settings *settings_open(struct config *config, struct tls_tickets *tickets,
                               struct site_count **registry, struct problems *problems);

// The same configuration once more, with the certificates that ACME has got since `current` was
// opened. NULL, and problems, if there is an error. `tickets` are those of `current`. Blocking.
struct settings *settings_renew(struct settings *current, struct tls_tickets *tickets,
                                struct site_count **registry, struct problems *problems);

// Drops one reference; with the last one the settings end, their configuration and certificates
// with them. Main thread.
void settings_drop(struct settings *settings, struct site_count **registry);

// Makes a snapshot of the settings (one reference more) with upstream addresses from `resolved` and
// a copy of `listens`, config->listen_count of them. NULL when memory is out.
struct snapshot *snapshot_build(struct settings *settings, const struct resolve_table *resolved,
                                const struct listen_socket *listens, unsigned worker_count);

// Ends a snapshot no worker holds any more.
void snapshot_free(struct snapshot *snapshot, struct site_count **registry);

#endif
