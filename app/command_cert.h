// SPDX-License-Identifier: Apache-2.0
//
// The running gateway's side of `ringway cert`: what is asked of its ACME thread through the
// control socket.
#ifndef RINGWAY_APP_COMMAND_CERT_H
#define RINGWAY_APP_COMMAND_CERT_H

#include <stdbool.h>
#include <stdio.h>

struct acme;

// Carries out "issue SITE", "renew SITE", "revoke SITE REASON" or "rollover", which only ask, or
// "progress SITE" ("progress" alone: of the rollover), which answers "working", "done" or "failed:
// WHY". `acme` NULL: it does not run. Main thread.
bool command_cert(struct acme *acme, const char *command, FILE *out);

#endif
