// SPDX-License-Identifier: Apache-2.0
//
// The answer to an HTTP request, read from its bytes: the fields that ACME uses and a bounded body.
// Pure.
//
// Life: start → feed … until it says that the answer is whole, or `end` when the connection has
// ended; what was read is in the response, which is the caller's.
#ifndef RINGWAY_ACME_ANSWER_H
#define RINGWAY_ACME_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include <llhttp.h>

#include "acme/http.h"

#define ACME_ANSWER_HEAD_BYTES_MAX (32 * 1024)
#define ACME_ANSWER_BODY_BYTES_MAX (256 * 1024)

struct acme_answer {
    llhttp_t parser;
    llhttp_settings_t settings;
    const struct acme_request *request;
    struct acme_response *response;
    char name[32], value[ACME_URL_BYTES + 256]; // of the field being read, cut: longer than a URL
    size_t name_size, value_size, head_size;
    int error; // negative errno; 0: none
    bool whole, keeps;
};

// Starts to read the answer to `request` into `response`, which is zeroed. Both must live as long.
void acme_answer_start(struct acme_answer *answer, const struct acme_request *request,
                       struct acme_response *response);

// Reads more bytes. 1: the answer is whole; 0: more are needed; -EBADMSG: it is no HTTP; -EMSGSIZE:
// it is too large; -ENOMEM.
int acme_answer_feed(struct acme_answer *answer, const char *bytes, size_t n);

// No more bytes will come. 0: the answer is whole; -EBADMSG: it is cut short.
int acme_answer_end(struct acme_answer *answer);

// Whether another request may follow on the connection.
bool acme_answer_keeps(const struct acme_answer *answer);

#endif
