// SPDX-License-Identifier: Apache-2.0
#include "ws/conn.h"

#include "core/address.h"
#include "core/container.h"
#include "core/log.h"
#include "route/trust.h"
#include "ws/splice.h"

#include <stdlib.h>
#include <utlist.h>

// What a peer gets to take our last words and say its own; and at most, while it goes on sending,
// one whose request was not through: many do not look for an answer before it is, and a reset could
// take it from them.
#define LINGER_MS 2000
#define LINGER_UPLOAD_MS 30000
// What one side gets after the other has sent FIN.
#define HALF_CLOSED_MS 30000
// Large objects kept for the next exchange, per worker.
#define SPARE_EXCHANGES 64

static const char *const phase_phrases[] = {
    [CONN_HANDSHAKE] = "agreeing on TLS",
    [CONN_HEAD] = "reading the request head",
    [CONN_DIAL] = "connecting to upstream",
    [CONN_EXCHANGE] = "exchanging request and response with upstream",
    [CONN_RELAY] = "relaying frames with upstream",
    [CONN_LINGER] = "closing",
};

static const struct leg_events client_events;
static void conn_timer_fired(struct timer *timer);

void conn_begin(struct proxy *proxy, int fd, enum listen_kind kind, const struct sockaddr *peer) {
    struct conn *conn = calloc(1, sizeof *conn);
    struct leg *client = conn ? leg_new(&proxy->worker, fd, &client_events, conn) : NULL;
    if (!client) {
        free(conn);
        ring_close_socket(proxy->worker.ring, fd);
        return;
    }
    conn->proxy = proxy;
    conn->client = client;
    conn->serial = proxy->serial++;
    conn->timer.fired = conn_timer_fired;
    conn->listen_kind = kind;
    memcpy(&conn->peer, peer, address_size(peer));
    conn_hold_snapshot(conn);
    proxy_conn_added(proxy, conn);
    if (kind == LISTEN_TLS)
        handshake_start(conn);
    else
        request_wait(conn);
}

void conn_hold_snapshot(struct conn *conn) {
    conn->use = proxy_use_hold(conn->proxy);
    const struct config *config = conn->use->snapshot->config;
    conn->trusted = trust_has(config->trusted, config->trusted_count, &conn->peer.any);
}

void conn_end(struct conn *conn) {
    struct proxy *proxy = conn->proxy;
    if (conn->relay)
        relay_free(conn);
    if (conn->exchange) {
        exchange_account(conn, ACCESS_REQUEST);
        exchange_put(proxy, conn->exchange);
    }
    conn_count_site(conn, NULL);
    tls_handshake_free(conn->handshake);
    free(conn->server_name);
    timer_clear(&proxy->worker.timers, &conn->timer);
    if (conn->client)
        leg_close(conn->client);
    if (conn->upstream)
        leg_close(conn->upstream);
    proxy_use_drop(proxy, conn->use);
    proxy_conn_removed(proxy, conn);
    free(conn);
}

void conn_count_site(struct conn *conn, struct site_count *count) {
    if (conn->counted)
        atomic_fetch_sub_explicit(&conn->counted->connections, 1, memory_order_relaxed);
    if (count)
        atomic_fetch_add_explicit(&count->connections, 1, memory_order_relaxed);
    conn->counted = count;
}

struct exchange *exchange_get(struct proxy *proxy) {
    struct exchange *exchange = proxy->spare_exchanges;
    if (exchange) {
        proxy->spare_exchanges = exchange->next_spare;
        proxy->spare_exchange_count--;
    } else {
        exchange = malloc(sizeof *exchange);
    }
    if (exchange)
        memset(exchange, 0, sizeof *exchange);
    return exchange;
}

void exchange_put(struct proxy *proxy, struct exchange *exchange) {
    head_free(&exchange->request);
    head_free(&exchange->response);
    free(exchange->sent_head);
    if (proxy->spare_exchange_count == SPARE_EXCHANGES) {
        free(exchange);
        return;
    }
    exchange->next_spare = proxy->spare_exchanges;
    proxy->spare_exchanges = exchange;
    proxy->spare_exchange_count++;
}

// --- what the legs report ---------------------------------------------------------------------

static size_t conn_client_input(void *owner, struct leg *leg, const uint8_t *bytes, size_t n) {
    struct conn *conn = owner;
    switch ((enum conn_phase)conn->phase) {
    case CONN_HANDSHAKE:
        return handshake_input(conn, bytes, n);
    case CONN_HEAD:
        return request_input(conn, bytes, n);
    case CONN_DIAL:
        return 0;
    case CONN_EXCHANGE:
        return exchange_client_input(conn, bytes, n);
    case CONN_RELAY:
        return relay_input(conn, leg, bytes, n);
    case CONN_LINGER:
        conn_touch(conn);
        return n;
    }
    return n;
}

static void conn_client_ended(void *owner, struct leg *leg, enum leg_end how) {
    struct conn *conn = owner;
    switch ((enum conn_phase)conn->phase) {
    case CONN_EXCHANGE:
        exchange_client_ended(conn, how);
        break;
    case CONN_RELAY:
        relay_ended(conn, leg, how);
        break;
    case CONN_LINGER:
        if (how == LEG_LOST || leg_is_sent(leg))
            conn_end(conn);
        break;
    default: // no answer is owed to a client that left before its request was whole
        if (how == LEG_LOST && leg_broke_tls(leg))
            conn_log_kind(conn, LOG_INFO, "TLS", "%s", leg_error(leg));
        if (how == LEG_LOST)
            conn_end(conn);
        else
            linger(conn); // but a close_notify is (RFC 8446 §6.1)
    }
}

static void conn_client_drained(void *owner, struct leg *leg) {
    struct conn *conn = owner;
    conn_touch(conn);
    if (conn->phase == CONN_RELAY)
        relay_drained(conn, leg);
    else if (conn->phase == CONN_EXCHANGE && conn->upstream)
        leg_resume(conn->upstream);
    else if (conn->phase == CONN_HEAD)
        leg_resume(leg);
    else if (conn->phase == CONN_LINGER && leg->eof)
        conn_end(conn);
    else if (conn->phase == CONN_LINGER) {
        conn_linger_anew(conn);
        conn_set_deadline(conn);
    }
}

static void conn_client_hangup(void *owner, struct leg *leg) {
    struct conn *conn = owner;
    if (leg->lost && conn->phase == CONN_RELAY)
        return relay_ended(conn, leg, LEG_LOST);
    if (leg->lost)
        return conn_end(conn);
    if (conn->phase == CONN_RELAY)
        return; // what it sent before is read once there is room
    // It may still want the answer; but one that never comes must not hold the upstream for long.
    conn->half_closed = true;
    conn_touch(conn);
    conn_set_deadline(conn);
}

static void conn_spliced(void *owner, struct leg *leg, size_t n) {
    struct conn *conn = owner;
    conn_touch(conn);
    counter_add(&conn->proxy->counters.spliced_bytes, n);
    if (conn->phase == CONN_RELAY)
        relay_spliced(conn, leg, n);
    else if (leg == conn->client)
        exchange_client_spliced(conn, n);
    else
        exchange_upstream_spliced(conn, n);
}

static const struct leg_events client_events = {
    .input = conn_client_input,
    .ended = conn_client_ended,
    .drained = conn_client_drained,
    .hangup = conn_client_hangup,
    .spliced = conn_spliced,
};

static size_t conn_upstream_input(void *owner, struct leg *leg, const uint8_t *bytes, size_t n) {
    struct conn *conn = owner;
    if (conn->phase == CONN_EXCHANGE)
        return exchange_upstream_input(conn, bytes, n);
    if (conn->phase == CONN_RELAY)
        return relay_input(conn, leg, bytes, n);
    return n;
}

static void conn_upstream_ended(void *owner, struct leg *leg, enum leg_end how) {
    struct conn *conn = owner;
    if (conn->phase == CONN_EXCHANGE)
        exchange_upstream_ended(conn, how);
    else if (conn->phase == CONN_RELAY)
        relay_ended(conn, leg, how);
    else
        conn_end(conn);
}

static void conn_upstream_drained(void *owner, struct leg *leg) {
    struct conn *conn = owner;
    conn_touch(conn);
    if (conn->phase == CONN_RELAY)
        relay_drained(conn, leg);
    else if (conn->phase == CONN_EXCHANGE && !conn->exchange->request_done)
        leg_resume(conn->client);
}

static void conn_upstream_hangup(void *owner, struct leg *leg) {
    (void)owner, (void)leg; // what it sent before is read first; then its end is told
}

static void conn_upstream_connected(void *owner, struct leg *leg, int result) {
    (void)leg;
    dial_connected(owner, result);
}

const struct leg_events conn_upstream_events = {
    .input = conn_upstream_input,
    .ended = conn_upstream_ended,
    .drained = conn_upstream_drained,
    .hangup = conn_upstream_hangup,
    .spliced = conn_spliced,
    .connected = conn_upstream_connected,
};

// --- time -------------------------------------------------------------------------------------

void conn_enter(struct conn *conn, enum conn_phase phase) {
    conn->phase = (uint8_t)phase;
    conn_touch(conn);
    conn_set_deadline(conn);
}

void conn_linger_anew(struct conn *conn) {
    conn->linger_until_ms =
        conn->proxy->worker.now_ms + (conn->uploading ? LINGER_UPLOAD_MS : LINGER_MS);
}

static uint64_t linger_deadline(const struct conn *conn) {
    if (!leg_is_sent(conn->client))
        return conn->active_ms + HALF_CLOSED_MS;
    uint64_t silent_ms = conn->active_ms + LINGER_MS;
    return silent_ms < conn->linger_until_ms ? silent_ms : conn->linger_until_ms;
}

// When the phase has lasted too long. Deadlines that depend on activity move with `active_ms`, and
// the timer looks again only when it fires.
static uint64_t conn_deadline(const struct conn *conn) {
    const struct config *config = conn->use->snapshot->config;
    switch ((enum conn_phase)conn->phase) {
    case CONN_HANDSHAKE:
        return conn->active_ms + config->handshake_timeout_ms;
    case CONN_HEAD:
        return conn->active_ms + (conn->served && !conn->exchange ? config->keep_alive_timeout_ms
                                                                  : config->head_timeout_ms);
    case CONN_DIAL:
        return conn->active_ms + conn->exchange->upstream->conf->connect_timeout_ms;
    case CONN_EXCHANGE:
        return conn->half_closed ? conn->active_ms + HALF_CLOSED_MS : exchange_deadline(conn);
    case CONN_RELAY:
        return relay_deadline(conn);
    case CONN_LINGER:
        return linger_deadline(conn);
    }
    return conn->active_ms;
}

void conn_set_deadline(struct conn *conn) {
    uint64_t at_ms = conn_deadline(conn);
    if (!timer_is_set(&conn->timer) || at_ms < conn->timer.at_ms)
        timer_set(&conn->proxy->worker.timers, &conn->timer, at_ms);
}

static void conn_timer_fired(struct timer *timer) {
    struct conn *conn = container_of(timer, struct conn, timer);
    if (conn_deadline(conn) > conn->proxy->worker.now_ms)
        return conn_set_deadline(conn);
    switch ((enum conn_phase)conn->phase) {
    case CONN_HANDSHAKE:
        counter_add(&conn->proxy->counters.handshakes_failed, 1);
        conn_log(conn, LOG_INFO, "the client took too long");
        conn_end(conn);
        break;
    case CONN_HEAD:
        if (conn->exchange && !head_is_empty(&conn->exchange->request))
            refuse(conn, 408, "the request head took too long");
        else
            linger(conn);
        break;
    case CONN_DIAL:
        dial_timed_out(conn);
        break;
    case CONN_EXCHANGE:
        exchange_timed_out(conn);
        break;
    case CONN_RELAY:
        relay_timed_out(conn);
        break;
    case CONN_LINGER:
        conn_end(conn);
        break;
    }
}

// The worker wants to end: what is idle goes, what runs is asked to finish.
void conn_drain(struct conn *conn) {
    if (conn->phase == CONN_HANDSHAKE && !conn->begun)
        conn_end(conn);
    else if (conn->phase == CONN_HEAD && !conn->exchange)
        linger(conn);
    else if (conn->phase == CONN_RELAY)
        relay_close(conn, 1001, "the gateway is stopping");
    else if (conn->exchange)
        conn->exchange->keep_client = false;
}

bool conn_splice(struct conn *conn, struct leg *source, struct leg *sink, uint64_t left) {
    uint64_t min_bytes = conn->use->snapshot->config->splice_min_bytes;
    if (min_bytes == 0 || left < min_bytes || !splice_start(source, sink, left))
        return false;
    counter_add(&conn->proxy->counters.splices, 1);
    return true;
}

struct str conn_tls_version(const struct conn *conn) {
    if (!conn->suite)
        return (struct str){0};
    return conn->tls_version == TLS_VERSION_1_3 ? STR("1.3") : STR("1.2");
}

// --- log --------------------------------------------------------------------------------------

static void log_kind(const struct conn *conn, enum log_level level, const char *kind,
                     const char *format, va_list arguments) {
    char client[ADDRESS_TEXT_MAX];
    address_format(&conn->peer.any, client);
    const struct exchange *exchange = conn->exchange;
    struct log_context context = {
        .worker = (int)conn->proxy->index,
        .client = client,
        .site = exchange && exchange->site ? exchange->site->name : NULL,
        .phase = phase_phrases[conn->phase],
        .upstream = exchange && exchange->address ? exchange->address->text : NULL,
    };
    log_peer_kind(level, &context, kind, format, arguments);
}

void conn_log(const struct conn *conn, enum log_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (log_enabled(level))
        log_kind(conn, level, format, format, arguments);
    va_end(arguments);
}

void conn_log_kind(const struct conn *conn, enum log_level level, const char *kind,
                   const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (log_enabled(level))
        log_kind(conn, level, kind, format, arguments);
    va_end(arguments);
}
