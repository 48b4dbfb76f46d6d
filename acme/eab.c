// SPDX-License-Identifier: Apache-2.0
#include "acme/eab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acme/jose.h"
#include "acme/json.h"
#include "acme/storage.h"

#define SECRET_BYTES_MAX 1024

// The secret in the file, in base64url; spaces and line ends around it do not count. How many
// bytes, or negative errno.
static ssize_t secret_read(const char *path, uint8_t secret[SECRET_BYTES_MAX],
                           struct acme_error *error) {
    char *text = acme_storage_read(path);
    if (!text)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -errno, "acme.eab.key_file %s: %s", path,
                              strerror(errno));
    char *begin = text + strspn(text, " \t\r\n");
    for (size_t end = strlen(begin); end > 0 && strchr(" \t\r\n", begin[end - 1]); end--)
        begin[end - 1] = '\0';
    ssize_t size = acme_base64url_read(begin, secret, SECRET_BYTES_MAX);
    explicit_bzero(text, strlen(text));
    free(text);
    if (size <= 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                              "acme.eab.key_file %s holds no key in base64url; put there what the "
                              "authority calls the HMAC key, and nothing else",
                              path);
    return size;
}

int acme_eab_make(const struct acme_client *client, json_t **binding, struct acme_error *error) {
    const struct conf_authority *authority = client->authority;
    uint8_t secret[SECRET_BYTES_MAX];
    ssize_t size = secret_read(authority->eab_key_file, secret, error);
    if (size < 0)
        return (int)size;
    char *payload = acme_json_write(acme_key_jwk(client->key)), *jws = NULL;
    json_t *header =
        json_pack("{s:s, s:s}", "kid", authority->eab_key_id, "url", client->new_account);
    if (payload && header)
        jws = acme_sign_mac((struct str){(const char *)secret, (size_t)size}, header,
                            str_from(payload));
    explicit_bzero(secret, sizeof secret);
    *binding = jws ? acme_json_read(jws, strlen(jws)) : NULL;
    free(payload);
    free(jws);
    return *binding ? 0
                    : acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM,
                                     "the account cannot be bound: out of memory");
}
