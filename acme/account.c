// SPDX-License-Identifier: Apache-2.0
//
// While the key is being changed the file has two: "key" and "next_key". Whoever finds both asks
// the server which one it knows.
#include "acme/account.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/eab.h"
#include "acme/jose.h"
#include "acme/json.h"
#include "acme/storage.h"
#include "core/log.h"

// An account's file, and what is in it.
struct record {
    char path[PATH_MAX];
    char *key, *next_key; // PEM; NULL: none
    char kid[ACME_URL_BYTES];
    char contact[512]; // "": none
};

static void record_read(struct record *record, const struct conf_acme *acme,
                        const struct conf_authority *authority);
static int record_write(const struct record *record, struct acme_error *error);
static void record_free(struct record *record);
static int key_open(struct acme_client *client, struct record *record, struct acme_error *error);
static int next_key_settle(struct acme_client *client, struct record *record,
                           struct acme_error *error);
static int account_register(struct acme_client *client, const struct conf_acme *acme,
                            struct record *record, struct acme_error *error);
static int contact_change(struct acme_client *client, const struct conf_acme *acme,
                          struct record *record, struct acme_error *error);

static void contact_of(const struct conf_acme *acme, char contact[512]) {
    snprintf(contact, 512, "%s%s", acme->email ? "mailto:" : "", acme->email ? acme->email : "");
}

int acme_account_open(struct acme_client *client, const struct conf_acme *acme,
                      struct acme_error *error) {
    struct record record;
    char contact[512];
    record_read(&record, acme, client->authority);
    contact_of(acme, contact);
    int result = key_open(client, &record, error);
    if (result == 0 && record.next_key)
        result = next_key_settle(client, &record, error);
    if (result == 0 && !record.kid[0])
        result = account_register(client, acme, &record, error);
    if (result == 0 && strcmp(record.contact, contact) != 0)
        result = contact_change(client, acme, &record, error);
    record_free(&record);
    if (result < 0 && client->kid[0] && error->trouble == ACME_TROUBLE_NO_ACCOUNT)
        return acme_account_renew(client, acme, error);
    if (result < 0)
        client->kid[0] = '\0'; // it is not open
    return result;
}

// Keeps the file of an account that is no good any more beside its place.
static int account_replace(struct acme_client *client, const struct conf_acme *acme,
                           struct record *record, struct acme_error *error) {
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s.refused", record->path) >= PATH_MAX ||
        rename(record->path, aside) < 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -errno, "renaming %s: %s", record->path,
                              strerror(errno));
    log_line(LOG_WARN, NULL,
             "acme: %s; was the account %s deactivated? A new one is made; the old one's key is "
             "now in %s",
             error->text, record->kid, aside);
    record_free(record);
    record_read(record, acme, client->authority);
    int result = key_open(client, record, error);
    return result == 0 ? account_register(client, acme, record, error) : result;
}

int acme_account_renew(struct acme_client *client, const struct conf_acme *acme,
                       struct acme_error *error) {
    struct record record;
    record_read(&record, acme, client->authority);
    int result = key_open(client, &record, error);
    if (result == 0)
        result = account_register(client, acme, &record, error);
    if (result < 0 && error->trouble == ACME_TROUBLE_NO_ACCOUNT)
        result = account_replace(client, acme, &record, error);
    record_free(&record);
    if (result < 0)
        client->kid[0] = '\0';
    return result;
}

// --- the record -------------------------------------------------------------------------------

// Servers are told apart by the whole URL of their directory.
void acme_account_path(const struct conf_acme *acme, const struct conf_authority *authority,
                       const char *suffix, char path[PATH_MAX]) {
    char name[256];
    snprintf(name, sizeof name, "%.200s", authority->directory + strlen("https://"));
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *at))
            *at = '_';
    acme_storage_path(acme->state_dir, ACME_ACCOUNTS, name, suffix, path);
}

bool acme_account_exists(const struct conf_acme *acme, const struct conf_authority *authority) {
    char path[PATH_MAX];
    acme_account_path(acme, authority, ".json", path);
    return access(path, F_OK) == 0;
}

static void record_read(struct record *record, const struct conf_acme *acme,
                        const struct conf_authority *authority) {
    *record = (struct record){0};
    acme_account_path(acme, authority, ".json", record->path);
    json_t *json = acme_storage_read_json(record->path);
    const char *key = acme_json_text(json, "key"), *next_key = acme_json_text(json, "next_key");
    const char *kid = acme_json_text(json, "url"), *contact = acme_json_text(json, "contact");
    record->key = key ? strdup(key) : NULL;
    record->next_key = next_key ? strdup(next_key) : NULL;
    snprintf(record->kid, sizeof record->kid, "%s", kid ? kid : "");
    snprintf(record->contact, sizeof record->contact, "%s", contact ? contact : "");
    json_decref(json);
}

static int record_write(const struct record *record, struct acme_error *error) {
    json_t *json = json_pack("{s:s, s:s, s:s}", "url", record->kid, "contact", record->contact,
                             "key", record->key);
    if (json && record->next_key)
        json_object_set_new(json, "next_key", json_string(record->next_key));
    return acme_storage_write_json(record->path, json, error);
}

static void pem_free(char **pem) {
    if (*pem)
        explicit_bzero(*pem, strlen(*pem));
    free(*pem);
    *pem = NULL;
}

static void record_free(struct record *record) {
    pem_free(&record->key);
    pem_free(&record->next_key);
}

// --- keys -------------------------------------------------------------------------------------

// Makes a key for an account. 0 or negative errno.
static int key_make(struct acme_key **key, char **pem, struct acme_error *error) {
    if (acme_key_make(ACME_KEY_ECDSA, key) < 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "no account key can be made");
    *pem = acme_key_write(*key);
    if (*pem)
        return 0;
    acme_key_free(*key);
    *key = NULL;
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "no account key can be made");
}

static int key_unreadable(const struct record *record, struct acme_error *error) {
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                          "the account key in %s cannot be read; restore the file, or remove it "
                          "for a new account",
                          record->path);
}

// Gives the client the key and URL of the record, which gets a key if it has none.
static int key_open(struct acme_client *client, struct record *record, struct acme_error *error) {
    acme_key_free(client->key);
    client->key = NULL;
    memcpy(client->kid, record->kid, sizeof client->kid);
    if (record->key) {
        if (acme_key_read(record->key, &client->key) == 0 &&
            acme_key_kind(client->key) == ACME_KEY_ECDSA)
            return 0;
        return key_unreadable(record, error);
    }
    int result = key_make(&client->key, &record->key, error);
    return result == 0 ? record_write(record, error) : result;
}

// The next key has become the key, for the server as well.
static int next_key_take(struct acme_client *client, struct record *record, struct acme_key *next,
                         struct acme_error *error) {
    acme_key_free(client->key);
    client->key = next;
    memcpy(client->kid, record->kid, sizeof client->kid);
    pem_free(&record->key);
    record->key = record->next_key;
    record->next_key = NULL;
    log_line(LOG_INFO, NULL, "acme: the account %s has a new key", record->kid);
    return record_write(record, error);
}

// Finds out whether the server has taken the next key, when that is not known.
static int next_key_settle(struct acme_client *client, struct record *record,
                           struct acme_error *error) {
    struct acme_key *key = client->key, *next = NULL;
    struct acme_reply reply;
    if (acme_key_read(record->next_key, &next) < 0)
        return key_unreadable(record, error);
    client->key = next;
    client->kid[0] = '\0';
    int result = acme_client_post(client, client->new_account,
                                  json_pack("{s:b}", "onlyReturnExisting", 1), &reply, error);
    acme_reply_free(&reply);
    client->key = key;
    memcpy(client->kid, record->kid, sizeof client->kid);
    if (result == 0)
        return next_key_take(client, record, next, error);
    acme_key_free(next);
    if (error->trouble != ACME_TROUBLE_NO_ACCOUNT) {
        acme_error_while(error, "asking which key the account has");
        return result;
    }
    pem_free(&record->next_key);
    return record_write(record, error);
}

// The inner one of the two signed messages: by the new key, without a nonce (RFC 8555 §7.3.5).
static json_t *key_change_make(const struct acme_client *client, const struct acme_key *next) {
    json_t *header = json_pack("{s:s, s:o}", "url", client->key_change, "jwk", acme_key_jwk(next));
    char *payload = acme_json_write(
        json_pack("{s:s, s:o}", "account", client->kid, "oldKey", acme_key_jwk(client->key)));
    char *jws = header && payload ? acme_sign(next, header, str_from(payload)) : NULL;
    json_t *json = jws ? acme_json_read(jws, strlen(jws)) : NULL;
    free(payload);
    free(jws);
    return json;
}

int acme_account_rollover(struct acme_client *client, const struct conf_acme *acme,
                          struct acme_error *error) {
    struct record record;
    struct acme_key *next = NULL;
    struct acme_reply reply = {0};
    if (!client->key_change[0])
        return acme_error_set(error, ACME_TROUBLE_REFUSED, -ENOTSUP,
                              "%s lets nobody change an account's key",
                              client->authority->directory);
    record_read(&record, acme, client->authority);
    int result = key_make(&next, &record.next_key, error);
    if (result == 0)
        result = record_write(&record, error);
    json_t *message = result == 0 ? key_change_make(client, next) : NULL;
    if (result == 0 && !message)
        result = acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    if (result == 0)
        result = acme_client_post(client, client->key_change, message, &reply, error);
    if (result == 0)
        result = next_key_take(client, &record, next, error);
    else
        acme_key_free(next);
    if (result < 0)
        acme_error_while(error, "changing the key of the account at %s",
                         client->authority->directory);
    acme_reply_free(&reply);
    record_free(&record);
    return result;
}

// --- the server -------------------------------------------------------------------------------

static json_t *contacts_of(const char *contact) {
    return contact[0] ? json_pack("[s]", contact) : json_array();
}

static int payload_make(struct acme_client *client, const struct conf_acme *acme,
                        const char *contact, json_t **payload, struct acme_error *error) {
    json_t *binding = NULL;
    if (client->wants_eab && !client->authority->eab_key_id)
        return acme_error_set(error, ACME_TROUBLE_REFUSED, -EACCES,
                              "it gives accounts to its customers only: put the key identifier and "
                              "the key that you get there into eab");
    int result = client->authority->eab_key_id ? acme_eab_make(client, &binding, error) : 0;
    if (result < 0)
        return result;
    *payload = json_pack("{s:b, s:o}", "termsOfServiceAgreed", acme->agree_tos, "contact",
                         contacts_of(contact));
    if (binding)
        json_object_set_new(*payload, "externalAccountBinding", binding);
    return 0;
}

static int account_register(struct acme_client *client, const struct conf_acme *acme,
                            struct record *record, struct acme_error *error) {
    struct acme_reply reply = {0};
    char contact[512];
    json_t *payload = NULL;
    contact_of(acme, contact);
    client->kid[0] = '\0';
    int result = payload_make(client, acme, contact, &payload, error);
    if (result == 0)
        result = acme_client_post(client, client->new_account, payload, &reply, error);
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
    snprintf(record->contact, sizeof record->contact, "%s", found ? "?" : contact);
    acme_reply_free(&reply);
    log_line(LOG_INFO, NULL, "acme: %s account %s", found ? "found the" : "made an", client->kid);
    return record_write(record, error);
}

static int contact_change(struct acme_client *client, const struct conf_acme *acme,
                          struct record *record, struct acme_error *error) {
    struct acme_reply reply;
    char contact[512];
    contact_of(acme, contact);
    json_t *payload = json_pack("{s:o}", "contact", contacts_of(contact));
    int result = acme_client_post(client, client->kid, payload, &reply, error);
    acme_reply_free(&reply);
    if (result < 0) {
        acme_error_while(error, "changing the contact of the account");
        return result;
    }
    memcpy(record->contact, contact, sizeof contact);
    return record_write(record, error);
}
