// SPDX-License-Identifier: Apache-2.0
//
// One request and its response through a connected upstream. Bodies pass as they come, in pieces no
// larger than one read; whoever cannot take them pauses the side they come from, and nobody else.
#include "ws/conn.h"

#include "core/address.h"
#include "core/clock.h"
#include "core/log.h"
#include "ws/head_write.h"

#include <stdlib.h>
#include <string.h>

static void exchange_done(struct conn *conn);

void exchange_start(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    const struct config *config = conn->use->snapshot->config;
    head_free(&exchange->response);
    head_response_init(&exchange->response, config->max_head_bytes, exchange->request.method);
    conn_enter(conn, CONN_EXCHANGE);
    leg_send_later(conn->upstream, exchange->sent_head, exchange->sent_head_size);
    leg_resume(conn->upstream);
    if (!exchange->request_done)
        leg_resume(conn->client);
}

// Pauses the source of a slow sink; otherwise lets the rest of a large body go by itself.
static void body_regulate(struct conn *conn, struct leg *source, struct leg *sink,
                          const struct body *body) {
    if (leg_is_backlogged(sink))
        leg_pause(source);
    else
        conn_splice(conn, source, sink, body_payload_left(body));
}

// --- up: the request body ---------------------------------------------------------------------

size_t exchange_client_input(struct conn *conn, const uint8_t *bytes, size_t n) {
    struct exchange *exchange = conn->exchange;
    size_t used = 0;
    if (exchange->request_done) { // the next request: it waits
        leg_pause(conn->client);
        return 0;
    }
    conn_touch(conn);
    enum body_verdict verdict = body_feed(&exchange->up, (const char *)bytes, n, &used);
    if (used > 0) {
        leg_send(conn->upstream, bytes, used);
        exchange->bytes_in += used;
        exchange->body_sent = true;
    }
    switch (verdict) {
    case BODY_MORE:
        body_regulate(conn, conn->client, conn->upstream, &exchange->up);
        return n;
    case BODY_DONE:
        exchange->request_done = true;
        leg_pause(conn->client);
        return used;
    case BODY_BAD:
        refuse(conn, 400, exchange->up.why);
        return n;
    case BODY_TOO_LARGE:
        refuse(conn, 413, "the request body is longer than max_body");
        return n;
    }
    return n;
}

void exchange_client_spliced(struct conn *conn, size_t n) {
    struct exchange *exchange = conn->exchange;
    exchange->bytes_in += n;
    if (body_skip(&exchange->up, n) == BODY_DONE)
        exchange->request_done = true;
    if (exchange->request_done || leg_is_backlogged(conn->upstream))
        leg_pause(conn->client);
}

void exchange_client_ended(struct conn *conn, enum leg_end how) {
    conn_log(conn, LOG_INFO, "the client was gone before its request was whole: %s",
             how == LEG_LOST  ? leg_error(conn->client)
             : how == LEG_EOF ? "it closed"
                              : "it changed its TLS keys");
    if (how == LEG_UNREADABLE && conn->exchange->status == 0)
        linger(conn);
    else
        conn_end(conn);
}

// --- down: the response -----------------------------------------------------------------------

// Writes the parsed response head on to the client. False: the connection has ended.
static bool send_head(struct conn *conn, enum head_purpose purpose) {
    struct exchange *exchange = conn->exchange;
    struct head_return back = {
        .client_minor = exchange->request.minor,
        .persistence = exchange->keep_client ? CONNECTION_KEEP : CONNECTION_CLOSE,
        .date = str_from(conn->proxy->date),
        .purpose = purpose,
    };
    size_t capacity = exchange->response.length + HEAD_WRITE_EXTRA_BYTES;
    char *text = malloc(capacity);
    ssize_t size = text ? head_write_response(&exchange->response, &back, text, capacity) : -1;
    if (size < 0) {
        free(text);
        refuse(conn, 502, "the response head could not be written");
        return false;
    }
    leg_send_later(conn->client, text, (size_t)size);
    free(text);
    exchange->bytes_out += (size_t)size;
    return true;
}

static void interim_response(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange->request.minor >= 1 && !send_head(conn, PURPOSE_HTTP))
        return;
    size_t max_bytes = exchange->response.max_bytes;
    head_free(&exchange->response);
    head_response_init(&exchange->response, max_bytes, exchange->request.method);
    if (leg_is_backlogged(conn->client))
        leg_pause(conn->upstream);
    else
        leg_resume(conn->upstream);
}

static void switch_protocols(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    const char *why = "the upstream changed protocols unasked";
    if (!exchange->websocket ||
        upgrade_response_check(&exchange->response, &exchange->offer, &why) != UPGRADE_OK)
        return refuse(conn, 502, why);
    if (!send_head(conn, PURPOSE_WEBSOCKET))
        return;
    exchange->status = 101;
    relay_start(conn);
}

static void final_response(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    struct head *response = &exchange->response;
    struct head_return back = {.client_minor = exchange->request.minor,
                               .persistence = CONNECTION_KEEP};
    // What the client has not sent of its body yet could not be told from the next request.
    if (!exchange->request_done || conn->proxy->state != PROXY_RUNNING ||
        head_return_closes(response, &back))
        exchange->keep_client = false;
    if (!send_head(conn, PURPOSE_HTTP))
        return;
    exchange->status = response->status;
    exchange->response_headed = true;
    exchange->dechunk = response->framing == BODY_CHUNKED && exchange->request.minor == 0;
    body_init(&exchange->down, response->framing, response->content_length, CONFIG_UNLIMITED);
    size_t used;
    if (body_feed(&exchange->down, "", 0, &used) == BODY_DONE)
        exchange_done(conn);
    else
        leg_resume(conn->upstream);
}

static size_t response_head_input(struct conn *conn, const uint8_t *bytes, size_t n) {
    struct exchange *exchange = conn->exchange;
    size_t used;
    exchange->response_begun = true;
    switch (head_feed(&exchange->response, (const char *)bytes, n, &used)) {
    case HEAD_MORE:
        return n;
    case HEAD_BAD:
        refuse(conn, exchange->response.status, exchange->response.why);
        return n;
    case HEAD_DONE:
        break;
    }
    unsigned status = exchange->response.status;
    if (status == 101)
        switch_protocols(conn);
    else if (status < 200)
        interim_response(conn);
    else
        final_response(conn);
    return used;
}

// Passes on the next piece of the body; an HTTP/1.0 client gets it without the chunks' framing.
static enum body_verdict body_pass(struct conn *conn, const uint8_t *bytes, size_t n,
                                   size_t *used) {
    struct exchange *exchange = conn->exchange;
    enum body_verdict verdict;
    if (!exchange->dechunk) {
        verdict = body_feed(&exchange->down, (const char *)bytes, n, used);
        leg_send(conn->client, bytes, *used);
        exchange->bytes_out += *used;
        return verdict;
    }
    *used = 0;
    do {
        size_t part;
        struct str payload;
        verdict = body_feed_payload(&exchange->down, (const char *)bytes + *used, n - *used, &part,
                                    &payload);
        leg_send(conn->client, payload.ptr, payload.len);
        exchange->bytes_out += payload.len;
        *used += part;
    } while (verdict == BODY_MORE && *used < n);
    return verdict;
}

size_t exchange_upstream_input(struct conn *conn, const uint8_t *bytes, size_t n) {
    size_t used;
    conn_touch(conn);
    if (!conn->exchange->response_headed)
        return response_head_input(conn, bytes, n);
    switch (body_pass(conn, bytes, n, &used)) {
    case BODY_MORE:
        body_regulate(conn, conn->upstream, conn->client, &conn->exchange->down);
        return n;
    case BODY_DONE:
        if (used < n) // more than it announced: nothing after this can be trusted
            conn->exchange->response.keep_alive = false;
        exchange_done(conn);
        return n;
    case BODY_BAD:
    case BODY_TOO_LARGE:
        conn_log(conn, LOG_WARN, "%s", conn->exchange->down.why);
        conn_end(conn);
        return n;
    }
    return n;
}

void exchange_upstream_spliced(struct conn *conn, size_t n) {
    struct exchange *exchange = conn->exchange;
    exchange->bytes_out += n;
    if (body_skip(&exchange->down, n) == BODY_DONE)
        exchange_done(conn);
    else if (leg_is_backlogged(conn->client))
        leg_pause(conn->upstream);
}

void exchange_upstream_ended(struct conn *conn, enum leg_end how) {
    struct exchange *exchange = conn->exchange;
    const char *what = how == LEG_LOST ? "the upstream connection was lost" : "the upstream closed";
    if (exchange->response_headed && exchange->down.framing == BODY_UNTIL_CLOSE && how == LEG_EOF)
        return exchange_done(conn);
    counter_add(&conn->proxy->counters.upstream_failures, 1);
    if (exchange->response_headed) {
        // The client sees the loss as a body that ends early: no close_notify, no last chunk.
        conn_log(conn, LOG_WARN, "%s in the middle of a response", what);
        return conn_end(conn);
    }
    if (!exchange->response_begun) {
        conn_log(conn, LOG_INFO, "%s without an answer", what);
        if (dial_again(conn))
            return;
    }
    refuse(conn, 502, what);
}

// --- the end ----------------------------------------------------------------------------------

static void exchange_done(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    struct leg *upstream = conn->upstream;
    conn->upstream = NULL;
    if (exchange->response.keep_alive && exchange->request_done &&
        exchange->down.framing != BODY_UNTIL_CLOSE && conn->proxy->state == PROXY_RUNNING)
        pool_put(&conn->proxy->pool, upstream, (const struct sockaddr *)&exchange->address->address,
                 exchange->upstream->conf);
    else
        leg_close(upstream);
    exchange_next_end(conn);
}

void exchange_end(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    conn->uploading = exchange->request_headed && exchange->request.framing != BODY_NONE &&
                      !exchange->request_done;
    exchange_account(conn, ACCESS_REQUEST);
    exchange_put(conn->proxy, exchange);
    conn->exchange = NULL;
}

void exchange_next_end(struct conn *conn) {
    bool keep = conn->exchange->keep_client && conn->proxy->state == PROXY_RUNNING;
    exchange_end(conn);
    conn->served = true;
    if (keep)
        request_wait(conn);
    else
        linger(conn);
}

uint64_t exchange_deadline(const struct conn *conn) {
    const struct exchange *exchange = conn->exchange;
    if (exchange->request_done && !exchange->response_headed)
        return conn->active_ms + exchange->upstream->conf->response_timeout_ms;
    return conn->active_ms + exchange->site->idle_timeout_ms;
}

void exchange_timed_out(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange->response_headed) {
        conn_log(conn, LOG_INFO, "no byte moved for the idle timeout");
        conn_end(conn);
    } else if (!exchange->request_done && leg_is_backlogged(conn->upstream)) {
        refuse(conn, 504, "the upstream took no more of the request body");
    } else if (!exchange->request_done) {
        refuse(conn, 408, "the request body took too long");
    } else {
        refuse(conn, 504, "no response within the response timeout");
    }
}

static struct str field_value(const struct head *head, struct str name) {
    const struct head_field *field = head_find(head, name);
    return field ? field->value : (struct str){0};
}

void exchange_account(struct conn *conn, enum access_event event) {
    struct exchange *exchange = conn->exchange;
    struct proxy *proxy = conn->proxy;
    bool answered = exchange->request_headed || exchange->status != 0;
    if (!answered || exchange->accounted)
        return;
    exchange->accounted = true;
    counter_add(&proxy->counters.received_bytes, exchange->bytes_in);
    counter_add(&proxy->counters.sent_bytes, exchange->bytes_out);
    if (!log_sink_wanted(&proxy->access))
        return;
    char line[LINE_SIZE_MAX], client[ADDRESS_TEXT_MAX];
    const struct head *request = &exchange->request;
    struct access_record record = {
        .event = event,
        .time_us = exchange->started_us,
        .worker = proxy->index,
        .serial = conn->serial,
        .client = {client, address_format(&conn->peer.any, client)},
        .site = str_from(exchange->site ? exchange->site->name : NULL),
        .host = request->authority,
        .method = request->method_name,
        .target = request->target,
        .http_minor = request->minor,
        .status = exchange->status,
        .bytes_in = exchange->bytes_in,
        .bytes_out = exchange->bytes_out,
        .duration_us = clock_unix_since_us(exchange->started_us),
        .upstream = str_from(exchange->address ? exchange->address->text : NULL),
        .referer = field_value(request, STR("Referer")),
        .user_agent = field_value(request, STR("User-Agent")),
        .tls_version = conn_tls_version(conn),
        .tls_cipher = str_from(conn->suite),
    };
    log_sink_write(&proxy->access,
                   access_format(&record, conn->use->snapshot->config->access_log.format, line));
}
