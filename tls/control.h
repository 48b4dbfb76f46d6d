// SPDX-License-Identifier: Apache-2.0
//
// What may come between application data once a connection stands: alerts, KeyUpdate (RFC 8446
// §4.6.3), a client's wish to renegotiate (RFC 5246 §7.2.2). It gets the plaintext of records and
// says what to do; who opened the records, this process or the kernel, makes no difference.
//
// A plain value without resources, part of its connection. Zero-initialise, then set the version.
#ifndef RINGWAY_TLS_CONTROL_H
#define RINGWAY_TLS_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "tls/alert.h"

enum tls_content {
    TLS_CONTENT_CHANGE_CIPHER_SPEC = 20,
    TLS_CONTENT_ALERT = 21,
    TLS_CONTENT_HANDSHAKE = 22,
    TLS_CONTENT_APPLICATION_DATA = 23,
};

// Records in a row without application data before the peer is taken for hostile.
#define TLS_CONTROL_IDLE_MAX 32

#define TLS_KEY_UPDATE_BYTES 5

struct tls_control {
    enum tls_version version;
    uint8_t message[TLS_KEY_UPDATE_BYTES]; // start of an unfinished handshake message
    uint8_t message_len;
    uint8_t idle_records; // in a row
    uint8_t renegotiations;
    uint32_t skip_bytes;  // TLS 1.2: still to come of a ClientHello that is being ignored
    enum tls_alert alert; // FATAL: the answer, or CLOSE_NOTIFY for none
    const char *error;    // FATAL: static text
};

enum tls_control_verdict {
    TLS_CONTROL_CONTINUE,
    TLS_CONTROL_NEW_RX_KEY,       // what follows is under the peer's next key
    TLS_CONTROL_NEW_KEYS,         // the same, and a KeyUpdate of our own is due
    TLS_CONTROL_NO_RENEGOTIATION, // answer with that alert as a warning, and go on
    TLS_CONTROL_CLOSE_NOTIFY,     // the peer sends no more
    TLS_CONTROL_FATAL,            // `alert` and `error` say what
};

// Judges the plaintext of one record. For application data it looks only at `n`.
enum tls_control_verdict tls_control_receive(struct tls_control *control, uint8_t content,
                                             const uint8_t *bytes, size_t n);

// Writes the handshake message KeyUpdate.
void tls_control_key_update(int peer_must_update, uint8_t message[TLS_KEY_UPDATE_BYTES]);

#endif
