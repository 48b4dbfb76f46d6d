// SPDX-License-Identifier: Apache-2.0
#include "acme/session.h"

#include <assert.h>

#include "acme/account.h"

int acme_session_open(struct acme_session *session, const struct conf_authority *authority,
                      struct acme_client **out, struct acme_error *error) {
    size_t i = 0;
    while (i < ACME_SESSION_CLIENTS && session->slots[i].client.authority &&
           session->slots[i].client.authority != authority)
        i++;
    assert(i < ACME_SESSION_CLIENTS); // there are no more authorities in a configuration
    struct acme_client *client = &session->slots[i].client;
    if (!client->authority) {
        session->slots[i].result = acme_client_open(client, authority, session->stop_fd, error);
        session->slots[i].error = *error;
    }
    *out = client;
    *error = session->slots[i].error;
    return session->slots[i].result;
}

int acme_session_account(struct acme_session *session, const struct conf_authority *authority,
                         struct acme_client **out, struct acme_error *error) {
    int result = acme_session_open(session, authority, out, error);
    return result < 0 || (*out)->kid[0] ? result : acme_account_open(*out, session->acme, error);
}

void acme_session_close(struct acme_session *session) {
    for (size_t i = 0; i < ACME_SESSION_CLIENTS; i++)
        acme_client_close(&session->slots[i].client);
}
