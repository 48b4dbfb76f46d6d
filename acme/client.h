// SPDX-License-Identifier: Apache-2.0
//
// Talking to one ACME server (RFC 8555 §6): its directory, nonces, and requests that are signed
// with the account's key; errors come back as problem documents and are put into words here.
//
// Life: open (fetches the directory) → post … → close. One thread, blocking.
#ifndef RINGWAY_ACME_CLIENT_H
#define RINGWAY_ACME_CLIENT_H

#include <jansson.h>

#include "acme/http.h"
#include "acme/key.h"
#include "core/config.h"

struct acme_client {
    const struct conf_authority *authority;
    struct acme_http *http;
    int stop_fd;              // readable once we are to stop
    struct acme_key *key;     // of the account; the client's to free
    char kid[ACME_URL_BYTES]; // the account's URL; "": none yet, requests carry the key itself
    char nonce[256];          // "": none
    char new_nonce[ACME_URL_BYTES];
    char new_account[ACME_URL_BYTES];
    char new_order[ACME_URL_BYTES];
    char revoke_cert[ACME_URL_BYTES]; // "": it has none; and so on
    char key_change[ACME_URL_BYTES];
    char renewal_info[ACME_URL_BYTES];
    char account_hash_prefix[ACME_URL_BYTES]; // for dns-persist-01
    json_t *profiles;                         // by name; NULL: it has none
    char terms[ACME_URL_BYTES];               // "": the server names none
    bool wants_eab;
};

// What a request came to. The caller owes acme_reply_free.
struct acme_reply {
    struct acme_response response;
    json_t *json; // NULL: the body is no JSON object
};

// Opens a client for this authority, whose directory is fetched. `authority` must live as long. 0
// or negative errno.
int acme_client_open(struct acme_client *client, const struct conf_authority *authority,
                     int stop_fd, struct acme_error *error);

// Wipes the key. Harmless on a client that is zeroed, or could not be opened.
void acme_client_close(struct acme_client *client);

// Sends `payload` (which is dropped; NULL: POST-as-GET, RFC 8555 §6.3), signed, again if the nonce
// was bad. 0 for an answer of status 2xx; everything else is a negative errno and an error in
// words.
int acme_client_post(struct acme_client *client, const char *url, json_t *payload,
                     struct acme_reply *reply, struct acme_error *error);

// Asks for `url` without a signature. As above.
int acme_client_get(struct acme_client *client, const char *url, struct acme_reply *reply,
                    struct acme_error *error);

// Frees what the reply holds; harmless on one that is zeroed.
void acme_reply_free(struct acme_reply *reply);

// Puts a problem document (RFC 8555 §6.7) into words. `status` 0: it is no answer to a request, but
// stands in a challenge or an order. -EPROTO.
int acme_problem_read(const json_t *problem, unsigned status, struct acme_error *error);

// Waits for `ms`. -ECANCELED, and an error, when we are to stop.
int acme_client_sleep(struct acme_client *client, unsigned ms, struct acme_error *error);

#endif
