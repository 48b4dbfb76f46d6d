// SPDX-License-Identifier: Apache-2.0
//
// When the authority would like a certificate to be renewed (ACME renewal information, RFC 9773).
#ifndef RINGWAY_ACME_WINDOW_H
#define RINGWAY_ACME_WINDOW_H

#include <stdbool.h>
#include <time.h>

#include "acme/client.h"
#include "acme/leaf.h"

// Base64url of a key identifier, a dot, and of a serial number of up to 21 bytes. Key identifiers
// are digests; there is room for one of more than 300 bytes.
#define ACME_CERTIFICATE_ID_BYTES 512

// The longest time for which it is not asked again.
#define ACME_WINDOW_ASK_MAX_S (24 * 3600)

struct acme_window {
    time_t start, end; // 0: the authority suggests nothing
    time_t ask_at;     // when to ask again
    char why[512];     // a URL that explains it; "": none
};

// The name by which the authority knows a certificate (§4.1). False: it has none, or one
// that is too long.
bool acme_certificate_id(const struct acme_leaf *leaf, char id[ACME_CERTIFICATE_ID_BYTES]);

// Asks for the window of a certificate. 0 or negative errno; `ask_at` is set in any case, within a
// day. Blocking.
int acme_window_ask(struct acme_client *client, const struct acme_leaf *leaf,
                    struct acme_window *window, struct acme_error *error);

// Reads a date such as "2025-01-02T04:00:00Z" (RFC 3339). False: it is none.
bool acme_date_read(const char *text, time_t *when);

#endif
