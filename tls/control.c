// SPDX-License-Identifier: Apache-2.0
//
// A client may say little after its handshake, so every record is judged against what little that
// is; messages cut over records are carried on, bounded by five bytes and a counter.
#include "tls/control.h"

#include <stdbool.h>
#include <string.h>

#define MESSAGE_HEADER_BYTES 4
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_KEY_UPDATE 24
#define CLIENT_HELLO_MAX_BYTES 16384

static enum tls_control_verdict alert_receive(struct tls_control *control, const uint8_t *bytes,
                                              size_t n);
static enum tls_control_verdict handshake_receive(struct tls_control *control, const uint8_t *bytes,
                                                  size_t n);

static enum tls_control_verdict fatal(struct tls_control *control, enum tls_alert alert,
                                      const char *error) {
    control->alert = alert;
    control->error = error;
    return TLS_CONTROL_FATAL;
}

// A message cut over records must not be interrupted (RFC 8446 §5.1).
static bool in_message(const struct tls_control *control) {
    return control->message_len > 0 || control->skip_bytes > 0;
}

enum tls_control_verdict tls_control_receive(struct tls_control *control, uint8_t content,
                                             const uint8_t *bytes, size_t n) {
    if (in_message(control) && content != TLS_CONTENT_HANDSHAKE)
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "a record inside a handshake message");
    if (content == TLS_CONTENT_APPLICATION_DATA && n > 0) {
        control->idle_records = 0;
        return TLS_CONTROL_CONTINUE;
    }
    if (control->idle_records++ == TLS_CONTROL_IDLE_MAX)
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "too many records without data");
    switch (content) {
    case TLS_CONTENT_APPLICATION_DATA:
        return TLS_CONTROL_CONTINUE;
    case TLS_CONTENT_ALERT:
        return alert_receive(control, bytes, n);
    case TLS_CONTENT_HANDSHAKE:
        return handshake_receive(control, bytes, n);
    case TLS_CONTENT_CHANGE_CIPHER_SPEC:
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "change_cipher_spec out of place");
    default:
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "a record of unknown type");
    }
}

static enum tls_control_verdict alert_receive(struct tls_control *control, const uint8_t *bytes,
                                              size_t n) {
    if (n != 2)
        return fatal(control, TLS_ALERT_DECODE_ERROR, "a malformed alert");
    if (bytes[1] == TLS_ALERT_CLOSE_NOTIFY)
        return TLS_CONTROL_CLOSE_NOTIFY;
    // TLS 1.3 has no warnings but these two (RFC 8446 §6).
    if (bytes[1] == TLS_ALERT_USER_CANCELED ||
        (control->version == TLS_VERSION_1_2 && bytes[0] == TLS_ALERT_WARNING))
        return TLS_CONTROL_CONTINUE;
    return fatal(control, TLS_ALERT_CLOSE_NOTIFY, tls_alert_received_text(bytes[1]));
}

// --- handshake messages ------------------------------------------------------------------------

static enum tls_control_verdict key_update_finish(struct tls_control *control);
static enum tls_control_verdict client_hello_skip(struct tls_control *control, size_t n);

static size_t message_body_size(const struct tls_control *control) {
    const uint8_t *message = control->message;
    return (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
}

// Takes up to `wanted` bytes of the message's start into `message`.
static size_t message_take(struct tls_control *control, size_t wanted, const uint8_t *bytes,
                           size_t n) {
    size_t missing = wanted > control->message_len ? wanted - control->message_len : 0;
    size_t take = missing < n ? missing : n;
    memcpy(control->message + control->message_len, bytes, take);
    control->message_len += (uint8_t)take;
    return take;
}

static enum tls_control_verdict handshake_receive(struct tls_control *control, const uint8_t *bytes,
                                                  size_t n) {
    bool modern = control->version == TLS_VERSION_1_3;
    uint8_t expected = modern ? MESSAGE_KEY_UPDATE : MESSAGE_CLIENT_HELLO;
    if (n == 0)
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "an empty handshake record");
    if (control->skip_bytes > 0)
        return client_hello_skip(control, n);
    size_t taken =
        message_take(control, modern ? TLS_KEY_UPDATE_BYTES : MESSAGE_HEADER_BYTES, bytes, n);
    if (control->message[0] != expected)
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "a handshake message out of place");
    if (control->message_len < MESSAGE_HEADER_BYTES)
        return TLS_CONTROL_CONTINUE;
    size_t body = message_body_size(control);
    if (modern) {
        if (body != 1)
            return fatal(control, TLS_ALERT_DECODE_ERROR, "a malformed KeyUpdate");
        if (taken < n) // the next record is under another key (RFC 8446 §5.1)
            return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "data behind a KeyUpdate");
        return control->message_len < TLS_KEY_UPDATE_BYTES ? TLS_CONTROL_CONTINUE
                                                           : key_update_finish(control);
    }
    if (body == 0 || body > CLIENT_HELLO_MAX_BYTES)
        return fatal(control, TLS_ALERT_DECODE_ERROR, "a malformed ClientHello");
    control->message_len = 0;
    control->skip_bytes = (uint32_t)body;
    return taken < n ? client_hello_skip(control, n - taken) : TLS_CONTROL_CONTINUE;
}

static enum tls_control_verdict key_update_finish(struct tls_control *control) {
    uint8_t request = control->message[MESSAGE_HEADER_BYTES];
    control->message_len = 0;
    if (request > 1)
        return fatal(control, TLS_ALERT_ILLEGAL_PARAMETER, "a malformed KeyUpdate");
    return request ? TLS_CONTROL_NEW_KEYS : TLS_CONTROL_NEW_RX_KEY;
}

static enum tls_control_verdict client_hello_skip(struct tls_control *control, size_t n) {
    if (n > control->skip_bytes)
        return fatal(control, TLS_ALERT_UNEXPECTED_MESSAGE, "data behind a ClientHello");
    control->skip_bytes -= (uint32_t)n;
    if (control->skip_bytes > 0)
        return TLS_CONTROL_CONTINUE;
    if (control->renegotiations++ > 0)
        return fatal(control, TLS_ALERT_NO_RENEGOTIATION, "the client insists on renegotiation");
    return TLS_CONTROL_NO_RENEGOTIATION;
}

void tls_control_key_update(int peer_must_update, uint8_t message[TLS_KEY_UPDATE_BYTES]) {
    const uint8_t text[TLS_KEY_UPDATE_BYTES] = {MESSAGE_KEY_UPDATE, 0, 0, 1,
                                                peer_must_update ? 1 : 0};
    memcpy(message, text, sizeof text);
}
