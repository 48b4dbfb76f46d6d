// SPDX-License-Identifier: Apache-2.0
//
// Alert names as registered with IANA ("TLS Alerts").
#include "tls/alert.h"

#include <stddef.h>
#include <string.h>

// One text serves for both: the name is its end.
#define RECEIVED "the peer sent the alert "

static const struct {
    uint8_t code;
    const char *text;
} alerts[] = {
    {0, RECEIVED "close_notify"},
    {10, RECEIVED "unexpected_message"},
    {20, RECEIVED "bad_record_mac"},
    {21, RECEIVED "decryption_failed"},
    {22, RECEIVED "record_overflow"},
    {30, RECEIVED "decompression_failure"},
    {40, RECEIVED "handshake_failure"},
    {42, RECEIVED "bad_certificate"},
    {43, RECEIVED "unsupported_certificate"},
    {44, RECEIVED "certificate_revoked"},
    {45, RECEIVED "certificate_expired"},
    {46, RECEIVED "certificate_unknown"},
    {47, RECEIVED "illegal_parameter"},
    {48, RECEIVED "unknown_ca"},
    {49, RECEIVED "access_denied"},
    {50, RECEIVED "decode_error"},
    {51, RECEIVED "decrypt_error"},
    {70, RECEIVED "protocol_version"},
    {71, RECEIVED "insufficient_security"},
    {80, RECEIVED "internal_error"},
    {86, RECEIVED "inappropriate_fallback"},
    {90, RECEIVED "user_canceled"},
    {100, RECEIVED "no_renegotiation"},
    {109, RECEIVED "missing_extension"},
    {110, RECEIVED "unsupported_extension"},
    {112, RECEIVED "unrecognized_name"},
    {113, RECEIVED "bad_certificate_status_response"},
    {115, RECEIVED "unknown_psk_identity"},
    {116, RECEIVED "certificate_required"},
    {120, RECEIVED "no_application_protocol"},
};

const char *tls_alert_received_text(uint8_t code) {
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].code == code)
            return alerts[i].text;
    return RECEIVED "unknown alert";
}

const char *tls_alert_name(uint8_t code) {
    return tls_alert_received_text(code) + strlen(RECEIVED);
}
