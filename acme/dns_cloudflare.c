// SPDX-License-Identifier: Apache-2.0
//
// A provider that is Cloudflare's API, version 4, with an API token. Every answer is
// {"success", "errors": [{"code", "message"}], "result", "result_info": {"page", "total_pages"}}.
// A record is found again by what it says, so that nothing has to be remembered about it.
#include "acme/dns_provider.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/http.h"
#include "acme/json.h"
#include "acme/storage.h"

#define TOKEN_BYTES 512
#define PAGES_MAX 50
// When it says that there were too many requests: how often, and how long to wait at most.
#define TRIES 4
#define WAIT_S_MAX 60
// Codes of errors that are none to us.
#define CODE_RECORD_EXISTS 81057
#define CODE_SAME_RECORD_EXISTS 81058
#define CODE_NO_SUCH_RECORD 81044

struct api {
    const struct conf_cloudflare *conf;
    struct acme_http *http;
    char authorization[TOKEN_BYTES + 8]; // "Bearer TOKEN"
    long long code;                      // of the last error; 0: it had none
};

struct zone {
    char id[64], name[ACME_DNS_NAME_BYTES];
    bool may_not_edit; // it says so
};

static int api_open(struct api *api, const struct conf_cloudflare *conf, int stop_fd,
                    struct acme_error *error);
static void api_close(struct api *api);
static int zone_find(struct api *api, const char *name, struct zone *zone,
                     struct acme_error *error);
static int record_create(struct api *api, const struct zone *zone,
                         const struct acme_dns_record *record, struct acme_error *error);
static int record_delete(struct api *api, const struct zone *zone,
                         const struct acme_dns_record *record, struct acme_error *error);
static int token_verify(struct api *api, struct acme_error *error);
static int records_read(struct api *api, const struct zone *zone, const char *name,
                        const char *value, json_t *ids, struct acme_error *error);

int acme_dns_cloudflare_change(const struct conf_acme *acme, int stop_fd,
                               enum acme_dns_change change, const struct acme_dns_record *record,
                               struct acme_error *error) {
    struct api api;
    struct zone zone;
    int result = api_open(&api, &acme->cloudflare, stop_fd, error);
    if (result == 0)
        result = zone_find(&api, record->name, &zone, error);
    if (result == 0)
        result = change == ACME_DNS_SET ? record_create(&api, &zone, record, error)
                                        : record_delete(&api, &zone, record, error);
    if (result < 0)
        acme_error_while(error, "%s %s at Cloudflare",
                         change == ACME_DNS_SET ? "setting" : "removing", record->name);
    api_close(&api);
    return result;
}

int acme_dns_cloudflare_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                              struct acme_error *error) {
    struct api api;
    struct zone zone;
    json_t *ids = json_array();
    int result = api_open(&api, &acme->cloudflare, stop_fd, error);
    if (result == 0)
        result = token_verify(&api, error);
    if (result == 0)
        result = zone_find(&api, domain, &zone, error);
    if (result == 0)
        result = records_read(&api, &zone, domain, "", ids, error);
    if (result == 0 && zone.may_not_edit)
        result = acme_error_set(error, ACME_TROUBLE_LOCAL, -EACCES,
                                "Cloudflare's token may read the zone %s but not edit its records; "
                                "give it the permission Zone - DNS - Edit",
                                zone.name);
    json_decref(ids);
    api_close(&api);
    return result;
}

// --- the token --------------------------------------------------------------------------------

static int token_error(const struct conf_cloudflare *conf, struct acme_error *error) {
    if (conf->token_file)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                              "%s holds no API token of Cloudflare: one line, and readable for the "
                              "gateway's user",
                              conf->token_file);
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                          "no API token for Cloudflare: name a file that holds one with "
                          "acme.cloudflare.token_file, or set %s in the environment",
                          conf->token_env);
}

static int api_open(struct api *api, const struct conf_cloudflare *conf, int stop_fd,
                    struct acme_error *error) {
    char *file = conf->token_file ? acme_storage_read(conf->token_file) : NULL;
    const char *text = conf->token_file ? file : getenv(conf->token_env);
    *api = (struct api){.conf = conf};
    text = text ? text + strspn(text, " \t\r\n") : "";
    size_t size = 0;
    while (text[size] > ' ' && text[size] < 0x7f)
        size++;
    bool good = size > 0 && size < TOKEN_BYTES && !text[size + strspn(text + size, " \t\r\n")];
    if (good)
        snprintf(api->authorization, sizeof api->authorization, "Bearer %.*s", (int)size, text);
    if (file)
        explicit_bzero(file, strlen(file));
    free(file);
    return good ? acme_http_open(&api->http, conf->ca_file, stop_fd, error)
                : token_error(conf, error);
}

static void api_close(struct api *api) {
    acme_http_close(api->http);
    explicit_bzero(api, sizeof *api);
}

// --- one request ------------------------------------------------------------------------------

static int answer_error(struct api *api, const struct acme_response *response, const json_t *answer,
                        struct acme_error *error) {
    const json_t *first = json_array_get(acme_json_array(answer, "errors"), 0);
    const json_t *chained = json_array_get(acme_json_array(first, "error_chain"), 0);
    const char *message = acme_json_text(first, "message");
    const char *detail = acme_json_text(chained, "message");
    api->code = acme_json_number(first, "code", 0);
    acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO,
                   "Cloudflare answers with status %u: %.200s%s%.200s (code %lld)",
                   response->status, message ? message : "no reason", detail ? ": " : "",
                   detail ? detail : "", api->code);
    if (response->status == 429)
        acme_error_advise(error, "there were too many requests; nothing is lost by waiting");
    else if (response->status == 403)
        acme_error_advise(error, "the token needs the permissions Zone - Zone - Read and Zone - "
                                 "DNS - Edit for this zone");
    else if (response->status == 401 || response->status == 400)
        acme_error_advise(error, "is the API token in %s right, not expired, and no global key?",
                          api->conf->token_file ? api->conf->token_file : api->conf->token_env);
    error->retry_after_s = response->retry_after_s;
    return -EIO;
}

static int request_once(struct api *api, const char *method, const char *path, struct str body,
                        unsigned *status, json_t **answer, struct acme_error *error) {
    char url[ACME_URL_BYTES];
    struct acme_response response;
    size_t base = strlen(api->conf->url);
    while (base > 0 && api->conf->url[base - 1] == '/')
        base--;
    snprintf(url, sizeof url, "%.*s%s", (int)base, api->conf->url, path);
    struct acme_request request = {.method = method,
                                   .url = url,
                                   .content_type = body.len > 0 ? "application/json" : NULL,
                                   .authorization = api->authorization,
                                   .body = body};
    int result = acme_http_send(api->http, &request, &response, error);
    if (result < 0) {
        acme_error_while(error, "asking Cloudflare");
        return result;
    }
    *status = response.status;
    *answer = response.body ? acme_json_read(response.body, response.body_size) : NULL;
    if (!json_is_true(json_object_get(*answer, "success"))) {
        result = answer_error(api, &response, *answer, error);
        json_decref(*answer);
        *answer = NULL;
    }
    acme_response_free(&response);
    return result;
}

// Sends `body` (which is dropped; NULL: none). 0, and the caller drops the answer.
static int request(struct api *api, const char *method, const char *path, json_t *body,
                   json_t **answer, struct acme_error *error) {
    char *text = body ? acme_json_write(body) : NULL;
    int result = -ENOMEM;
    *answer = NULL;
    if (body && !text)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, result, "out of memory");
    for (int i = 0; i < TRIES; i++) {
        unsigned status = 0;
        api->code = 0;
        result = request_once(api, method, path, str_from(text), &status, answer, error);
        unsigned wait_s = error->retry_after_s > 0 ? error->retry_after_s : 1;
        if (result == 0 || status != 429 || wait_s > WAIT_S_MAX || i + 1 == TRIES)
            break;
        if (acme_http_sleep(api->http, wait_s * 1000) < 0) {
            result = acme_error_set(error, ACME_TROUBLE_STOPPED, -ECANCELED, "the gateway stops");
            break;
        }
    }
    free(text);
    return result;
}

// Called for each entry of a list; false: that is enough.
typedef bool visit_fn(const json_t *entry, void *context);

// Goes through all pages of a list. `path` has a query.
static int list(struct api *api, const char *path, visit_fn *visit, void *context,
                struct acme_error *error) {
    char paged[ACME_URL_BYTES];
    long long page = 1, pages = 1;
    for (; page <= pages && page <= PAGES_MAX; page++) {
        json_t *answer;
        const json_t *entry;
        size_t place;
        snprintf(paged, sizeof paged, "%s&per_page=50&page=%lld", path, page);
        int result = request(api, "GET", paged, NULL, &answer, error);
        if (result < 0)
            return result;
        pages = acme_json_number(json_object_get(answer, "result_info"), "total_pages", 1);
        json_array_foreach(acme_json_array(answer, "result"), place, entry) {
            if (!visit(entry, context))
                pages = 0;
        }
        json_decref(answer);
    }
    return 0;
}

// --- what is asked for ------------------------------------------------------------------------

// A token of an account, unlike that of a user, is not known at this place: only what is said about
// a token that is known counts. Whether the others are good is seen at the zone.
static int token_verify(struct api *api, struct acme_error *error) {
    json_t *answer;
    int result = request(api, "GET", "/user/tokens/verify", NULL, &answer, error);
    if (result < 0)
        return result == -EIO ? 0 : result;
    const char *status = acme_json_text(json_object_get(answer, "result"), "status");
    if (status && strcmp(status, "active") != 0)
        result = acme_error_set(error, ACME_TROUBLE_LOCAL, -EACCES,
                                "Cloudflare's token is %.40s; make another one", status);
    json_decref(answer);
    return result;
}

static bool zone_visit(const json_t *entry, void *context) {
    struct zone *zone = context;
    const char *id = acme_json_text(entry, "id"), *name = acme_json_text(entry, "name");
    const json_t *permissions = acme_json_array(entry, "permissions"), *permission;
    bool may_edit = false;
    size_t place;
    if (!id || !name || strlen(id) >= sizeof zone->id || strlen(name) >= sizeof zone->name)
        return true;
    json_array_foreach(permissions, place, permission) {
        const char *text = json_string_value(permission);
        may_edit |= text && strcmp(text, "#dns_records:edit") == 0;
    }
    strcpy(zone->id, id);
    strcpy(zone->name, name);
    zone->may_not_edit = json_array_size(permissions) > 0 && !may_edit;
    return false;
}

// What may stand in a query as it is.
static bool is_plain(const char *name) {
    return name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

// From the longest possible zone to the shortest; a top-level domain is nobody's.
static int zone_find(struct api *api, const char *name, struct zone *zone,
                     struct acme_error *error) {
    char path[ACME_DNS_NAME_BYTES + 32];
    *zone = (struct zone){0};
    for (const char *at = name; is_plain(name) && at && strchr(at, '.'); at = strchr(at, '.') + 1) {
        snprintf(path, sizeof path, "/zones?name=%s", at);
        int result = list(api, path, zone_visit, zone, error);
        if (result < 0 || zone->id[0])
            return result;
    }
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                          "Cloudflare shows this token no zone that %s is in: is the zone there, "
                          "and does the token include it, with the permission Zone - Zone - Read?",
                          name);
}

static int record_create(struct api *api, const struct zone *zone,
                         const struct acme_dns_record *record, struct acme_error *error) {
    char path[128], content[ACME_DNS_VALUE_BYTES + 2];
    json_t *answer;
    snprintf(path, sizeof path, "/zones/%s/dns_records", zone->id);
    snprintf(content, sizeof content, "\"%s\"", record->value);
    json_t *body = json_pack("{s:s, s:s, s:s, s:i}", "type", "TXT", "name", record->name, "content",
                             content, "ttl", ACME_DNS_TTL_S);
    int result = request(api, "POST", path, body, &answer, error);
    json_decref(answer);
    bool is_there = api->code == CODE_RECORD_EXISTS || api->code == CODE_SAME_RECORD_EXISTS;
    return result < 0 && is_there ? 0 : result;
}

struct wanted {
    const char *value;
    json_t *ids;
};

// With or without the quotes of a zone file.
static bool record_visit(const json_t *entry, void *context) {
    const struct wanted *wanted = context;
    const char *id = acme_json_text(entry, "id"), *content = acme_json_text(entry, "content");
    if (!id || !content)
        return true;
    struct str text = str_from(content);
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = (struct str){text.ptr + 1, text.len - 2};
    if (str_eq(text, str_from(wanted->value)) && is_plain(id))
        json_array_append_new(wanted->ids, json_string(id));
    return true;
}

// Adds the ids of the records with this name and value.
static int records_read(struct api *api, const struct zone *zone, const char *name,
                        const char *value, json_t *ids, struct acme_error *error) {
    char path[ACME_DNS_NAME_BYTES + 128];
    struct wanted wanted = {value, ids};
    snprintf(path, sizeof path, "/zones/%s/dns_records?type=TXT&name=%s", zone->id, name);
    return list(api, path, record_visit, &wanted, error);
}

static int record_delete(struct api *api, const struct zone *zone,
                         const struct acme_dns_record *record, struct acme_error *error) {
    json_t *ids = json_array(), *answer;
    const json_t *id;
    size_t place;
    int result = records_read(api, zone, record->name, record->value, ids, error);
    json_array_foreach(ids, place, id) {
        char path[256];
        if (result < 0)
            break;
        snprintf(path, sizeof path, "/zones/%s/dns_records/%.64s", zone->id, json_string_value(id));
        result = request(api, "DELETE", path, NULL, &answer, error);
        json_decref(answer);
        result = result < 0 && api->code == CODE_NO_SUCH_RECORD ? 0 : result;
    }
    json_decref(ids);
    return result;
}
