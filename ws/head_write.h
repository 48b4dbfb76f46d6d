// SPDX-License-Identifier: Apache-2.0
//
// What we send: a parsed head written anew toward the other side, and answers of our own. Nothing
// is copied through unparsed, so what one side hid in a head cannot reach the other.
//
// All functions write to `out`, at most `capacity` bytes, no terminator, and return the number of
// bytes, or -ENOSPC. They keep nothing. Pure; any thread.
#ifndef RINGWAY_WS_HEAD_WRITE_H
#define RINGWAY_WS_HEAD_WRITE_H

#include <sys/types.h>

#include "core/str.h"
#include "ws/head.h"

enum {
    // What head_write_request and head_write_response may add to the bytes they read, apart from
    // the strings in their context, each of which they write at most twice.
    HEAD_WRITE_EXTRA_BYTES = 1536,
    // Enough for head_write_error with any status and a Date.
    HEAD_ERROR_BYTES_MAX = 512,
};

// Whether a peer's own X-Forwarded-*, X-Real-IP, Forwarded and Via are believed.
enum head_trust { PEER_UNTRUSTED, PEER_TRUSTED };

enum head_persistence { CONNECTION_KEEP, CONNECTION_CLOSE };

// Whether this exchange is the WebSocket opening handshake.
enum head_purpose { PURPOSE_HTTP, PURPOSE_WEBSOCKET };

struct head_forward {
    size_t strip_bytes;      // leading bytes of the path to leave out (see head_write_request)
    struct str peer;         // the peer's address as text, IPv6 without brackets
    struct str scheme;       // "http" or "https", as the client reached us
    struct str default_host; // Host to send when an HTTP/1.0 request had none; may be empty
    enum head_trust trust;
    enum head_persistence persistence; // toward the upstream
    enum head_purpose purpose;
};

// Writes a request toward the upstream, as HTTP/1.1.
//
// - Target: the path from `strip_bytes` on, with a '/' put before it if it has none, and the query.
// - Host: the authority of an absolute-form target, which replaces Host (RFC 9112 §3.2.2); else
//   Host as sent.
// - Dropped (RFC 9110 §7.6.1): Connection and every field it names, Keep-Alive, Proxy-Connection,
//   Proxy-Authorization, TE (so no backend waits for trailers to be understood), Upgrade, and
//   `Proxy`, which CGI would turn into HTTP_PROXY.
// - Set: X-Forwarded-For, -Proto, -Host, X-Real-IP, Via. From an untrusted peer all X-Forwarded-*,
//   X-Real-IP, Forwarded and Via are dropped before, also spelled with '_' for '-', which many
//   backends do not tell apart. From a trusted one X-Forwarded-For and Via are appended to, the
//   others kept where present.
// - Content-Length or Transfer-Encoding from the framing; Trailer and Expect pass.
ssize_t head_write_request(const struct head *head, const struct head_forward *forward, char *out,
                           size_t capacity);

struct head_return {
    unsigned client_minor;             // HTTP/1.minor of the request being answered
    enum head_persistence persistence; // toward the client; see head_return_closes
    struct str date;                   // IMF-fixdate, for responses without one
    enum head_purpose purpose; // PURPOSE_WEBSOCKET: a 101 that upgrade_response_check accepted
};

// Writes a response toward the client, 1xx included. Hop-by-hop fields are dropped (Upgrade stays
// in 101 and 426), Via is appended, framing is written from what was parsed. A 1xx other than 101
// must not be sent to an HTTP/1.0 client (RFC 9110 §15.2).
ssize_t head_write_response(const struct head *head, const struct head_return *back, char *out,
                            size_t capacity);

// Whether the client's connection cannot be used again after this response: the body ends with
// the connection, or is chunked and the client is HTTP/1.0, which gets the payload alone
// (body_feed_payload). head_write_response then says `Connection: close` by itself.
bool head_return_closes(const struct head *head, const struct head_return *back);

// An answer of our own.
struct head_reply {
    unsigned status;
    enum head_persistence persistence;
    unsigned client_minor;
    enum head_method request_method; // METHOD_HEAD gets no body
    struct str date;
    struct str allow;       // 405: the Allow field; empty = "GET"
    unsigned retry_after_s; // 503: Retry-After; 0 = none
};

// Writes a small text answer for an error status, always with `Connection: close`. 426 says which
// WebSocket version is spoken (RFC 6455 §4.2.2).
ssize_t head_write_error(const struct head_reply *reply, char *out, size_t capacity);

// Writes a redirect with `location` as the target: text with ${scheme}, ${host}, ${port}, ${path}
// and ${query} (with its '?', or empty). `request` is the head being answered, `scheme` how it
// came. -EINVAL for a location that head_redirect_is_valid refuses, or that needs the host of a
// request without one.
ssize_t head_write_redirect(const struct head_reply *reply, struct str location, struct str scheme,
                            const struct head *request, char *out, size_t capacity);

// A capacity that is enough for head_write_redirect, whatever the request holds.
size_t head_redirect_bytes_max(struct str location, const struct head *request);

// Whether `location` is a template head_write_redirect accepts, for the check of a configuration.
bool head_redirect_is_valid(struct str location);

// Writes an answer with a body of our own.
ssize_t head_write_respond(const struct head_reply *reply, struct str content_type, struct str body,
                           char *out, size_t capacity);

// The standard phrase of a status, "" when there is none.
const char *head_status_phrase(unsigned status);

#endif
