// SPDX-License-Identifier: Apache-2.0
//
// Names follow Prometheus's rules: a prefix, base units, `_total` on counters, `_timestamp_seconds`
// on points in time. What every process has is named as its client libraries name it.
#include "app/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <utlist.h>

#include "tls/library.h"

static void head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

static void number(FILE *out, const char *name, const char *type, const char *help, double value) {
    head(out, name, type, help);
    fprintf(out, "%s %.17g\n", name, value);
}

// The text of a label, in quotes.
static void label(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void values_write(const struct report *report, FILE *out) {
    for (size_t i = 0; i < REPORT_VALUES; i++) {
        const struct report_value *value = &report->values[i];
        bool counts = value->kind == REPORT_COUNTER;
        char name[128];
        snprintf(name, sizeof name, "ringway_%s%s", value->name, counts ? "_total" : "");
        head(out, name, counts ? "counter" : "gauge", value->help);
        fprintf(out, "%s %" PRIu64 "\n", name, value->value);
    }
}

static void process_write(const struct report *report, FILE *out) {
    const struct process_usage *used = &report->process;
    struct tls_library tls = tls_library_info();
    head(out, "ringway_build_info", "gauge", "what runs; always 1");
    fprintf(out, "ringway_build_info{version=\"%s\",wolfssl=\"%s\"} 1\n", RINGWAY_VERSION,
            tls.version);
    number(out, "ringway_workers", "gauge", "threads that serve connections", report->workers);
    number(out, "ringway_draining", "gauge", "1 while the gateway stops",
           report->state == REPORT_DRAINING);
    number(out, "process_start_time_seconds", "gauge", "when the process started, Unix time",
           (double)report->started_at);
    number(out, "process_cpu_seconds_total", "counter", "user and system time used", used->cpu_s);
    number(out, "process_resident_memory_bytes", "gauge", "resident memory",
           (double)used->resident_bytes);
    number(out, "process_virtual_memory_bytes", "gauge", "virtual memory",
           (double)used->virtual_bytes);
    number(out, "process_open_fds", "gauge", "open file descriptors", (double)used->open_files);
    number(out, "process_max_fds", "gauge", "file descriptors there may be",
           (double)used->open_files_max);
}

static void kernel_write(const struct report *report, FILE *out) {
    head(out, "ringway_kernel_tls", "gauge",
         "1 where TLS connections are left to the kernel, as configured and as it can");
    fprintf(out, "ringway_kernel_tls{direction=\"send\"} %d\n",
            report_kernel_tls(report, TLS_SEND));
    fprintf(out, "ringway_kernel_tls{direction=\"receive\"} %d\n",
            report_kernel_tls(report, TLS_RECEIVE));
}

// A server may be listed twice, to get more turns; a series must not.
static bool is_repeated(const struct conf_upstream *upstream, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(upstream->servers[i].text, upstream->servers[index].text) == 0)
            return true;
    return false;
}

static void upstreams_write(const struct report *report, FILE *out) {
    const struct config *config = report->config;
    head(out, "ringway_upstream_server_addresses", "gauge",
         "addresses of a server; 0: its name cannot be resolved");
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct conf_upstream *upstream = &config->upstreams[i];
        for (size_t j = 0; j < upstream->server_count; j++) {
            const struct resolve_answer *answer =
                resolve_table_find(report->resolved, upstream->servers[j].host);
            if (is_repeated(upstream, j))
                continue;
            fputs("ringway_upstream_server_addresses{upstream=", out);
            label(out, upstream->name);
            fputs(",server=", out);
            label(out, upstream->servers[j].text);
            fprintf(out, "} %zu\n", answer ? answer->address_count : 0);
        }
    }
}

// --- sites ------------------------------------------------------------------------------------

// Opens a line: the name and the label `site`.
static void site_begin(FILE *out, const char *name, const struct report_site *site) {
    fprintf(out, "%s{site=", name);
    label(out, site->conf->name);
}

static const char *first_name(const struct report_certificate *certificate) {
    return certificate->name_count > 0 ? certificate->names[0] : "";
}

// Two certificates of a site with the same key and first name are one series: the earlier expiry
// is what matters. True for the one that stands for both.
static bool stands_for(const struct report_site *site,
                       const struct report_certificate *certificate) {
    const struct report_certificate *other;
    bool before = true;
    LL_FOREACH(site->certificates, other) {
        if (other == certificate)
            before = false;
        else if (strcmp(other->key, certificate->key) == 0 &&
                 strcmp(first_name(other), first_name(certificate)) == 0 &&
                 (other->not_after < certificate->not_after ||
                  (before && other->not_after == certificate->not_after)))
            return false;
    }
    return true;
}

static void certificates_write(const struct report *report, FILE *out) {
    static const char name[] = "ringway_certificate_not_after_timestamp_seconds";
    head(out, name, "gauge", "when a certificate that is served expires, Unix time");
    for (size_t i = 0; i < report->config->site_count; i++) {
        const struct report_site *site = &report->sites[i];
        const struct report_certificate *certificate;
        LL_FOREACH(site->certificates, certificate) {
            if (!stands_for(site, certificate))
                continue;
            site_begin(out, name, site);
            fputs(",name=", out);
            label(out, first_name(certificate));
            fprintf(out, ",key=\"%s\",self_signed=\"%s\"} %lld\n", certificate->key,
                    certificate->self_signed ? "true" : "false", (long long)certificate->not_after);
        }
    }
}

typedef double acme_number(const struct report_acme *acme);

static double failures_of(const struct report_acme *acme) {
    return acme->failures;
}

static double next_attempt_of(const struct report_acme *acme) {
    return (double)acme->next_at;
}

// No series where nothing is suggested: as a time, 0 would be long ago.
static double window_start_of(const struct report_acme *acme) {
    return acme->window_start > 0 ? (double)acme->window_start : NAN;
}

static double window_end_of(const struct report_acme *acme) {
    return acme->window_start > 0 ? (double)acme->window_end : NAN;
}

// One series for each certificate that `number_of` has a number for.
static void acme_write(const struct report *report, const char *name, const char *help,
                       acme_number *number_of, FILE *out) {
    head(out, name, "gauge", help);
    for (size_t i = 0; i < report->config->site_count; i++) {
        const struct report_acme *acme;
        LL_FOREACH(report->sites[i].acme, acme) {
            double number = number_of(acme);
            if (isnan(number))
                continue;
            site_begin(out, name, &report->sites[i]);
            fprintf(out, ",key=\"%s\"} %.17g\n", acme->key, number);
        }
    }
}

static void sites_write(const struct report *report, FILE *out) {
    head(out, "ringway_site_connections", "gauge", "client connections open now, by site");
    for (size_t i = 0; i < report->config->site_count; i++) {
        site_begin(out, "ringway_site_connections", &report->sites[i]);
        fprintf(out, "} %" PRIu64 "\n", report->sites[i].connections);
    }
    certificates_write(report, out);
    acme_write(report, "ringway_acme_failures",
               "failed attempts in a row to get a certificate of a site", failures_of, out);
    acme_write(report, "ringway_acme_next_attempt_timestamp_seconds",
               "when a certificate of a site is asked for next, Unix time; 0: as soon as possible",
               next_attempt_of, out);
    acme_write(report, "ringway_acme_suggested_window_start_timestamp_seconds",
               "from when on the authority suggests to renew (RFC 9773), Unix time",
               window_start_of, out);
    acme_write(report, "ringway_acme_suggested_window_end_timestamp_seconds",
               "until when the authority suggests to renew (RFC 9773), Unix time", window_end_of,
               out);
}

void metrics_write(const struct report *report, FILE *out) {
    process_write(report, out);
    values_write(report, out);
    kernel_write(report, out);
    upstreams_write(report, out);
    sites_write(report, out);
}
