// SPDX-License-Identifier: Apache-2.0
#include "app/command_cert.h"

#include <string.h>

#include "acme/acme.h"
#include "core/str.h"

static bool progress(struct acme *acme, const char *site, FILE *out) {
    char error[ACME_ERROR_BYTES];
    switch (acme_progress(acme, site, error)) {
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

bool command_cert(struct acme *acme, const char *command, FILE *out) {
    const char *site = strchr(command, ' ');
    size_t verb_size = site ? (size_t)(site - command) : 0;
    struct str verb = {command, verb_size};
    bool done = false;
    if (acme && str_eq(verb, STR("issue")))
        done = acme_ask(acme, site + 1, ACME_ASK_ISSUE);
    else if (acme && str_eq(verb, STR("renew")))
        done = acme_ask(acme, site + 1, ACME_ASK_RENEW);
    else if (acme && str_eq(verb, STR("progress")))
        done = progress(acme, site + 1, out);
    if (!done)
        fprintf(out, "the running gateway gets no certificate for '%s' by ACME\n",
                site ? site + 1 : "");
    return done;
}
