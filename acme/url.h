// SPDX-License-Identifier: Apache-2.0
//
// The two parts of an https URL that a client needs: where to connect, and what to ask for. Pure.
#ifndef RINGWAY_ACME_URL_H
#define RINGWAY_ACME_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

struct acme_url {
    char host[256];       // without brackets
    uint16_t port;        // 443 when the URL has none
    struct str authority; // "host:port" as written, for the Host field
    struct str target;    // path and query, at least "/"; both live as long as the text
};

// False for what is no https URL, has a user name in it, or bytes that no URL has.
bool acme_url_read(const char *text, struct acme_url *url);

#endif
