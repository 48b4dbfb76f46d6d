// SPDX-License-Identifier: Apache-2.0
#include "app/verb.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int count, char **arguments);
    const char *usage;
    const char *help;
} verbs[] = {
    {"run", verb_run, "-c FILE [--kernel VERSION]",
     "serve what FILE configures, in the foreground"},
    {"check", verb_check, "-c FILE", "say everything that is wrong with FILE"},
    {"reload", verb_reload, "-c FILE", "have the gateway that runs FILE read it again"},
    {"cert", verb_cert,
     "list|show|issue|renew|revoke|rollover -c FILE [--json] [--reason R] [SITE...]",
     "see to certificates that come by ACME"},
    {"status", verb_status, "-c FILE", "print what the gateway that runs FILE has counted"},
    {"demo", verb_demo, "[--port N]", "serve a WebSocket echo page on https://localhost:8443"},
    {"schema", verb_schema, "[--man]", "print the JSON Schema of the configuration"},
    {"version", verb_version, "", "print versions and what the kernel offers"},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *out) {
    fprintf(out, "ringway terminates TLS, routes by host and path, and relays WebSockets.\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  ringway %-8s%-28s %s\n", verbs[i].name, verbs[i].usage, verbs[i].help);
    fprintf(out, "\nThe configuration: ringway.yaml(5). Everything else: ringway(1).\n");
}

int main(int count, char **arguments) {
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
        int status = verbs[i].run(count - 1, arguments + 1);
        if (status == 2)
            fprintf(stderr, "usage: ringway %s %s\n", verbs[i].name, verbs[i].usage);
        return status;
    }
    fprintf(stderr, "ringway: there is no '%s'\n\n", name);
    print_help(stderr);
    return 2;
}
