// SPDX-License-Identifier: Apache-2.0
#include "app/command_cert.h"

#include <string.h>

#include "acme/acme.h"
#include "acme/revoke.h"

#define WORD_BYTES 320

static bool progress(struct acme *acme, const char *site, FILE *out) {
    char error[ACME_ERROR_BYTES];
    switch (site[0] ? acme_progress(acme, site, error) : acme_rollover_progress(acme, error)) {
    case ACME_WORKING:
        fprintf(out, "working\n");
        return true;
    case ACME_DONE:
        fprintf(out, "done\n");
        return true;
    case ACME_FAILED:
        fprintf(out, "failed: %s\n", error);
        return true;
    case ACME_UNKNOWN:
        break;
    }
    return false;
}

static bool revoke(struct acme *acme, const char *site, const char *reason) {
    int code = acme_revoke_reason(reason);
    return code >= 0 && acme_ask_revoke(acme, site, code);
}

bool command_cert(struct acme *acme, const char *command, FILE *out) {
    char verb[WORD_BYTES] = "", site[WORD_BYTES] = "", reason[WORD_BYTES] = "";
    bool done = false;
    sscanf(command, "%319s %319s %319s", verb, site, reason);
    if (!acme) {
        fprintf(out, "the running gateway gets no certificates by ACME\n");
        return false;
    }
    if (strcmp(verb, "issue") == 0)
        done = acme_ask(acme, site, ACME_ASK_ISSUE);
    else if (strcmp(verb, "renew") == 0)
        done = acme_ask(acme, site, ACME_ASK_RENEW);
    else if (strcmp(verb, "revoke") == 0)
        done = revoke(acme, site, reason);
    else if (strcmp(verb, "progress") == 0)
        done = progress(acme, site, out);
    else if (strcmp(verb, "rollover") == 0) {
        acme_ask_rollover(acme);
        done = true;
    }
    if (!done)
        fprintf(out, "the running gateway gets no certificate for '%s' by ACME\n", site);
    return done;
}
