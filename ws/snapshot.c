// SPDX-License-Identifier: Apache-2.0
#include "ws/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

// --- site counts ------------------------------------------------------------------------------

static struct site_count *count_get(struct site_count **registry, const char *name) {
    struct site_count *count;
    LL_FOREACH(*registry, count)
    if (strcmp(count->name, name) == 0)
        break;
    if (!count) {
        count = calloc(1, sizeof *count);
        if (!count || !(count->name = strdup(name))) {
            free(count);
            return NULL;
        }
        LL_PREPEND(*registry, count);
    }
    count->references++;
    return count;
}

static void count_drop(struct site_count **registry, struct site_count *count) {
    if (!count || --count->references > 0)
        return;
    LL_DELETE(*registry, count);
    free(count->name);
    free(count);
}

// --- settings ---------------------------------------------------------------------------------

static bool has_tls_listener(const struct config *config) {
    for (size_t i = 0; i < config->listen_count; i++)
        if (config->listens[i].kind == LISTEN_TLS)
            return true;
    return false;
}

// Loads the certificates. False if one of them is no good.
static bool store_open(struct settings *settings, struct tls_tickets *tickets,
                       const struct tls_store *previous, struct problems *problems) {
    const struct config *config = settings->config;
    void **sites = calloc(config->site_count + 1, sizeof *sites);
    if (!sites)
        return false;
    for (size_t i = 0; i < config->site_count; i++)
        sites[i] = &config->sites[i];
    settings->store = tls_store_load(config, sites, tickets, previous, time(NULL), problems);
    free(sites);
    return settings->store != NULL;
}

static bool counts_open(struct settings *settings, struct site_count **registry) {
    const struct config *config = settings->config;
    settings->counts = calloc(config->site_count + 1, sizeof(struct site_count *));
    if (!settings->counts)
        return false;
    for (size_t i = 0; i < config->site_count; i++)
        if (!(settings->counts[i] = count_get(registry, config->sites[i].name)))
            return false;
    return true;
}

static struct settings *settings_make(struct config *config, struct tls_tickets *tickets,
                                      const struct tls_store *previous,
                                      struct site_count **registry, struct problems *problems);

struct settings *settings_open(struct config *config, struct tls_tickets *tickets,
                               struct site_count **registry, struct problems *problems) {
    return settings_make(config, tickets, NULL, registry, problems);
}

struct settings *settings_renew(struct settings *current, struct tls_tickets *tickets,
                                struct site_count **registry, struct problems *problems) {
    return settings_make(config_hold(current->config), tickets, current->store, registry, problems);
}

static struct settings *settings_make(struct config *config, struct tls_tickets *tickets,
                                      const struct tls_store *previous,
                                      struct site_count **registry, struct problems *problems) {
    size_t errors_before = problems->errors;
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings) {
        config_free(config);
        return NULL;
    }
    settings->references = 1;
    settings->config = config;
    settings->sites = site_table_build(config);
    bool good = settings->sites && counts_open(settings, registry);
    if (good && has_tls_listener(config))
        good = store_open(settings, tickets, previous, problems);
    if (good)
        return settings;
    if (problems->errors == errors_before)
        problems_add(problems, PROBLEM_ERROR, (struct conf_pos){0}, "out of memory");
    settings_drop(settings, registry);
    return NULL;
}

void settings_drop(struct settings *settings, struct site_count **registry) {
    if (--settings->references > 0)
        return;
    if (settings->counts)
        for (size_t i = 0; i < settings->config->site_count; i++)
            count_drop(registry, settings->counts[i]);
    free(settings->counts);
    tls_store_free(settings->store);
    site_table_free(settings->sites);
    config_free(settings->config);
    free(settings);
}

// --- snapshots --------------------------------------------------------------------------------

static uint16_t https_port(const struct config *config) {
    for (size_t i = 0; i < config->listen_count; i++) {
        const struct conf_listen *listen = &config->listens[i];
        if (listen->kind != LISTEN_TLS)
            continue;
        return ntohs(listen->address.ss_family == AF_INET6
                         ? ((const struct sockaddr_in6 *)&listen->address)->sin6_port
                         : ((const struct sockaddr_in *)&listen->address)->sin_port);
    }
    return 0;
}

static bool listens_copy(struct snapshot *snapshot, const struct listen_socket *listens) {
    size_t count = snapshot->config->listen_count;
    snapshot->listens = calloc(count + 1, sizeof *snapshot->listens);
    if (!snapshot->listens)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t size = snapshot->worker_count * sizeof(int);
        snapshot->listens[i].address = listens[i].address;
        snapshot->listens[i].fds = malloc(size);
        if (!snapshot->listens[i].fds)
            return false;
        memcpy(snapshot->listens[i].fds, listens[i].fds, size);
    }
    return true;
}

struct snapshot *snapshot_build(struct settings *settings, const struct resolve_table *resolved,
                                const struct listen_socket *listens, unsigned worker_count) {
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return NULL;
    settings->references++;
    snapshot->settings = settings;
    snapshot->config = settings->config;
    snapshot->worker_count = worker_count;
    snapshot->holders = worker_count;
    snapshot->https_port = https_port(settings->config);
    snapshot->upstreams = upstream_table_build(settings->config, resolved);
    if (snapshot->upstreams && listens_copy(snapshot, listens))
        return snapshot;
    snapshot_free(snapshot, NULL); // the caller's reference keeps the settings alive
    return NULL;
}

void snapshot_free(struct snapshot *snapshot, struct site_count **registry) {
    if (snapshot->listens)
        for (size_t i = 0; i < snapshot->config->listen_count; i++)
            free(snapshot->listens[i].fds);
    free(snapshot->listens);
    if (snapshot->upstreams)
        upstream_table_free(snapshot->upstreams);
    settings_drop(snapshot->settings, registry);
    free(snapshot);
}
