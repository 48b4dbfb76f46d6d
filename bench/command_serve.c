// SPDX-License-Identifier: Apache-2.0
#include "bench/command.h"

#include "bench/options.h"
#include "bench/serve.h"
#include "core/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct serve_arguments {
    const char *listen;
    const char *relay; // NULL: none
    uint64_t threads;
};

static const struct option_row rows[] = {
    {.name = "listen",
     .letter = 'l',
     .kind = OPTION_TEXT,
     .offset = offsetof(struct serve_arguments, listen),
     .argument = "ADDRESS:PORT",
     .help = "where to listen; port 0: any (127.0.0.1:9001)"},
    {.name = "threads",
     .letter = 't',
     .kind = OPTION_COUNT,
     .offset = offsetof(struct serve_arguments, threads),
     .min = 1,
     .max = 256,
     .argument = "N",
     .help = "threads, each with a listener of its own (1)"},
    {.name = "relay",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct serve_arguments, relay),
     .argument = "ADDRESS:PORT",
     .help = "pass all bytes to this backend and back instead: what a\n"
             "gateway that does nothing costs"},
    {0},
};

static void help(void) {
    printf("ringway-bench serve [OPTION...]\n\n"
           "Serves WebSockets at ws://ADDRESS:PORT, by the last part of the path:\n"
           "  /sink               takes messages and says nothing (load --mode upload)\n"
           "  /source?size=BYTES  sends messages without end (load --mode download)\n"
           "  /broadcast          sends each message to all others at the same path\n"
           "  any other           echoes: each message comes back as it came\n"
           "of any size, with little CPU and no memory.\n\n");
    options_help(stdout, rows);
}

static int fail(int code, const char *why) {
    fprintf(stderr, "ringway-bench: %s\n", why);
    return code;
}

static bool address_and_port_parse(const char *text, struct sockaddr_storage *out) {
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || port > UINT16_MAX)
        return false;
    if (address_parse((struct str){text, (size_t)(colon - text)}, out) == 0)
        return false;
    address_set_port(out, (uint16_t)port);
    return true;
}

int command_serve(int argc, char **argv) {
    char why[300];
    struct serve_arguments arguments = {.listen = "127.0.0.1:9001", .threads = 1};
    struct serve_settings settings;
    if (options_want_help(argc, argv)) {
        help();
        return EXIT_SUCCESS;
    }
    if (options_parse(rows, &arguments, argc, argv, NULL, 0, why, sizeof why) < 0)
        return fail(EXIT_USAGE, why);
    settings.threads = arguments.threads;
    if (!address_and_port_parse(arguments.listen, &settings.address))
        return fail(EXIT_USAGE, "--listen must be ADDRESS:PORT, such as 127.0.0.1:9001 or [::1]:0");
    settings.relays = arguments.relay != NULL;
    if (settings.relays && !address_and_port_parse(arguments.relay, &settings.backend))
        return fail(EXIT_USAGE, "--relay must be ADDRESS:PORT, such as 127.0.0.1:9001");
    if (ring_probe(&settings.features, why, sizeof why) < 0)
        return fail(EXIT_FAILURE, why);
    return serve_run(&settings, why, sizeof why) ? EXIT_SUCCESS : fail(EXIT_FAILURE, why);
}
