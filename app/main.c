// SPDX-License-Identifier: Apache-2.0
#include "app/verb.h"

#include "core/standard_files.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int count, char **arguments);
    const char *usage;
    const char *help;
    const char *more; // NULL: nothing
} verbs[] = {
    {"run", verb_run, "-c FILE [--kernel VERSION]", "serve what FILE configures, in the foreground",
     NULL},
    {"check", verb_check, "-c FILE", "say everything that is wrong with FILE", NULL},
    {"reload", verb_reload, "-c FILE", "have the gateway that runs FILE read it again", NULL},
    {"cert", verb_cert,
     "list|show|issue|renew|revoke|rollover -c FILE [--json] [--reason R] [SITE...]",
     "see to certificates that come by ACME",
     "\n"
     "  list      what there is, until when, and the next attempt; needs no running gateway\n"
     "  show      everything that is known; the same\n"
     "  issue     get what is missing or due, without waiting for the next attempt\n"
     "  renew     get new ones now, whatever there is\n"
     "  revoke    take them back at the authority, and get others\n"
     "  rollover  new keys for the accounts\n"
     "\n"
     "Without SITE it is all sites that get certificates by ACME (revoke wants them named).\n"},
    {"status", verb_status, "-c FILE", "print what the gateway that runs FILE has counted", NULL},
    {"demo", verb_demo, "[--port N]", "serve a WebSocket echo page on https://localhost:8443",
     NULL},
    {"schema", verb_schema, "[--man]", "print the JSON Schema of the configuration", NULL},
    {"version", verb_version, "", "print versions and what the kernel offers", NULL},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *out) {
    fprintf(out, "ringway terminates TLS, routes by host and path, and relays WebSockets.\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  ringway %-8s%-28s %s\n", verbs[i].name, verbs[i].usage, verbs[i].help);
    fprintf(out, "\nThe configuration: ringway.yaml(5). Everything else: ringway(1).\n");
}

static bool asks_for_help(int count, char **arguments) {
    for (int i = 0; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return true;
    return false;
}

int main(int count, char **arguments) {
    standard_files_hold();
    if (count < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verbs[i].name) != 0)
            continue;
        if (asks_for_help(count - 2, arguments + 2)) {
            printf("usage: ringway %s %s\n\n  %s; see ringway(1)\n%s", verbs[i].name,
                   verbs[i].usage, verbs[i].help, verbs[i].more ? verbs[i].more : "");
            return 0;
        }
        int status = verbs[i].run(count - 1, arguments + 1);
        if (status == 2)
            fprintf(stderr, "usage: ringway %s %s\n", verbs[i].name, verbs[i].usage);
        return status;
    }
    fprintf(stderr, "ringway: there is no '%s'\n\n", name);
    print_help(stderr);
    return 2;
}
