// SPDX-License-Identifier: Apache-2.0
//
// Answers of our own: errors, redirects, fixed texts; and how a connection ends after its last one.
#include "core/log.h"
#include "ws/conn.h"

#include "ws/head_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct head_reply reply_for(const struct conn *conn, unsigned status) {
    const struct exchange *exchange = conn->exchange;
    struct head_reply reply = {
        .status = status,
        .persistence = exchange && exchange->keep_client && exchange->request_done &&
                               conn->proxy->state == PROXY_RUNNING
                           ? CONNECTION_KEEP
                           : CONNECTION_CLOSE,
        .client_minor = 1,
        .date = str_from(conn->proxy->date),
        .retry_after_s = status == 503 ? 5 : 0,
    };
    if (exchange && exchange->request_headed) {
        reply.client_minor = exchange->request.minor;
        reply.request_method = exchange->request.method;
    }
    return reply;
}

void refuse(struct conn *conn, unsigned status, const char *why) {
    struct exchange *exchange = conn->exchange;
    char text[HEAD_ERROR_BYTES_MAX];
    conn_log_kind(conn, status < 500 ? LOG_INFO : LOG_WARN, why, "%u %s", status, why);
    counter_add(&conn->proxy->counters.requests_refused, 1);
    if (exchange && exchange->status != 0) // it has had an answer, or the start of one
        return conn_end(conn);
    struct head_reply reply = reply_for(conn, status);
    ssize_t size = head_write_error(&reply, text, sizeof text);
    if (size > 0)
        leg_send(conn->client, text, (size_t)size);
    if (exchange) {
        exchange->status = status;
        exchange->bytes_out += size > 0 ? (size_t)size : 0;
    }
    linger(conn);
}

void linger(struct conn *conn) {
    if (conn->exchange)
        exchange_end(conn);
    if (conn->upstream) {
        leg_close(conn->upstream);
        conn->upstream = NULL;
    }
    leg_finish(conn->client);
    conn_linger_anew(conn);
    conn_enter(conn, CONN_LINGER);
    if (conn->client->eof && leg_is_sent(conn->client))
        return conn_end(conn);
    conn->client->read_limit = 0;
    leg_resume(conn->client);
}

// Sends a finished answer and goes on to the next request, or to the end.
static void answer(struct conn *conn, unsigned status, const char *text, ssize_t size) {
    struct exchange *exchange = conn->exchange;
    if (size < 0)
        return refuse(conn, 500, "the answer could not be written");
    leg_send(conn->client, text, (size_t)size);
    exchange->status = status;
    exchange->bytes_out += (size_t)size;
    if (!exchange->request_done)
        exchange->keep_client = false; // its body would be taken for the next request
    exchange_next_end(conn);
}

void reply_redirect(struct conn *conn, struct str location, unsigned status) {
    struct exchange *exchange = conn->exchange;
    struct head_reply reply = reply_for(conn, status);
    size_t capacity = head_redirect_bytes_max(location, &exchange->request);
    char *text = malloc(capacity);
    struct str scheme = conn_is_secure(conn) ? STR("https") : STR("http");
    ssize_t size =
        text ? head_write_redirect(&reply, location, scheme, &exchange->request, text, capacity)
             : -ENOMEM;
    if (size == -EINVAL)
        refuse(conn, 400, "a redirect to the Host of a request that names none");
    else
        answer(conn, status, text, size);
    free(text);
}

void reply_to_https(struct conn *conn) {
    uint16_t port = conn->use->snapshot->https_port;
    char location[64];
    int size = port == 443
                   ? snprintf(location, sizeof location, "https://${host}${path}${query}")
                   : snprintf(location, sizeof location, "https://${host}:%u${path}${query}", port);
    reply_redirect(conn, (struct str){location, (size_t)size}, 308);
}

static void respond(struct conn *conn, unsigned status, struct str type, struct str body) {
    struct head_reply reply = reply_for(conn, status);
    size_t capacity = body.len + type.len + HEAD_WRITE_EXTRA_BYTES;
    char *text = malloc(capacity);
    ssize_t size = text ? head_write_respond(&reply, type, body, text, capacity) : -1;
    answer(conn, status, text, size);
    free(text);
}

void reply_respond(struct conn *conn) {
    const struct conf_route *route = conn->exchange->match.route;
    respond(conn, route->status, str_from(route->content_type), str_from(route->respond));
}

void reply_text(struct conn *conn, struct str text) {
    respond(conn, 200, STR("application/octet-stream"), text);
}
