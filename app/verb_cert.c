// SPDX-License-Identifier: Apache-2.0
//
// `ringway cert`: what there is is read from the state folder, whether a gateway runs or not; what
// is to be done is asked of the gateway that runs, because it is the one that answers on the ports.
#include "app/verb.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/revoke.h"
#include "app/cert_print.h"
#include "app/control.h"
#include "app/problems.h"
#include "core/config.h"
#include "core/str.h"
#include "tls/library.h"

#define POLL_MS 300

struct cert_options {
    const char *config_path;
    bool json;
    const char *reason; // of a revocation; NULL: not given
    char **names;       // of sites; none: all
    int name_count;
};

static bool read_options(int count, char **arguments, struct cert_options *options) {
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"reason", required_argument, NULL, 'r'},
                                          {0}};
    int letter;
    optind = 1;
    while ((letter = getopt_long(count, arguments, "c:", known, NULL)) != -1) {
        if (letter == 'c')
            options->config_path = optarg;
        else if (letter == 'j')
            options->json = true;
        else if (letter == 'r')
            options->reason = optarg;
        else
            return false;
    }
    options->names = arguments + optind;
    options->name_count = count - optind;
    if (!options->config_path)
        fprintf(stderr, "ringway: which configuration? Give it with -c FILE\n");
    return options->config_path != NULL;
}

static struct config *load(const char *path) {
    struct problems problems = {0};
    struct config *config = config_load(path, &problems);
    if (!config)
        problems_print(&problems, path, stderr);
    problems_free(&problems);
    return config;
}

static bool is_wanted(const struct cert_options *options, const struct conf_site *site) {
    for (int i = 0; i < options->name_count; i++)
        if (strcmp(options->names[i], site->name) == 0)
            return site->managed_count > 0;
    return options->name_count == 0 && site->managed_count > 0;
}

static const struct conf_site *site_find(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->site_count; i++)
        if (strcmp(name, config->sites[i].name) == 0 && config->sites[i].managed_count > 0)
            return &config->sites[i];
    return NULL;
}

// The site in whose certificate a name is; NULL: none.
static const struct conf_site *site_with(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        for (size_t j = 0; site->managed_count > 0 && j < site->acme_host_count; j++)
            if (strcmp(name, site->acme_hosts[j]) == 0)
                return site;
    }
    return NULL;
}

// False after saying which of the names is no site with a certificate by ACME.
static bool names_check(const struct cert_options *options, const struct config *config) {
    for (int i = 0; i < options->name_count; i++) {
        const char *name = options->names[i];
        if (site_find(config, name))
            continue;
        const struct conf_site *site = site_with(config, name);
        if (site)
            fprintf(stderr, "ringway: '%s' is in the certificate of the site '%s': name that\n",
                    name, site->name);
        else
            fprintf(stderr, "ringway: no site '%s' gets its certificate by ACME in %s\n", name,
                    options->config_path);
        return false;
    }
    return true;
}

// --- list, show -------------------------------------------------------------------------------

// False after saying that what is in the folder cannot be seen. One that is not there yet is empty.
static bool folder_check(const char *state_dir) {
    if (access(state_dir, R_OK | X_OK) == 0 || errno == ENOENT)
        return true;
    fprintf(stderr, "ringway: the state folder %s: %s; ask as root or as the gateway's user\n",
            state_dir, strerror(errno));
    return false;
}

static int show(const struct cert_options *options, const struct config *config,
                enum cert_form form) {
    if (!folder_check(config->acme.state_dir))
        return 1;
    struct cert_printer *printer = cert_printer_new(options->json ? CERT_JSON : form);
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        for (size_t j = 0; is_wanted(options, site) && j < site->managed_count; j++)
            cert_print(printer, &config->acme, &site->managed[j]);
    }
    cert_printer_end(printer);
    return 0;
}

// --- what is asked of the gateway -------------------------------------------------------------

// How it went, with the gateway's answer in words: a line, or an entry of `outcomes`.
static void outcome_tell(json_t *outcomes, const char *what, bool done, const char *answer) {
    static const char failed[] = "failed: ";
    if (!outcomes) {
        fprintf(done ? stdout : stderr, "%s: %s", what[0] ? what : "accounts", answer);
        return;
    }
    const char *error = strncmp(answer, failed, strlen(failed)) ? answer : answer + strlen(failed);
    json_t *outcome = json_pack("{s:b}", "done", done);
    if (what[0])
        json_object_set_new(outcome, "site", json_string(what));
    if (!done)
        json_object_set_new(outcome, "error", json_stringn(error, strcspn(error, "\n")));
    json_array_append_new(outcomes, outcome);
}

// Waits for the gateway to be done with `what`, a site or "" for the accounts' keys, and tells how
// that went. Returns the exit status.
static int wait_for(const char *path, const char *what, json_t *outcomes) {
    char command[512], *answer;
    size_t size;
    for (;; usleep(POLL_MS * 1000)) {
        FILE *out = open_memstream(&answer, &size);
        if (!out)
            return 1;
        snprintf(command, sizeof command, "cert progress %s", what);
        int status = control_send(path, command, out);
        fclose(out);
        bool working = status == 0 && strcmp(answer, "working\n") == 0;
        bool done = status == 0 && strcmp(answer, "done\n") == 0;
        if (!working)
            outcome_tell(outcomes, what, done, answer);
        free(answer);
        if (!working)
            return done ? 0 : 1;
    }
}

// Drops `outcomes`.
static void outcomes_print(json_t *outcomes) {
    if (outcomes) {
        json_dumpf(outcomes, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(outcomes);
}

static int ask(const struct cert_options *options, const struct config *config, const char *verb) {
    char command[512];
    int status = 0;
    for (size_t i = 0; i < config->site_count; i++) {
        if (!is_wanted(options, &config->sites[i]))
            continue;
        snprintf(command, sizeof command, "cert %s %s %s", verb, config->sites[i].name,
                 options->reason ? options->reason : "");
        if (control_send(options->config_path, command, stderr) != 0)
            return 1;
    }
    json_t *outcomes = options->json ? json_array() : NULL;
    for (size_t i = 0; i < config->site_count; i++)
        if (is_wanted(options, &config->sites[i]))
            status |= wait_for(options->config_path, config->sites[i].name, outcomes);
    outcomes_print(outcomes);
    return status;
}

// Sites must be named, so that nobody takes back all of them by mistake.
static int take_back(struct cert_options *options, const struct config *config, const char *verb) {
    if (!options->reason)
        options->reason = "unspecified";
    if (acme_revoke_reason(options->reason) < 0) {
        fprintf(stderr, "ringway: --reason is " ACME_REVOKE_REASONS ", not '%s'\n",
                options->reason);
        return 2;
    }
    if (options->name_count == 0) {
        fprintf(stderr, "ringway: which site's certificate is to be revoked?\n");
        return 2;
    }
    return ask(options, config, verb);
}

static int rollover(struct cert_options *options, const struct config *config, const char *verb) {
    (void)config, (void)verb;
    if (options->name_count > 0) {
        fprintf(stderr, "ringway: rollover is for all accounts, and takes no site\n");
        return 2;
    }
    int status = control_send(options->config_path, "cert rollover", stderr);
    if (status != 0)
        return status;
    json_t *outcomes = options->json ? json_array() : NULL;
    status = wait_for(options->config_path, "", outcomes);
    outcomes_print(outcomes);
    return status;
}

// --- verbs ------------------------------------------------------------------------------------

static int list(struct cert_options *options, const struct config *config, const char *verb) {
    (void)verb;
    return show(options, config, CERT_LINES);
}

static int details(struct cert_options *options, const struct config *config, const char *verb) {
    (void)verb;
    return show(options, config, CERT_DETAILS);
}

static int issue(struct cert_options *options, const struct config *config, const char *verb) {
    return ask(options, config, verb);
}

static const struct {
    const char *name;
    int (*run)(struct cert_options *options, const struct config *config, const char *verb);
} verbs[] = {{"list", list},   {"show", details},     {"issue", issue},
             {"renew", issue}, {"revoke", take_back}, {"rollover", rollover}};

int verb_cert(int count, char **arguments) {
    struct cert_options options = {0};
    const char *verb = count > 1 ? arguments[1] : "";
    size_t place = 0, verb_count = sizeof verbs / sizeof verbs[0];
    while (place < verb_count && strcmp(verb, verbs[place].name) != 0)
        place++;
    if (place == verb_count || !read_options(count - 1, arguments + 1, &options))
        return 2;
    if (options.reason && verbs[place].run != take_back) {
        fprintf(stderr, "ringway: --reason is for revoke\n");
        return 2;
    }
    struct config *config = load(options.config_path);
    if (!config || tls_library_init() < 0) {
        config_free(config);
        return 1;
    }
    int status = names_check(&options, config) ? verbs[place].run(&options, config, verb) : 1;
    tls_library_cleanup();
    config_free(config);
    return status;
}
