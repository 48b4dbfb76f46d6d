// SPDX-License-Identifier: Apache-2.0
#include "acme/record.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/json.h"
#include "acme/schedule.h"
#include "acme/storage.h"

void acme_record_path(const struct conf_acme *acme, const struct conf_managed *managed,
                      char path[PATH_MAX]) {
    acme_storage_path(acme->state_dir, ACME_CERTIFICATES, managed->name, ".json", path);
}

static void text_take(const json_t *json, const char *key, char *out, size_t size) {
    const char *text = acme_json_text(json, key);
    snprintf(out, size, "%s", text ? text : "");
}

// It is of one certificate, and means nothing for another.
static void window_read(const json_t *json, struct acme_record *record) {
    const char *serial = acme_json_text(json, "serial");
    if (!serial || strcmp(serial, record->leaf.serial) != 0)
        return;
    record->window.start = (time_t)acme_json_number(json, "start", 0);
    record->window.end = (time_t)acme_json_number(json, "end", 0);
    record->window.ask_at = (time_t)acme_json_number(json, "ask_at", 0);
    if (record->window.ask_at > time(NULL) + ACME_WINDOW_ASK_MAX_S)
        record->window.ask_at = 0; // the clock has been set back since
    text_take(json, "why", record->window.why, sizeof record->window.why);
}

static json_t *window_json(const struct acme_record *record) {
    const struct acme_window *window = &record->window;
    return json_pack("{s:s, s:I, s:I, s:I, s:s}", "serial", record->leaf.serial, "start",
                     (json_int_t)window->start, "end", (json_int_t)window->end, "ask_at",
                     (json_int_t)window->ask_at, "why", window->why);
}

void acme_record_read(const struct conf_acme *acme, const struct conf_managed *managed,
                      struct acme_record *record) {
    char path[PATH_MAX];
    *record = (struct acme_record){0};
    char *pem = acme_storage_read(managed->file);
    if (pem) {
        record->has_leaf = acme_leaf_read(pem, &record->leaf);
        explicit_bzero(pem, strlen(pem)); // the key is in it
        free(pem);
    }
    acme_record_path(acme, managed, path);
    json_t *json = acme_storage_read_json(path);
    long long failures = acme_json_number(json, "failures", 0);
    record->failures = failures < 0 ? 0 : failures > 1000 ? 1000 : (unsigned)failures;
    record->attempted_at = (time_t)acme_json_number(json, "attempted_at", 0);
    record->next_at = (time_t)acme_json_number(json, "next_at", 0);
    if (record->attempted_at > time(NULL) + ACME_CLOCK_SLACK_S)
        record->next_at = 0; // the clock was ahead then
    text_take(json, "next_for", record->next_for, sizeof record->next_for);
    text_take(json, "directory", record->directory, sizeof record->directory);
    text_take(json, "revoked", record->revoked, sizeof record->revoked);
    text_take(json, "profile", record->profile, sizeof record->profile);
    window_read(json_object_get(json, "window"), record);
    text_take(json, "error", record->error, sizeof record->error);
    json_decref(json);
}

void acme_record_free(struct acme_record *record) {
    acme_leaf_free(&record->leaf);
}

int acme_record_write(const struct conf_acme *acme, const struct conf_managed *managed,
                      const struct acme_record *record, struct acme_error *error) {
    char path[PATH_MAX];
    acme_record_path(acme, managed, path);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:I, s:I, s:s, s:s, s:o}", "directory", record->directory, "revoked",
        record->revoked, "profile", record->profile, "failures", (int)record->failures,
        "attempted_at", (json_int_t)record->attempted_at, "next_at", (json_int_t)record->next_at,
        "next_for", record->next_for, "error", record->error, "window", window_json(record));
    return acme_storage_write_json(path, json, error);
}

// A short text that is another one when other names are wanted (FNV-1a).
static void names_mark(const struct conf_managed *managed, char mark[20]) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < managed->site->acme_host_count; i++)
        for (const char *at = managed->site->acme_hosts[i];; at++) {
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
            if (!*at)
                break;
        }
    snprintf(mark, 20, "%016llx", (unsigned long long)hash);
}

void acme_record_postpone(struct acme_record *record, const struct conf_managed *managed,
                          time_t next_at) {
    record->next_at = next_at;
    names_mark(managed, record->next_for);
}

bool acme_record_is_revoked(const struct acme_record *record) {
    return record->has_leaf && strcmp(record->revoked, record->leaf.serial) == 0;
}

bool acme_record_is_good(const struct acme_record *record, const struct conf_managed *managed,
                         time_t now) {
    const struct acme_leaf *leaf = &record->leaf;
    return record->has_leaf && now < leaf->not_after && leaf->key_kind == managed->key_kind &&
           acme_leaf_is_for(leaf, managed->site->acme_hosts, managed->site->acme_host_count) &&
           !acme_record_is_revoked(record);
}

const struct conf_authority *acme_record_authority(const struct acme_record *record,
                                                   const struct conf_acme *acme) {
    if (strcmp(record->directory, acme->authority.directory) == 0)
        return &acme->authority;
    if (acme->fallback.directory && strcmp(record->directory, acme->fallback.directory) == 0)
        return &acme->fallback;
    return NULL;
}

time_t acme_record_renewal(const struct acme_record *record, const struct conf_acme *acme,
                           const struct conf_managed *managed) {
    const struct acme_leaf *leaf = &record->leaf;
    if (!acme_record_is_good(record, managed, leaf->not_before))
        return 0;
    const struct acme_window *window = &record->window;
    const struct conf_authority *from = acme_record_authority(record, acme);
    // Who changes the authority, from staging to the real one for instance, wants another one.
    if (record->directory[0] && !from)
        return 0;
    if (from == &acme->authority &&
        strcmp(record->profile, acme->profile ? acme->profile : "") != 0)
        return 0;
    if (window->start > 0)
        return acme_schedule_window(window->start, window->end, leaf->serial);
    return acme_schedule_renewal(leaf->not_before, leaf->not_after, managed->name);
}

time_t acme_record_due(const struct acme_record *record, const struct conf_acme *acme,
                       const struct conf_managed *managed) {
    time_t renewal = acme_record_renewal(record, acme, managed);
    char names[sizeof record->next_for];
    names_mark(managed, names);
    bool same = !record->next_for[0] || strcmp(record->next_for, names) == 0;
    return same && record->next_at > renewal ? record->next_at : renewal;
}
