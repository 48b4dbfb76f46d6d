// SPDX-License-Identifier: Apache-2.0
//
// {"version", "state", "time", "started_at", "uptime_s", "workers", "values": {name: number},
//  "process", "kernel_tls": {"send", "receive", "key_updates", "why_not"}, "sites": [{"name",
//  "hosts", "connections", "certificates": [...], "acme": [...]}], "upstreams": [{"name",
//  "servers": [{"server", "addresses", "error"}]}]}; what does not apply is left out.
#include "app/status_json.h"

#include <jansson.h>
#include <string.h>
#include <utlist.h>

#include "core/address.h"
#include "core/clock.h"

static json_t *date(time_t when) {
    char text[CLOCK_DATE_BYTES];
    return json_string(clock_date(when, text));
}

static json_t *number(uint64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *texts(const char *const *items, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(items[i]));
    return list;
}

static json_t *values_json(const struct report *report) {
    json_t *values = json_object();
    for (size_t i = 0; i < REPORT_VALUES; i++)
        json_object_set_new(values, report->values[i].name, number(report->values[i].value));
    return values;
}

static json_t *process_json(const struct process_usage *used) {
    json_t *process = json_object();
    json_object_set_new(process, "cpu_s", json_real(used->cpu_s));
    json_object_set_new(process, "resident_bytes", number(used->resident_bytes));
    json_object_set_new(process, "virtual_bytes", number(used->virtual_bytes));
    json_object_set_new(process, "open_files", number(used->open_files));
    json_object_set_new(process, "open_files_max", number(used->open_files_max));
    return process;
}

static json_t *kernel_direction_json(const struct report *report, enum tls_direction direction) {
    char text[TLS_KERNEL_TEXT_BYTES];
    json_t *json = json_object();
    json_object_set_new(json, "used", json_boolean(report_kernel_tls(report, direction)));
    if (!report->kernel->why)
        json_object_set_new(json, "takes",
                            json_string(tls_kernel_describe(report->kernel, direction, text)));
    return json;
}

static json_t *kernel_json(const struct report *report) {
    json_t *kernel = json_object();
    json_object_set_new(kernel, "send", kernel_direction_json(report, TLS_SEND));
    json_object_set_new(kernel, "receive", kernel_direction_json(report, TLS_RECEIVE));
    json_object_set_new(kernel, "key_updates", json_boolean(report->kernel->rekeys));
    if (report->kernel->why)
        json_object_set_new(kernel, "why_not", json_string(report->kernel->why));
    return kernel;
}

// --- sites ------------------------------------------------------------------------------------

static json_t *certificate_json(const struct report_certificate *certificate) {
    json_t *json = json_object();
    json_object_set_new(json, "names", texts(certificate->names, certificate->name_count));
    json_object_set_new(json, "key", json_string(certificate->key));
    json_object_set_new(json, "issuer", json_string(certificate->issuer));
    json_object_set_new(json, "self_signed", json_boolean(certificate->self_signed));
    json_object_set_new(json, "not_after", date(certificate->not_after));
    return json;
}

static json_t *acme_json(const struct report_acme *acme) {
    json_t *json = json_object();
    json_object_set_new(json, "key", json_string(acme->key));
    json_object_set_new(json, "has_certificate", json_boolean(acme->has_certificate));
    json_object_set_new(json, "working", json_boolean(acme->progress == ACME_WORKING));
    json_object_set_new(json, "failures", number(acme->failures));
    if (acme->error[0])
        json_object_set_new(json, "error", json_string(acme->error));
    if (acme->next_at > 0)
        json_object_set_new(json, "next_attempt", date(acme->next_at));
    return json;
}

static json_t *site_json(const struct report_site *site) {
    json_t *json = json_object(), *certificates = json_array(), *acme = json_array();
    const struct report_certificate *certificate;
    const struct report_acme *of_acme;
    LL_FOREACH(site->certificates, certificate)
    json_array_append_new(certificates, certificate_json(certificate));
    LL_FOREACH(site->acme, of_acme)
    json_array_append_new(acme, acme_json(of_acme));
    json_object_set_new(json, "name", json_string(site->conf->name));
    json_object_set_new(json, "hosts", texts(site->conf->hosts, site->conf->host_count));
    json_object_set_new(json, "connections", number(site->connections));
    json_object_set_new(json, "certificates", certificates);
    json_object_set_new(json, "acme", acme);
    return json;
}

// --- upstreams --------------------------------------------------------------------------------

static json_t *server_json(const struct report *report, const struct conf_server *server) {
    const struct resolve_answer *answer = resolve_table_find(report->resolved, server->host);
    json_t *json = json_object(), *addresses = json_array();
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; answer && i < answer->address_count; i++) {
        address_format((const struct sockaddr *)&answer->addresses[i], text);
        json_array_append_new(addresses, json_string(text));
    }
    json_object_set_new(json, "server", json_string(server->text));
    json_object_set_new(json, "addresses", addresses);
    if (answer && answer->error)
        json_object_set_new(json, "error", json_string(resolve_error_text(answer->error)));
    return json;
}

static json_t *upstream_json(const struct report *report, const struct conf_upstream *upstream) {
    json_t *json = json_object(), *servers = json_array();
    for (size_t i = 0; i < upstream->server_count; i++)
        json_array_append_new(servers, server_json(report, &upstream->servers[i]));
    json_object_set_new(json, "name", json_string(upstream->name));
    json_object_set_new(json, "servers", servers);
    return json;
}

void status_json_write(const struct report *report, FILE *out) {
    const struct config *config = report->config;
    json_t *json = json_object(), *sites = json_array(), *upstreams = json_array();
    for (size_t i = 0; i < config->site_count; i++)
        json_array_append_new(sites, site_json(&report->sites[i]));
    for (size_t i = 0; i < config->upstream_count; i++)
        json_array_append_new(upstreams, upstream_json(report, &config->upstreams[i]));
    json_object_set_new(json, "version", json_string(RINGWAY_VERSION));
    json_object_set_new(json, "state", json_string(report_state_text(report->state)));
    json_object_set_new(json, "time", date(report->taken_at));
    json_object_set_new(json, "started_at", date(report->started_at));
    json_object_set_new(json, "uptime_s", json_integer(report->taken_at - report->started_at));
    json_object_set_new(json, "workers", number(report->workers));
    json_object_set_new(json, "values", values_json(report));
    json_object_set_new(json, "process", process_json(&report->process));
    json_object_set_new(json, "kernel_tls", kernel_json(report));
    json_object_set_new(json, "sites", sites);
    json_object_set_new(json, "upstreams", upstreams);
    json_dumpf(json, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(json);
}
