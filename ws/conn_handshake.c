// SPDX-License-Identifier: Apache-2.0
//
// TLS: bytes go through `tls_handshake` until it is done, then the leg gets the keys and the
// handshake's memory goes. Where the kernel is to have the keys, reads are limited to the current
// record, so that nothing behind the handshake has been read when they change hands.
#include "core/log.h"
#include "ws/conn.h"

#include <stdlib.h>
#include <string.h>

// Limits the next read as the hand-over to the kernel needs it, where there may be one.
static void limit_read(struct conn *conn) {
    const struct config *config = conn->use->snapshot->config;
    bool may_offload =
        tls_kernel_wanted(config->kernel_tls, TLS_SEND) && !conn->proxy->shared->kernel.why;
    conn->client->read_limit = may_offload ? tls_handshake_want(conn->handshake) : 0;
}

void handshake_start(struct conn *conn) {
    conn->handshake = tls_handshake_new(conn->use->snapshot->settings->store);
    if (!conn->handshake) {
        conn_log(conn, LOG_WARN, "out of memory");
        conn_end(conn);
        return;
    }
    limit_read(conn);
    conn_enter(conn, CONN_HANDSHAKE);
    leg_resume(conn->client);
}

// Nobody waits for the session tickets behind a handshake of TLS 1.3 (RFC 8446 §4.6.1): they leave
// with the first response.
static void send_output(struct conn *conn, enum tls_handshake_verdict verdict) {
    const uint8_t *bytes;
    size_t n = tls_handshake_output(conn->handshake, &bytes);
    if (verdict == TLS_HANDSHAKE_DONE &&
        tls_handshake_info(conn->handshake)->version == TLS_VERSION_1_3)
        leg_send_more(conn->client, bytes, n);
    else
        leg_send(conn->client, bytes, n);
    tls_handshake_sent(conn->handshake, n);
}

static void handshake_failed_end(struct conn *conn) {
    counter_add(&conn->proxy->counters.handshakes_failed, 1);
    conn_log(conn, LOG_INFO, "%s", tls_handshake_error(conn->handshake));
    linger(conn);
}

// Protects the client leg with the keys: in the kernel as far as it is configured and possible, in
// user space else. `boundary`: nothing has been read behind the handshake. False: no memory.
static bool secure(struct conn *conn, const struct tls_keys *keys, bool boundary) {
    const struct config *config = conn->use->snapshot->config;
    struct proxy *proxy = conn->proxy;
    struct leg *leg = conn->client;
    struct tls_offload *offload = NULL;
    struct tls_offload_wish wish = {
        .tx = tls_kernel_wanted(config->kernel_tls, TLS_SEND),
        .rx = tls_kernel_wanted(config->kernel_tls_rx, TLS_RECEIVE),
    };
    if (wish.tx && boundary && leg_is_sent(leg))
        offload = tls_offload_new(proxy->worker.ring, leg->fd, &proxy->shared->kernel, keys, wish);
    if (!offload || !offload->rx) {
        struct tls_records *records =
            offload ? tls_records_new_receiving(keys) : tls_records_new(keys);
        if (!records) {
            tls_offload_free(offload);
            return false;
        }
        leg_secure(leg, records);
    }
    if (offload) {
        leg_offload(leg, offload);
        counter_add(&proxy->counters.ktls_tx, 1);
        counter_add(&proxy->counters.ktls_rx, offload->rx);
    }
    if (wish.tx && (!offload || offload->rx != wish.rx))
        counter_add(&proxy->counters.ktls_refused, 1);
    return true;
}

// Takes from the handshake what is needed later. False: the connection cannot go on.
static bool take_over(struct conn *conn, bool boundary) {
    const struct tls_handshake_info *info = tls_handshake_info(conn->handshake);
    struct tls_keys keys;
    if (tls_handshake_keys(conn->handshake, &keys) < 0)
        return false;
    bool secured = secure(conn, &keys, boundary);
    tls_keys_wipe(&keys);
    if (!secured)
        return false;
    conn->suite = info->suite;
    conn->tls_version = (uint8_t)info->version;
    if (info->server_name[0])
        conn->server_name = strdup(info->server_name);
    counter_add(&conn->proxy->counters.handshakes, 1);
    if (info->resumed)
        counter_add(&conn->proxy->counters.handshakes_resumed, 1);
    tls_handshake_free(conn->handshake);
    conn->handshake = NULL;
    return true;
}

size_t handshake_input(struct conn *conn, const uint8_t *bytes, size_t n) {
    size_t used;
    conn->begun = true;
    enum tls_handshake_verdict verdict = tls_handshake_feed(conn->handshake, bytes, n, &used);
    send_output(conn, verdict);
    switch (verdict) {
    case TLS_HANDSHAKE_WANT_READ:
        limit_read(conn);
        return n;
    case TLS_HANDSHAKE_DONE:
        if (tls_handshake_info(conn->handshake)->challenge) {
            linger(conn); // RFC 8737 §3: no application data follows
            return n;
        }
        if (take_over(conn, used == n)) {
            request_wait(conn);
            return used;
        }
        conn_log(conn, LOG_WARN, "out of memory");
        conn_end(conn);
        return n;
    case TLS_HANDSHAKE_PLAIN_HTTP:
        counter_add(&conn->proxy->counters.handshakes_failed, 1);
        refuse(conn, 400, "a plain HTTP request came to a TLS port");
        return n;
    case TLS_HANDSHAKE_FAILED:
        handshake_failed_end(conn);
        return n;
    }
    return n;
}
