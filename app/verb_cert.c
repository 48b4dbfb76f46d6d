// SPDX-License-Identifier: Apache-2.0
//
// `ringway cert`: what there is is read from the state folder, whether a gateway runs or not; what
// is to be done is asked of the gateway that runs, because it is the one that answers on the ports.
#include "app/verb.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acme/record.h"
#include "app/control.h"
#include "app/problems.h"
#include "core/config.h"
#include "core/str.h"
#include "tls/library.h"

#define POLL_MS 300
#define DATE_BYTES 40

struct cert_options {
    const char *config_path;
    bool json;
    char **names; // of sites; none: all
    int name_count;
};

static bool read_options(int count, char **arguments, struct cert_options *options) {
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    int letter;
    optind = 1;
    while ((letter = getopt_long(count, arguments, "c:", known, NULL)) != -1) {
        if (letter == 'c')
            options->config_path = optarg;
        else if (letter == 'j')
            options->json = true;
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
            return site->acme_file != NULL;
    return options->name_count == 0 && site->acme_file;
}

// False after saying which of the names is no site with a certificate by ACME.
static bool names_check(const struct cert_options *options, const struct config *config) {
    for (int i = 0; i < options->name_count; i++) {
        bool known = false;
        for (size_t j = 0; j < config->site_count; j++)
            known |=
                strcmp(options->names[i], config->sites[j].name) == 0 && config->sites[j].acme_file;
        if (known)
            continue;
        fprintf(stderr, "ringway: no site '%s' gets its certificate by ACME in %s\n",
                options->names[i], options->config_path);
        return false;
    }
    return true;
}

// --- list, show -------------------------------------------------------------------------------

static const char *date_text(time_t when, char text[DATE_BYTES]) {
    struct tm tm;
    strftime(text, DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &tm));
    return text;
}

static const char *state_of(const struct acme_record *record, const struct conf_site *site) {
    if (!record->has_leaf)
        return "missing";
    if (record->leaf.not_after < time(NULL))
        return "expired";
    if (!acme_leaf_is_for(&record->leaf, site->acme_hosts, site->acme_host_count))
        return "for-other-names";
    return "good";
}

static json_t *names_of(const char *const *names, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *record_json(const struct conf_acme *acme, const struct conf_site *site,
                           const struct acme_record *record) {
    char date[DATE_BYTES];
    const struct acme_leaf *leaf = &record->leaf;
    json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "site", site->name, "state",
                             state_of(record, site), "file", site->acme_file, "wanted_names",
                             names_of(site->acme_hosts, site->acme_host_count));
    if (record->has_leaf) {
        json_object_set_new(json, "names",
                            names_of((const char *const *)leaf->names, leaf->name_count));
        json_object_set_new(json, "issuer", json_string(leaf->issuer));
        json_object_set_new(json, "serial", json_string(leaf->serial));
        json_object_set_new(json, "directory", json_string(record->directory));
        json_object_set_new(json, "not_before", json_string(date_text(leaf->not_before, date)));
        json_object_set_new(json, "not_after", json_string(date_text(leaf->not_after, date)));
    }
    time_t due = acme_record_due(record, acme, site);
    if (due > 0)
        json_object_set_new(json, "next_attempt", json_string(date_text(due, date)));
    if (record->failures > 0) {
        json_object_set_new(json, "failures", json_integer((json_int_t)record->failures));
        json_object_set_new(json, "error", json_string(record->error));
    }
    return json;
}

static void line_print(const struct conf_acme *acme, const struct conf_site *site,
                       const struct acme_record *record) {
    char expires[DATE_BYTES], next[DATE_BYTES];
    time_t due = acme_record_due(record, acme, site);
    printf("%-32s %-16s", site->name, state_of(record, site));
    if (record->has_leaf)
        printf(" until %s", date_text(record->leaf.not_after, expires));
    printf(" next attempt %s", due > time(NULL) ? date_text(due, next) : "now");
    if (record->failures > 0)
        printf(" failed %u times: %s", record->failures, record->error);
    printf("\n");
}

static void details_print(const struct conf_acme *acme, const struct conf_site *site,
                          const struct acme_record *record) {
    char date[DATE_BYTES];
    const struct acme_leaf *leaf = &record->leaf;
    time_t due = acme_record_due(record, acme, site);
    printf("site:          %s\nstate:         %s\nfile:          %s\n", site->name,
           state_of(record, site), site->acme_file);
    if (record->has_leaf) {
        printf("names:        ");
        for (size_t i = 0; i < leaf->name_count; i++)
            printf(" %s", leaf->names[i]);
        printf("\nissuer:        %s\nserial:        %s\n", leaf->issuer, leaf->serial);
        printf("authority:     %s\n", record->directory);
        printf("not before:    %s\n", date_text(leaf->not_before, date));
        printf("not after:     %s\n", date_text(leaf->not_after, date));
    }
    printf("next attempt:  %s\n", due > time(NULL) ? date_text(due, date) : "now");
    if (record->failures > 0)
        printf("failures:      %u\nlast error:    %s\n", record->failures, record->error);
}

enum cert_form { CERT_LINES, CERT_DETAILS };

static int records_print(const struct cert_options *options, const struct config *config,
                         enum cert_form form) {
    json_t *list = json_array();
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        struct acme_record record;
        if (!is_wanted(options, site))
            continue;
        acme_record_read(&config->acme, site, &record);
        if (options->json)
            json_array_append_new(list, record_json(&config->acme, site, &record));
        else if (form == CERT_DETAILS)
            details_print(&config->acme, site, &record);
        else
            line_print(&config->acme, site, &record);
        acme_record_free(&record);
    }
    if (options->json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(list);
    return 0;
}

// --- issue, renew -----------------------------------------------------------------------------

// Waits for the gateway to be done with a site. Returns the exit status.
static int wait_for(const char *path, const char *site) {
    char command[512], *answer;
    size_t size;
    for (;; usleep(POLL_MS * 1000)) {
        FILE *out = open_memstream(&answer, &size);
        if (!out)
            return 1;
        snprintf(command, sizeof command, "cert progress %s", site);
        int status = control_send(path, command, out);
        fclose(out);
        bool working = status == 0 && strcmp(answer, "working\n") == 0;
        bool done = status == 0 && strcmp(answer, "done\n") == 0;
        if (!working)
            fprintf(done ? stdout : stderr, "%s: %s", site, answer);
        free(answer);
        if (!working)
            return done ? 0 : 1;
    }
}

static int ask(const struct cert_options *options, const struct config *config, const char *verb) {
    char command[512];
    int status = 0;
    for (size_t i = 0; i < config->site_count; i++) {
        if (!is_wanted(options, &config->sites[i]))
            continue;
        snprintf(command, sizeof command, "cert %s %s", verb, config->sites[i].name);
        if (control_send(options->config_path, command, stderr) != 0)
            return 1;
    }
    for (size_t i = 0; i < config->site_count; i++)
        if (is_wanted(options, &config->sites[i]))
            status |= wait_for(options->config_path, config->sites[i].name);
    return status;
}

int verb_cert(int count, char **arguments) {
    struct cert_options options = {0};
    const char *verb = count > 1 ? arguments[1] : "";
    bool asks = strcmp(verb, "issue") == 0 || strcmp(verb, "renew") == 0;
    bool shows = strcmp(verb, "show") == 0;
    if (!asks && !shows && strcmp(verb, "list") != 0)
        return 2;
    if (!read_options(count - 1, arguments + 1, &options))
        return 2;
    struct config *config = load(options.config_path);
    if (!config || tls_library_init() < 0) {
        config_free(config);
        return 1;
    }
    int status = 1;
    if (names_check(&options, config))
        status = asks ? ask(&options, config, verb)
                      : records_print(&options, config, shows ? CERT_DETAILS : CERT_LINES);
    tls_library_cleanup();
    config_free(config);
    return status;
}
