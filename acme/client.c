// SPDX-License-Identifier: Apache-2.0
#include "acme/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/jose.h"
#include "acme/json.h"

#define NONCE_TRIES 10
// Limits may be for longer; a server that is in trouble may be well again before it thinks.
#define RETRY_TROUBLE_MAX_S (24 * 3600)

static int directory_read(struct acme_client *client, const json_t *directory,
                          struct acme_error *error);
static void retry_set(struct acme_error *error, const struct acme_response *response);

int acme_client_open(struct acme_client *client, const struct conf_authority *authority,
                     int stop_fd, struct acme_error *error) {
    *client = (struct acme_client){.authority = authority, .stop_fd = stop_fd};
    int result = acme_http_open(&client->http, authority->ca_file, stop_fd, error);
    if (result < 0)
        return result;
    struct acme_request request = {.method = "GET", .url = authority->directory};
    struct acme_response response;
    result = acme_http_send(client->http, &request, &response, error);
    if (result == 0) {
        json_t *json = acme_json_read(response.body, response.body_size);
        if (response.status == 200 && json)
            result = directory_read(client, json, error);
        else
            result = acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                                    "the answer (status %u) is no directory of an ACME server",
                                    response.status);
        if (result < 0)
            retry_set(error, &response);
        json_decref(json);
        acme_response_free(&response);
    }
    if (result < 0)
        acme_error_while(error, "reading %s", authority->directory);
    return result;
}

void acme_client_close(struct acme_client *client) {
    acme_http_close(client->http);
    acme_key_free(client->key);
    json_decref(client->profiles);
    *client = (struct acme_client){0};
}

static bool url_take(const json_t *object, const char *key, char out[ACME_URL_BYTES]) {
    const char *text = acme_json_text(object, key);
    return text && snprintf(out, ACME_URL_BYTES, "%s", text) < ACME_URL_BYTES;
}

static int directory_read(struct acme_client *client, const json_t *directory,
                          struct acme_error *error) {
    if (!url_take(directory, "newNonce", client->new_nonce) ||
        !url_take(directory, "newAccount", client->new_account) ||
        !url_take(directory, "newOrder", client->new_order))
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "it names no newNonce, newAccount and newOrder");
    url_take(directory, "revokeCert", client->revoke_cert);
    url_take(directory, "keyChange", client->key_change);
    url_take(directory, "renewalInfo", client->renewal_info);
    const json_t *meta = json_object_get(directory, "meta");
    url_take(meta, "termsOfService", client->terms);
    url_take(meta, "accountHashPrefix", client->account_hash_prefix);
    client->profiles = json_incref(json_object_get(meta, "profiles"));
    client->wants_eab = json_is_true(json_object_get(meta, "externalAccountRequired"));
    return 0;
}

// --- requests ---------------------------------------------------------------------------------

static int nonce_get(struct acme_client *client, struct acme_error *error) {
    struct acme_request request = {.method = "HEAD", .url = client->new_nonce};
    struct acme_response response;
    int result = acme_http_send(client->http, &request, &response, error);
    if (result < 0)
        return result;
    memcpy(client->nonce, response.nonce, sizeof client->nonce);
    if (!client->nonce[0]) {
        result = acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO, "the server gives no nonce");
        retry_set(error, &response);
    }
    acme_response_free(&response);
    return result;
}

// The nonce is used up.
static char *request_sign(struct acme_client *client, const char *url, struct str payload) {
    json_t *header = json_pack("{s:s, s:s}", "nonce", client->nonce, "url", url);
    client->nonce[0] = '\0';
    if (!header)
        return NULL;
    if (client->kid[0])
        json_object_set_new(header, "kid", json_string(client->kid));
    else
        json_object_set_new(header, "jwk", acme_key_jwk(client->key));
    return acme_sign(client->key, header, payload);
}

// When to try again, as the server wants it.
static void retry_set(struct acme_error *error, const struct acme_response *response) {
    unsigned after_s = response->retry_after_s;
    bool is_long = after_s > RETRY_TROUBLE_MAX_S && error->trouble != ACME_TROUBLE_LIMITED;
    error->retry_after_s = is_long ? RETRY_TROUBLE_MAX_S : after_s;
}

// Takes in a response of any status; what is not 2xx is an error.
static int reply_read(struct acme_reply *reply, struct acme_error *error) {
    const struct acme_response *response = &reply->response;
    reply->json = response->body ? acme_json_read(response->body, response->body_size) : NULL;
    if (response->status >= 200 && response->status < 300)
        return 0;
    int result = acme_problem_read(reply->json, response->status, error);
    retry_set(error, response);
    acme_reply_free(reply);
    return result;
}

static int post_once(struct acme_client *client, const char *url, struct str payload,
                     struct acme_reply *reply, struct acme_error *error) {
    int result = client->nonce[0] ? 0 : nonce_get(client, error);
    if (result < 0)
        return result;
    char *body = request_sign(client, url, payload);
    if (!body)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "the request cannot be signed");
    struct acme_request request = {.method = "POST",
                                   .url = url,
                                   .content_type = "application/jose+json",
                                   .body = str_from(body)};
    struct acme_response *response = &reply->response;
    result = acme_http_send(client->http, &request, response, error);
    free(body);
    if (result < 0)
        return result;
    memcpy(client->nonce, response->nonce, sizeof client->nonce);
    return reply_read(reply, error);
}

int acme_client_get(struct acme_client *client, const char *url, struct acme_reply *reply,
                    struct acme_error *error) {
    struct acme_request request = {.method = "GET", .url = url};
    *reply = (struct acme_reply){0};
    int result = acme_http_send(client->http, &request, &reply->response, error);
    return result < 0 ? result : reply_read(reply, error);
}

int acme_client_post(struct acme_client *client, const char *url, json_t *payload,
                     struct acme_reply *reply, struct acme_error *error) {
    char *text = payload ? acme_json_write(payload) : NULL;
    int result = -EPROTO;
    *reply = (struct acme_reply){0};
    if (payload && !text)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    for (int i = 0; i < NONCE_TRIES; i++) {
        result = post_once(client, url, str_from(text), reply, error);
        if (result == 0 || error->trouble != ACME_TROUBLE_BAD_NONCE)
            break;
    }
    free(text);
    return result;
}

void acme_reply_free(struct acme_reply *reply) {
    json_decref(reply->json);
    acme_response_free(&reply->response);
    reply->json = NULL;
}

// --- problems ---------------------------------------------------------------------------------

// What to do about an error, by the last part of its type (RFC 8555 §6.7).
static const struct {
    const char *type;
    enum acme_trouble trouble;
    const char *advice;
} problems[] = {
    {"badNonce", ACME_TROUBLE_BAD_NONCE, NULL},
    {"accountDoesNotExist", ACME_TROUBLE_NO_ACCOUNT, NULL},
    {"alreadyRevoked", ACME_TROUBLE_REVOKED, NULL},
    {"caa", ACME_TROUBLE_REFUSED,
     "a CAA record in DNS names the authorities that may certify this name: add this one there"},
    {"rateLimited", ACME_TROUBLE_LIMITED,
     "the authority's limit is reached: nothing is lost by waiting; to try things out use "
     "acme.directory: letsencrypt-staging"},
    {"serverInternal", ACME_TROUBLE_NETWORK, "the trouble is the authority's"},
    {"rejectedIdentifier", ACME_TROUBLE_REFUSED,
     "the authority gives no certificate for this name; take it out of the site, or give it a "
     "certificate from a file"},
    {"externalAccountRequired", ACME_TROUBLE_REFUSED,
     "the authority gives accounts to its customers only (acme.eab)"},
    {"userActionRequired", ACME_TROUBLE_REFUSED,
     "the authority has new terms of service for you to read"},
    {"invalidContact", ACME_TROUBLE_REFUSED, "is acme.email right?"},
    {"unsupportedContact", ACME_TROUBLE_REFUSED, "is acme.email right?"},
    {"connection", ACME_TROUBLE_VALIDATION,
     "the authority could not connect: is the port open to the internet, in every firewall and "
     "router on the way?"},
    {"dns", ACME_TROUBLE_VALIDATION, "the authority could not look the name up in DNS"},
    {"unauthorized", ACME_TROUBLE_VALIDATION,
     "what the authority has found there is not this gateway's answer"},
    {"incorrectResponse", ACME_TROUBLE_VALIDATION,
     "what the authority has found there is not this gateway's answer"},
    {"tls", ACME_TROUBLE_VALIDATION, "something between the authority and here ends TLS"},
};

int acme_problem_read(const json_t *problem, unsigned status, struct acme_error *error) {
    const char *type = acme_json_text(problem, "type");
    const char *detail = acme_json_text(problem, "detail");
    const char *colon = type ? strrchr(type, ':') : NULL;
    const char *word = colon ? colon + 1 : NULL;
    const json_t *part;
    size_t place;
    if (!word)
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the server answers with status %u", status);
    acme_error_set(error, ACME_TROUBLE_REFUSED, -EPROTO, "%s (%s)", detail ? detail : "refused",
                   word);
    // In answer to a request, not as the outcome of a challenge: it may be the account.
    if (status > 0 && strcmp(word, "unauthorized") == 0) {
        error->trouble = ACME_TROUBLE_NO_ACCOUNT;
        return -EPROTO;
    }
    json_array_foreach(acme_json_array(problem, "subproblems"), place, part) {
        const json_t *identifier = json_object_get(part, "identifier");
        const char *name = acme_json_text(identifier, "value");
        const char *text = acme_json_text(part, "detail");
        if (name && text)
            acme_error_advise(error, "%s: %s", name, text);
    }
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (strcmp(word, problems[i].type) != 0)
            continue;
        error->trouble = problems[i].trouble;
        if (problems[i].advice)
            acme_error_advise(error, "%s", problems[i].advice);
    }
    return -EPROTO;
}

int acme_client_sleep(struct acme_client *client, unsigned ms, struct acme_error *error) {
    if (acme_http_sleep(client->http, ms) == 0)
        return 0;
    return acme_error_set(error, ACME_TROUBLE_STOPPED, -ECANCELED, "the gateway stops");
}
