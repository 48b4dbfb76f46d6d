// SPDX-License-Identifier: Apache-2.0
//
// One attempt to get a certificate: which authority is asked, which challenge answers it, and what
// is kept and said about how it went.
#ifndef RINGWAY_ACME_ATTEMPT_H
#define RINGWAY_ACME_ATTEMPT_H

#include "acme/session.h"

// Gets the certificate and puts it into its file; says in the log and in its record how it went.
// `held_until`: no other attempt should be made before. 0 or negative errno. Blocking, for minutes.
int acme_attempt(struct acme_session *session, const struct config *config,
                 const struct conf_managed *managed, time_t *held_until, struct acme_error *error);

// Asks, if it is time to, when the authority would like the certificate to be renewed, and keeps
// that in its record. Blocking.
void acme_attempt_window(struct acme_session *session, const struct conf_managed *managed);

#endif
