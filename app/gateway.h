// SPDX-License-Identifier: Apache-2.0
//
// The running process, as the main thread sees it: workers, the snapshot in force, signals, the
// control socket, names being resolved, certificates being got, ticket keys being rotated.
//
// Life: `gateway_run` from start to the last connection. Everything in here is the main thread's,
// except `resolved_pending`, which the resolver's thread fills, and what the admin endpoint's
// threads read (app/report.h): they hold `lock` for what main replaces.
#ifndef RINGWAY_APP_GATEWAY_H
#define RINGWAY_APP_GATEWAY_H

#include "acme/acme.h"
#include "app/admin.h"
#include "app/control.h"
#include "app/listen.h"
#include "app/report.h"
#include "route/resolver.h"
#include "ws/proxy.h"

#include <sys/signalfd.h>

struct gateway_options {
    const char *config_path;    // read again on reload; NULL: there is no file, no reload
    const char *imitate_kernel; // hide features newer than this version; NULL: none
};

struct gateway {
    struct gateway_options options;
    struct worker worker; // the main thread's loop
    struct shared shared;
    struct proxy *proxies;
    unsigned running;     // workers that have not ended
    pthread_mutex_t lock; // held by main to set the next three, by others to read them
    struct settings *settings;
    struct resolve_table *resolved;
    struct acme *acme; // NULL: not started
    struct site_count *site_counts;
    struct listen_set listens;
    struct tls_tickets *tickets;
    struct timer ticket_timer;
    char *pid_file; // written; NULL: none
    struct log_file access_file;
    struct control_server control;
    struct resolver *resolver;
    struct resolve_table *resolved_pending; // guarded by resolved_lock
    pthread_mutex_t resolved_lock;
    int resolved_event; // eventfd: resolved_pending has been filled
    uint64_t resolved_event_value;
    struct op resolved_op;
    int acme_event; // eventfd: the state folder has a new certificate
    uint64_t acme_event_value;
    struct op acme_op;
    int signals; // signalfd
    struct signalfd_siginfo signal;
    struct op signal_op;
    struct admin admin;
    _Atomic enum report_state state; // threads that see REPORT_SERVING may take reports
    time_t started_at;
    atomic_uint generation; // counts the snapshots
    unsigned stops;         // stop signals received
};

// Runs the gateway with `config`, which it takes over, until it is told to stop. Returns the exit
// status of the process; what went wrong has been said.
int gateway_run(const struct gateway_options *options, struct config *config);

// Reads the file again and puts it in force; nothing changes if it has an error. Every problem is
// reported. Returns whether it is in force.
bool gateway_reload(struct gateway *gateway, struct problems *problems);

// Sums what the workers have counted.
void gateway_counters(const struct gateway *gateway, struct counters *sum,
                      struct ring_counters *rings);

#endif
