// SPDX-License-Identifier: Apache-2.0
#include "app/report.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "app/gateway.h"
#include "core/arena.h"

// --- values -----------------------------------------------------------------------------------

void report_values(const struct gateway *gateway, struct report_value values[REPORT_VALUES]) {
    struct counters sum;
    struct ring_counters rings;
    size_t count = 0;
    gateway_counters(gateway, &sum, &rings);
    uint64_t connections = atomic_load_explicit(&gateway->shared.connections, memory_order_relaxed);
    // The two were not read at the same moment.
    uint64_t websockets = sum.websockets_opened > sum.websockets_closed
                              ? sum.websockets_opened - sum.websockets_closed
                              : 0;
    values[count++] = (struct report_value){REPORT_GAUGE, "connections",
                                            "client connections open now", connections};
    values[count++] =
        (struct report_value){REPORT_GAUGE, "websockets", "WebSockets open now", websockets};
    values[count++] = (struct report_value){
        REPORT_COUNTER, "snapshots",
        "times a configuration, certificates or addresses were put in force", gateway->generation};
#define VALUE(name, help)                                                                          \
    values[count++] = (struct report_value){REPORT_COUNTER, #name, help, sum.name};
    COUNTERS(VALUE)
#undef VALUE
#define VALUE(name, help)                                                                          \
    values[count++] = (struct report_value){REPORT_COUNTER, "ring_" #name, help, rings.name};
    RING_COUNTERS(VALUE)
#undef VALUE
    assert(count == REPORT_VALUES);
}

void report_values_print(const struct report_value values[REPORT_VALUES], FILE *out) {
    for (size_t i = 0; i < REPORT_VALUES; i++)
        fprintf(out, "%s %llu\n", values[i].name, (unsigned long long)values[i].value);
}

// --- sites ------------------------------------------------------------------------------------

static const char *key_text(enum tls_key_kind kind) {
    switch (kind) {
    case TLS_KEY_ECDSA_P256:
        return "ecdsa-p256";
    case TLS_KEY_ECDSA_P384:
        return "ecdsa-p384";
    case TLS_KEY_RSA:
        return "rsa";
    }
    return "";
}

// The hosts of a site mostly share their certificates.
static bool is_known(const struct report_site *site, const struct tls_certificate *certificate) {
    const struct report_certificate *entry;
    LL_FOREACH(site->certificates, entry)
    if (entry->identity == certificate)
        return true;
    return false;
}

static void certificate_copy(void *context, const struct tls_host *host,
                             const struct tls_certificate *certificate) {
    struct report *report = context;
    const struct conf_site *conf = host->site;
    struct report_site *site = &report->sites[conf - report->config->sites];
    if (is_known(site, certificate))
        return;
    struct report_certificate *entry = arena_alloc(report->arena, 1, sizeof *entry);
    const char *issuer = tls_certificate_issuer(certificate);
    *entry = (struct report_certificate){
        .identity = certificate,
        .issuer = arena_copy(report->arena, issuer, strlen(issuer)),
        .key = key_text(tls_certificate_key_kind(certificate)),
        .not_after = tls_certificate_not_after(certificate),
        .self_signed = tls_certificate_is_self_signed(certificate),
        .name_count = tls_certificate_name_count(certificate),
    };
    entry->names = arena_alloc(report->arena, entry->name_count, sizeof *entry->names);
    for (size_t i = 0; i < entry->name_count; i++) {
        const char *name = tls_certificate_name(certificate, i);
        entry->names[i] = arena_copy(report->arena, name, strlen(name));
    }
    LL_APPEND(site->certificates, entry);
}

// What main may replace at any time; it waits for the lock meanwhile, so nothing here blocks.
// Returns what cares for certificates, which lasts longer than reports are taken, or NULL.
static struct acme *settings_copy(struct gateway *gateway, struct report *report) {
    pthread_mutex_lock(&gateway->lock);
    const struct settings *settings = gateway->settings;
    report->config = config_hold(settings->config);
    report->resolved = resolve_table_hold(gateway->resolved);
    report->sites = arena_alloc(report->arena, report->config->site_count, sizeof *report->sites);
    for (size_t i = 0; i < report->config->site_count; i++) {
        report->sites[i].conf = &report->config->sites[i];
        report->sites[i].connections =
            atomic_load_explicit(&settings->counts[i]->connections, memory_order_relaxed);
    }
    if (settings->store)
        tls_store_each(settings->store, certificate_copy, report);
    struct acme *acme = gateway->acme;
    pthread_mutex_unlock(&gateway->lock);
    return acme;
}

// Where the certificates that ACME reports belong: they come in the order of the configuration, and
// perhaps of a newer one.
struct acme_copying {
    struct report *report;
    size_t at; // the site of the one before
};

static void acme_copy(void *context, const struct acme_report *from) {
    struct acme_copying *copying = context;
    struct report *report = copying->report;
    size_t at = copying->at, count = report->config->site_count;
    while (at < count && strcmp(report->sites[at].conf->name, from->site) != 0)
        at++;
    if (at == count)
        return;
    copying->at = at;
    struct report_acme *entry = arena_alloc(report->arena, 1, sizeof *entry);
    *entry = (struct report_acme){
        .key = arena_copy(report->arena, from->key, strlen(from->key)),
        .progress = from->progress,
        .has_certificate = from->not_after > 0,
        .failures = from->failures,
        .error = arena_copy(report->arena, from->error, strlen(from->error)),
        .next_at = from->next_at,
        .window_start = from->window_start,
        .window_end = from->window_end,
    };
    LL_APPEND(report->sites[at].acme, entry);
}

void report_take(struct gateway *gateway, struct report *report) {
    *report = (struct report){
        .arena = arena_new(),
        .state = atomic_load(&gateway->state),
        .taken_at = time(NULL),
        .started_at = gateway->started_at,
        .workers = gateway->shared.worker_count,
        .kernel = &gateway->shared.kernel,
    };
    struct acme *acme = settings_copy(gateway, report);
    struct acme_copying copying = {.report = report};
    if (acme)
        acme_report_each(acme, acme_copy, &copying);
    report_values(gateway, report->values);
    process_usage_read(&report->process);
}

void report_free(struct report *report) {
    resolve_table_drop(report->resolved);
    config_free(report->config);
    arena_free(report->arena);
}

// --- words ------------------------------------------------------------------------------------

bool report_kernel_tls(const struct report *report, enum tls_direction direction) {
    const struct config *config = report->config;
    bool sends = tls_kernel_wanted(config->kernel_tls, TLS_SEND);
    bool wanted = direction == TLS_SEND
                      ? sends
                      : sends && tls_kernel_wanted(config->kernel_tls_rx, TLS_RECEIVE);
    return wanted && !report->kernel->why;
}

uint64_t report_value_of(const struct report *report, const char *name) {
    for (size_t i = 0; i < REPORT_VALUES; i++)
        if (strcmp(report->values[i].name, name) == 0)
            return report->values[i].value;
    assert(!"a value there is");
    return 0;
}

const char *report_state_text(enum report_state state) {
    switch (state) {
    case REPORT_STARTING:
        return "starting";
    case REPORT_SERVING:
        return "serving";
    case REPORT_DRAINING:
        return "draining";
    }
    return "";
}
