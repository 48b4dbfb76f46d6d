// SPDX-License-Identifier: Apache-2.0
//
// From the configuration to a store: certificates of sites, common certificates from files and
// folders, and a warning for every host that nothing covers.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/store.h"

struct loading {
    const struct config *config;
    struct tls_store *store;
    struct tls_tickets *tickets;
    time_t now;
    struct problems *problems;
    struct tls_certificate **common; // for the check of coverage; the store owns them
    size_t common_count;
};

static void site_load(struct loading *loading, const struct conf_site *site, void *tag);
static void common_load(struct loading *loading, const struct conf_certificate *from);
static void coverage_check(const struct loading *loading, const struct conf_site *site);
static bool has_tls_listener(const struct config *config);

struct tls_store *tls_store_load(const struct config *config, void *const sites[],
                                 struct tls_tickets *tickets, time_t now,
                                 struct problems *problems) {
    size_t errors_before = problems->errors;
    struct loading loading = {.config = config,
                              .store = tls_store_new(config->unknown_sni),
                              .tickets = tickets,
                              .now = now,
                              .problems = problems};
    for (size_t i = 0; i < config->site_count; i++)
        site_load(&loading, &config->sites[i], sites[i]);
    for (size_t i = 0; i < config->certificate_count; i++)
        common_load(&loading, &config->certificates[i]);
    if (has_tls_listener(config) && problems->errors == errors_before)
        for (size_t i = 0; i < config->site_count; i++)
            coverage_check(&loading, &config->sites[i]);
    free(loading.common);
    if (problems->errors == errors_before)
        return loading.store;
    tls_store_free(loading.store);
    return NULL;
}

static bool has_tls_listener(const struct config *config) {
    for (size_t i = 0; i < config->listen_count; i++)
        if (config->listens[i].kind == LISTEN_TLS)
            return true;
    return false;
}

// --- sites -------------------------------------------------------------------------------------

static bool covered(struct tls_certificate *const *certificates, size_t count, const char *host) {
    for (size_t i = 0; i < count; i++)
        if (tls_certificate_covers(certificates[i], host))
            return true;
    return false;
}

static void own_coverage_check(const struct loading *loading, const struct conf_site *site,
                               struct tls_certificate *const *certificates, size_t count) {
    for (size_t i = 0; i < site->host_count; i++)
        if (strcmp(site->hosts[i], "*") != 0 && !covered(certificates, count, site->hosts[i]))
            problems_add(loading->problems, PROBLEM_WARNING, site->certificates[0].pos,
                         "no certificate of this site is made out to \"%s\"", site->hosts[i]);
}

static void site_load(struct loading *loading, const struct conf_site *site, void *tag) {
    struct tls_certificate **certificates =
        calloc(site->certificate_count + 1, sizeof(*certificates));
    size_t count = 0;
    if (certificates == NULL)
        abort();
    for (size_t i = 0; i < site->certificate_count; i++) {
        struct tls_certificate *certificate = tls_certificate_load(
            &site->certificates[i], loading->tickets, loading->now, loading->problems);
        if (certificate == NULL)
            continue;
        tls_store_own(loading->store, certificate);
        certificates[count++] = certificate;
    }
    for (size_t i = 0; i < site->host_count; i++)
        tls_store_add_host(loading->store, site->hosts[i], tag, site->min_version, certificates,
                           count);
    if (count > 0)
        own_coverage_check(loading, site, certificates, count);
    free(certificates);
}

// --- common certificates -----------------------------------------------------------------------

static void common_load_file(struct loading *loading, const struct conf_certificate *from) {
    struct tls_certificate *certificate =
        tls_certificate_load(from, loading->tickets, loading->now, loading->problems);
    if (certificate == NULL)
        return;
    struct tls_certificate **grown =
        realloc(loading->common, (loading->common_count + 1) * sizeof(*grown));
    if (grown == NULL)
        abort();
    loading->common = grown;
    loading->common[loading->common_count++] = certificate;
    tls_store_add_common(loading->store, certificate);
}

static int is_pem(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".pem") == 0;
}

static void common_load_folder(struct loading *loading, const struct conf_certificate *from) {
    struct dirent **entries;
    int count = scandir(from->certificate_path, &entries, is_pem, alphasort);
    if (count < 0) {
        problems_add(loading->problems, PROBLEM_ERROR, from->pos, "cannot read \"%s\": %s",
                     from->certificate_path, strerror(errno));
        return;
    }
    if (count == 0)
        problems_add(loading->problems, PROBLEM_WARNING, from->pos, "no *.pem file in \"%s\"",
                     from->certificate_path);
    for (int i = 0; i < count; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", from->certificate_path, entries[i]->d_name) < 0)
            abort();
        struct conf_certificate file = {from->pos, from->key_pos, path, path};
        common_load_file(loading, &file);
        free(path);
        free(entries[i]);
    }
    free(entries);
}

static void common_load(struct loading *loading, const struct conf_certificate *from) {
    struct stat stat_buffer;
    if (stat(from->certificate_path, &stat_buffer) == 0 && S_ISDIR(stat_buffer.st_mode))
        common_load_folder(loading, from);
    else
        common_load_file(loading, from);
}

// --- coverage ----------------------------------------------------------------------------------

// Sites with certificates of their own were checked when they were loaded.
static void coverage_check(const struct loading *loading, const struct conf_site *site) {
    bool rejects = loading->config->unknown_sni == UNKNOWN_SNI_REJECT;
    if (site->certificate_count > 0)
        return;
    for (size_t i = 0; i < site->host_count; i++)
        if (strcmp(site->hosts[i], "*") != 0 &&
            !covered(loading->common, loading->common_count, site->hosts[i]))
            problems_add(loading->problems, PROBLEM_WARNING, site->pos,
                         "no certificate is made out to \"%s\": its TLS clients get %s",
                         site->hosts[i],
                         rejects ? "the alert unrecognized_name" : "the default certificate");
}
