// SPDX-License-Identifier: Apache-2.0
#include "app/gateway.h"

#include "app/command_cert.h"
#include "app/problems.h"
#include "core/address.h"
#include "core/container.h"
#include "core/log.h"
#include "tls/library.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// The main ring has a handful of operations; it needs no room for traffic.
#define MAIN_RING_BUFFERS 8

static void snapshot_released(struct ring_note *note);
static void worker_ended(struct ring_note *note);

// Notes to main carry no pointer to the gateway, and there is one per process.
static struct gateway *the_gateway;

// --- snapshots --------------------------------------------------------------------------------

// Makes a snapshot of the settings and addresses in force and hands it to every worker.
static bool publish(struct gateway *gateway) {
    struct snapshot *snapshot =
        snapshot_build(gateway->settings, gateway->resolved, gateway->listens.sockets,
                       gateway->shared.worker_count);
    if (!snapshot)
        return false;
    gateway->generation++;
    for (unsigned i = 0; i < gateway->shared.worker_count; i++)
        if (proxy_give_snapshot(&gateway->proxies[i], gateway->worker.ring, snapshot) < 0)
            abort(); // the workers would disagree about what is in force
    ring_submit(gateway->worker.ring);
    for (unsigned i = 0; i < gateway->shared.worker_count; i++)
        if (!proxy_wait_adopted(&gateway->proxies[i], gateway->generation))
            log_line(LOG_WARN, NULL, "worker %u has not taken over the configuration yet", i);
    return true;
}

static void snapshot_released(struct ring_note *note) {
    snapshot_free(container_of(note, struct snapshot, released), &the_gateway->site_counts);
    malloc_trim(0); // old settings can be large: give their memory back
}

// Puts what is not NULL in the place of what was in force.
static void replace(struct gateway *gateway, struct settings *settings,
                    struct resolve_table *resolved) {
    struct settings *old_settings = settings ? gateway->settings : NULL;
    struct resolve_table *old_resolved = resolved ? gateway->resolved : NULL;
    pthread_mutex_lock(&gateway->lock);
    if (settings)
        gateway->settings = settings;
    if (resolved)
        gateway->resolved = resolved;
    pthread_mutex_unlock(&gateway->lock);
    if (old_settings)
        settings_drop(old_settings, &gateway->site_counts);
    if (old_resolved)
        resolve_table_drop(old_resolved);
}

// --- names ------------------------------------------------------------------------------------

// On the resolver's thread.
static void names_changed(void *context, struct resolve_table *table) {
    struct gateway *gateway = context;
    pthread_mutex_lock(&gateway->resolved_lock);
    struct resolve_table *unseen = gateway->resolved_pending;
    gateway->resolved_pending = table;
    pthread_mutex_unlock(&gateway->resolved_lock);
    if (unseen)
        resolve_table_drop(unseen);
    eventfd_write(gateway->resolved_event, 1);
}

static void names_arrived(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer;
    struct gateway *gateway = container_of(op, struct gateway, resolved_op);
    pthread_mutex_lock(&gateway->resolved_lock);
    struct resolve_table *table = gateway->resolved_pending;
    gateway->resolved_pending = NULL;
    pthread_mutex_unlock(&gateway->resolved_lock);
    // One that was made for the file before this one is old news.
    if (table && gateway->stops == 0 && resolve_table_covers(table, gateway->settings->config)) {
        replace(gateway, NULL, resolve_table_hold(table));
        log_line(LOG_INFO, NULL, "addresses of upstream servers have changed");
        if (!publish(gateway))
            log_line(LOG_ERROR, NULL, "out of memory: the old addresses stay in use");
    }
    if (table)
        resolve_table_drop(table);
    ring_read(gateway->worker.ring, op, gateway->resolved_event, &gateway->resolved_event_value,
              sizeof gateway->resolved_event_value);
}

static int names_start(struct gateway *gateway) {
    const struct config *config = gateway->settings->config;
    gateway->resolved = resolve_table_make(config, NULL);
    gateway->resolved_event = eventfd(0, EFD_CLOEXEC);
    if (!gateway->resolved || gateway->resolved_event < 0)
        return -ENOMEM;
    int error = resolver_start(&gateway->resolver, names_changed, gateway);
    if (error)
        return error;
    resolver_watch(gateway->resolver, gateway->resolved, config->resolve_every_ms);
    gateway->resolved_op.done = names_arrived;
    ring_read(gateway->worker.ring, &gateway->resolved_op, gateway->resolved_event,
              &gateway->resolved_event_value, sizeof gateway->resolved_event_value);
    return 0;
}

// --- pid file, ticket keys --------------------------------------------------------------------

// Writes the file the configuration names and takes away the one before.
static bool pid_file_update(struct gateway *gateway, const struct config *config) {
    const char *path = config->pid_file;
    if (path && gateway->pid_file && strcmp(path, gateway->pid_file) == 0)
        return true;
    if (gateway->pid_file)
        unlink(gateway->pid_file);
    free(gateway->pid_file);
    gateway->pid_file = path ? strdup(path) : NULL;
    if (!path)
        return true;
    FILE *file = fopen(path, "we");
    bool written = file && fprintf(file, "%d\n", (int)getpid()) > 0;
    if (file && fclose(file) != 0)
        written = false;
    if (!written)
        log_line(LOG_ERROR, NULL, "pid_file %s: %s", path, strerror(errno));
    return written;
}

static void tickets_rotate(struct timer *timer);

// The ticket keys for this configuration; NULL when it wants no tickets. The keys themselves
// outlive configurations, so that clients can resume across a reload.
static struct tls_tickets *tickets_for(struct gateway *gateway, const struct config *config) {
    if (config->ticket_rotation_s == 0)
        return NULL;
    if (!gateway->tickets)
        gateway->tickets = tls_tickets_new(config->ticket_rotation_s);
    return gateway->tickets;
}

static void tickets_schedule(struct gateway *gateway) {
    uint64_t every_s = gateway->settings->config->ticket_rotation_s;
    gateway->ticket_timer.fired = tickets_rotate;
    if (every_s > 0)
        timer_set(&gateway->worker.timers, &gateway->ticket_timer,
                  gateway->worker.now_ms + every_s * 1000);
    else
        timer_clear(&gateway->worker.timers, &gateway->ticket_timer);
}

static void tickets_rotate(struct timer *timer) {
    struct gateway *gateway = container_of(timer, struct gateway, ticket_timer);
    if (tls_tickets_rotate(gateway->tickets) < 0)
        log_line(LOG_WARN, NULL, "session ticket keys could not be rotated; the old ones stay");
    tickets_schedule(gateway);
}

// --- certificates -----------------------------------------------------------------------------

// On the ACME thread.
static void certificates_changed(void *context) {
    struct gateway *gateway = context;
    eventfd_write(gateway->acme_event, 1);
}

// The same configuration with the new certificates is put in force; connections go on.
static void certificates_arrived(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer;
    struct gateway *gateway = container_of(op, struct gateway, acme_op);
    struct problems problems = {0};
    struct settings *settings =
        gateway->stops > 0
            ? NULL
            : settings_renew(gateway->settings, tickets_for(gateway, gateway->settings->config),
                             &gateway->site_counts, &problems);
    problems_log(&problems, gateway->options.config_path);
    problems_free(&problems);
    if (settings) {
        replace(gateway, settings, NULL);
        if (publish(gateway))
            log_line(LOG_INFO, NULL, "certificates have been renewed");
        else
            log_line(LOG_ERROR, NULL, "out of memory: the old certificates stay in use");
    }
    ring_read(gateway->worker.ring, op, gateway->acme_event, &gateway->acme_event_value,
              sizeof gateway->acme_event_value);
}

// Has ACME care for the configuration in force; starts it when that is the first to need it.
static int certificates_watch(struct gateway *gateway) {
    struct config *config = gateway->settings->config;
    if (!gateway->acme && !config->acme.enabled)
        return 0;
    if (!gateway->acme) {
        gateway->acme_event = eventfd(0, EFD_CLOEXEC);
        struct acme *acme;
        int error =
            gateway->acme_event < 0 ? -errno : acme_start(&acme, certificates_changed, gateway);
        if (error)
            return error;
        pthread_mutex_lock(&gateway->lock);
        gateway->acme = acme;
        pthread_mutex_unlock(&gateway->lock);
        gateway->acme_op.done = certificates_arrived;
        ring_read(gateway->worker.ring, &gateway->acme_op, gateway->acme_event,
                  &gateway->acme_event_value, sizeof gateway->acme_event_value);
    }
    acme_watch(gateway->acme, config);
    return 0;
}

// --- reload -----------------------------------------------------------------------------------

// Everything is checked and opened before anything changes.
bool gateway_reload(struct gateway *gateway, struct problems *problems) {
    struct listen_set listens;
    struct admin admin;
    struct config *config = config_load(gateway->options.config_path, problems);
    if (!config)
        return false;
    const struct config *before = gateway->settings->config;
    config_reload_allowed(before, config, problems);
    struct settings *settings =
        settings_open(config, tickets_for(gateway, config), &gateway->site_counts, problems);
    if (!settings)
        return false;
    if (listen_set_prepare(&listens, &gateway->listens, config, gateway->shared.worker_count,
                           problems) < 0) {
        settings_drop(settings, &gateway->site_counts);
        return false;
    }
    if (admin_prepare(&admin, &gateway->admin, config, gateway, problems) < 0) {
        listen_set_undo(&listens);
        settings_drop(settings, &gateway->site_counts);
        return false;
    }
    struct resolve_table *resolved = resolve_table_make(config, gateway->resolved);
    if (!resolved) {
        problems_add(problems, PROBLEM_ERROR, (struct conf_pos){0}, "out of memory");
        admin_undo(&admin, &gateway->admin);
        listen_set_undo(&listens);
        settings_drop(settings, &gateway->site_counts);
        return false;
    }
    replace(gateway, settings, resolved);
    listen_set_commit(&gateway->listens, &listens);
    admin_commit(&gateway->admin, &admin);
    resolver_watch(gateway->resolver, resolved, config->resolve_every_ms);
    tickets_schedule(gateway);
    pid_file_update(gateway, config);
    if (certificates_watch(gateway) < 0)
        log_line(LOG_ERROR, NULL, "acme could not be started: no certificates are renewed");
    if (publish(gateway))
        return true;
    problems_add(problems, PROBLEM_ERROR, (struct conf_pos){0},
                 "out of memory: the workers go on with the old configuration");
    return false;
}

// Log files are opened anew each time, so that a rotated file is let go of.
static void reopen_logs(struct gateway *gateway) {
    const struct config *config = gateway->settings->config;
    int error = log_open(&config->log);
    if (error < 0)
        log_line(LOG_ERROR, NULL, "%s: %s; the log stays where it was", config->log.path,
                 strerror(-error));
    error = log_file_reopen(&gateway->access_file, &config->access_log);
    if (error < 0)
        log_line(LOG_ERROR, NULL, "%s: %s; the access log stays where it was",
                 config->access_log.path, strerror(-error));
}

static bool reload(struct gateway *gateway, struct problems *problems) {
    if (!gateway->options.config_path) {
        problems_add(problems, PROBLEM_ERROR, (struct conf_pos){0},
                     "this gateway has no configuration file to read again");
        return false;
    }
    if (gateway->stops > 0) {
        problems_add(problems, PROBLEM_ERROR, (struct conf_pos){0}, "the gateway is stopping");
        return false;
    }
    bool done = gateway_reload(gateway, problems);
    reopen_logs(gateway); // also when it fails: rotation must not wait for a good file
    problems_log(problems, gateway->options.config_path);
    log_line(done ? LOG_INFO : LOG_ERROR, NULL, "%s",
             done ? "reloaded" : "not reloaded: the configuration in force stays");
    return done;
}

// --- signals and commands ---------------------------------------------------------------------

static void stop(struct gateway *gateway) {
    bool first = gateway->stops++ == 0;
    atomic_store(&gateway->state, REPORT_DRAINING);
    unsigned drain_ms = gateway->settings->config->drain_ms;
    if (first)
        log_line(LOG_INFO, NULL, "stopping: connections have %u ms to finish", drain_ms);
    else
        log_line(LOG_INFO, NULL, "stopping now");
    for (unsigned i = 0; i < gateway->shared.worker_count; i++)
        proxy_stop(&gateway->proxies[i], gateway->worker.ring,
                   first ? PROXY_STOP_DRAIN : PROXY_STOP_NOW, drain_ms);
}

static void signal_arrived(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct gateway *gateway = container_of(op, struct gateway, signal_op);
    if (result == sizeof gateway->signal) {
        if (gateway->signal.ssi_signo == SIGHUP) {
            struct problems problems = {0};
            reload(gateway, &problems);
            problems_free(&problems);
        } else {
            stop(gateway);
        }
    }
    ring_read(gateway->worker.ring, op, gateway->signals, &gateway->signal, sizeof gateway->signal);
}

static bool command(void *context, const char *name, FILE *out) {
    struct gateway *gateway = context;
    if (strcmp(name, "status") == 0) {
        struct report_value values[REPORT_VALUES];
        report_values(gateway, values);
        report_values_print(values, out);
        return true;
    }
    if (strncmp(name, "cert ", 5) == 0)
        return command_cert(gateway->acme, name + 5, out);
    if (strcmp(name, "reload") != 0) {
        fprintf(out, "unknown command '%s'\n", name);
        return false;
    }
    struct problems problems = {0};
    bool done = reload(gateway, &problems);
    problems_print(&problems, gateway->options.config_path, out);
    problems_free(&problems);
    return done;
}

void gateway_counters(const struct gateway *gateway, struct counters *sum,
                      struct ring_counters *rings) {
    *sum = (struct counters){0};
    *rings = (struct ring_counters){0};
    for (unsigned i = 0; i < gateway->shared.worker_count; i++) {
        const struct proxy *proxy = &gateway->proxies[i];
        counters_sum(sum, &proxy->counters);
        const struct ring_counters *ring = &proxy->worker.ring_counters;
#define RING_COUNTER_SUM(name, help) rings->name += __atomic_load_n(&ring->name, __ATOMIC_RELAXED);
        RING_COUNTERS(RING_COUNTER_SUM)
#undef RING_COUNTER_SUM
    }
}

static void each_second(struct worker *worker) {
    (void)worker;
    log_peer_tick();
    admin_sweep(&the_gateway->admin);
}

static void worker_ended(struct ring_note *note) {
    (void)note;
    if (--the_gateway->running == 0)
        worker_stop(&the_gateway->worker);
}

// --- start and end ----------------------------------------------------------------------------

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int signals_open(struct gateway *gateway) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    gateway->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (gateway->signals < 0)
        return -errno;
    gateway->signal_op.done = signal_arrived;
    ring_read(gateway->worker.ring, &gateway->signal_op, gateway->signals, &gateway->signal,
              sizeof gateway->signal);
    return 0;
}

static bool probe(struct gateway *gateway) {
    char why[256];
    struct ring_features *features = &gateway->shared.features;
    if (ring_probe(features, why, sizeof why) < 0) {
        log_line(LOG_ERROR, NULL, "%s", why);
        return false;
    }
    tls_kernel_probe(&gateway->shared.kernel);
    const char *kernel = gateway->options.imitate_kernel;
    if (kernel && !ring_imitate(features, kernel)) {
        log_line(LOG_ERROR, NULL, "'%s' is no kernel version of 5.19 or newer", kernel);
        return false;
    }
    return true;
}

// Says what the kernel will do of TLS.
static void kernel_tls_say(const struct tls_kernel *kernel, const struct config *config) {
    static const char *const words[] = {
        [KERNEL_TLS_AUTO] = "auto", [KERNEL_TLS_ON] = "on", [KERNEL_TLS_OFF] = "off"};
    char send[TLS_KERNEL_TEXT_BYTES], receive[TLS_KERNEL_TEXT_BYTES];
    if (config->kernel_tls == KERNEL_TLS_OFF) {
        log_line(LOG_INFO, NULL, "kernel TLS: off");
        return;
    }
    if (kernel->why) {
        bool wanted = config->kernel_tls == KERNEL_TLS_ON || config->kernel_tls_rx == KERNEL_TLS_ON;
        log_line(wanted ? LOG_WARN : LOG_INFO, NULL, "kernel TLS: not with this kernel: %s",
                 kernel->why);
        return;
    }
    bool receives = tls_kernel_wanted(config->kernel_tls_rx, TLS_RECEIVE);
    log_line(LOG_INFO, NULL, "kernel TLS: send %s (%s), receive %s (%s), key updates %s",
             tls_kernel_describe(kernel, TLS_SEND, send), words[config->kernel_tls],
             receives ? tls_kernel_describe(kernel, TLS_RECEIVE, receive) : "nothing",
             words[config->kernel_tls_rx], kernel->rekeys ? "followed" : "end a connection");
}

static bool workers_start(struct gateway *gateway) {
    struct shared *shared = &gateway->shared;
    gateway->proxies = calloc(shared->worker_count, sizeof *gateway->proxies);
    if (!gateway->proxies)
        return false;
    for (; gateway->running < shared->worker_count; gateway->running++) {
        int error = proxy_start(&gateway->proxies[gateway->running], shared, gateway->running);
        if (error == 0)
            continue;
        log_line(LOG_ERROR, NULL, "worker %u could not start: %s%s", gateway->running,
                 strerror(-error),
                 error == -ENOMEM ? "; raise the locked-memory limit (ulimit -l)" : "");
        return false;
    }
    return true;
}

// Opens what the configuration names, in the order in which failing is cheapest.
static bool settings_start(struct gateway *gateway, struct config *config,
                           struct problems *problems) {
    struct shared *shared = &gateway->shared;
    shared->worker_count = config->workers ? config->workers : worker_cores();
    shared->access_file = &gateway->access_file;
    shared->main_ring = gateway->worker.ring;
    shared->snapshot_released = snapshot_released;
    shared->worker_ended = worker_ended;
    gateway->settings =
        settings_open(config, tickets_for(gateway, config), &gateway->site_counts, problems);
    if (!gateway->settings)
        return false;
    tickets_schedule(gateway);
    struct listen_set listens;
    if (listen_set_prepare(&listens, &gateway->listens, config, shared->worker_count, problems) < 0)
        return false;
    listen_set_commit(&gateway->listens, &listens);
    return true;
}

// Early, so that probes are answered while names are being looked up.
static bool admin_start(struct gateway *gateway, struct problems *problems) {
    struct admin admin;
    if (admin_prepare(&admin, &gateway->admin, gateway->settings->config, gateway, problems) < 0)
        return false;
    admin_commit(&gateway->admin, &admin);
    return true;
}

static bool start(struct gateway *gateway, struct config *config) {
    struct problems problems = {0};
    int error = log_open(&config->log);
    if (error < 0)
        log_line(LOG_ERROR, NULL, "log %s: %s", config->log.path, strerror(-error));
    if (error == 0 && (error = log_file_open(&gateway->access_file, &config->access_log)) < 0)
        log_line(LOG_ERROR, NULL, "access_log %s: %s", config->access_log.path, strerror(-error));
    // Signals first: one that comes from here on waits for the loop instead of ending the process.
    bool good = error == 0 && signals_open(gateway) == 0;
    if (!good)
        config_free(config);
    good = good && settings_start(gateway, config, &problems) && admin_start(gateway, &problems);
    problems_log(&problems, config->path);
    problems_free(&problems);
    return good && names_start(gateway) == 0 && pid_file_update(gateway, config) &&
           workers_start(gateway);
}

static void say_ready(const struct gateway *gateway) {
    static const char *const kinds[] = {
        [LISTEN_PLAIN] = "",
        [LISTEN_TLS] = " (tls)",
        [LISTEN_REDIRECT] = " (to https)",
    };
    const struct config *config = gateway->settings->config;
    char text[1024], address[ADDRESS_TEXT_MAX];
    size_t size = 0;
    for (size_t i = 0; i < config->listen_count && size < sizeof text; i++) {
        address_format((const struct sockaddr *)&config->listens[i].address, address);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s%s", i ? ", " : "", address,
                                 kinds[config->listens[i].kind]);
    }
    kernel_tls_say(&gateway->shared.kernel, config);
    log_line(LOG_INFO, NULL, "ready: %u workers, listening on %s", gateway->shared.worker_count,
             text);
}

static void end(struct gateway *gateway) {
    control_close(&gateway->control);
    admin_close(&gateway->admin);
    if (gateway->acme)
        acme_stop(gateway->acme);
    if (gateway->resolver)
        resolver_stop(gateway->resolver);
    for (unsigned i = 0; gateway->proxies && i < gateway->shared.worker_count; i++)
        proxy_join(&gateway->proxies[i]);
    free(gateway->proxies);
    listen_set_free(&gateway->listens);
    if (gateway->pid_file)
        unlink(gateway->pid_file);
    free(gateway->pid_file);
    if (gateway->settings)
        settings_drop(gateway->settings, &gateway->site_counts);
    if (gateway->resolved)
        resolve_table_drop(gateway->resolved);
    if (gateway->resolved_pending)
        resolve_table_drop(gateway->resolved_pending);
    tls_tickets_free(gateway->tickets);
    log_file_close(&gateway->access_file);
    log_close();
}

// Before any key is in memory. Unlike RLIMIT_CORE this holds for dumps that go to a program, too.
static void core_dumps_set(const struct config *config) {
    if (prctl(PR_SET_DUMPABLE, config->core_dumps ? 1 : 0) < 0)
        log_line(LOG_WARN, NULL, "core dumps could not be turned %s: %s",
                 config->core_dumps ? "on" : "off", strerror(errno));
}

// What everything else stands on: the TLS library, what the kernel can do, the main thread's ring.
static bool foundation_open(struct gateway *gateway) {
    if (tls_library_init() < 0) {
        log_line(LOG_ERROR, NULL, "wolfSSL could not be started");
        return false;
    }
    if (!probe(gateway))
        return false;
    int error =
        worker_open(&gateway->worker, LOG_NO_WORKER, &gateway->shared.features, MAIN_RING_BUFFERS);
    if (error)
        log_line(LOG_ERROR, NULL, "the main ring could not be made: %s", strerror(-error));
    return error == 0;
}

int gateway_run(const struct gateway_options *options, struct config *config) {
    static struct gateway gateway;
    the_gateway = &gateway;
    gateway.options = *options;
    gateway.started_at = time(NULL);
    pthread_mutex_init(&gateway.lock, NULL);
    pthread_mutex_init(&gateway.resolved_lock, NULL);
    raise_file_limit();
    core_dumps_set(config);
    if (!foundation_open(&gateway)) {
        config_free(config);
        return 1;
    }
    gateway.worker.each_second = each_second;
    if (!start(&gateway, config))
        return 1;
    control_open(&gateway.control, &gateway.worker, options->config_path, command, &gateway);
    if (!publish(&gateway)) {
        log_line(LOG_ERROR, NULL, "out of memory");
        return 1;
    }
    atomic_store(&gateway.state, REPORT_SERVING);
    say_ready(&gateway);
    if (certificates_watch(&gateway) < 0)
        log_line(LOG_ERROR, NULL, "acme could not be started: no certificates are renewed");
    int error = worker_loop(&gateway.worker);
    end(&gateway);
    worker_close(&gateway.worker);
    tls_library_cleanup();
    return error ? 1 : 0;
}
