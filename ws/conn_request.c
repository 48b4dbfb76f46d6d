// SPDX-License-Identifier: Apache-2.0
//
// The request head: read, checked against site and route, and either answered here or sent on its
// way to an upstream.
#include "ws/conn.h"

#include "core/clock.h"
#include "core/log.h"
#include "tls/challenge.h"

void request_refresh(struct conn *conn) {
    if (conn->use == conn->proxy->use || conn->phase != CONN_HEAD || conn->exchange)
        return;
    conn_count_site(conn, NULL);
    proxy_use_drop(conn->proxy, conn->use);
    conn_hold_snapshot(conn);
    conn_set_deadline(conn);
}

void request_wait(struct conn *conn) {
    conn_enter(conn, CONN_HEAD);
    request_refresh(conn);
    // Who does not read its answers asks for no more of them: they would wait in our memory.
    if (!leg_is_backlogged(conn->client))
        leg_resume(conn->client);
}

static bool exchange_begin(struct conn *conn) {
    struct exchange *exchange = exchange_get(conn->proxy);
    if (!exchange)
        return false;
    exchange->started_us = clock_unix_us();
    head_request_init(&exchange->request, conn->use->snapshot->config->max_head_bytes);
    conn->exchange = exchange;
    conn_enter(conn, CONN_HEAD);
    return true;
}

static void request_done(struct conn *conn);

size_t request_input(struct conn *conn, const uint8_t *bytes, size_t n) {
    if (!conn->exchange && !exchange_begin(conn)) {
        conn_log(conn, LOG_WARN, "out of memory");
        conn_end(conn);
        return n;
    }
    struct exchange *exchange = conn->exchange;
    size_t used;
    switch (head_feed(&exchange->request, (const char *)bytes, n, &used)) {
    case HEAD_MORE:
        return n;
    case HEAD_BAD:
        refuse(conn, exchange->request.status, exchange->request.why);
        return n;
    case HEAD_DONE:
        exchange->request_headed = true;
        exchange->bytes_in = exchange->request.length;
        counter_add(&conn->proxy->counters.requests, 1);
        leg_pause(conn->client);
        request_done(conn);
        return used;
    }
    return n;
}

// Finds the site by Host and, on TLS, checks that it is the one the handshake was for (RFC 9110
// §7.4). Returns 0 or the status to refuse with.
static unsigned find_site(struct conn *conn, const char **why) {
    struct exchange *exchange = conn->exchange;
    const struct site_table *sites = conn->use->snapshot->settings->sites;
    const struct conf_site *site = site_find(sites, exchange->request.host);
    const struct conf_site *named =
        conn->server_name ? site_find(sites, str_from(conn->server_name)) : NULL;
    if (named && named != site) {
        *why = "Host names another site than the TLS handshake did";
        return 421;
    }
    if (!site) {
        *why = "no site has this Host";
        return conn_is_secure(conn) ? 421 : 404;
    }
    exchange->site = site;
    return 0;
}

static unsigned take_place(struct conn *conn, const char **why) {
    const struct conf_site *site = conn->exchange->site;
    const struct snapshot *snapshot = conn->use->snapshot;
    struct site_count *count = snapshot->settings->counts[site - snapshot->config->sites];
    if (conn->counted == count)
        return 0;
    conn_count_site(conn, NULL);
    uint64_t others = atomic_load_explicit(&count->connections, memory_order_relaxed);
    if (site->max_connections != CONFIG_UNLIMITED && others >= site->max_connections) {
        *why = "the site has reached its max_connections";
        return 503;
    }
    conn_count_site(conn, count);
    return 0;
}

static unsigned find_route(struct conn *conn, const char **why) {
    struct exchange *exchange = conn->exchange;
    struct str target = exchange->request.path;
    if (exchange->request.has_query)
        target.len += 1 + exchange->request.query.len; // the two are neighbours
    switch (path_match(exchange->site, target, &exchange->match)) {
    case PATH_MATCHED:
        return 0;
    case PATH_UNKNOWN:
        *why = "no route has this path";
        return 404;
    case PATH_REFUSED:
        *why = "the path cannot be read in one way only";
        return 400;
    }
    return 400;
}

static unsigned check_upgrade(struct conn *conn, const char **why) {
    struct exchange *exchange = conn->exchange;
    if (!exchange->request.upgrade_websocket)
        return UPGRADE_OK;
    unsigned status = upgrade_request_check(&exchange->request, why);
    if (status != UPGRADE_OK)
        return status;
    exchange->websocket = true;
    upgrade_offer_init(&exchange->offer, &exchange->request);
    return UPGRADE_OK;
}

static unsigned check_body(struct conn *conn, const char **why) {
    struct exchange *exchange = conn->exchange;
    size_t used;
    body_init(&exchange->up, exchange->request.framing, exchange->request.content_length,
              exchange->site->max_body_bytes);
    switch (body_feed(&exchange->up, "", 0, &used)) {
    case BODY_DONE:
        exchange->request_done = true;
        return 0;
    case BODY_TOO_LARGE:
        *why = "the request body is longer than max_body";
        return 413;
    default:
        return 0;
    }
}

// Whether an ACME server asks for what we have promised it (RFC 8555 §8.3); whatever else is asked
// for at that place goes the way of any request.
static bool is_challenge(const struct head *request, char proof[TLS_CHALLENGE_TEXT_BYTES]) {
    return str_starts(request->path, STR(TLS_CHALLENGE_PATH)) &&
           tls_challenge_text(str_skip(request->path, strlen(TLS_CHALLENGE_PATH)), proof);
}

static void request_done(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    const char *why = "";
    exchange->keep_client = exchange->request.keep_alive;
    unsigned status = find_site(conn, &why);
    if (status == 0)
        status = check_body(conn, &why);
    char proof[TLS_CHALLENGE_TEXT_BYTES];
    if (status == 0 && is_challenge(&exchange->request, proof))
        return reply_text(conn, str_from(proof));
    if (status == 0 && conn->listen_kind == LISTEN_REDIRECT)
        return reply_to_https(conn);
    if (status == 0)
        status = take_place(conn, &why);
    if (status == 0)
        status = find_route(conn, &why);
    if (status == 0)
        status = check_upgrade(conn, &why);
    if (status != 0)
        return refuse(conn, status, why);

    const struct conf_route *route = exchange->match.route;
    switch (route->action) {
    case ROUTE_UPSTREAM:
        dial_start(conn);
        break;
    case ROUTE_REDIRECT:
        reply_redirect(conn, str_from(route->redirect), route->status);
        break;
    case ROUTE_RESPOND:
        reply_respond(conn);
        break;
    }
}
