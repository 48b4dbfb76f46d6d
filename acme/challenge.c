// SPDX-License-Identifier: Apache-2.0
#include "acme/challenge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "acme/jose.h"
#include "acme/json.h"
#include "tls/challenge.h"

const char *acme_challenge_name(enum acme_challenge kind) {
    static const char *const names[] = {"auto", "http-01", "tls-alpn-01", "dns-01"};
    return names[kind];
}

size_t acme_challenge_choose(const struct config *config, const struct conf_site *site,
                             enum acme_challenge kinds[3]) {
    bool plain = false, tls = false;
    size_t count = 0;
    if (site->acme_challenge != ACME_CHALLENGE_AUTO) {
        kinds[count++] = site->acme_challenge;
        return count;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        plain |= config->listens[i].kind != LISTEN_TLS;
        tls |= config->listens[i].kind == LISTEN_TLS;
    }
    if (plain)
        kinds[count++] = ACME_CHALLENGE_HTTP_01;
    if (tls)
        kinds[count++] = ACME_CHALLENGE_TLS_ALPN_01;
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

int acme_challenge_begin(const struct acme_client *client, enum acme_challenge kind,
                         const char *name, const char *token, struct acme_error *error) {
    char thumbprint[ACME_THUMBPRINT_BYTES], text[TLS_CHALLENGE_TEXT_BYTES];
    uint8_t digest[ACME_DIGEST_BYTES];
    if (!is_token(token))
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the server sends a token that is none");
    int result = acme_key_thumbprint(client->key, thumbprint);
    snprintf(text, sizeof text, "%s.%s", token, thumbprint); // RFC 8555 §8.1
    if (result == 0 && kind == ACME_CHALLENGE_HTTP_01)
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
    tls_challenge_remove(kind == ACME_CHALLENGE_TLS_ALPN_01 ? name : token);
}
