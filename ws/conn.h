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
// ("may end", below) and is the last thing its caller does with it.
//
// phase        client leg            upstream leg         ends by
// HANDSHAKE    TLS handshake         -                    done → HEAD | failure | deadline
// HEAD         request head          -                    head → DIAL or a reply | EOF | deadline
// DIAL         paused                connecting           connected → EXCHANGE | 502, 504
// EXCHANGE     body, then paused     response             done → HEAD, LINGER | 101 → RELAY
// RELAY        frames                frames               both ended | loss | close | idle
// LINGER       what is unsent; input is thrown away       EOF | silence | deadline
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
    uint64_t linger_until_ms;        // LINGER: at the latest, once all is sent
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
    bool begun;          // a byte has come from the client
    bool uploading;      // the body of the request answered last is not through
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
    bool accounted;       // it has been counted, and its access line written
};

// What an upstream leg tells its connection; the owner that goes with it is the `struct conn`.
extern const struct leg_events conn_upstream_events;

// Everything below is for the worker's thread. "May end" means that `conn` may be freed on return:
// it is the last thing its caller does with it. Functions named `_input` get what a leg offers and
// return how many bytes they took, which the leg wants to know even if they ended the connection.

// --- conn.c -----------------------------------------------------------------------------------

// Starts a connection on the accepted socket `fd`, which it owns from here on; copies `peer`.
// Without memory the socket is closed and nothing else happens.
void conn_begin(struct proxy *proxy, int fd, enum listen_kind kind, const struct sockaddr *peer);
// Ends the connection: unsent bytes are dropped. `conn` is dead for the caller.
void conn_end(struct conn *conn);
// Goes by the snapshot in force from here on; the one held before has been dropped.
void conn_hold_snapshot(struct conn *conn);
// Moves to the next phase and sets its deadline.
void conn_enter(struct conn *conn, enum conn_phase phase);
// A byte has moved: the idle time starts anew.
static inline void conn_touch(struct conn *conn) {
    conn->active_ms = conn->proxy->worker.now_ms;
}
// LINGER is about to begin, or all is sent: the peer's time counts anew.
void conn_linger_anew(struct conn *conn);
// The deadline may have come nearer.
void conn_set_deadline(struct conn *conn);
// The worker wants to stop: ends what is idle, closes a WebSocket with 1001, lets an exchange
// finish as the last one. May end.
void conn_drain(struct conn *conn);
// Whether the client came over TLS.
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
// Lets the next `left` bytes from `source` go to `sink` by themselves, if they are many enough and
// that can be done now, which is returned; their owner is told of what has gone.
bool conn_splice(struct conn *conn, struct leg *source, struct leg *sink, uint64_t left);
// Counts the connection for this site (NULL: for none) instead of the one before.
void conn_count_site(struct conn *conn, struct site_count *count);
// A zeroed exchange, from the worker's spare ones if there is one; NULL when memory is out.
struct exchange *exchange_get(struct proxy *proxy);
// Ends an exchange: frees its heads and keeps or frees the rest.
void exchange_put(struct proxy *proxy, struct exchange *exchange);

// --- conn_handshake.c -------------------------------------------------------------------------

// Starts the TLS handshake of a new connection. May end.
void handshake_start(struct conn *conn);
// Received bytes of the handshake; what follows its last one is not taken. May end.
size_t handshake_input(struct conn *conn, const uint8_t *bytes, size_t n);

// --- conn_request.c ---------------------------------------------------------------------------

// Waits for the next request, under the snapshot that is in force then.
void request_wait(struct conn *conn);
// Another snapshot is in force: a connection between two requests goes over to it.
void request_refresh(struct conn *conn);
// Received bytes of a request head; what follows its end is not taken. Acts on a head that is
// whole: answers it, or has it sent on. May end.
size_t request_input(struct conn *conn, const uint8_t *bytes, size_t n);

// --- conn_dial.c ------------------------------------------------------------------------------

// Gets an upstream connection for the exchange, which then starts; or answers 502 or 504. May end.
void dial_start(struct conn *conn);
// A new upstream connection stands (0) or could not be made (negative errno). May end.
void dial_connected(struct conn *conn, int result);
// It took longer than the upstream's connect timeout. May end.
void dial_timed_out(struct conn *conn);
// The upstream connection broke before any answer. Tries again where that is safe (RFC 9110 §9.2.2)
// and returns true, in which case it may end; false: nothing was done.
bool dial_again(struct conn *conn);

// --- conn_exchange.c --------------------------------------------------------------------------

// Sends the request head on the connected upstream leg, then lets body and response come.
void exchange_start(struct conn *conn);
// Received bytes of the request body; what follows its end is not taken. May end.
size_t exchange_client_input(struct conn *conn, const uint8_t *bytes, size_t n);
// Received bytes of the response: 1xx heads, the final head, the body; after a 101 the rest is not
// taken, it is the relay's. May end.
size_t exchange_upstream_input(struct conn *conn, const uint8_t *bytes, size_t n);
// `n` bytes of either body have gone by a splice. May end.
void exchange_client_spliced(struct conn *conn, size_t n);
void exchange_upstream_spliced(struct conn *conn, size_t n);
// The client sends no more although the exchange is not over. May end.
void exchange_client_ended(struct conn *conn, enum leg_end how);
// The upstream sends no more: the end of a body until close, another try, or 502. May end.
void exchange_upstream_ended(struct conn *conn, enum leg_end how);
// When the exchange has waited too long, monotonic ms; moves with `active_ms`.
uint64_t exchange_deadline(const struct conn *conn);
// That time has come: 408, 504, or the end in the middle of a response. May end.
void exchange_timed_out(struct conn *conn);
// Accounts for the exchange and lets go of it.
void exchange_end(struct conn *conn);
// The exchange is over: the next one on this connection, or its end.
void exchange_next_end(struct conn *conn);
// Writes the access line of the exchange, unless it is written or not wanted.
void exchange_account(struct conn *conn, enum access_event event);

// --- conn_relay.c -----------------------------------------------------------------------------

// From the upstream's 101 on: frees the exchange and relays frames. May end.
void relay_start(struct conn *conn);
// Received bytes from either leg, passed on to the other; takes all of them, and pauses `from` when
// the other leg is backlogged.
size_t relay_input(struct conn *conn, struct leg *from, const uint8_t *bytes, size_t n);
// `n` bytes of a frame have gone from `from` to the other leg by a splice.
void relay_spliced(struct conn *conn, struct leg *from, size_t n);
// One leg sends no more, or is lost. May end.
void relay_ended(struct conn *conn, struct leg *from, enum leg_end how);
// A leg that was backlogged has sent everything: the other may go on. May end.
void relay_drained(struct conn *conn, struct leg *sink);
// Closes both ways with `code`, each at its next frame boundary (RFC 6455 §7.1). `reason` is
// static.
void relay_close(struct conn *conn, uint16_t code, const char *reason);
// When the relay has been idle or closing for too long, monotonic ms; moves with `active_ms`.
uint64_t relay_deadline(const struct conn *conn);
// That time has come: a Close with 1001, or the end of one that was not answered. May end.
void relay_timed_out(struct conn *conn);
// Writes the access line of the end and frees the relay.
void relay_free(struct conn *conn);

// --- conn_reply.c -----------------------------------------------------------------------------

// Answers with an error status and ends the connection once that is sent; `why` goes to the log.
// After a response has begun it can only end the connection. May end.
void refuse(struct conn *conn, unsigned status, const char *why);
// Answers with a redirect to the template `location` (ws/head_write.h). May end.
void reply_redirect(struct conn *conn, struct str location, unsigned status);
// Answers with the text of the matched route. May end.
void reply_respond(struct conn *conn);
// Answers with 200 and this text. May end.
void reply_text(struct conn *conn, struct str text);
// Sends the client to the same place on the TLS listener. May end.
void reply_to_https(struct conn *conn);
// Closes politely: FIN after what is unsent, then waits a little for the peer's. May end.
void linger(struct conn *conn);

#endif
