// SPDX-License-Identifier: Apache-2.0
#include "app/cert_print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "acme/dns_persist.h"
#include "acme/json.h"
#include "acme/record.h"
#include "core/clock.h"

struct cert_printer {
    enum cert_form form;
    json_t *list; // CERT_JSON
};

static json_t *record_json(const struct conf_acme *acme, const struct conf_managed *managed,
                           const struct acme_record *record);
static void details_print(const struct conf_acme *acme, const struct conf_managed *managed,
                          const struct acme_record *record);
static void line_print(const struct conf_acme *acme, const struct conf_managed *managed,
                       const struct acme_record *record);

struct cert_printer *cert_printer_new(enum cert_form form) {
    struct cert_printer *printer = calloc(1, sizeof *printer);
    if (!printer)
        abort();
    *printer = (struct cert_printer){form, json_array()};
    return printer;
}

void cert_print(struct cert_printer *printer, const struct conf_acme *acme,
                const struct conf_managed *managed) {
    struct acme_record record;
    acme_record_read(acme, managed, &record);
    switch (printer->form) {
    case CERT_LINES:
        line_print(acme, managed, &record);
        break;
    case CERT_DETAILS:
        details_print(acme, managed, &record);
        break;
    case CERT_JSON:
        json_array_append_new(printer->list, record_json(acme, managed, &record));
        break;
    }
    acme_record_free(&record);
}

void cert_printer_end(struct cert_printer *printer) {
    if (printer->form == CERT_JSON) {
        json_dumpf(printer->list, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(printer->list);
    free(printer);
}

// --- the forms --------------------------------------------------------------------------------

static const char *state_of(const struct acme_record *record, const struct conf_managed *managed) {
    if (!record->has_leaf)
        return "missing";
    if (acme_record_is_revoked(record))
        return "revoked";
    if (record->leaf.not_after < time(NULL))
        return "expired";
    if (record->leaf.key_kind != managed->key_kind)
        return "for-another-key";
    if (!acme_leaf_is_for(&record->leaf, managed->site->acme_hosts, managed->site->acme_host_count))
        return "for-other-names";
    return "good";
}

static const char *key_text(const struct conf_managed *managed) {
    return managed->key_kind == ACME_KEY_RSA ? "rsa" : "ecdsa";
}

static json_t *names_of(const char *const *names, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *window_json(const struct acme_window *window) {
    char date[CLOCK_DATE_BYTES];
    json_t *json = json_pack("{s:s}", "start", clock_date(window->start, date));
    json_object_set_new(json, "end", json_string(clock_date(window->end, date)));
    json_object_set_new(json, "why", json_string(window->why));
    return json;
}

// Those that the user has to make. NULL: none, or not known.
static json_t *dns_records_of(const struct conf_acme *acme, const struct conf_managed *managed) {
    return managed->site->acme_challenge == ACME_CHALLENGE_DNS_PERSIST_01
               ? acme_dns_persist_records(acme, managed)
               : NULL;
}

static json_t *record_json(const struct conf_acme *acme, const struct conf_managed *managed,
                           const struct acme_record *record) {
    char date[CLOCK_DATE_BYTES];
    const struct acme_leaf *leaf = &record->leaf;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o}", "site", managed->site->name, "key",
                             key_text(managed), "state", state_of(record, managed), "file",
                             managed->file, "wanted_names",
                             names_of(managed->site->acme_hosts, managed->site->acme_host_count));
    if (record->has_leaf) {
        json_object_set_new(json, "names",
                            names_of((const char *const *)leaf->names, leaf->name_count));
        json_object_set_new(json, "issuer", json_string(leaf->issuer));
        json_object_set_new(json, "serial", json_string(leaf->serial));
        json_object_set_new(json, "directory", json_string(record->directory));
        if (record->profile[0])
            json_object_set_new(json, "profile", json_string(record->profile));
        if (record->window.start > 0)
            json_object_set_new(json, "suggested_window", window_json(&record->window));
        json_object_set_new(json, "not_before", json_string(clock_date(leaf->not_before, date)));
        json_object_set_new(json, "not_after", json_string(clock_date(leaf->not_after, date)));
    }
    time_t due = acme_record_due(record, acme, managed);
    if (due > 0)
        json_object_set_new(json, "next_attempt", json_string(clock_date(due, date)));
    json_t *records = dns_records_of(acme, managed);
    if (records)
        json_object_set_new(json, "dns_records", records);
    if (record->failures > 0)
        json_object_set_new(json, "failures", json_integer((json_int_t)record->failures));
    if (record->error[0])
        json_object_set_new(json, "error", json_string(record->error));
    return json;
}

static void line_print(const struct conf_acme *acme, const struct conf_managed *managed,
                       const struct acme_record *record) {
    char expires[CLOCK_DATE_BYTES], next[CLOCK_DATE_BYTES];
    time_t due = acme_record_due(record, acme, managed);
    printf("%-32s %-5s %-16s", managed->site->name, key_text(managed), state_of(record, managed));
    if (record->has_leaf)
        printf(" until %s", clock_date(record->leaf.not_after, expires));
    printf(" next attempt %s", due > time(NULL) ? clock_date(due, next) : "now");
    if (record->failures > 0)
        printf(" failures %u", record->failures);
    if (record->error[0])
        printf(": %s", record->error);
    printf("\n");
}

static void dns_records_print(const struct conf_acme *acme, const struct conf_managed *managed) {
    json_t *records = dns_records_of(acme, managed);
    const json_t *one;
    size_t place;
    json_array_foreach(records, place, one) {
        const char *name = acme_json_text(one, "name"), *value = acme_json_text(one, "value");
        if (name && value)
            printf("record:        %s TXT \"%s\"\n", name, value);
    }
    json_decref(records);
}

static void details_print(const struct conf_acme *acme, const struct conf_managed *managed,
                          const struct acme_record *record) {
    char date[CLOCK_DATE_BYTES];
    const struct acme_leaf *leaf = &record->leaf;
    time_t due = acme_record_due(record, acme, managed);
    printf("site:          %s\nkey:           %s\nstate:         %s\nfile:          %s\n",
           managed->site->name, key_text(managed), state_of(record, managed), managed->file);
    if (record->has_leaf) {
        printf("names:        ");
        for (size_t i = 0; i < leaf->name_count; i++)
            printf(" %s", leaf->names[i]);
        printf("\nissuer:        %s\nserial:        %s\n", leaf->issuer, leaf->serial);
        printf("authority:     %s\n", record->directory);
        printf("not before:    %s\n", clock_date(leaf->not_before, date));
        printf("not after:     %s\n", clock_date(leaf->not_after, date));
        if (record->profile[0])
            printf("profile:       %s\n", record->profile);
    }
    if (record->window.start > 0)
        printf("suggested:     %s", clock_date(record->window.start, date));
    if (record->window.start > 0)
        printf(" to %s%s%s\n", clock_date(record->window.end, date),
               record->window.why[0] ? ", see " : "", record->window.why);
    dns_records_print(acme, managed);
    printf("next attempt:  %s\n", due > time(NULL) ? clock_date(due, date) : "now");
    if (record->failures > 0)
        printf("failures:      %u\n", record->failures);
    if (record->error[0])
        printf("last error:    %s\n", record->error);
}
