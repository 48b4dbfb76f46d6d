// SPDX-License-Identifier: Apache-2.0
//
// The memory between a wolfSSL session and the outside: wolfSSL takes what was received from it and
// leaves in it what is to be sent. It also keeps what wolfSSL tells on the way and nobody can ask
// for afterwards: the traffic secrets of TLS 1.3 and the explicit nonces of TLS 1.2.
//
// Inside tls/ only. Part of a handshake, which is the context of all callbacks below.
#ifndef RINGWAY_TLS_WIRE_H
#define RINGWAY_TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "tls/keys.h"
#include "tls/ticket.h"

// What a server says in a handshake: chain, tickets, small change.
#define TLS_WIRE_OUT_MAX_BYTES (128 * 1024)

// `done` bytes at the start are used up; the rest up to `len` waits.
struct tls_wire_buffer {
    uint8_t *bytes;
    size_t done, len, capacity;
};

struct tls_wire {
    struct tls_wire_buffer in, out;
    uint8_t ticket_binding[TLS_TICKET_BINDING_BYTES]; // all but the last byte, which is:
    uint8_t ticket_generation; // of tickets made now: how many came before, each by resuming
    uint8_t rx_secret[TLS_SECRET_MAX_BYTES], tx_secret[TLS_SECRET_MAX_BYTES];
    size_t rx_secret_size, tx_secret_size;
    bool sent, sent_change_cipher_spec; // anything at all; that
    uint64_t explicit_nonce;            // of the last encrypted record sent; TLS 1.2 only
};

// Appends; false when there is no memory. What is used up is dropped first.
bool tls_wire_append(struct tls_wire_buffer *buffer, const uint8_t *bytes, size_t n);

// Wipes and frees the buffers.
void tls_wire_end(struct tls_wire *wire);

// Gives a context the three callbacks below that wolfSSL sets per context. `tickets` may be NULL.
void tls_wire_attach_context(WOLFSSL_CTX *context, struct tls_tickets *tickets);

// Connects a session, made from such a context, to its wire. False when the library refuses.
bool tls_wire_attach(struct tls_wire *wire, WOLFSSL *session);

#endif
