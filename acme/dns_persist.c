// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_persist.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/challenge.h"
#include "acme/dns_zone.h"
#include "acme/jose.h"
#include "acme/json.h"
#include "acme/storage.h"
#include "core/log.h"

#define PREFIX "_validation-persist."
#define ISSUERS_MAX 10
#define ISSUER_BYTES_MAX 253
#define VALUE_BYTES 2048

// What an authorization waits for.
struct expected {
    const json_t *issuers; // any of them
    const char *uri;       // of our account
    bool wildcard;
};

static int record_expect(struct acme_client *client, const struct conf_acme *acme,
                         const struct conf_managed *managed, const json_t *authorization,
                         json_t *records, struct acme_error *error);

static void path_of(const struct conf_acme *acme, const struct conf_managed *managed,
                    char path[PATH_MAX]) {
    acme_storage_path(acme->state_dir, ACME_DNS, managed->name, ".persist", path);
}

int acme_dns_persist_expect(struct acme_client *client, const struct conf_acme *acme,
                            const struct conf_managed *managed, const json_t *authorizations,
                            struct acme_error *error) {
    char path[PATH_MAX];
    json_t *records = json_array();
    const json_t *url;
    size_t place;
    struct acme_error first = {0}, each = {0};
    int result = 0;
    // All of them are worked out, so that all can be made at once.
    json_array_foreach(authorizations, place, url) {
        struct acme_reply reply;
        if (!json_is_string(url))
            continue;
        int found = acme_client_post(client, json_string_value(url), NULL, &reply, &each);
        if (found == 0)
            found = record_expect(client, acme, managed, reply.json, records, &each);
        acme_reply_free(&reply);
        if (found < 0 && result == 0) {
            first = each;
            result = found;
        }
    }
    path_of(acme, managed, path);
    int written = 0;
    if (json_array_size(records) > 0)
        written = acme_storage_write_json(path, json_pack("{s:O}", "records", records), error);
    json_decref(records);
    if (result < 0)
        *error = first;
    return result < 0 ? result : written;
}

json_t *acme_dns_persist_records(const struct conf_acme *acme, const struct conf_managed *managed) {
    char path[PATH_MAX];
    path_of(acme, managed, path);
    json_t *file = acme_storage_read_json(path);
    json_t *records = json_incref((json_t *)acme_json_array(file, "records"));
    json_decref(file);
    return records;
}

// --- what the record has to be ----------------------------------------------------------------

char *acme_dns_persist_uri(const char *prefix, const char *domain, const char *thumbprint,
                           const char *account) {
    uint8_t digest[ACME_DIGEST_BYTES];
    char *text, *uri = NULL;
    int size = asprintf(&text, "%c%s%s%s", (int)strlen(domain), domain, thumbprint, account);
    if (size < 0)
        return NULL;
    char *encoded = acme_digest((struct str){text, (size_t)size}, digest) == 0
                        ? acme_base64url(digest, sizeof digest)
                        : NULL;
    if (encoded && asprintf(&uri, "%ssha-256/%s", prefix, encoded) < 0)
        uri = NULL;
    free(encoded);
    free(text);
    return uri;
}

// As the authority wants it by its draft: hashed (02), told in the challenge (01), or the account's
// URL (00).
static char *uri_of(const struct acme_client *client, const json_t *challenge, const char *domain) {
    char thumbprint[ACME_THUMBPRINT_BYTES];
    const char *told = acme_json_text(challenge, "accounturi");
    if (!client->account_hash_prefix[0])
        return strdup(told ? told : client->kid);
    if (acme_key_thumbprint(client->key, thumbprint) < 0)
        return NULL;
    return acme_dns_persist_uri(client->account_hash_prefix, domain, thumbprint, client->kid);
}

// NULL when there is none, or too many, or one that is none.
static const json_t *issuers_of(const json_t *challenge) {
    const json_t *issuers = acme_json_array(challenge, "issuerDomainNames"), *issuer;
    size_t place;
    if (!issuers)
        issuers = acme_json_array(challenge, "issuer-domain-names"); // before draft 02
    json_array_foreach(issuers, place, issuer) {
        const char *text = json_string_value(issuer);
        if (!text || !text[0] || strlen(text) > ISSUER_BYTES_MAX)
            return NULL;
    }
    size_t count = json_array_size(issuers);
    return count > 0 && count <= ISSUERS_MAX ? issuers : NULL;
}

static bool site_has_wildcard(const struct conf_site *site, const char *domain) {
    for (size_t i = 0; i < site->acme_host_count; i++)
        if (strncmp(site->acme_hosts[i], "*.", 2) == 0 &&
            strcasecmp(site->acme_hosts[i] + 2, domain) == 0)
            return true;
    return false;
}

static int record_look(const struct acme_client *client, const struct conf_acme *acme,
                       const char *name, const char *value, const struct expected *expected,
                       struct acme_error *error);

static int record_expect(struct acme_client *client, const struct conf_acme *acme,
                         const struct conf_managed *managed, const json_t *authorization,
                         json_t *records, struct acme_error *error) {
    char name[ACME_DNS_NAME_BYTES], value[VALUE_BYTES];
    const char *domain = acme_json_text(json_object_get(authorization, "identifier"), "value");
    const char *status = acme_json_text(authorization, "status");
    const json_t *challenge = acme_challenge_find(authorization, ACME_CHALLENGE_DNS_PERSIST_01);
    if (!challenge || !domain || !status || strcmp(status, "pending") != 0 ||
        strlen(domain) + sizeof PREFIX > sizeof name)
        return 0; // for those who go through the authorizations next
    const json_t *issuers = issuers_of(challenge);
    if (!issuers)
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the server's dns-persist-01 challenge does not name its issuers");
    char *uri = uri_of(client, challenge, domain);
    if (!uri)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    struct expected expected = {issuers, uri, site_has_wildcard(managed->site, domain)};
    snprintf(name, sizeof name, PREFIX "%s", domain);
    snprintf(value, sizeof value, "%s; accounturi=%s%s",
             json_string_value(json_array_get(issuers, 0)), uri,
             expected.wildcard ? "; policy=wildcard" : "");
    json_array_append_new(records, json_pack("{s:s, s:s}", "name", name, "value", value));
    int result = record_look(client, acme, name, value, &expected, error);
    free(uri);
    return result;
}

// --- what it is -------------------------------------------------------------------------------

// Cuts the next part, up to ';', off `rest` and trims it (RFC 8659 §4.2).
static char *part_next(char **rest) {
    char *part = strsep(rest, ";");
    if (!part)
        return NULL;
    part += strspn(part, " \t");
    size_t size = strlen(part);
    while (size > 0 && isspace((unsigned char)part[size - 1]))
        part[--size] = '\0';
    return part;
}

static bool is_issuer(const json_t *issuers, const char *text) {
    const json_t *issuer;
    size_t place;
    json_array_foreach(issuers, place, issuer) {
        if (strcasecmp(json_string_value(issuer), text) == 0)
            return true;
    }
    return false;
}

// What is wrong with a record, by what follows its issuer; "": nothing. Takes `text` apart.
static const char *record_judge(char *text, const struct expected *expected) {
    char *part;
    bool wildcard = false, ours = false;
    while ((part = part_next(&text))) {
        char *value = strchr(part, '=');
        if (!value)
            continue;
        *value++ = '\0';
        if (strcasecmp(part, "accounturi") == 0)
            ours = strcmp(value, expected->uri) == 0;
        else if (strcasecmp(part, "policy") == 0)
            wildcard = strcasecmp(value, "wildcard") == 0;
        else if (strcasecmp(part, "persistUntil") == 0 && strtoll(value, NULL, 10) < time(NULL))
            return "has expired (persistUntil)";
    }
    if (expected->wildcard && !wildcard)
        return "does not have policy=wildcard";
    return ours ? "" : "names another account";
}

static int stranger_tell(const char *stranger, const char *name, const char *value,
                         const struct expected *expected, struct acme_error *error);

// A key that has been changed gives another URI, and the authority takes the one before as well:
// of an account only it can judge. There may be records for other authorities beside ours.
static int record_look(const struct acme_client *client, const struct conf_acme *acme,
                       const char *name, const char *value, const struct expected *expected,
                       struct acme_error *error) {
    struct acme_dns_servers resolvers;
    struct acme_dns_answer answer;
    char text[VALUE_BYTES], stranger[ISSUER_BYTES_MAX + 1] = "";
    static const char missing[] = "is missing";
    const char *wrong = missing;
    int result = acme_dns_resolvers(&acme->dns, &resolvers, error);
    if (result == 0)
        result =
            acme_dns_lookup(client->stop_fd, &resolvers, name, LDNS_RR_TYPE_TXT, &answer, error);
    if (result < 0 && result != -ECANCELED)
        log_line(LOG_WARN, NULL, "acme: whether the record %s is there is not known: %s", name,
                 error->text);
    if (result < 0)
        return result == -ECANCELED ? result : 0;
    for (size_t i = 0; wrong[0] && acme_dns_answer_text(&answer, i, text, sizeof text); i++) {
        char *rest = text;
        const char *issuer = part_next(&rest);
        if (is_issuer(expected->issuers, issuer))
            wrong = record_judge(rest, expected);
        else
            snprintf(stranger, sizeof stranger, "%s", issuer);
    }
    acme_dns_answer_free(&answer);
    if (wrong == missing && stranger[0])
        return stranger_tell(stranger, name, value, expected, error);
    if (strcmp(wrong, "names another account") == 0)
        log_line(LOG_WARN, NULL, "acme: the record %s %s; it should be: %s", name, wrong, value);
    else if (wrong[0])
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                              "the record %s %s; make it in DNS: %s. TXT \"%s\"", name, wrong, name,
                              value);
    return 0;
}

// The error for a record that names an issuer which is none of the challenge's. Those come last:
// they may be too long for one message.
static int stranger_tell(const char *stranger, const char *name, const char *value,
                         const struct expected *expected, struct acme_error *error) {
    char issuers[ISSUERS_MAX * (ISSUER_BYTES_MAX + 2) + 1] = "";
    const json_t *issuer;
    size_t place, used = 0;
    json_array_foreach(expected->issuers, place, issuer) {
        used += (size_t)snprintf(issuers + used, sizeof issuers - used, "%s%s", place ? ", " : "",
                                 json_string_value(issuer));
    }
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                          "the record %s is for \"%s\", which is not this authority; make one for "
                          "it in DNS: %s. TXT \"%s\" (it goes by: %s)",
                          name, stranger, name, value, issuers);
}
