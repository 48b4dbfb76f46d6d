// SPDX-License-Identifier: Apache-2.0
#include "acme/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acme/leaf.h"
#include "core/log.h"

// Real chains have two or three; what each handshake sends must have an end.
#define CERTIFICATES_MAX 9

static const char certificate_begin[] = "-----BEGIN CERTIFICATE-----";

// PEM certificates and nothing else (RFC 8555 §9.1): a key among them would be taken for ours.
static bool chain_is_clean(const char *chain) {
    static const char any[] = "-----BEGIN ";
    size_t count = 0;
    for (const char *at = strstr(chain, any); at; at = strstr(at + strlen(any), any), count++)
        if (strncmp(at, certificate_begin, strlen(certificate_begin)) != 0)
            return false;
    return count > 0 && count <= CERTIFICATES_MAX;
}

static int fetch(struct acme_client *client, const char *url, struct acme_reply *reply,
                 struct acme_error *error) {
    int result = acme_client_post(client, url, NULL, reply, error);
    if (result == 0 && !(reply->response.body && chain_is_clean(reply->response.body))) {
        acme_reply_free(reply);
        result = acme_error_set(error, ACME_TROUBLE_REFUSED, -EPROTO,
                                "what came is something else than a chain of up to %d certificates",
                                CERTIFICATES_MAX);
    }
    return result;
}

// Who issued the last certificate of a chain.
static bool is_topped_by(const char *chain, const char *name) {
    const char *last = NULL;
    struct acme_leaf leaf;
    for (const char *at = strstr(chain, certificate_begin); at;
         at = strstr(at + 1, certificate_begin))
        last = at;
    if (!last || !acme_leaf_read(last, &leaf))
        return false;
    bool is = strcmp(leaf.issuer, name) == 0;
    acme_leaf_free(&leaf);
    return is;
}

static char *body_take(struct acme_reply *reply) {
    char *body = reply->response.body;
    reply->response.body = NULL;
    return body;
}

// Looks through the other chains for the one that is preferred. One that cannot be had is passed
// over: there is a chain that works already.
static void prefer(struct acme_client *client, const struct acme_response *first,
                   const char *preferred, char **chain) {
    for (size_t i = 0; i < first->alternate_count; i++) {
        struct acme_reply other;
        struct acme_error error;
        if (fetch(client, first->alternates[i], &other, &error) < 0)
            continue;
        bool found = is_topped_by(other.response.body, preferred);
        if (found) {
            free(*chain);
            *chain = body_take(&other);
        }
        acme_reply_free(&other);
        if (found)
            return;
    }
    log_line(LOG_WARN, NULL,
             "acme: %s offers no chain from \"%s\" (acme.preferred_chain); its first one is used",
             client->authority->directory, preferred);
}

int acme_chain_download(struct acme_client *client, const char *url, const char *preferred,
                        char **chain, struct acme_error *error) {
    struct acme_reply reply;
    int result = fetch(client, url, &reply, error);
    if (result < 0) {
        acme_error_while(error, "downloading the certificate");
        return result;
    }
    *chain = body_take(&reply);
    if (preferred && !is_topped_by(*chain, preferred))
        prefer(client, &reply.response, preferred, chain);
    acme_reply_free(&reply);
    return 0;
}
