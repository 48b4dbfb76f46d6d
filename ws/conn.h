// SPDX-License-Identifier: Apache-2.0
//
// One client connection, from accept to close. The life in reading order, one file each:
//
//   conn.c           begins, dispatches what its legs report by phase, watches the time, ends
//   conn_handshake.c TLS
//   conn_request.c   the request head: checks, site, route, and the actions answered here
//   conn_dial.c      an upstream connection, kept or new, the next server when one fails
//   conn_exchange.c  head and body up, response down, the next request
//   conn_relay.c     after a 101: frames both ways, half-close, closing politely
//   conn_reply.c     answers of our own, and the quiet end after the last one
//
// A connection has no operation in the kernel itself, only its legs have. So it is freed at once
// when it ends; the legs join by themselves. A function that may have ended the connection says so
// by its name (`_end`, `refuse`, ...) and is the last thing its caller does with it.
//
// phase        client leg            upstream leg         ends by
// HANDSHAKE    TLS handshake         -                    done → HEAD | failure | deadline
// HEAD         request head          -                    head → DIAL or a reply | EOF | deadline
// DIAL         paused                connecting           connected → EXCHANGE | 502, 504
// EXCHANGE     body, then paused     response             done → HEAD, LINGER | 101 → RELAY
// RELAY        frames                frames               both ended | loss | close | idle
// LINGER       what is unsent; input is thrown away       EOF | short deadline
#ifndef RINGWAY_WS_CONN_H
#define RINGWAY_WS_CONN_H

#include "route/path.h"
#include "route/upstream.h"
#include "tls/handshake.h"
#include "ws/access.h"
#include "ws/body.h"
#include "ws/frame.h"
#include "ws/head.h"
#include "ws/leg.h"
#include "ws/proxy.h"
#include "ws/upgrade.h"

#include <sys/socket.h>

enum conn_phase { CONN_HANDSHAKE, CONN_HEAD, CONN_DIAL, CONN_EXCHANGE, CONN_RELAY, CONN_LINGER };

struct conn {
    struct conn *prev, *next; // in the proxy's list
    struct proxy *proxy;
    struct snapshot_use *use;
    struct leg *client;
    struct leg *upstream;            // NULL: none
    struct timer timer;              // see conn_deadline
    uint64_t active_ms;              // when a byte last moved, or the phase began
    uint64_t serial;                 // with the worker's index the connection's name
    struct site_count *counted;      // the site this connection is counted for
    struct exchange *exchange;       // from the first byte of a head to the response's last
    struct relay *relay;             // from the 101 on
    struct tls_handshake *handshake; // until it is done
    char *server_name;               // SNI; until the relay starts
    const char *suite;               // static; NULL on plain connections
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } peer;
    uint8_t phase;       // enum conn_phase
    uint8_t listen_kind; // enum listen_kind
    uint8_t tls_version; // enum tls_version
    bool half_closed;    // one side has sent FIN: the other gets little time
    bool trusted;        // the peer's X-Forwarded-* are believed
    bool draining;       // has been asked to end
    bool served;         // a request has been answered: the next one may take its time
};

// One request and its response. Pooled per worker: it is large and short-lived.
struct exchange {
    struct exchange *next_spare;
    struct head request, response;
    struct body up, down;
    struct upgrade_offer offer;
    const struct conf_site *site;
    struct path_match match;
    const struct upstream *upstream;
    struct upstream_tries tries;
    const struct upstream_address *address; // being used
    char *sent_head;                        // as written, kept for another try
    size_t sent_head_size;
    int64_t started_us; // Unix time
    uint64_t started_ms;
    uint64_t bytes_in, bytes_out;
    unsigned status;     // sent to the client; 0 = nothing yet
    bool request_headed; // its head is whole
    bool websocket;      // a valid opening handshake
    bool reused;         // on a kept connection
    bool body_sent;      // part of the request body has gone: no other try
    bool request_done;
    bool response_begun;  // some of its head has come
    bool response_headed; // its head was sent on
    bool keep_client;     // another request may follow
    bool dechunk;         // an HTTP/1.0 client gets the payload alone
    bool timed_out;       // the last connect did
    bool accounted;       // its access line is written
};

extern const struct leg_events conn_upstream_events;

// conn.c
void conn_begin(struct proxy *proxy, int fd, enum listen_kind kind, const struct sockaddr *peer);
// Ends the connection: unsent bytes are dropped. `conn` is dead for the caller.
void conn_end(struct conn *conn);
// Moves to the next phase and sets its deadline.
void conn_enter(struct conn *conn, enum conn_phase phase);
// A byte has moved: the idle time starts anew.
static inline void conn_touch(struct conn *conn) {
    conn->active_ms = conn->proxy->worker.now_ms;
}
// The deadline may have come nearer.
void conn_set_deadline(struct conn *conn);
void conn_drain(struct conn *conn);
static inline bool conn_is_secure(const struct conn *conn) {
    return conn->listen_kind == LISTEN_TLS;
}
// Says something about the connection, with what is known about it; lines of one format, or of one
// `kind`, are limited together.
void conn_log(const struct conn *conn, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void conn_log_kind(const struct conn *conn, enum log_level level, const char *kind,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
// "1.3", "1.2", or empty on a plain connection. Static.
struct str conn_tls_version(const struct conn *conn);
void conn_count_site(struct conn *conn, struct site_count *count);
struct exchange *exchange_get(struct proxy *proxy);
void exchange_put(struct proxy *proxy, struct exchange *exchange);

// conn_handshake.c
void handshake_start(struct conn *conn);
size_t handshake_input(struct conn *conn, const uint8_t *bytes, size_t n);

// conn_request.c
size_t request_input(struct conn *conn, const uint8_t *bytes, size_t n);
void request_wait(struct conn *conn); // for the next one

// conn_dial.c
void dial_start(struct conn *conn);
void dial_connected(struct conn *conn, int result);
void dial_timed_out(struct conn *conn);
// The upstream connection broke before any answer. Tries again where that is safe; false: it isn't.
bool dial_again(struct conn *conn);

// conn_exchange.c
void exchange_start(struct conn *conn);
size_t exchange_client_input(struct conn *conn, const uint8_t *bytes, size_t n);
size_t exchange_upstream_input(struct conn *conn, const uint8_t *bytes, size_t n);
void exchange_client_ended(struct conn *conn, enum leg_end how);
void exchange_upstream_ended(struct conn *conn, enum leg_end how);
uint64_t exchange_deadline(const struct conn *conn);
void exchange_timed_out(struct conn *conn);
// The exchange is over: the next one on this connection, or its end.
void exchange_next_end(struct conn *conn);
// Writes the access line of the exchange.
void exchange_account(struct conn *conn, enum access_event event);

// conn_relay.c
void relay_start(struct conn *conn);
size_t relay_input(struct conn *conn, struct leg *from, const uint8_t *bytes, size_t n);
void relay_ended(struct conn *conn, struct leg *from, enum leg_end how);
void relay_drained(struct conn *conn, struct leg *sink);
// Closes both ways with `code`, each at its next frame boundary (RFC 6455 §7.1). `reason` is
// static.
void relay_close(struct conn *conn, uint16_t code, const char *reason);
uint64_t relay_deadline(const struct conn *conn);
void relay_timed_out(struct conn *conn);
// Writes the access line of the end and frees the relay.
void relay_free(struct conn *conn);

// conn_reply.c
// Answers with an error status and ends the connection once that is sent; `why` goes to the log.
// After a response has begun it can only end the connection.
void refuse(struct conn *conn, unsigned status, const char *why);
void reply_redirect(struct conn *conn, struct str location, unsigned status);
void reply_respond(struct conn *conn);
// Sends the client to the same place on the TLS listener.
void reply_to_https(struct conn *conn);
// Closes politely: FIN after what is unsent, then waits a little for the peer's.
void linger(struct conn *conn);

#endif
