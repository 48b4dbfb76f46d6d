// SPDX-License-Identifier: Apache-2.0
//
// TLS alerts (RFC 8446 §6, RFC 5246 §7.2): the codes this gateway sends or understands, and their
// names for the log.
#ifndef RINGWAY_TLS_ALERT_H
#define RINGWAY_TLS_ALERT_H

#include <stdint.h>

enum tls_alert_level { TLS_ALERT_WARNING = 1, TLS_ALERT_FATAL = 2 };

enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_BAD_RECORD_MAC = 20,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_HANDSHAKE_FAILURE = 40,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_PROTOCOL_VERSION = 70,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_USER_CANCELED = 90,
    TLS_ALERT_NO_RENEGOTIATION = 100,
    TLS_ALERT_MISSING_EXTENSION = 109,
    TLS_ALERT_UNRECOGNIZED_NAME = 112,
    TLS_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

// The registered name of any alert code, "unknown alert" for the rest. Static text.
const char *tls_alert_name(uint8_t code);

// "the peer sent the alert NAME". Static text.
const char *tls_alert_received_text(uint8_t code);

#endif
