// SPDX-License-Identifier: Apache-2.0
//
// ringway-bench: load for any WebSocket server, and a backend that echoes.
#include "bench/command.h"

#include "core/standard_files.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"load", command_load, "put load on a ws:// or wss:// server and measure it"},
    {"serve", command_serve, "serve a WebSocket echo to be loaded"},
    {"merge", command_merge, "add up results of loads that ran at the same time"},
};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static void help(FILE *out) {
    fprintf(out, "ringway-bench VERB [OPTION...]; ringway-bench VERB --help tells more\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    fprintf(out, "  %-10s %s\n", "version", "say the version");
}

int main(int argc, char **argv) {
    standard_files_hold();
    const char *verb = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verb, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(verb, "version") == 0 || strcmp(verb, "--version") == 0) {
        printf("ringway-bench %s\n", RINGWAY_VERSION);
        return EXIT_SUCCESS;
    }
    bool is_asked =
        strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0;
    help(is_asked ? stdout : stderr);
    return is_asked ? EXIT_SUCCESS : EXIT_USAGE;
}
