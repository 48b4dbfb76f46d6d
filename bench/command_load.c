// SPDX-License-Identifier: Apache-2.0
#include "bench/command.h"

#include "bench/load.h"
#include "bench/options.h"
#include "bench/payload.h"
#include "bench/report.h"
#include "bench/upgrade.h"
#include "tls/library.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const tls_versions[] = {"1.3", "1.2", NULL};
static const char *const tls_groups[] = {"X25519", "P-256", "P-384", "X25519MLKEM768", NULL};

struct load_arguments {
    uint64_t connections, duration_ms, warmup_ms, rate, read_bytes, ramp_ms, timeout_ms, threads;
    int mode;                   // enum load_mode; -1: not given
    int answer;                 // enum load_answer
    int tls_version, tls_group; // places in the lists above
    bool resumes, is_quiet, is_text;
    const char *sizes; // NULL: not given
    const char *message_path, *dial, *cipher, *ca_path, *certificate_path, *key_path, *json_path;
    const char *pids;
    struct option_list fields;
};

#define AT(member) offsetof(struct load_arguments, member)

static const struct option_row rows[] = {
    {.name = "connections",
     .letter = 'c',
     .kind = OPTION_COUNT,
     .offset = AT(connections),
     .min = 1,
     .max = 1000000,
     .argument = "N",
     .help = "how many clients (64)"},
    {.name = "size",
     .letter = 's',
     .kind = OPTION_TEXT,
     .offset = AT(sizes),
     .argument = "BYTES",
     .help = "of each message: 128, 16K, 1M; or a mix with weights:\n"
             "128:90,4K:9,64K:1 (128)"},
    {.name = "duration",
     .letter = 'd',
     .kind = OPTION_DURATION,
     .offset = AT(duration_ms),
     .min = 100,
     .max = 604800000,
     .argument = "TIME",
     .help = "what is measured: 500ms, 10s, 2m (10s)"},
    {.name = "mode",
     .letter = 'm',
     .kind = OPTION_CHOICE,
     .offset = AT(mode),
     .choices = load_mode_names,
     .argument = "MODE",
     .help = "ping-pong: each client has one message under way (default)\n"
             "open-loop: messages at --rate, whatever comes back\n"
             "hold: one message each, then silence\n"
             "storm: connect, upgrade, close, and again\n"
             "upload: messages without end to a sink\n"
             "download: messages without end from a source\n"
             "slow-reader: the same, read at --read-rate\n"
             "broadcast: messages at --rate, each to all other clients"},
    {.name = "message",
     .kind = OPTION_TEXT,
     .offset = AT(message_path),
     .argument = "FILE",
     .help = "send what is in this file, as every message"},
    {.name = "answer",
     .kind = OPTION_CHOICE,
     .offset = AT(answer),
     .choices = load_answer_names,
     .argument = "KIND",
     .help = "what the server does with a message:\n"
             "echo: sends it back, which is verified (default)\n"
             "any: answers with one message, whatever it says\n"
             "none: nothing that is waited for (not with ping-pong)"},
    {.name = "text",
     .kind = OPTION_FLAG,
     .offset = AT(is_text),
     .argument = "",
     .help = "send text messages instead of binary ones"},
    {.name = "rate",
     .letter = 'r',
     .kind = OPTION_COUNT,
     .offset = AT(rate),
     .min = 1,
     .max = 100000000,
     .argument = "N",
     .help = "messages a second, of all clients together; latency counts\n"
             "from when a message was due. Implies --mode open-loop"},
    {.name = "read-rate",
     .kind = OPTION_SIZE,
     .offset = AT(read_bytes),
     .max = UINT64_C(1) << 40,
     .argument = "BYTES",
     .help = "what a slow reader takes in a second (0: nothing)"},
    {.name = "threads",
     .letter = 't',
     .kind = OPTION_COUNT,
     .offset = AT(threads),
     .min = 1,
     .max = 256,
     .argument = "N",
     .help = "threads of load (1)"},
    {.name = "warmup",
     .letter = 'w',
     .kind = OPTION_DURATION,
     .offset = AT(warmup_ms),
     .max = 3600000,
     .argument = "TIME",
     .help = "load before what is measured (1s)"},
    {.name = "ramp",
     .kind = OPTION_DURATION,
     .offset = AT(ramp_ms),
     .max = 86400000,
     .argument = "TIME",
     .help = "open the connections over this time (as fast as they open)"},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .offset = AT(timeout_ms),
     .min = 100,
     .max = 3600000,
     .argument = "TIME",
     .help = "for opening, for an echo, for closing (10s)"},
    {.name = "connect",
     .kind = OPTION_TEXT,
     .offset = AT(dial),
     .argument = "HOST[:PORT]",
     .help = "connect there; Host field, SNI and the name in the\n"
             "certificate stay the URL's"},
    {.name = "header",
     .letter = 'H',
     .kind = OPTION_LIST,
     .offset = AT(fields),
     .argument = "FIELD",
     .help = "one more field of the request, \"Name: value\"; repeatable"},
    {.name = "tls",
     .kind = OPTION_CHOICE,
     .offset = AT(tls_version),
     .choices = tls_versions,
     .argument = "VERSION",
     .help = "1.3 or 1.2 (1.3)"},
    {.name = "group",
     .kind = OPTION_CHOICE,
     .offset = AT(tls_group),
     .choices = tls_groups,
     .argument = "GROUP",
     .help = "X25519, P-256, P-384, X25519MLKEM768 (X25519)"},
    {.name = "cipher",
     .kind = OPTION_TEXT,
     .offset = AT(cipher),
     .argument = "NAME",
     .help = "cipher suite (AES-128-GCM of the version)"},
    {.name = "resume",
     .kind = OPTION_FLAG,
     .offset = AT(resumes),
     .argument = "",
     .help = "resume the TLS session of an earlier connection"},
    {.name = "ca",
     .kind = OPTION_TEXT,
     .offset = AT(ca_path),
     .argument = "FILE",
     .help = "verify the certificate against these (not verified)"},
    {.name = "cert",
     .kind = OPTION_TEXT,
     .offset = AT(certificate_path),
     .argument = "FILE",
     .help = "show the certificate in this file to a server that asks"},
    {.name = "key",
     .kind = OPTION_TEXT,
     .offset = AT(key_path),
     .argument = "FILE",
     .help = "its private key (in the certificate's file)"},
    {.name = "pid",
     .kind = OPTION_TEXT,
     .offset = AT(pids),
     .argument = "PID,...",
     .help = "the server's processes, when on this machine: their CPU\n"
             "time and memory are reported too"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = AT(is_quiet),
     .argument = "",
     .help = "no progress on stderr"},
    {.name = "json",
     .kind = OPTION_TEXT,
     .offset = AT(json_path),
     .argument = "FILE",
     .help = "write the result as JSON (- is stdout, instead of the table)"},
    {0},
};

static void help(void) {
    printf("ringway-bench load URL [OPTION...]\n\n"
           "Puts load on a WebSocket server at ws:// or wss://. One that echoes has every echo\n"
           "checked; for others there are --message and --answer. {n} in the URL's path is the\n"
           "number of the client.\n\n");
    options_help(stdout, rows);
    printf("\nExamples; ringway-bench(1) tells more:\n"
           "  ringway-bench load wss://host/path -c 1000 -s 512 -d 30s\n"
           "  ringway-bench load wss://host/path -c 1000 --rate 5000 --json result.json\n"
           "  ringway-bench load wss://host/rpc --message request.json --text --answer any\n");
}

static int usage_error(const char *why) {
    fprintf(stderr, "ringway-bench: %s\nTry: ringway-bench load --help\n", why);
    return EXIT_USAGE;
}

static int run_error(const char *why) {
    fprintf(stderr, "ringway-bench: %s\n", why);
    return EXIT_FAILURE;
}

// NULL, or what is wrong with one more field of the request.
static const char *field_refusal(const char *text) {
    const char *colon = strchr(text, ':');
    struct str name = {text, colon ? (size_t)(colon - text) : 0};
    if (name.len == 0 || strcspn(text, " \t") < name.len || strpbrk(text, "\r\n"))
        return "must be \"Name: value\"";
    if (upgrade_writes_field(name))
        return "the opening handshake has this field of its own";
    return NULL;
}

// Joins the fields to header lines. Allocated; NULL with a sentence in `why`.
static char *fields_join(const struct option_list *fields, char *why, size_t why_size) {
    size_t size = 1;
    for (size_t i = 0; i < fields->count; i++) {
        const char *refusal = field_refusal(fields->items[i]);
        if (refusal) {
            snprintf(why, why_size, "--header %s: %s", fields->items[i], refusal);
            return NULL;
        }
        size += strlen(fields->items[i]) + 2;
    }
    if (size > CHANNEL_WRITE_MAX / 2) {
        snprintf(why, why_size, "--header: more than %d bytes in all", CHANNEL_WRITE_MAX / 2);
        return NULL;
    }
    char *joined = calloc(1, size);
    size_t n = 0;
    for (size_t i = 0; joined && i < fields->count; i++)
        n += (size_t)sprintf(joined + n, "%s\r\n", fields->items[i]);
    if (!joined)
        snprintf(why, why_size, "out of memory");
    return joined;
}

static bool is_fed(enum load_mode mode) {
    return mode == LOAD_DOWNLOAD || mode == LOAD_SLOW;
}

// Whether the mode asks no more of a server than that it takes messages.
static bool is_for_any_server(enum load_mode mode) {
    return mode == LOAD_PING_PONG || mode == LOAD_OPEN_LOOP || mode == LOAD_HOLD;
}

// NULL, or why messages and answers as asked for do not go with the mode.
static const char *message_refusal(const struct load_arguments *arguments) {
    enum load_mode mode = (enum load_mode)arguments->mode;
    if (arguments->message_path && arguments->sizes)
        return "--size does not go with --message, which has its own";
    if (arguments->message_path && !is_for_any_server(mode) && mode != LOAD_UPLOAD)
        return "--message goes with --mode ping-pong, open-loop, hold and upload only";
    if (arguments->answer != ANSWER_ECHO && !is_for_any_server(mode) && mode != LOAD_STORM)
        return "--answer goes with --mode ping-pong, open-loop, hold and storm only";
    if (arguments->answer == ANSWER_NONE && mode == LOAD_PING_PONG)
        return "--answer none goes with --rate or --mode hold only: ping-pong waits for answers";
    return NULL;
}

// Settles on a mode. NULL, or what does not go with it.
static const char *mode_choose(struct load_arguments *arguments) {
    bool is_paced = arguments->rate > 0;
    if (arguments->mode < 0)
        arguments->mode = is_paced ? LOAD_OPEN_LOOP : LOAD_PING_PONG;
    enum load_mode mode = (enum load_mode)arguments->mode;
    bool wants_rate = mode == LOAD_OPEN_LOOP || mode == LOAD_BROADCAST;
    if (is_paced && !wants_rate)
        return "--rate goes with --mode open-loop or broadcast only";
    if (!is_paced && wants_rate)
        return "--mode open-loop and broadcast need --rate";
    if (arguments->read_bytes > 0 && mode != LOAD_SLOW)
        return "--read-rate goes with --mode slow-reader only";
    if (arguments->is_text && is_fed(mode))
        return "--text does not go with --mode download and slow-reader, which send nothing";
    if (mode == LOAD_BROADCAST && arguments->connections < 2)
        return "--mode broadcast needs two connections or more";
    return message_refusal(arguments);
}

static bool sizes_choose(struct size_mix *sizes, const struct load_arguments *arguments, char *why,
                         size_t why_size) {
    const char *text = arguments->sizes ? arguments->sizes : "128";
    if (!size_mix_parse(sizes, str_from(text))) {
        snprintf(why, why_size,
                 "--size %s: must be a size such as 4K, or SIZE:WEIGHT,... (up to %d)", text,
                 SIZE_MIX_MAX);
        return false;
    }
    for (size_t i = 0; arguments->mode == LOAD_BROADCAST && i < sizes->count; i++)
        if (sizes->parts[i].message_bytes < DIALOG_STAMP_BYTES) {
            snprintf(why, why_size,
                     "--size %s: a broadcast message has at least %d bytes, which say whose it is",
                     text, DIALOG_STAMP_BYTES);
            return false;
        }
    return true;
}

// Reads the message that is to be sent, allocated, where there is one, and sizes that say so.
static bool message_choose(struct load_plan *plan, const char *path, char *why, size_t why_size) {
    if (!path)
        return true;
    char size[32];
    if (!payload_read(&plan->message, path, why, why_size))
        return false;
    snprintf(size, sizeof size, "%zu", plan->message.len);
    bool is_size = size_mix_parse(&plan->sizes, str_from(size));
    assert(is_size);
    return true;
}

static bool settings_fill(struct load_settings *settings, struct load_arguments *arguments,
                          const char *url, char *why, size_t why_size) {
    if (!url) {
        snprintf(why, why_size, "load needs a URL, such as wss://host/path");
        return false;
    }
    const char *refusal = mode_choose(arguments);
    if (refusal) {
        snprintf(why, why_size, "%s", refusal);
        return false;
    }
    if (arguments->key_path && !arguments->certificate_path) {
        snprintf(why, why_size, "--key goes with --cert only");
        return false;
    }
    if (arguments->pids && !process_set_parse(&settings->server, arguments->pids)) {
        snprintf(why, why_size, "--pid %s: no such process", arguments->pids);
        return false;
    }
    struct size_mix sizes;
    if (!sizes_choose(&sizes, arguments, why, why_size))
        return false;
    uint64_t connections = arguments->connections;
    settings->warmup_ms = arguments->warmup_ms;
    settings->duration_ms = arguments->duration_ms;
    settings->progress = arguments->is_quiet     ? LOAD_QUIET
                         : isatty(STDERR_FILENO) ? LOAD_LIVE
                                                 : LOAD_LINES;
    settings->plan = (struct load_plan){
        .mode = (enum load_mode)arguments->mode,
        .answer = (enum load_answer)arguments->answer,
        .connections = connections,
        .threads = arguments->threads < connections ? arguments->threads : connections,
        .sizes = sizes,
        .opcode = arguments->is_text ? OPCODE_TEXT : OPCODE_BINARY,
        .read_bytes = arguments->read_bytes,
        .rate = arguments->rate,
        .ramp_ms = arguments->ramp_ms,
        .timeout_ms = arguments->timeout_ms,
        .tls = {.version = tls_versions[arguments->tls_version],
                .group = tls_groups[arguments->tls_group],
                .resumes = arguments->resumes,
                .cipher = arguments->cipher,
                .ca_path = arguments->ca_path,
                .certificate_path = arguments->certificate_path,
                .key_path = arguments->key_path},
    };
    struct target *target = &settings->plan.target;
    if (!target_parse(target, url, why, why_size))
        return false;
    if (!arguments->dial || target_dial(target, arguments->dial))
        return true;
    snprintf(why, why_size,
             "--connect %s: must be HOST or HOST:PORT; an IPv6 address stands in brackets: [::1]",
             arguments->dial);
    return false;
}

static bool is_clean(const struct load_result *result) {
    const struct load_stats *stats = &result->stats;
    return result->seconds > 0 && stats->opened > 0 && stats->unanswered == 0 &&
           failure_total(&stats->failures) == 0;
}

// Plays what the settings say and reports it.
static int run(struct load_settings *settings, struct report *report) {
    char why[300];
    struct load_plan *plan = &settings->plan;
    if (!target_resolve(&plan->target, why, sizeof why) ||
        ring_probe(&plan->features, why, sizeof why) < 0)
        return run_error(why);
    if (tls_library_init() < 0)
        return run_error("wolfSSL could not be started");
    struct load_result *result = calloc(1, sizeof *result);
    if (!result)
        return run_error("out of memory");
    bool is_good = load_run(settings, result, why, sizeof why) &&
                   report_write(report, settings, result, why, sizeof why);
    if (!is_good)
        run_error(why);
    is_good = is_good && is_clean(result);
    tls_library_cleanup();
    free(result);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_load(int argc, char **argv) {
    char why[300];
    const char *url = NULL;
    struct load_arguments arguments = {.connections = 64,
                                       .duration_ms = 10000,
                                       .warmup_ms = 1000,
                                       .timeout_ms = 10000,
                                       .threads = 1,
                                       .mode = -1};
    if (options_want_help(argc, argv)) {
        help();
        return EXIT_SUCCESS;
    }
    struct load_settings settings = {0};
    if (options_parse(rows, &arguments, argc, argv, &url, 1, why, sizeof why) < 0 ||
        !settings_fill(&settings, &arguments, url, why, sizeof why))
        return usage_error(why);
    char *fields = fields_join(&arguments.fields, why, sizeof why);
    if (!fields)
        return usage_error(why);
    settings.plan.fields = fields;
    struct report report;
    int code = EXIT_FAILURE;
    if (message_choose(&settings.plan, arguments.message_path, why, sizeof why) &&
        report_open(&report, arguments.json_path, why, sizeof why)) {
        code = run(&settings, &report);
        report_close(&report);
    } else {
        run_error(why);
    }
    free((char *)settings.plan.message.ptr);
    free(fields);
    return code;
}
