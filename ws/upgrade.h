// SPDX-License-Identifier: Apache-2.0
//
// The WebSocket opening handshake (RFC 6455 §4), checked on both sides. Pure; any thread.
#ifndef RINGWAY_WS_UPGRADE_H
#define RINGWAY_WS_UPGRADE_H

#include "ws/head.h"

enum {
    UPGRADE_KEY_BYTES = 24,
    UPGRADE_ACCEPT_BYTES = 28,
    UPGRADE_OK = 0,
};

// Checks a request whose `upgrade_websocket` is set (RFC 6455 §4.2.1): GET, HTTP/1.1, Connection
// names upgrade, version 13, one key of 16 bytes, no body. Returns UPGRADE_OK or the status to
// refuse it with (400, 405, 426), and then `*why`, a constant phrase for the log.
unsigned upgrade_request_check(const struct head *request, const char **why);

// The Sec-WebSocket-Key of a request that passed the check; lives as long as the head.
struct str upgrade_key(const struct head *request);

// Writes the Sec-WebSocket-Accept that answers `key`, terminated (RFC 6455 §4.2.2).
void upgrade_accept(struct str key, char accept[UPGRADE_ACCEPT_BYTES + 1]);

// What a request offered, as far as the answer to it must be checked against it.
struct upgrade_offer {
    char accept[UPGRADE_ACCEPT_BYTES + 1]; // the Sec-WebSocket-Accept that is right
    const struct head *request;            // borrowed: must live until the answer is checked
};

// Prepares the offer of a request that passed upgrade_request_check.
void upgrade_offer_init(struct upgrade_offer *offer, const struct head *request);

// Checks the upstream's 101 against the request it answers (RFC 6455 §4.1): Upgrade, Connection,
// the right accept, no body framing, a subprotocol and extensions only from those offered. Returns
// UPGRADE_OK or 502, and then `*why`.
unsigned upgrade_response_check(const struct head *response, const struct upgrade_offer *offer,
                                const char **why);

// Whether a 101 that passed the check agrees to an extension.
bool upgrade_has_extension(const struct head *response);

#endif
