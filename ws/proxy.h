// SPDX-License-Identifier: Apache-2.0
//
// One worker's data plane: its listeners, its connections, the upstream connections it keeps, and
// the snapshot in force. Everything in here is touched by the worker's thread alone, except the
// counters (read by main) and what a note carries.
//
// Life: main fills in `shared` and `index` and starts a thread on `proxy_main`; notes bring the
// snapshots and the wish to drain; the thread ends when it has drained.
#ifndef RINGWAY_WS_PROXY_H
#define RINGWAY_WS_PROXY_H

#include "core/log_sink.h"
#include "core/worker.h"
#include "tls/kernel.h"
#include "ws/counters.h"
#include "ws/pool.h"
#include "ws/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct conn;
struct exchange;
struct listener;

// A snapshot as one worker uses it: how many of its connections still need it.
struct snapshot_use {
    struct snapshot *snapshot;
    unsigned users; // connections, and the proxy itself while it is in force
};

// What all workers and main share. Set before the workers start.
struct shared {
    struct ring_features features;
    struct tls_kernel kernel;
    struct ring *main_ring;
    unsigned worker_count;
    struct log_file *access_file;
    atomic_uint_least64_t connections; // client connections of the process
    // Runs on main when no worker needs the snapshot any more.
    void (*snapshot_released)(struct ring_note *note);
    // Runs on main when a worker has ended.
    void (*worker_ended)(struct ring_note *note);
};

enum proxy_stop {
    PROXY_STOP_DRAIN, // running exchanges finish, WebSockets get Close 1001 over the time given
    PROXY_STOP_NOW,
};

// The wish to stop on its way to the worker: each kind goes once.
struct proxy_stop_note {
    struct ring_note note;
    struct proxy *proxy; // NULL: not sent
    unsigned drain_ms;
};

enum proxy_state { PROXY_RUNNING, PROXY_DRAINING, PROXY_ENDING };

struct proxy {
    struct worker worker;
    struct shared *shared;
    unsigned index;
    pthread_t thread;
    enum proxy_state state;
    uint64_t drain_until_ms;
    struct snapshot_use *use; // in force
    struct listener *listeners;
    struct conn *conns;
    unsigned conn_count;
    uint64_t serial; // of the next connection
    struct exchange *spare_exchanges;
    unsigned spare_exchange_count;
    struct pool pool;                // idle upstream connections
    struct upstream_cursor *cursors; // by upstream index
    size_t cursor_count;
    struct log_sink access;
    struct counters counters;
    struct timer drain_timer;
    struct timer accept_timer;            // while accepting is paused
    char date[40];                        // IMF-fixdate of this second (RFC 9110 §5.6.7)
    struct ring_note ended;               // to main
    struct proxy_stop_note stop_notes[2]; // by enum proxy_stop; filled by main
    int start_error;                      // of the thread's start; then it has ended
    bool started;
    unsigned adopted;     // snapshots put in force
    pthread_mutex_t lock; // guards the three before
    pthread_cond_t changed;
};

// Starts the worker's thread and waits until its ring stands. 0 or a negative errno. Main thread.
int proxy_start(struct proxy *proxy, struct shared *shared, unsigned index);

// Hands over a snapshot, whose `holders` counts this worker already, by a note from the calling
// thread's own ring. 0 or -ENOMEM.
int proxy_give_snapshot(struct proxy *proxy, struct ring *from, struct snapshot *snapshot);

// Waits until the worker has put `count` snapshots in force in all. False: it is stuck. Main
// thread; what it was sent must have been submitted.
bool proxy_wait_adopted(struct proxy *proxy, unsigned count);

// Asks the worker to end, by a note from the calling thread's own ring. It stops accepting at once.
// PROXY_STOP_NOW may follow PROXY_STOP_DRAIN; saying the same twice, or to a worker that has ended,
// does nothing. Main thread.
void proxy_stop(struct proxy *proxy, struct ring *from, enum proxy_stop how, unsigned drain_ms);

// Waits for the thread, after `shared->worker_ended` was told. Main thread.
void proxy_join(struct proxy *proxy);

// For the connections: one user more or fewer of a snapshot.
struct snapshot_use *proxy_use_hold(struct proxy *proxy);
void proxy_use_drop(struct proxy *proxy, struct snapshot_use *use);

// Adds and removes a connection from the worker's list; the last one to go lets a draining worker
// end.
void proxy_conn_added(struct proxy *proxy, struct conn *conn);
void proxy_conn_removed(struct proxy *proxy, struct conn *conn);

// The worker's turn of an upstream.
struct upstream_cursor *proxy_cursor(struct proxy *proxy, const struct conf_upstream *upstream);

#endif
