// SPDX-License-Identifier: Apache-2.0
//
// wolfSSL's callbacks. Their argument is the wire, which wolfSSL hands back as the session's read
// context.
#include "tls/wire.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEADER_BYTES 5
#define RECORD_CHANGE_CIPHER_SPEC 20
#define BUFFER_START_BYTES 1024

// How often a session is resumed by a ticket got by resuming. wolfSSL numbers the tickets of such a
// chain with one byte and fails the handshake when that overflows; and no key should live for ever.
#define TICKET_GENERATION_MAX 100

static int wire_receive(WOLFSSL *session, char *bytes, int size, void *context);
static int wire_send(WOLFSSL *session, char *bytes, int size, void *context);
static int wire_ticket(WOLFSSL *session, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                       unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                       unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int encrypting,
                       unsigned char *ticket, int size, int *out_size, void *context);

void tls_wire_attach_context(WOLFSSL_CTX *context, struct tls_tickets *tickets) {
    wolfSSL_CTX_SetIORecv(context, wire_receive);
    wolfSSL_CTX_SetIOSend(context, wire_send);
    if (tickets == NULL) {
        wolfSSL_CTX_no_ticket_TLSv13(context);
        wolfSSL_CTX_NoTicketTLSv12(context);
        return;
    }
    wolfSSL_CTX_set_TicketEncCb(context, wire_ticket);
    wolfSSL_CTX_set_TicketEncCtx(context, tickets);
    wolfSSL_CTX_set_TicketHint(context, (int)tls_tickets_lifetime_s(tickets));
}

// --- secrets -----------------------------------------------------------------------------------

#ifdef HAVE_SECRET_CALLBACK

static int wire_secret(WOLFSSL *session, int id, const unsigned char *secret, int size,
                       void *context) {
    struct tls_wire *wire = context;
    (void)session;
    if (size < 0 || size > TLS_SECRET_MAX_BYTES)
        return -1;
    if (id == CLIENT_TRAFFIC_SECRET) {
        memcpy(wire->rx_secret, secret, (size_t)size);
        wire->rx_secret_size = (size_t)size;
    } else if (id == SERVER_TRAFFIC_SECRET) {
        memcpy(wire->tx_secret, secret, (size_t)size);
        wire->tx_secret_size = (size_t)size;
    }
    return 0;
}

static bool secrets_attach(struct tls_wire *wire, WOLFSSL *session) {
    return wolfSSL_set_tls13_secret_cb(session, wire_secret, wire) == WOLFSSL_SUCCESS;
}

#else

static bool secrets_attach(struct tls_wire *wire, WOLFSSL *session) {
    (void)wire;
    (void)session;
    return true;
}

#endif

bool tls_wire_attach(struct tls_wire *wire, WOLFSSL *session) {
    wolfSSL_SetIOReadCtx(session, wire);
    wolfSSL_SetIOWriteCtx(session, wire);
    return secrets_attach(wire, session);
}

// --- bytes -------------------------------------------------------------------------------------

bool tls_wire_append(struct tls_wire_buffer *buffer, const uint8_t *bytes, size_t n) {
    if (buffer->done > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->done, buffer->len - buffer->done);
        buffer->len -= buffer->done;
        buffer->done = 0;
    }
    if (buffer->len + n > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_START_BYTES;
        while (capacity < buffer->len + n)
            capacity *= 2;
        uint8_t *grown = realloc(buffer->bytes, capacity);
        if (grown == NULL)
            return false;
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->len, bytes, n);
    buffer->len += n;
    return true;
}

void tls_wire_end(struct tls_wire *wire) {
    free(wire->in.bytes); // ciphertext, both of them
    free(wire->out.bytes);
    explicit_bzero(wire, sizeof *wire);
}

static int wire_receive(WOLFSSL *session, char *bytes, int size, void *context) {
    struct tls_wire_buffer *in = &((struct tls_wire *)context)->in;
    size_t waiting = in->len - in->done;
    (void)session;
    if (waiting == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    size_t n = waiting < (size_t)size ? waiting : (size_t)size;
    memcpy(bytes, in->bytes + in->done, n);
    in->done += n;
    return (int)n;
}

// Remembers the explicit nonce of the encrypted records among whole records (RFC 5288 §3): wolfSSL
// starts at a random one, and whoever goes on must not use one twice.
static void nonces_note(struct tls_wire *wire, const uint8_t *bytes, size_t n) {
    while (n >= RECORD_HEADER_BYTES) {
        size_t size = RECORD_HEADER_BYTES + ((size_t)bytes[3] << 8 | bytes[4]);
        if (bytes[0] == RECORD_CHANGE_CIPHER_SPEC) {
            wire->sent_change_cipher_spec = true;
        } else if (wire->sent_change_cipher_spec && n >= RECORD_HEADER_BYTES + 8) {
            wire->explicit_nonce = 0;
            for (size_t i = 0; i < 8; i++)
                wire->explicit_nonce = wire->explicit_nonce << 8 | bytes[RECORD_HEADER_BYTES + i];
        }
        if (size > n)
            return;
        bytes += size;
        n -= size;
    }
}

static int wire_send(WOLFSSL *session, char *bytes, int size, void *context) {
    struct tls_wire *wire = context;
    (void)session;
    if (size < 0 || wire->out.len - wire->out.done + (size_t)size > TLS_WIRE_OUT_MAX_BYTES)
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (!tls_wire_append(&wire->out, (const uint8_t *)bytes, (size_t)size))
        return WOLFSSL_CBIO_ERR_GENERAL;
    nonces_note(wire, (const uint8_t *)bytes, (size_t)size);
    wire->sent = true;
    return size;
}

// --- tickets -----------------------------------------------------------------------------------

// Our nonce and tag are shorter than the fields wolfSSL has for them. Behind the nonce stands the
// generation; the rest is zero.
_Static_assert(WOLFSSL_TICKET_NAME_SZ == TLS_TICKET_NAME_BYTES, "ticket key name");
_Static_assert(WOLFSSL_TICKET_IV_SZ > TLS_TICKET_NONCE_BYTES, "ticket nonce");
_Static_assert(WOLFSSL_TICKET_MAC_SZ >= TLS_TICKET_TAG_BYTES, "ticket tag");

static int ticket_seal(struct tls_wire *wire, struct tls_tickets *tickets, unsigned char *name,
                       unsigned char *iv, unsigned char *mac, unsigned char *ticket, size_t size) {
    memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
    memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
    iv[TLS_TICKET_NONCE_BYTES] = wire->ticket_generation;
    wire->ticket_binding[TLS_TICKET_BINDING_BYTES - 1] = wire->ticket_generation;
    int failed = tls_tickets_seal(tickets, wire->ticket_binding, name, iv, mac, ticket, size);
    return failed ? WOLFSSL_TICKET_RET_REJECT : WOLFSSL_TICKET_RET_OK;
}

static int ticket_open(struct tls_wire *wire, WOLFSSL *session, struct tls_tickets *tickets,
                       const unsigned char *name, const unsigned char *iv, const unsigned char *mac,
                       unsigned char *ticket, size_t size) {
    uint8_t generation = iv[TLS_TICKET_NONCE_BYTES];
    if (generation >= TICKET_GENERATION_MAX)
        return WOLFSSL_TICKET_RET_REJECT;
    wire->ticket_binding[TLS_TICKET_BINDING_BYTES - 1] = generation;
    enum tls_ticket_verdict verdict =
        tls_tickets_open(tickets, wire->ticket_binding, name, iv, mac, ticket, size);
    if (verdict == TLS_TICKET_REFUSED)
        return WOLFSSL_TICKET_RET_REJECT;
    wire->ticket_generation = generation + 1;
    // In TLS 1.3 every handshake brings a new ticket, and wolfSSL takes CREATE for a refusal.
    bool renew = verdict == TLS_TICKET_OLD_KEY && wolfSSL_GetVersion(session) != WOLFSSL_TLSV1_3;
    return renew ? WOLFSSL_TICKET_RET_CREATE : WOLFSSL_TICKET_RET_OK;
}

static int wire_ticket(WOLFSSL *session, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                       unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                       unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int encrypting,
                       unsigned char *ticket, int size, int *out_size, void *context) {
    struct tls_wire *wire = wolfSSL_GetIOReadCtx(session);
    if (size < 0)
        return WOLFSSL_TICKET_RET_REJECT;
    *out_size = size;
    if (encrypting)
        return ticket_seal(wire, context, name, iv, mac, ticket, (size_t)size);
    return ticket_open(wire, session, context, name, iv, mac, ticket, (size_t)size);
}
