// SPDX-License-Identifier: Apache-2.0
//
// The server's side of one TLS handshake, over memory: received bytes are fed in, bytes to send are
// taken out. It reads the ClientHello itself, picks the certificate, lets wolfSSL do the handshake
// and hands over the traffic keys, after which it has no further use.
//
//     new → feed … feed → DONE: info, keys → free
//                       → FAILED, PLAIN_HTTP: error → free
//
// Whatever the verdict, there may be output to send first. Used by one thread at a time. What a
// peer can make it hold is bounded; the deadline is the caller's.
#ifndef RINGWAY_TLS_HANDSHAKE_H
#define RINGWAY_TLS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/hello.h"
#include "tls/keys.h"
#include "tls/store.h"

struct tls_handshake;

enum tls_handshake_verdict {
    TLS_HANDSHAKE_WANT_READ,  // all input taken, more is needed
    TLS_HANDSHAKE_DONE,       // established
    TLS_HANDSHAKE_PLAIN_HTTP, // an HTTP request came instead; no output
    TLS_HANDSHAKE_FAILED,     // tls_handshake_error says why; the alert, if any, is in the output
};

// What was agreed. The texts are static.
struct tls_handshake_info {
    enum tls_version version;
    const char *suite; // as in the IANA registry
    const char *group; // of the key exchange; "" when the library does not tell
    bool resumed;
    bool alpn;                        // HTTP/1 was agreed, not only assumed
    bool challenge;                   // the client is an ACME server and has seen what it wanted
    void *site;                       // see struct tls_pick
    char server_name[TLS_HOST_BYTES]; // "": none
};

// Starts a handshake. `store` must outlive it. NULL: no memory.
struct tls_handshake *tls_handshake_new(const struct tls_store *store);

// Frees it and wipes what it knows; sends nothing. NULL is allowed.
void tls_handshake_free(struct tls_handshake *handshake);

// Takes received bytes and goes on as far as they allow. `used` is how many of them it took: all on
// WANT_READ; on DONE the rest is what the client sent after its handshake, for tls_records_open.
// Not to be called again after another verdict than WANT_READ.
enum tls_handshake_verdict tls_handshake_feed(struct tls_handshake *handshake, const uint8_t *bytes,
                                              size_t n, size_t *used);

// How many bytes to read next so that nothing behind the current record is touched, as kernel TLS
// needs it: first a header, then its record. At least 1. More may be read and fed all the same.
size_t tls_handshake_want(const struct tls_handshake *handshake);

// The bytes to send: returns how many and sets `bytes`, valid until the next feed, sent or free.
size_t tls_handshake_output(const struct tls_handshake *handshake, const uint8_t **bytes);

// Drops the first `n` bytes of the output.
void tls_handshake_sent(struct tls_handshake *handshake, size_t n);

// Why it failed, as a phrase for the log: "agreeing on TLS: no common cipher suite". Lives as long
// as the handshake.
const char *tls_handshake_error(const struct tls_handshake *handshake);

// After the ClientHello: the name it asked for; before that "". After DONE: everything.
const struct tls_handshake_info *tls_handshake_info(const struct tls_handshake *handshake);

// After DONE, once: the traffic keys. The caller wipes them. 0, or -ENOTSUP when the library does
// not give them out.
int tls_handshake_keys(struct tls_handshake *handshake, struct tls_keys *keys);

#endif
