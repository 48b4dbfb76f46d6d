// SPDX-License-Identifier: Apache-2.0
//
// The process's listening sockets: for each address one per worker, bound together (SO_REUSEPORT).
// A change of configuration is prepared first, opening what is new, and then either committed or
// undone; addresses that stay keep their sockets, so no connection is refused meanwhile.
//
// Once committed the sockets belong to the workers' listeners, who close what a snapshot no longer
// names. Main thread.
#ifndef RINGWAY_APP_LISTEN_H
#define RINGWAY_APP_LISTEN_H

#include "ws/snapshot.h"

// The sockets in use, or those of a change that is prepared. Zero-initialise.
struct listen_set {
    struct listen_socket *sockets;
    bool *fresh; // opened by this change
    size_t count;
    unsigned worker_count;
};

// Makes in `next` the sockets `config` asks for, taking from `current` what it has. 0, or -1 with
// every problem reported (in use, not permitted, no such address), and nothing left open.
int listen_set_prepare(struct listen_set *next, const struct listen_set *current,
                       const struct config *config, unsigned worker_count,
                       struct problems *problems);

// Makes the prepared change the current one.
void listen_set_commit(struct listen_set *current, struct listen_set *next);

// Closes what the change has opened.
void listen_set_undo(struct listen_set *next);

// Frees the table; the sockets stay the workers'.
void listen_set_free(struct listen_set *set);

// A listening socket of its own, not shared with other threads or processes; the caller closes it.
// Negative errno, which has been reported.
int listen_alone(const struct conf_listen *listen_conf, struct problems *problems);

#endif
