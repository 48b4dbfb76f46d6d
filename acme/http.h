// SPDX-License-Identifier: Apache-2.0
//
// A small HTTPS client for a thread that may wait: one request at a time, the connection kept for
// the next. The server's certificate is verified; every wait has a deadline and ends at once when
// the gateway stops; what an answer can make it hold is bounded; redirects are not followed.
//
// Life: open → send … → close. One thread.
#ifndef RINGWAY_ACME_HTTP_H
#define RINGWAY_ACME_HTTP_H

#include <stddef.h>

#include "acme/error.h"
#include "core/str.h"

struct acme_http;

#define ACME_URL_BYTES 2048
#define ACME_ALTERNATES_MAX 8

struct acme_request {
    const char *method;
    const char *url;           // https://host[:port]/path
    const char *content_type;  // NULL: no body
    const char *authorization; // NULL: none
    struct str body;
};

// The fields that ACME uses (RFC 8555 §6, §7) and the body, terminated.
struct acme_response {
    unsigned status;
    unsigned retry_after_s; // 0: none
    char location[ACME_URL_BYTES];
    char nonce[256];
    char *alternates[ACME_ALTERNATES_MAX]; // Link with rel="alternate", resolved
    size_t alternate_count;
    char *body;
    size_t body_size;
};

// Makes a client that trusts the roots in `ca_file` (NULL: the system's). It stops waiting when
// `stop_fd` becomes readable. 0 or negative errno.
int acme_http_open(struct acme_http **out, const char *ca_file, int stop_fd,
                   struct acme_error *error);

// NULL is allowed.
void acme_http_close(struct acme_http *http);

// Sends a request and waits for the answer of any status. 0, and the caller owes
// acme_response_free; or negative errno. Blocking, for a minute at most.
int acme_http_send(struct acme_http *http, const struct acme_request *request,
                   struct acme_response *response, struct acme_error *error);

// Waits for `ms`: 0, or -ECANCELED when it is to stop.
int acme_http_sleep(const struct acme_http *http, unsigned ms);

// Frees what the response holds; harmless on one that is zeroed.
void acme_response_free(struct acme_response *response);

#endif
