// SPDX-License-Identifier: Apache-2.0
//
// The keys that session tickets are sealed with (RFC 5077, RFC 8446 §4.6.1): one set for all
// threads, so that a client may come back to any worker. The newest key seals; the two before it
// still open, and the session gets a new ticket.
//
// A ticket opens only for the binding it was sealed for (host pattern, server name, lowest
// version), so that none moves from one site to another.
//
// Life: one for the process, made before the first store and freed after the last; rotated by the
// main thread's timer. Survives reloads.
#ifndef RINGWAY_TLS_TICKET_H
#define RINGWAY_TLS_TICKET_H

#include <stddef.h>
#include <stdint.h>

struct tls_tickets;

#define TLS_TICKET_NAME_BYTES 16
#define TLS_TICKET_NONCE_BYTES 12
#define TLS_TICKET_TAG_BYTES 16
#define TLS_TICKET_BINDING_BYTES 33

enum tls_ticket_verdict {
    TLS_TICKET_OPENED,
    TLS_TICKET_OLD_KEY, // opened, but a new one should be issued
    TLS_TICKET_REFUSED, // unknown key, wrong binding or not ours: a full handshake follows
};

// `rotation_s` is how often the owner is going to rotate; clients are told to keep tickets for
// twice that, at most the seven days RFC 8446 §4.6.1 allows. NULL when the kernel gives no random
// bytes.
struct tls_tickets *tls_tickets_new(unsigned rotation_s);

// Wipes all keys. NULL is allowed.
void tls_tickets_free(struct tls_tickets *tickets);

// Makes a new sealing key; the oldest is wiped. 0, or negative errno: then the old keys stay. Any
// thread.
int tls_tickets_rotate(struct tls_tickets *tickets);

// How long clients may keep a ticket.
unsigned tls_tickets_lifetime_s(const struct tls_tickets *tickets);

// Seals `n` bytes in place and fills in name, nonce and tag. 0 or negative errno. Any thread.
int tls_tickets_seal(struct tls_tickets *tickets, const uint8_t binding[TLS_TICKET_BINDING_BYTES],
                     uint8_t name[TLS_TICKET_NAME_BYTES], uint8_t nonce[TLS_TICKET_NONCE_BYTES],
                     uint8_t tag[TLS_TICKET_TAG_BYTES], uint8_t *bytes, size_t n);

// Opens `n` bytes in place. Any thread.
enum tls_ticket_verdict tls_tickets_open(struct tls_tickets *tickets,
                                         const uint8_t binding[TLS_TICKET_BINDING_BYTES],
                                         const uint8_t name[TLS_TICKET_NAME_BYTES],
                                         const uint8_t nonce[TLS_TICKET_NONCE_BYTES],
                                         const uint8_t tag[TLS_TICKET_TAG_BYTES], uint8_t *bytes,
                                         size_t n);

#endif
