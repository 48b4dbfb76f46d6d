// SPDX-License-Identifier: Apache-2.0
#include "acme/account.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/json.h"
#include "acme/storage.h"
#include "core/log.h"

// What the file holds.
struct record {
    char *key; // PEM
    char kid[ACME_URL_BYTES];
    char contact[512]; // "": none
};

static int key_open(struct acme_client *client, const char *path, struct record *record,
                    struct acme_error *error);
static int register_account(struct acme_client *client, const struct conf_acme *acme,
                            struct record *record, struct acme_error *error);
static int contact_change(struct acme_client *client, const struct conf_acme *acme,
                          struct record *record, struct acme_error *error);
static int record_write(const char *path, const struct record *record, struct acme_error *error);

// Servers are told apart by the whole URL of their directory.
static void path_of(const struct acme_client *client, const struct conf_acme *acme,
                    char path[PATH_MAX]) {
    char name[256];
    snprintf(name, sizeof name, "%.200s", client->authority->directory + strlen("https://"));
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *at))
            *at = '_';
    acme_storage_path(acme->state_dir, ACME_ACCOUNTS, name, ".json", path);
}

static void contact_of(const struct conf_acme *acme, char contact[512]) {
    snprintf(contact, 512, "%s%s", acme->email ? "mailto:" : "", acme->email ? acme->email : "");
}

static void record_free(struct record *record) {
    if (record->key)
        explicit_bzero(record->key, strlen(record->key));
    free(record->key);
}

static int account_open(struct acme_client *client, const struct conf_acme *acme, bool anew,
                        struct acme_error *error) {
    char path[PATH_MAX], contact[512];
    struct record record = {0};
    path_of(client, acme, path);
    contact_of(acme, contact);
    acme_key_free(client->key);
    client->key = NULL;
    int result = key_open(client, path, &record, error);
    if (result == 0 && (anew || !record.kid[0])) {
        client->kid[0] = '\0';
        result = register_account(client, acme, &record, error);
        if (result == 0)
            result = record_write(path, &record, error);
    }
    if (result == 0 && strcmp(record.contact, contact) != 0) {
        result = contact_change(client, acme, &record, error);
        if (result == 0)
            result = record_write(path, &record, error);
    }
    record_free(&record);
    return result;
}

int acme_account_open(struct acme_client *client, const struct conf_acme *acme,
                      struct acme_error *error) {
    return account_open(client, acme, false, error);
}

int acme_account_renew(struct acme_client *client, const struct conf_acme *acme,
                       struct acme_error *error) {
    return account_open(client, acme, true, error);
}

// --- the record -------------------------------------------------------------------------------

static int record_read(const char *path, struct record *record) {
    json_t *json = acme_storage_read_json(path);
    const char *key = acme_json_text(json, "key"), *kid = acme_json_text(json, "url");
    const char *contact = acme_json_text(json, "contact");
    record->key = key ? strdup(key) : NULL;
    snprintf(record->kid, sizeof record->kid, "%s", kid ? kid : "");
    snprintf(record->contact, sizeof record->contact, "%s", contact ? contact : "");
    json_decref(json);
    return record->key ? 0 : -ENOENT;
}

static int record_write(const char *path, const struct record *record, struct acme_error *error) {
    return acme_storage_write_json(path,
                                   json_pack("{s:s, s:s, s:s}", "url", record->kid, "contact",
                                             record->contact, "key", record->key),
                                   error);
}

static int key_open(struct acme_client *client, const char *path, struct record *record,
                    struct acme_error *error) {
    if (record_read(path, record) == 0) {
        if (acme_key_read(record->key, &client->key) < 0)
            return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                                  "the account key in %s cannot be read; restore the file, or "
                                  "remove it for a new account",
                                  path);
        memcpy(client->kid, record->kid, sizeof client->kid);
        return 0;
    }
    if (acme_key_make(ACME_KEY_ECDSA, &client->key) < 0 ||
        !(record->key = acme_key_write(client->key)))
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "no account key can be made");
    return record_write(path, record, error);
}

// --- the server -------------------------------------------------------------------------------

static json_t *contacts_of(const char *contact) {
    return contact[0] ? json_pack("[s]", contact) : json_array();
}

static int register_account(struct acme_client *client, const struct conf_acme *acme,
                            struct record *record, struct acme_error *error) {
    struct acme_reply reply;
    char contact[512];
    contact_of(acme, contact);
    json_t *payload = json_pack("{s:b, s:o}", "termsOfServiceAgreed", acme->agree_tos, "contact",
                                contacts_of(contact));
    int result = acme_client_post(client, client->new_account, payload, &reply, error);
    if (result == 0 && !reply.response.location[0])
        result = acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                                "the server does not name the account it has made");
    if (result < 0) {
        acme_error_while(error, "making an account at %s", client->authority->directory);
        acme_reply_free(&reply);
        return result;
    }
    bool found = reply.response.status == 200;
    memcpy(client->kid, reply.response.location, sizeof client->kid);
    memcpy(record->kid, client->kid, sizeof record->kid);
    // One that was there already may have another contact.
    if (found)
        snprintf(record->contact, sizeof record->contact, "?");
    else
        memcpy(record->contact, contact, sizeof contact);
    acme_reply_free(&reply);
    log_line(LOG_INFO, NULL, "acme: %s account %s", found ? "found the" : "made an", client->kid);
    return 0;
}

static int contact_change(struct acme_client *client, const struct conf_acme *acme,
                          struct record *record, struct acme_error *error) {
    struct acme_reply reply;
    char contact[512];
    contact_of(acme, contact);
    json_t *payload = json_pack("{s:o}", "contact", contacts_of(contact));
    int result = acme_client_post(client, client->kid, payload, &reply, error);
    acme_reply_free(&reply);
    if (result == 0)
        memcpy(record->contact, contact, sizeof contact);
    else
        acme_error_while(error, "changing the contact of the account");
    return result;
}
