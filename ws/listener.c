// SPDX-License-Identifier: Apache-2.0
#include "ws/listener.h"

#include "core/container.h"
#include "core/log.h"
#include "ws/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

// How long accepting rests before it is tried again.
#define PAUSE_MS 64

struct listener {
    struct listener *next;
    struct proxy *proxy;
    struct op op;
    int fd;
    enum listen_kind kind;
    bool closing;
};

static void listener_accept_done(struct op *op, int result, uint8_t *buffer);

static bool is_limited(const struct proxy *proxy) {
    return proxy->use->snapshot->config->max_connections != CONFIG_UNLIMITED;
}

static bool is_full(const struct proxy *proxy) {
    uint64_t max = proxy->use->snapshot->config->max_connections;
    return is_limited(proxy) &&
           atomic_load_explicit(&proxy->shared->connections, memory_order_relaxed) >= max;
}

static void listener_arm(struct listener *listener) {
    if (listener->op.submitted || listener->closing || timer_is_set(&listener->proxy->accept_timer))
        return;
    listener->op.done = listener_accept_done;
    // One by one where they are counted: a burst would be in before it could be stopped.
    if (is_limited(listener->proxy))
        ring_accept_once(listener->proxy->worker.ring, &listener->op, listener->fd);
    else
        ring_accept(listener->proxy->worker.ring, &listener->op, listener->fd);
}

static void resume(struct timer *timer) {
    struct proxy *proxy = container_of(timer, struct proxy, accept_timer);
    if (proxy->state == PROXY_RUNNING && is_full(proxy)) {
        timer_set(&proxy->worker.timers, timer, proxy->worker.now_ms + PAUSE_MS);
        return;
    }
    for (struct listener *listener = proxy->listeners; listener; listener = listener->next)
        listener_arm(listener);
}

static void pause_accepting(struct proxy *proxy, const char *why) {
    if (timer_is_set(&proxy->accept_timer))
        return;
    struct log_context context = {.worker = (int)proxy->index};
    log_peer(LOG_WARN, &context, "accepting pauses: %s", why);
    counter_add(&proxy->counters.accept_pauses, 1);
    proxy->accept_timer.fired = resume;
    timer_set(&proxy->worker.timers, &proxy->accept_timer, proxy->worker.now_ms + PAUSE_MS);
    for (struct listener *listener = proxy->listeners; listener; listener = listener->next)
        if (listener->op.submitted)
            ring_cancel(proxy->worker.ring, &listener->op);
}

static void accepted(struct listener *listener, int fd) {
    struct proxy *proxy = listener->proxy;
    struct sockaddr_storage peer;
    // The worker's time is up, or the client is gone already.
    if (proxy->state == PROXY_ENDING || ring_peer_address(proxy->worker.ring, fd, &peer) < 0) {
        ring_close_socket(proxy->worker.ring, fd);
        return;
    }
    conn_begin(proxy, fd, listener->kind, (const struct sockaddr *)&peer);
}

static void listener_free(struct listener *listener) {
    struct proxy *proxy = listener->proxy;
    int fd;
    while ((fd = ring_accept_now(proxy->worker.ring, listener->fd)) >= 0)
        accepted(listener, fd); // closing would reset what is still queued
    ring_close_socket(proxy->worker.ring, listener->fd);
    LL_DELETE(proxy->listeners, listener);
    proxy->worker.ring_users--;
    free(listener);
}

static void listener_accept_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct listener *listener = container_of(op, struct listener, op);
    struct proxy *proxy = listener->proxy;
    if (result >= 0) {
        accepted(listener, result);
        if (proxy->state == PROXY_RUNNING && is_full(proxy))
            pause_accepting(proxy, "max_connections is reached");
    } else if (result == -EMFILE || result == -ENFILE) {
        pause_accepting(proxy, "no file descriptor is left; raise the limit (ulimit -n)");
    } else if (result == -ENOMEM || result == -ENOBUFS) {
        pause_accepting(proxy, "the kernel is out of memory");
    }
    // Anything else (ECONNABORTED and the network's errors, accept(2)) was that connection's own.
    if (op->submitted)
        return;
    if (listener->closing)
        return listener_free(listener);
    listener_arm(listener);
}

static void listener_close(struct listener *listener) {
    listener->closing = true;
    if (listener->op.submitted)
        ring_cancel(listener->proxy->worker.ring, &listener->op);
    else
        listener_free(listener);
}

static struct listener *listener_find(struct proxy *proxy, int fd) {
    struct listener *listener;
    LL_FOREACH(proxy->listeners, listener)
    if (listener->fd == fd && !listener->closing)
        return listener;
    return NULL;
}

static void listener_start(struct proxy *proxy, int fd, enum listen_kind kind) {
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        log_line(LOG_ERROR, NULL, "out of memory: worker %u does not listen", proxy->index);
        return;
    }
    listener->proxy = proxy;
    listener->fd = fd;
    listener->kind = kind;
    LL_PREPEND(proxy->listeners, listener);
    proxy->worker.ring_users++;
    listener_arm(listener);
}

static bool is_named(const struct snapshot *snapshot, unsigned worker, int fd) {
    for (size_t i = 0; i < snapshot->config->listen_count; i++)
        if (snapshot->listens[i].fds[worker] == fd)
            return true;
    return false;
}

void listeners_update(struct proxy *proxy, const struct snapshot *snapshot) {
    struct listener *listener, *next;
    LL_FOREACH_SAFE(proxy->listeners, listener, next)
    if (!listener->closing && !is_named(snapshot, proxy->index, listener->fd))
        listener_close(listener);

    for (size_t i = 0; i < snapshot->config->listen_count; i++) {
        int fd = snapshot->listens[i].fds[proxy->index];
        enum listen_kind kind = snapshot->config->listens[i].kind;
        listener = listener_find(proxy, fd);
        if (listener)
            listener->kind = kind;
        else
            listener_start(proxy, fd, kind);
    }
}

void listeners_close(struct proxy *proxy) {
    struct listener *listener, *next;
    timer_clear(&proxy->worker.timers, &proxy->accept_timer);
    LL_FOREACH_SAFE(proxy->listeners, listener, next)
    if (!listener->closing)
        listener_close(listener);
}
