// SPDX-License-Identifier: Apache-2.0
#include "ws/proxy.h"

#include "core/container.h"
#include "core/log.h"
#include "core/thread.h"
#include "ws/conn.h"
#include "ws/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

// A worker swaps between two completions; one that takes longer than this is stuck.
#define ADOPT_SECONDS 5
// How often a draining worker looks at what is left.
#define DRAIN_TICK_MS 64

// A snapshot on its way to a worker.
struct snapshot_note {
    struct ring_note note;
    struct proxy *proxy;
    struct snapshot *snapshot;
};

static void *proxy_main(void *argument);
static void drain_tick(struct timer *timer);

// --- the thread -------------------------------------------------------------------------------

int proxy_start(struct proxy *proxy, struct shared *shared, unsigned index) {
    *proxy = (struct proxy){.shared = shared, .index = index};
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_cond_init(&proxy->changed, NULL);
    char name[16];
    snprintf(name, sizeof name, "ringway-%u", index);
    int error = thread_start(&proxy->thread, name, proxy_main, proxy);
    if (error)
        return error;
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->started)
        pthread_cond_wait(&proxy->changed, &proxy->lock);
    error = proxy->start_error;
    pthread_mutex_unlock(&proxy->lock);
    if (error)
        pthread_join(proxy->thread, NULL);
    return error;
}

static void tell_started(struct proxy *proxy, int error) {
    pthread_mutex_lock(&proxy->lock);
    proxy->started = true;
    proxy->start_error = error;
    pthread_cond_signal(&proxy->changed);
    pthread_mutex_unlock(&proxy->lock);
}

static void write_date(struct proxy *proxy) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(proxy->date, sizeof proxy->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

static void each_second(struct worker *worker) {
    struct proxy *proxy = container_of(worker, struct proxy, worker);
    write_date(proxy);
    log_sink_flush(&proxy->access);
    log_peer_tick();
}

static int proxy_open(struct proxy *proxy) {
    int error = worker_pin(proxy->index);
    if (error < 0)
        log_line(LOG_WARN, NULL, "worker %u is not bound to a core: %s", proxy->index,
                 strerror(-error));
    error = worker_open(&proxy->worker, (int)proxy->index, &proxy->shared->features,
                        WORKER_RING_BUFFERS);
    if (error)
        return error;
    error = log_sink_start(&proxy->access, proxy->shared->access_file);
    if (error) {
        worker_close(&proxy->worker);
        return error;
    }
    proxy->pool.worker = &proxy->worker;
    proxy->worker.each_second = each_second;
    proxy->drain_timer.fired = drain_tick;
    write_date(proxy);
    return 0;
}

static void proxy_close(struct proxy *proxy) {
    while (proxy->spare_exchanges) {
        struct exchange *exchange = proxy->spare_exchanges;
        proxy->spare_exchanges = exchange->next_spare;
        free(exchange);
    }
    if (proxy->use)
        proxy_use_drop(proxy, proxy->use);
    log_sink_end(&proxy->access);
    log_peer_tick();
    free(proxy->cursors);
    ring_post(proxy->worker.ring, proxy->shared->main_ring, &proxy->ended);
    ring_run(proxy->worker.ring, RING_POLL);
}

static void *proxy_main(void *argument) {
    struct proxy *proxy = argument;
    int error = proxy_open(proxy);
    tell_started(proxy, error);
    if (error)
        return NULL;
    error = worker_loop(&proxy->worker);
    if (error) {
        log_line(LOG_ERROR, NULL, "worker %u: its ring failed: %s", proxy->index, strerror(-error));
        abort(); // its connections are lost, and what it holds cannot be taken over
    }
    proxy->ended.run = proxy->shared->worker_ended;
    proxy_close(proxy);
    return NULL;
}

void proxy_join(struct proxy *proxy) {
    pthread_join(proxy->thread, NULL);
    worker_close(&proxy->worker); // only now: main may have been sending it a note
    pthread_mutex_destroy(&proxy->lock);
    pthread_cond_destroy(&proxy->changed);
}

// --- snapshots --------------------------------------------------------------------------------

static void use_release(struct proxy *proxy, struct snapshot_use *use) {
    struct snapshot *snapshot = use->snapshot;
    free(use);
    if (__atomic_sub_fetch(&snapshot->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    snapshot->released.run = proxy->shared->snapshot_released;
    ring_post(proxy->worker.ring, proxy->shared->main_ring, &snapshot->released);
}

// The snapshot in force counts as a user of itself.
struct snapshot_use *proxy_use_hold(struct proxy *proxy) {
    proxy->use->users++;
    return proxy->use;
}

void proxy_use_drop(struct proxy *proxy, struct snapshot_use *use) {
    if (--use->users == 0)
        use_release(proxy, use);
}

static void grow_cursors(struct proxy *proxy, size_t count) {
    if (count <= proxy->cursor_count)
        return;
    struct upstream_cursor *cursors = realloc(proxy->cursors, count * sizeof *cursors);
    if (!cursors)
        abort(); // only when a reload meets a machine without memory for a few words
    memset(cursors + proxy->cursor_count, 0, (count - proxy->cursor_count) * sizeof *cursors);
    proxy->cursors = cursors;
    proxy->cursor_count = count;
}

struct upstream_cursor *proxy_cursor(struct proxy *proxy, const struct conf_upstream *upstream) {
    return &proxy->cursors[upstream->index];
}

static void snapshot_arrived(struct ring_note *note) {
    struct snapshot_note *arrival = container_of(note, struct snapshot_note, note);
    struct proxy *proxy = arrival->proxy;
    struct snapshot_use *use = calloc(1, sizeof *use);
    if (!use)
        abort();
    *use = (struct snapshot_use){.snapshot = arrival->snapshot, .users = 1};
    free(arrival);
    grow_cursors(proxy, use->snapshot->config->upstream_count);
    struct snapshot_use *before = proxy->use;
    proxy->use = use;
    if (proxy->state == PROXY_RUNNING)
        listeners_update(proxy, use->snapshot);
    struct conn *conn;
    DL_FOREACH(proxy->conns, conn)
    request_refresh(conn);
    if (before)
        proxy_use_drop(proxy, before);
    pthread_mutex_lock(&proxy->lock);
    proxy->adopted++;
    pthread_cond_signal(&proxy->changed);
    pthread_mutex_unlock(&proxy->lock);
}

int proxy_give_snapshot(struct proxy *proxy, struct ring *from, struct snapshot *snapshot) {
    struct snapshot_note *arrival = calloc(1, sizeof *arrival);
    if (!arrival)
        return -ENOMEM;
    *arrival = (struct snapshot_note){{.run = snapshot_arrived}, proxy, snapshot};
    ring_post(from, proxy->worker.ring, &arrival->note);
    return 0;
}

bool proxy_wait_adopted(struct proxy *proxy, unsigned count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ADOPT_SECONDS;
    int error = 0;
    pthread_mutex_lock(&proxy->lock);
    while (proxy->adopted < count && error == 0)
        error = pthread_cond_timedwait(&proxy->changed, &proxy->lock, &until);
    bool adopted = proxy->adopted >= count;
    pthread_mutex_unlock(&proxy->lock);
    return adopted;
}

// --- connections ------------------------------------------------------------------------------

void proxy_conn_added(struct proxy *proxy, struct conn *conn) {
    DL_APPEND(proxy->conns, conn);
    proxy->conn_count++;
    counter_add(&proxy->counters.connections_accepted, 1);
    atomic_fetch_add_explicit(&proxy->shared->connections, 1, memory_order_relaxed);
}

void proxy_conn_removed(struct proxy *proxy, struct conn *conn) {
    DL_DELETE(proxy->conns, conn);
    proxy->conn_count--;
    counter_add(&proxy->counters.connections_ended, 1);
    atomic_fetch_sub_explicit(&proxy->shared->connections, 1, memory_order_relaxed);
}

// --- stopping ---------------------------------------------------------------------------------

// Closes WebSockets so many at a time that the last has been asked shortly before the time is up:
// clients reconnect elsewhere, and not all at once.
static void drain_websockets(struct proxy *proxy) {
    uint64_t now_ms = proxy->worker.now_ms;
    uint64_t left_ms = proxy->drain_until_ms > now_ms ? proxy->drain_until_ms - now_ms : 0;
    unsigned open = 0, asked = 0;
    struct conn *conn, *next;
    DL_FOREACH(proxy->conns, conn)
    open += conn->phase == CONN_RELAY && !conn->draining;
    uint64_t turns = left_ms * 9 / 10 / DRAIN_TICK_MS + 1;
    unsigned share = (unsigned)((open + turns - 1) / turns);
    DL_FOREACH_SAFE(proxy->conns, conn, next) {
        if (asked == share)
            break;
        if (conn->phase != CONN_RELAY || conn->draining)
            continue;
        conn->draining = true;
        asked++;
        conn_drain(conn);
    }
}

static void end_connections(struct proxy *proxy) {
    struct conn *conn, *next;
    proxy->state = PROXY_ENDING;
    DL_FOREACH_SAFE(proxy->conns, conn, next)
    conn_end(conn);
    pool_clear(&proxy->pool);
    listeners_close(proxy);
}

static void drain_tick(struct timer *timer) {
    struct proxy *proxy = container_of(timer, struct proxy, drain_timer);
    struct worker *worker = &proxy->worker;
    if (proxy->state == PROXY_DRAINING) {
        drain_websockets(proxy);
        // A listener that is closing may still bring somebody.
        bool empty = proxy->conn_count == 0 && !proxy->listeners;
        if (empty || worker->now_ms >= proxy->drain_until_ms)
            end_connections(proxy);
    }
    if (proxy->state == PROXY_ENDING && worker->ring_users == 0)
        return worker_stop(worker);
    timer_set(&worker->timers, timer, worker->now_ms + DRAIN_TICK_MS);
}

static void stop_arrived(struct ring_note *note) {
    struct proxy_stop_note *stop = container_of(note, struct proxy_stop_note, note);
    struct proxy *proxy = stop->proxy;
    proxy->drain_until_ms = proxy->worker.now_ms + stop->drain_ms;
    if (proxy->state == PROXY_RUNNING) {
        proxy->state = PROXY_DRAINING;
        listeners_close(proxy);
        struct conn *conn, *next;
        DL_FOREACH_SAFE(proxy->conns, conn, next)
        if (conn->phase != CONN_RELAY)
            conn_drain(conn);
    }
    timer_set(&proxy->worker.timers, &proxy->drain_timer, proxy->worker.now_ms);
}

void proxy_stop(struct proxy *proxy, struct ring *from, enum proxy_stop how, unsigned drain_ms) {
    struct proxy_stop_note *stop = &proxy->stop_notes[how];
    if (stop->proxy)
        return; // has been said
    *stop = (struct proxy_stop_note){
        .note.run = stop_arrived,
        .proxy = proxy,
        .drain_ms = how == PROXY_STOP_DRAIN ? drain_ms : 0,
    };
    ring_post(from, proxy->worker.ring, &stop->note);
}
