// SPDX-License-Identifier: Apache-2.0
#include "acme/challenge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/advice.h"
#include "acme/json.h"
#include "tls/challenge.h"

const char *acme_challenge_name(enum acme_challenge kind) {
    static const char *const names[] = {"auto", "http-01", "tls-alpn-01", "dns-01",
                                        "dns-persist-01"};
    return names[kind];
}

size_t acme_challenge_choose(const struct config *config, const struct conf_site *site,
                             enum acme_challenge kinds[3]) {
    bool plain = false, tls = false, wildcard = false;
    size_t count = 0;
    if (site->acme_challenge != ACME_CHALLENGE_AUTO) {
        kinds[count++] = site->acme_challenge;
        return count;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        plain |= config->listens[i].kind != LISTEN_TLS;
        tls |= config->listens[i].kind == LISTEN_TLS;
    }
    for (size_t i = 0; i < site->acme_host_count; i++)
        wildcard |= site->acme_hosts[i][0] == '*'; // shown in DNS only (RFC 8555 §8.4)
    if (plain && !wildcard)
        kinds[count++] = ACME_CHALLENGE_HTTP_01;
    if (tls && !wildcard)
        kinds[count++] = ACME_CHALLENGE_TLS_ALPN_01;
    if (config->acme.dns_provider != CONF_DNS_NONE)
        kinds[count++] = ACME_CHALLENGE_DNS_01;
    return count;
}

const json_t *acme_challenge_find(const json_t *authorization, enum acme_challenge kind) {
    const json_t *challenge;
    size_t place;
    json_array_foreach(acme_json_array(authorization, "challenges"), place, challenge) {
        const char *type = acme_json_text(challenge, "type");
        if (type && strcmp(type, acme_challenge_name(kind)) == 0)
            return challenge;
    }
    return NULL;
}

// Base64url, so it needs no care in a path (RFC 8555 §8.3).
static bool is_token(const char *token) {
    size_t size = strlen(token);
    return size > 0 && size <= 128 &&
           strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
               size;
}

// RFC 8555 §8.1.
static int key_authorization(const struct acme_client *client, const char *token,
                             char text[TLS_CHALLENGE_TEXT_BYTES], struct acme_error *error) {
    char thumbprint[ACME_THUMBPRINT_BYTES];
    if (!is_token(token))
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the server sends a token that is none");
    int result = acme_key_thumbprint(client->key, thumbprint);
    if (result < 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, result, "the answer cannot be made: %s",
                              strerror(-result));
    snprintf(text, TLS_CHALLENGE_TEXT_BYTES, "%s.%s", token, thumbprint);
    return 0;
}

int acme_challenge_dns_value(const struct acme_client *client, const char *token,
                             char value[ACME_THUMBPRINT_BYTES], struct acme_error *error) {
    char text[TLS_CHALLENGE_TEXT_BYTES];
    uint8_t digest[ACME_DIGEST_BYTES];
    int result = key_authorization(client, token, text, error);
    if (result < 0)
        return result;
    char *encoded =
        acme_digest(str_from(text), digest) == 0 ? acme_base64url(digest, sizeof digest) : NULL;
    snprintf(value, ACME_THUMBPRINT_BYTES, "%s", encoded ? encoded : "");
    free(encoded);
    return value[0] ? 0
                    : acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "the answer cannot be made");
}

int acme_challenge_begin(const struct acme_client *client, enum acme_challenge kind,
                         const char *name, const char *token, struct acme_error *error) {
    char text[TLS_CHALLENGE_TEXT_BYTES];
    uint8_t digest[ACME_DIGEST_BYTES];
    if (kind == ACME_CHALLENGE_DNS_01 || kind == ACME_CHALLENGE_DNS_PERSIST_01)
        return 0;
    int result = key_authorization(client, token, text, error);
    if (result < 0)
        return result;
    if (kind == ACME_CHALLENGE_HTTP_01)
        result = tls_challenge_add_text(token, text);
    if (result == 0 && kind == ACME_CHALLENGE_TLS_ALPN_01) {
        result = acme_digest(str_from(text), digest);
        if (result == 0)
            result = tls_challenge_add_certificate(name, digest);
    }
    if (result == -ENOTSUP)
        return acme_error_set(error, ACME_TROUBLE_VALIDATION, result,
                              "this build's wolfSSL cannot answer tls-alpn-01");
    if (result < 0)
        acme_error_set(error, ACME_TROUBLE_LOCAL, result, "the answer cannot be made: %s",
                       strerror(-result));
    return result;
}

void acme_challenge_end(enum acme_challenge kind, const char *name, const char *token) {
    if (kind == ACME_CHALLENGE_HTTP_01 || kind == ACME_CHALLENGE_TLS_ALPN_01)
        tls_challenge_remove(kind == ACME_CHALLENGE_TLS_ALPN_01 ? name : token);
}

void acme_challenge_advise(enum acme_challenge kind, const char *name, struct acme_error *error) {
    switch (kind) {
    case ACME_CHALLENGE_DNS_01:
        acme_error_advise(error, "the authority looks for the TXT record _acme-challenge.%s", name);
        break;
    case ACME_CHALLENGE_DNS_PERSIST_01:
        acme_error_advise(error, "the authority looks for the TXT record _validation-persist.%s",
                          name);
        break;
    default:
        acme_error_advise(error, "the authority comes to port %s",
                          kind == ACME_CHALLENGE_HTTP_01 ? "80" : "443");
        acme_advise_addresses(error, name);
    }
}
