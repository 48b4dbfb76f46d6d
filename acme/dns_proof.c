// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_proof.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "acme/challenge.h"
#include "acme/dns_arrival.h"
#include "acme/dns_provider.h"
#include "acme/dns_zone.h"
#include "acme/json.h"
#include "acme/storage.h"
#include "acme/wait.h"
#include "core/clock.h"
#include "core/log.h"

#define PREFIX "_acme-challenge."
// Left from orders before, should removing fail again and again.
#define LEFT_MAX 100
// At the start; more names would keep the first certificate waiting.
#define CHECKS_MAX 16

static int records_collect(struct acme_client *client, const struct conf_acme *acme,
                           const json_t *authorizations, json_t *records, struct acme_error *error);
static int records_set(const struct acme_client *client, const struct conf_acme *acme,
                       const json_t *records, size_t from, struct acme_error *error);
static int records_await(const struct acme_client *client, const struct conf_acme *acme,
                         const json_t *records, size_t from, struct acme_error *error);

static void path_of(const struct conf_acme *acme, const struct conf_managed *managed,
                    char path[PATH_MAX]) {
    acme_storage_path(acme->state_dir, ACME_DNS, managed->name, ".json", path);
}

// The records in a file of ours; the caller drops the list.
static json_t *records_read(const char *path) {
    json_t *file = acme_storage_read_json(path);
    json_t *records = json_incref((json_t *)acme_json_array(file, "records"));
    json_decref(file);
    return records ? records : json_array();
}

static int records_write(const char *path, json_t *records, struct acme_error *error) {
    return acme_storage_write_json(path, json_pack("{s:O}", "records", records), error);
}

int acme_dns_publish(struct acme_client *client, const struct conf_acme *acme,
                     const struct conf_managed *managed, const json_t *authorizations,
                     struct acme_error *error) {
    char path[PATH_MAX];
    path_of(acme, managed, path);
    json_t *records = records_read(path);
    while (json_array_size(records) > LEFT_MAX)
        json_array_remove(records, 0);
    size_t left = json_array_size(records);
    int result = records_collect(client, acme, authorizations, records, error);
    if (result == 0)
        result = records_write(path, records, error);
    if (result == 0)
        result = records_set(client, acme, records, left, error);
    if (result == 0)
        result = records_await(client, acme, records, left, error);
    json_decref(records);
    return result;
}

// --- making records ---------------------------------------------------------------------------

static int record_collect(struct acme_client *client, const struct acme_dns_servers *resolvers,
                          const char *url, json_t *records, struct acme_error *error) {
    struct acme_reply reply;
    char name[ACME_DNS_NAME_BYTES], target[ACME_DNS_NAME_BYTES], value[ACME_THUMBPRINT_BYTES];
    int result = acme_client_post(client, url, NULL, &reply, error);
    if (result < 0)
        return result;
    const char *status = acme_json_text(reply.json, "status");
    const char *domain = acme_json_text(json_object_get(reply.json, "identifier"), "value");
    const char *token =
        acme_json_text(acme_challenge_find(reply.json, ACME_CHALLENGE_DNS_01), "token");
    // Anything else is for those who go through the authorizations next.
    bool waits = status && strcmp(status, "pending") == 0 && domain && token &&
                 strlen(domain) + sizeof PREFIX <= sizeof name;
    if (waits) {
        snprintf(name, sizeof name, PREFIX "%s", domain);
        result = acme_challenge_dns_value(client, token, value, error);
        if (result == 0)
            result = acme_dns_follow(client->stop_fd, resolvers, name, target, error);
        if (result == 0 && strcmp(name, target) != 0)
            log_line(LOG_INFO, NULL, "acme: %s is an alias of %s", name, target);
        if (result == 0)
            json_array_append_new(records, json_pack("{s:s, s:s, s:s}", "domain", domain, "name",
                                                     target, "value", value));
    }
    acme_reply_free(&reply);
    return result;
}

static int records_collect(struct acme_client *client, const struct conf_acme *acme,
                           const json_t *authorizations, json_t *records,
                           struct acme_error *error) {
    struct acme_dns_servers resolvers;
    const json_t *url;
    size_t place;
    int result = acme_dns_resolvers(&acme->dns, &resolvers, error);
    json_array_foreach(authorizations, place, url) {
        if (result == 0 && json_is_string(url))
            result = record_collect(client, &resolvers, json_string_value(url), records, error);
    }
    return result;
}

// False for what is no record: somebody else has written the file.
static bool record_read(const json_t *json, struct acme_dns_record *record) {
    const char *domain = acme_json_text(json, "domain");
    const char *name = acme_json_text(json, "name"), *value = acme_json_text(json, "value");
    return domain && name && value &&
           snprintf(record->domain, sizeof record->domain, "%s", domain) <
               (int)sizeof record->domain &&
           snprintf(record->name, sizeof record->name, "%s", name) < (int)sizeof record->name &&
           snprintf(record->value, sizeof record->value, "%s", value) < (int)sizeof record->value;
}

static int records_set(const struct acme_client *client, const struct conf_acme *acme,
                       const json_t *records, size_t from, struct acme_error *error) {
    int result = 0;
    for (size_t i = from; i < json_array_size(records) && result == 0; i++) {
        struct acme_dns_record record;
        if (!record_read(json_array_get(records, i), &record))
            continue;
        result = acme_dns_change(acme, client->stop_fd, ACME_DNS_SET, &record, error);
        if (result == 0)
            log_line(LOG_INFO, NULL, "acme: %s: the record for %s is set", record.name,
                     record.domain);
    }
    return result;
}

// All of them within one time.
static int records_await(const struct acme_client *client, const struct conf_acme *acme,
                         const json_t *records, size_t from, struct acme_error *error) {
    uint64_t deadline_ms = clock_monotonic_ms() + acme->dns.timeout_ms;
    int result = 0;
    for (size_t i = from; i < json_array_size(records) && result == 0; i++) {
        struct acme_dns_record record;
        if (record_read(json_array_get(records, i), &record))
            result = acme_dns_arrival_wait(client->stop_fd, &acme->dns, record.name, record.value,
                                           deadline_ms, error);
    }
    if (result == 0 && json_array_size(records) > from && acme->dns.delay_ms > 0 &&
        acme_wait_sleep(client->stop_fd, acme->dns.delay_ms) < 0)
        return acme_error_set(error, ACME_TROUBLE_STOPPED, -ECANCELED, "the gateway stops");
    return result;
}

// --- removing them ----------------------------------------------------------------------------

// What cannot be removed stays in the file.
static void file_withdraw(const struct conf_acme *acme, int stop_fd, const char *path) {
    json_t *records = records_read(path), *rest = json_array(), *json;
    struct acme_error error;
    size_t place;
    int result = 0;
    json_array_foreach(records, place, json) {
        struct acme_dns_record record;
        if (!record_read(json, &record))
            continue;
        if (result != -ECANCELED)
            result = acme_dns_change(acme, stop_fd, ACME_DNS_REMOVE, &record, &error);
        if (result == 0)
            continue;
        if (result != -ECANCELED)
            log_line(LOG_WARN, NULL,
                     "acme: %s: the record with the value %s could not be removed: %s; it will be "
                     "tried again",
                     record.name, record.value, error.text);
        json_array_append(rest, json);
    }
    if (json_array_size(rest) == 0)
        acme_storage_remove(path);
    else if (json_array_size(rest) < json_array_size(records) &&
             records_write(path, rest, &error) < 0)
        log_line(LOG_ERROR, NULL, "acme: %s", error.text);
    json_decref(rest);
    json_decref(records);
}

void acme_dns_withdraw(const struct conf_acme *acme, const struct conf_managed *managed,
                       int stop_fd) {
    char path[PATH_MAX];
    path_of(acme, managed, path);
    file_withdraw(acme, stop_fd, path);
}

// --- at the start -----------------------------------------------------------------------------

static void left_withdraw(const struct conf_acme *acme, int stop_fd) {
    char path[PATH_MAX];
    acme_storage_path(acme->state_dir, ACME_DNS, "", "", path);
    DIR *folder = opendir(path);
    if (!folder)
        return;
    size_t size = strlen(path);
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        const char *end = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' || !end || strcmp(end, ".json") != 0)
            continue;
        snprintf(path + size, PATH_MAX - size, "%s", entry->d_name);
        log_line(LOG_INFO, NULL, "acme: removing the records that an order has left (%s)", path);
        file_withdraw(acme, stop_fd, path);
    }
    closedir(folder);
}

static int domain_check(const struct conf_acme *acme, int stop_fd, const char *host,
                        struct acme_error *error) {
    struct acme_dns_servers resolvers;
    char name[ACME_DNS_NAME_BYTES + sizeof PREFIX], target[ACME_DNS_NAME_BYTES];
    snprintf(name, sizeof name, PREFIX "%.*s", ACME_DNS_NAME_BYTES - 1,
             strncmp(host, "*.", 2) == 0 ? host + 2 : host);
    int result = acme_dns_resolvers(&acme->dns, &resolvers, error);
    if (result == 0)
        result = acme_dns_follow(stop_fd, &resolvers, name, target, error);
    return result < 0 ? result : acme_dns_check(acme, stop_fd, target, error);
}

static bool is_by_dns(const struct conf_site *site) {
    bool has_wildcard = false;
    for (size_t i = 0; i < site->acme_host_count; i++)
        has_wildcard |= site->acme_hosts[i][0] == '*';
    return site->acme_challenge == ACME_CHALLENGE_DNS_01 ||
           (site->acme_challenge == ACME_CHALLENGE_AUTO && has_wildcard);
}

void acme_dns_start(const struct config *config, int stop_fd) {
    const struct conf_acme *acme = &config->acme;
    struct acme_error error;
    size_t checks = 0;
    if (acme->dns_provider == CONF_DNS_NONE)
        return;
    left_withdraw(acme, stop_fd);
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        for (size_t j = 0; site->managed_count > 0 && is_by_dns(site) && j < site->acme_host_count;
             j++) {
            if (checks++ == CHECKS_MAX)
                return;
            int result = domain_check(acme, stop_fd, site->acme_hosts[j], &error);
            if (result == -ECANCELED)
                return;
            if (result < 0)
                log_line(LOG_WARN, NULL, "acme: %s: DNS records for %s cannot be set: %s",
                         site->name, site->acme_hosts[j], error.text);
        }
    }
}
