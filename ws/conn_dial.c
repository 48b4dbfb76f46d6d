// SPDX-License-Identifier: Apache-2.0
//
// Getting an upstream connection: a kept one, else a new one to the next server in turn, until one
// takes the request or none is left.
#include "core/log.h"
#include "ws/conn.h"

#include "core/address.h"
#include "ws/head_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void dial_next(struct conn *conn);

// The client's address as X-Forwarded-For has it: no port, no brackets.
static struct str peer_text(const struct conn *conn, char text[ADDRESS_TEXT_MAX]) {
    struct sockaddr_storage address = {0};
    memcpy(&address, &conn->peer, sizeof conn->peer);
    address_set_port(&address, 0);
    struct str peer = {text, address_format((struct sockaddr *)&address, text)};
    if (peer.len > 2 && peer.ptr[0] == '[')
        peer = (struct str){peer.ptr + 1, peer.len - 2};
    return peer;
}

// Writes the head that goes to the upstream; it is kept, because another server may be tried.
static bool write_head(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    char text[ADDRESS_TEXT_MAX];
    struct str site = str_from(exchange->site->name);
    struct head_forward forward = {
        .strip_bytes = exchange->match.strip_bytes,
        .peer = peer_text(conn, text),
        .scheme = conn_is_secure(conn) ? STR("https") : STR("http"),
        .default_host = site,
        .trust = conn->trusted ? PEER_TRUSTED : PEER_UNTRUSTED,
        .persistence =
            exchange->upstream->conf->keep_alive > 0 ? CONNECTION_KEEP : CONNECTION_CLOSE,
        .purpose = exchange->websocket ? PURPOSE_WEBSOCKET : PURPOSE_HTTP,
    };
    size_t capacity = exchange->request.length + HEAD_WRITE_EXTRA_BYTES +
                      2 * (forward.peer.len + forward.scheme.len + site.len);
    exchange->sent_head = malloc(capacity);
    if (!exchange->sent_head)
        return false;
    ssize_t size = head_write_request(&exchange->request, &forward, exchange->sent_head, capacity);
    if (size < 0)
        return false;
    exchange->sent_head_size = (size_t)size;
    return true;
}

void dial_start(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    const struct conf_upstream *conf = exchange->match.route->upstream;
    exchange->upstream = &conn->use->snapshot->upstreams->upstreams[conf->index];
    if (!write_head(conn))
        return refuse(conn, 503, "out of memory");
    dial_next(conn);
}

// Takes a kept connection to the address or starts a new one. False: neither could be had.
static bool dial_address(struct conn *conn, const struct upstream_address *address) {
    struct exchange *exchange = conn->exchange;
    const struct sockaddr *to = (const struct sockaddr *)&address->address;
    exchange->address = address;
    conn->upstream = exchange->reused ? NULL : pool_take(&conn->proxy->pool, to);
    exchange->reused = conn->upstream != NULL;
    if (exchange->reused) {
        counter_add(&conn->proxy->counters.upstream_reuses, 1);
        leg_adopt(conn->upstream, &conn_upstream_events, conn);
        exchange_start(conn);
        return true;
    }
    conn->upstream =
        leg_dial(&conn->proxy->worker, to, address->size_bytes, &conn_upstream_events, conn);
    if (conn->upstream)
        conn_enter(conn, CONN_DIAL);
    return conn->upstream != NULL;
}

static void dial_next(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    struct upstream_cursor *cursor = proxy_cursor(conn->proxy, exchange->upstream->conf);
    const struct upstream_address *address;
    conn->phase = CONN_DIAL;
    while ((address = upstream_pick(exchange->upstream, cursor, &exchange->tries))) {
        if (dial_address(conn, address))
            return;
        counter_add(&conn->proxy->counters.upstream_failures, 1);
        conn_log(conn, LOG_WARN, "%s", strerror(errno));
    }
    if (!exchange->address)
        refuse(conn, 502, "no server of the upstream has an address (its name is not resolved)");
    else if (exchange->timed_out)
        refuse(conn, 504, "no server of the upstream answered in time");
    else
        refuse(conn, 502, "no server of the upstream could be reached");
}

static void dial_failed(struct conn *conn, const char *why) {
    counter_add(&conn->proxy->counters.upstream_failures, 1);
    conn_log(conn, LOG_WARN, "%s", why);
    leg_close(conn->upstream);
    conn->upstream = NULL;
    dial_next(conn);
}

void dial_connected(struct conn *conn, int result) {
    conn->exchange->timed_out = result == -ETIMEDOUT;
    if (result < 0)
        return dial_failed(conn, strerror(-result));
    counter_add(&conn->proxy->counters.upstream_connects, 1);
    exchange_start(conn);
}

void dial_timed_out(struct conn *conn) {
    conn->exchange->timed_out = true;
    dial_failed(conn, "no answer within the connect timeout");
}

// May the request be sent a second time although a server may have acted on it (RFC 9110 §9.2.2)?
static bool is_idempotent(const struct head *request) {
    static const struct str names[] = {
        STR("GET"), STR("HEAD"), STR("OPTIONS"), STR("PUT"), STR("DELETE"), STR("TRACE"),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(request->method_name, names[i]))
            return true;
    return false;
}

bool dial_again(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange->body_sent || !is_idempotent(&exchange->request))
        return false;
    leg_pause(conn->client);
    leg_close(conn->upstream);
    conn->upstream = NULL;
    conn->phase = CONN_DIAL;
    // A kept connection may have been closed just then: the same server, but a new connection.
    if (!exchange->reused || !dial_address(conn, exchange->address))
        dial_next(conn);
    return true;
}
