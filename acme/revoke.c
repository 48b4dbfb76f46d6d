// SPDX-License-Identifier: Apache-2.0
#include "acme/revoke.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "acme/jose.h"
#include "acme/record.h"
#include "acme/storage.h"
#include "core/log.h"

int acme_revoke_reason(const char *name) {
    static const struct {
        const char *name;
        int code;
    } reasons[] = {{"unspecified", 0},
                   {"keyCompromise", 1},
                   {"affiliationChanged", 3},
                   {"superseded", 4},
                   {"cessationOfOperation", 5}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(name, reasons[i].name) == 0)
            return reasons[i].code;
    return -EINVAL;
}

static const struct conf_authority *authority_of(const struct conf_acme *acme,
                                                 const struct acme_record *record,
                                                 struct acme_error *error);
static int request_send(struct acme_client *client, const struct acme_record *record, int reason,
                        struct acme_error *error);

int acme_revoke(struct acme_session *session, const struct conf_managed *managed, int reason,
                struct acme_error *error) {
    const struct conf_acme *acme = session->acme;
    struct acme_client *client;
    struct acme_record record;
    char order[PATH_MAX];
    int result = -ENOENT;
    acme_record_read(acme, managed, &record);
    const struct conf_authority *authority = authority_of(acme, &record, error);
    if (authority)
        result = acme_session_account(session, authority, &client, error);
    if (authority && result == 0)
        result = request_send(client, &record, reason, error);
    if (result == 0) {
        log_line(LOG_WARN, NULL, "acme: %s: the certificate %s has been revoked", managed->name,
                 record.leaf.serial);
        memcpy(record.revoked, record.leaf.serial, sizeof record.revoked);
        record.failures = 0;
        record.next_at = 0;
        result = acme_record_write(acme, managed, &record, error);
        // It may be for the same key.
        acme_storage_path(acme->state_dir, ACME_ORDERS, managed->name, ".json", order);
        acme_storage_remove(order);
    } else {
        acme_error_while(error, "revoking the certificate");
    }
    acme_record_free(&record);
    return result;
}

// Where the certificate came from.
static const struct conf_authority *authority_of(const struct conf_acme *acme,
                                                 const struct acme_record *record,
                                                 struct acme_error *error) {
    if (!record->has_leaf) {
        acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT, "there is none");
        return NULL;
    }
    const struct conf_authority *authority = acme_record_authority(record, acme);
    if (!authority)
        acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                       "it came from %s, which the configuration does not name any more",
                       record->directory);
    return authority;
}

static int request_send(struct acme_client *client, const struct acme_record *record, int reason,
                        struct acme_error *error) {
    struct acme_reply reply;
    if (!client->revoke_cert[0])
        return acme_error_set(error, ACME_TROUBLE_REFUSED, -ENOTSUP, "%s revokes nothing",
                              client->authority->directory);
    char *text = acme_base64url(record->leaf.der, record->leaf.der_size);
    json_t *payload = json_pack("{s:s*, s:i}", "certificate", text, "reason", reason);
    free(text);
    if (!payload)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    int result = acme_client_post(client, client->revoke_cert, payload, &reply, error);
    acme_reply_free(&reply);
    return result < 0 && error->trouble == ACME_TROUBLE_REVOKED ? 0 : result;
}
