// SPDX-License-Identifier: Apache-2.0
#include "app/verb.h"

#include "app/control.h"
#include "app/demo.h"
#include "app/gateway.h"
#include "app/problems.h"
#include "core/config_reference.h"
#include "core/config_schema.h"
#include "core/log.h"
#include "tls/kernel.h"
#include "tls/library.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <liburing.h>
#include <llhttp.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <yaml.h>

// --- run, check -------------------------------------------------------------------------------

// Reads `-c FILE` and, where `kernel` is given, `--kernel VERSION`. False after saying what is
// wrong.
static bool read_options(int count, char **arguments, const char **config, const char **kernel) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"kernel", required_argument, NULL, 'k'}, {0}};
    int letter;
    optind = 1;
    while ((letter = getopt_long(count, arguments, "c:", options, NULL)) != -1) {
        if (letter == 'c')
            *config = optarg;
        else if (letter == 'k' && kernel)
            *kernel = optarg;
        else
            return false;
    }
    if (optind < count) {
        fprintf(stderr, "ringway: unexpected argument '%s'\n", arguments[optind]);
        return false;
    }
    if (!*config)
        fprintf(stderr, "ringway: which configuration? Give it with -c FILE\n");
    return *config != NULL;
}

int verb_run(int count, char **arguments) {
    struct gateway_options options = {.imitate_kernel = getenv("RINGWAY_KERNEL")};
    if (!read_options(count, arguments, &options.config_path, &options.imitate_kernel))
        return 2;
    struct problems problems = {0};
    struct config *config = config_load(options.config_path, &problems);
    problems_print(&problems, options.config_path, stderr);
    problems_free(&problems);
    return config ? gateway_run(&options, config) : 1;
}

// Opens what the configuration names, as `run` would, and closes it again.
static bool check_certificates(struct config *config, struct problems *problems) {
    struct site_count *registry = NULL;
    if (tls_library_init() < 0)
        return false;
    struct settings *settings = settings_open(config, NULL, &registry, problems);
    if (settings)
        settings_drop(settings, &registry);
    tls_library_cleanup();
    return settings != NULL;
}

int verb_check(int count, char **arguments) {
    const char *path = NULL;
    if (!read_options(count, arguments, &path, NULL))
        return 2;
    struct problems problems = {0};
    struct config *config = config_load(path, &problems);
    bool good = config && check_certificates(config, &problems);
    problems_print(&problems, path, stderr);
    if (good)
        printf("%s: good\n", path);
    else
        fprintf(stderr, "%s: %zu error%s\n", path, problems.errors,
                problems.errors == 1 ? "" : "s");
    problems_free(&problems);
    return good ? 0 : 1;
}

// --- reload, status ---------------------------------------------------------------------------

int verb_reload(int count, char **arguments) {
    const char *path = NULL;
    if (!read_options(count, arguments, &path, NULL))
        return 2;
    int status = control_send(path, "reload", stderr);
    if (status == 0)
        printf("%s: reloaded\n", path);
    return status;
}

int verb_status(int count, char **arguments) {
    const char *path = NULL;
    if (!read_options(count, arguments, &path, NULL))
        return 2;
    return control_send(path, "status", stdout);
}

// --- demo -------------------------------------------------------------------------------------

static int run_demo(const struct demo *demo, unsigned port) {
    struct problems problems = {0};
    struct gateway_options options = {.imitate_kernel = getenv("RINGWAY_KERNEL")};
    struct config *config =
        config_parse(demo->config_text, demo->config_size_bytes, "demo", demo->folder, &problems);
    problems_print(&problems, "demo", stderr);
    problems_free(&problems);
    if (!config)
        return 1;
    printf("This configuration is being served:\n\n%s\n"
           "Open https://localhost:%u and accept its self-signed certificate. Ctrl-C ends it.\n",
           demo->config_text, port);
    fflush(stdout);
    return gateway_run(&options, config);
}

int verb_demo(int count, char **arguments) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {0}};
    long port = 8443;
    int letter;
    optind = 1;
    while ((letter = getopt_long(count, arguments, "", options, NULL)) != -1) {
        char *end = NULL;
        if (letter == 'p')
            port = strtol(optarg, &end, 10);
        if (letter != 'p' || *end || port < 1 || port > 65535) {
            if (letter == 'p')
                fprintf(stderr, "ringway: --port wants a number from 1 to 65535, not '%s'\n",
                        optarg);
            return 2;
        }
    }
    struct demo *demo;
    if (tls_library_init() < 0) {
        fprintf(stderr, "ringway: wolfSSL could not be started\n");
        return 1;
    }
    int error = demo_prepare((unsigned)port, &demo);
    if (error < 0) {
        fprintf(stderr, "ringway: the demo could not be set up: %s\n", strerror(-error));
        return 1;
    }
    int status = run_demo(demo, (unsigned)port);
    demo_end(demo);
    return status;
}

// --- schema, version --------------------------------------------------------------------------

int verb_schema(int count, char **arguments) {
    if (count == 1)
        config_schema_print(stdout);
    else if (count == 2 && strcmp(arguments[1], "--man") == 0)
        config_reference_print(stdout);
    else
        return 2;
    return 0;
}

static void print_list(const char *label, const char *const *names) {
    printf("%-12s", label);
    for (; *names; names++)
        printf(" %s", *names);
    printf("\n");
}

static const char *yes_no(bool value) {
    return value ? "yes" : "no";
}

static void print_kernel_tls(void) {
    struct tls_kernel kernel;
    char send[TLS_KERNEL_TEXT_BYTES], receive[TLS_KERNEL_TEXT_BYTES];
    tls_kernel_probe(&kernel);
    if (kernel.why)
        printf("kernel TLS   not with this kernel: %s\n", kernel.why);
    else
        printf("kernel TLS   send: %s; receive: %s; key updates: %s\n",
               tls_kernel_describe(&kernel, TLS_SEND, send),
               tls_kernel_describe(&kernel, TLS_RECEIVE, receive), yes_no(kernel.rekeys));
}

int verb_version(int count, char **arguments) {
    (void)arguments;
    if (count != 1)
        return 2;
    int major, minor, patch;
    yaml_get_version(&major, &minor, &patch);
    struct utsname kernel;
    uname(&kernel);
    struct tls_library tls = tls_library_info();
    printf("ringway      %s\n", RINGWAY_VERSION);
    printf("wolfSSL      %s (assembly: %s, post-quantum key exchange: %s, key updates: %s)\n",
           tls.version, yes_no(tls.assembly), yes_no(tls.post_quantum), yes_no(tls.key_update));
    print_list("suites", tls.suites);
    print_list("groups", tls.groups);
    printf("liburing     %d.%d\n", io_uring_major_version(), io_uring_minor_version());
    printf("llhttp       %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
           LLHTTP_VERSION_PATCH);
    printf("libyaml      %d.%d.%d\n", major, minor, patch);
    printf("jansson      %s\n", jansson_version_str());
    printf("microhttpd   %s\n", MHD_get_version());
    printf("kernel       %s %s\n", kernel.sysname, kernel.release);

    print_kernel_tls();
    struct ring_features features;
    char why[256];
    if (ring_probe(&features, why, sizeof why) < 0) {
        printf("io_uring     not usable: %s\n", why);
        return 0;
    }
    printf("io_uring     multishot accept: %s, multishot receive: %s, deferred task work: %s, "
           "peek offset: %s\n",
           yes_no(features.accept_multishot), yes_no(features.recv_multishot),
           yes_no(features.defer_taskrun), yes_no(features.peek_offset));
    return 0;
}
