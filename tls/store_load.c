// SPDX-License-Identifier: Apache-2.0
//
// From the configuration to a store: certificates of sites, those that ACME keeps for them, common
// certificates from files and folders, and a warning for every host that nothing covers.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/selfsigned.h"
#include "tls/store.h"

#define PLACEHOLDER_DAYS 3650

struct loading {
    const struct config *config;
    struct tls_store *store;
    struct tls_tickets *tickets;
    const struct tls_store *previous;
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
                                 struct tls_tickets *tickets, const struct tls_store *previous,
                                 time_t now, struct problems *problems) {
    size_t errors_before = problems->errors;
    struct loading loading = {.config = config,
                              .store = tls_store_new(config->unknown_sni),
                              .tickets = tickets,
                              .previous = previous,
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

// The certificate of a source: the previous store's, or a new one.
static struct tls_certificate *file_load(const struct loading *loading,
                                         const struct conf_certificate *from) {
    struct tls_certificate *certificate =
        loading->previous ? tls_store_recall(loading->previous, from->certificate_path) : NULL;
    if (certificate == NULL)
        certificate = tls_certificate_load(from, loading->tickets, loading->now, loading->problems);
    if (certificate != NULL)
        tls_store_remember(loading->store, from->certificate_path, certificate);
    return certificate;
}

static struct tls_certificate *acme_load(struct loading *loading,
                                         const struct conf_managed *managed);
static struct tls_certificate *placeholder_load(struct loading *loading,
                                                const struct conf_site *site);

static void site_load(struct loading *loading, const struct conf_site *site, void *tag) {
    struct tls_certificate **certificates =
        calloc(site->certificate_count + site->managed_count + 1, sizeof(*certificates));
    size_t count = 0;
    if (certificates == NULL)
        abort();
    for (size_t i = 0; i < site->certificate_count; i++) {
        struct tls_certificate *certificate = file_load(loading, &site->certificates[i]);
        if (certificate == NULL)
            continue;
        tls_store_own(loading->store, certificate);
        certificates[count++] = certificate;
    }
    if (count > 0)
        own_coverage_check(loading, site, certificates, count);
    for (size_t i = 0; i < site->managed_count; i++) {
        struct tls_certificate *certificate = acme_load(loading, &site->managed[i]);
        if (certificate == NULL)
            continue;
        tls_store_own(loading->store, certificate);
        certificates[count++] = certificate;
    }
    if (site->managed_count > 0 && count == 0) {
        certificates[count] = placeholder_load(loading, site);
        tls_store_own(loading->store, certificates[count++]);
    }
    for (size_t i = 0; i < site->host_count; i++)
        tls_store_add_host(loading->store, site->hosts[i], tag, site->min_version, certificates,
                           count);
    free(certificates);
}

// --- ACME --------------------------------------------------------------------------------------

static struct tls_certificate *acme_file_load(struct loading *loading,
                                              const struct conf_managed *managed);
// Renewals replace the file, so what the previous store read is still good if the file is the same.
static struct tls_certificate *acme_load(struct loading *loading,
                                         const struct conf_managed *managed) {
    char source[PATH_MAX + 64];
    struct stat status;
    bool there = stat(managed->file, &status) == 0;
    snprintf(source, sizeof source, "%s %llu %lld.%ld", managed->file,
             there ? (unsigned long long)status.st_ino : 0,
             there ? (long long)status.st_mtim.tv_sec : 0, there ? status.st_mtim.tv_nsec : 0);
    struct tls_certificate *certificate =
        loading->previous ? tls_store_recall(loading->previous, source) : NULL;
    if (certificate == NULL && there)
        certificate = acme_file_load(loading, managed);
    if (certificate != NULL)
        tls_store_remember(loading->store, source, certificate);
    return certificate;
}

// What is wrong with it is a warning only: ACME will replace it.
static struct tls_certificate *acme_file_load(struct loading *loading,
                                              const struct conf_managed *managed) {
    struct conf_certificate from = {managed->site->pos, managed->site->pos, managed->file,
                                    managed->file};
    struct problems problems = {0};
    struct tls_certificate *certificate =
        tls_certificate_load(&from, loading->tickets, loading->now, &problems);
    if (certificate == NULL)
        problems_add(
            loading->problems, PROBLEM_WARNING, managed->site->pos,
            "%s; \"%s\" is served with a self-signed placeholder, or its other certificate, "
            "until ACME has got a new one",
            problems.count > 0 ? problems.items[0].text : managed->file, managed->site->name);
    problems_free(&problems);
    return certificate;
}

static struct tls_certificate *placeholder_make(struct loading *loading,
                                                const struct conf_site *site);

// The previous store's, or a new one.
static struct tls_certificate *placeholder_load(struct loading *loading,
                                                const struct conf_site *site) {
    char source[PATH_MAX];
    snprintf(source, sizeof source, "placeholder %s", site->name);
    struct tls_certificate *certificate =
        loading->previous ? tls_store_recall(loading->previous, source) : NULL;
    if (certificate == NULL)
        certificate = placeholder_make(loading, site);
    tls_store_remember(loading->store, source, certificate);
    return certificate;
}

// Nobody trusts it, so one name is enough.
static struct tls_certificate *placeholder_make(struct loading *loading,
                                                const struct conf_site *site) {
    struct conf_certificate from = {site->pos, site->pos, "placeholder", "placeholder"};
    struct tls_selfsigned made;
    if (tls_selfsigned_make(site->acme_hosts, 1, PLACEHOLDER_DAYS, &made) < 0)
        abort(); // the name was checked: the library or memory has failed at the start
    struct tls_certificate *certificate =
        tls_certificate_parse(str_from(made.certificate), str_from(made.key), &from,
                              loading->tickets, loading->now, loading->problems);
    explicit_bzero(&made, sizeof made);
    if (certificate == NULL)
        abort();
    return certificate;
}

// --- common certificates -----------------------------------------------------------------------

static void common_load_file(struct loading *loading, const struct conf_certificate *from) {
    struct tls_certificate *certificate = file_load(loading, from);
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
    if (site->certificate_count > 0 || site->managed_count > 0)
        return;
    for (size_t i = 0; i < site->host_count; i++)
        if (strcmp(site->hosts[i], "*") != 0 &&
            !covered(loading->common, loading->common_count, site->hosts[i]))
            problems_add(loading->problems, PROBLEM_WARNING, site->pos,
                         "no certificate is made out to \"%s\": its TLS clients get %s",
                         site->hosts[i],
                         rejects ? "the alert unrecognized_name" : "the default certificate");
}
