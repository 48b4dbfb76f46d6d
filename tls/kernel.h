// SPDX-License-Identifier: Apache-2.0
//
// Kernel TLS (Documentation/networking/tls.rst of the kernel): which suites this kernel takes over,
// and a connection whose keys it has been given, for sending, for receiving, or both.
//
// The kernel makes and opens records of application data by itself. Everything else stays here and
// is `struct tls_offload`: control records, which are judged by tls/control.h, and the next keys.
//
// A socket never goes back: what the kernel has been given it keeps until the socket is closed.
#ifndef RINGWAY_TLS_KERNEL_H
#define RINGWAY_TLS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ring_record.h"
#include "tls/control.h"
#include "tls/keys.h"

enum tls_direction { TLS_SEND, TLS_RECEIVE };

enum { TLS_VERSIONS = 2, TLS_CIPHERS = 3 };

// What this kernel can do. Filled once, read by all threads.
struct tls_kernel {
    bool takes[2][TLS_VERSIONS][TLS_CIPHERS]; // by direction, version, cipher
    bool rekeys;                              // keys can be replaced (6.14), TLS 1.3 only
    const char *why;                          // it takes nothing: a static sentence; else NULL
};

// Finds out by trying, on connections to itself over the loopback device.
void tls_kernel_probe(struct tls_kernel *kernel);

// Whether a direction is to be handed over, as configured. What `auto` means: sending, yes;
// receiving, no, as it costs more than opening records ourselves (docs/performance.md).
static inline bool tls_kernel_wanted(enum kernel_tls configured, enum tls_direction direction) {
    return configured == KERNEL_TLS_ON || (configured == KERNEL_TLS_AUTO && direction == TLS_SEND);
}

// Room for any text of tls_kernel_describe.
#define TLS_KERNEL_TEXT_BYTES 160

// Writes what it takes in one direction: "AES-128-GCM, AES-256-GCM (TLS 1.3 only)", or "nothing".
// Returns `text`.
const char *tls_kernel_describe(const struct tls_kernel *kernel, enum tls_direction direction,
                                char text[TLS_KERNEL_TEXT_BYTES]);

// What is kept of a connection whose keys the kernel has. Read the fields; only tls/kernel.c and
// `control` change them.
struct tls_offload {
    struct tls_control control;
    uint64_t tx_load_bytes; // sent under the present key, with what records add
    uint8_t cipher, key_size, secret_size;
    bool rx;     // the kernel opens what is received; what is sent it seals in any case
    bool rekeys; // both keys can be replaced
    bool tx_closed;
    uint8_t waiting_content, waiting_size; // a control record the socket had no room for
    uint8_t waiting[TLS_KEY_UPDATE_BYTES];
    uint8_t secrets[]; // of the two directions, `secret_size` each, if `rekeys`
};

// Which directions to hand over. Receiving goes only where sending goes too.
struct tls_offload_wish {
    bool tx, rx;
};

// Hands the keys of an established connection to the kernel, as far as it is wished and the kernel
// takes them. Nothing may wait to be sent; what was received must end with a record. Returns what
// is to be kept of it, or NULL when the kernel has been given nothing: the module is missing, the
// client has sent FIN already (ENOTCONN), memory is out. The connection is unharmed in any case.
struct tls_offload *tls_offload_new(struct ring *ring, int fd, const struct tls_kernel *kernel,
                                    const struct tls_keys *keys, struct tls_offload_wish wish);

// Wipes and frees. NULL is allowed.
void tls_offload_free(struct tls_offload *offload);

// Sends a control record, or keeps it until there is room; then `tls_offload_flush` must come
// before any more data. With what has been said there is room for one. 0, -EAGAIN when it is kept,
// or another negative errno.
int tls_offload_send(struct tls_offload *offload, struct ring *ring, int fd, uint8_t content,
                     const uint8_t *bytes, size_t n);

// Sends the record that was kept, if there is one. As tls_offload_send.
int tls_offload_flush(struct tls_offload *offload, struct ring *ring, int fd);

// Sends close_notify, once. As tls_offload_send.
int tls_offload_close_notify(struct tls_offload *offload, struct ring *ring, int fd);

// The peer has changed its key: gives the kernel the next one. 0, -ENOTSUP when this kernel cannot
// replace keys, or what setsockopt says.
int tls_offload_next_rx_key(struct tls_offload *offload, struct ring *ring, int fd);

// Sends a KeyUpdate that asks for none and changes the sending key. As tls_offload_next_rx_key;
// -EAGAIN when there is no room for it now: nothing has happened.
int tls_offload_next_tx_key(struct tls_offload *offload, struct ring *ring, int fd);

// Counts what is about to be sent. False: the sending key has been used up (RFC 8446 §5.5) and a
// next one is due.
bool tls_offload_count(struct tls_offload *offload, size_t n);

#endif
