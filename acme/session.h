// SPDX-License-Identifier: Apache-2.0
//
// The authorities during one round of work: a client for each is opened when it is first needed and
// kept for the next certificate. One that could not be opened is not asked again in this round.
//
// Life: zeroed but for `acme` and `stop_fd` → open, account … → close. One thread, blocking.
#ifndef RINGWAY_ACME_SESSION_H
#define RINGWAY_ACME_SESSION_H

#include "acme/client.h"

#define ACME_SESSION_CLIENTS 3

struct acme_session {
    const struct conf_acme *acme;
    int stop_fd; // readable once we are to stop
    struct {
        struct acme_client client;
        int result; // of opening it; negative: `error` says why
        struct acme_error error;
    } slots[ACME_SESSION_CLIENTS];
};

// The client for one of the configuration's authorities, which the session keeps. 0 or negative
// errno.
int acme_session_open(struct acme_session *session, const struct conf_authority *authority,
                      struct acme_client **out, struct acme_error *error);

// The same with an account.
int acme_session_account(struct acme_session *session, const struct conf_authority *authority,
                         struct acme_client **out, struct acme_error *error);

void acme_session_close(struct acme_session *session);

#endif
