// SPDX-License-Identifier: Apache-2.0
//
// The admin endpoint: metrics, the status page and probes over plain HTTP (libmicrohttpd), on a
// thread per address that only reads (app/report.h). Nobody can change anything through it, and
// nobody can hold it up: connections are few, take one small request each, and end after some
// seconds whatever they do.
//
// Life: prepare → commit, at the start and with each reload, so that a new address listens before
// the old one stops → close. Main thread, if nothing else is said.
#ifndef RINGWAY_APP_ADMIN_H
#define RINGWAY_APP_ADMIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/config.h"

struct gateway;
struct MHD_Daemon;

// At an address.
#define ADMIN_CLIENTS_MAX 32

// When a client connected; it may stay only so long.
struct admin_client {
    int fd; // -1: the place is free
    uint64_t since_ms;
};

// One address that is listened on.
struct admin_listener {
    struct gateway *gateway;
    struct sockaddr_storage address;
    int fd; // the daemon's, once that is there
    struct MHD_Daemon *daemon;
    pthread_t thread; // runs the daemon
    atomic_bool stopping;
    pthread_mutex_t lock; // guards the clients
    struct admin_client clients[ADMIN_CLIENTS_MAX];
};

// The addresses of a configuration. Zero-initialise.
struct admin {
    struct admin_listener *listeners[2];
    size_t count;
};

// Makes in `next` what `config` asks for, taking from `current` the addresses it has. 0, or -1 with
// the problem reported and nothing changed.
int admin_prepare(struct admin *next, const struct admin *current, const struct config *config,
                  struct gateway *gateway, struct problems *problems);

// Makes the prepared one the current one, and ends what it does not have.
void admin_commit(struct admin *current, struct admin *next);

// Ends what only the prepared one has.
void admin_undo(struct admin *next, const struct admin *current);

// Ends connections that have lasted too long. Once a second.
void admin_sweep(struct admin *admin);

// Listens no more, and waits for the requests under way. No report is taken after it.
void admin_close(struct admin *admin);

#endif
