// SPDX-License-Identifier: Apache-2.0
#include "acme/window.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/jose.h"
#include "acme/json.h"

// How often to ask if the server does not say (RFC 9773 §4.3.2), and how often at most.
#define ASK_EVERY_S (6 * 3600)
#define ASK_MIN_S 60
#define ASK_AFTER_FAILURE_S 3600

bool acme_certificate_id(const struct acme_leaf *leaf, char id[ACME_CERTIFICATE_ID_BYTES]) {
    uint8_t serial[ACME_LEAF_SERIAL_BYTES + 1] = {0};
    if (leaf->issuer_key_id.len == 0 || leaf->serial_size == 0)
        return false;
    // As it is encoded: a first bit that is set needs a zero byte in front.
    size_t padding = leaf->serial_bytes[0] >> 7;
    memcpy(serial + padding, leaf->serial_bytes, leaf->serial_size);
    char *issuer_text = acme_base64url(leaf->issuer_key_id.ptr, leaf->issuer_key_id.len);
    char *serial_text = acme_base64url(serial, leaf->serial_size + padding);
    int size = issuer_text && serial_text
                   ? snprintf(id, ACME_CERTIFICATE_ID_BYTES, "%s.%s", issuer_text, serial_text)
                   : -1;
    free(issuer_text);
    free(serial_text);
    return size > 0 && size < ACME_CERTIFICATE_ID_BYTES;
}

static int answer_read(const struct acme_reply *reply, const struct acme_leaf *leaf,
                       struct acme_window *window, struct acme_error *error);

int acme_window_ask(struct acme_client *client, const struct acme_leaf *leaf,
                    struct acme_window *window, struct acme_error *error) {
    char id[ACME_CERTIFICATE_ID_BYTES], url[2 * ACME_URL_BYTES];
    struct acme_reply reply;
    time_t now = time(NULL);
    if (!client->renewal_info[0] || !acme_certificate_id(leaf, id)) {
        *window = (struct acme_window){.ask_at = now + ACME_WINDOW_ASK_MAX_S};
        return 0;
    }
    snprintf(url, sizeof url, "%s/%s", client->renewal_info, id);
    int result = acme_client_get(client, url, &reply, error);
    unsigned every_s = result < 0 ? error->retry_after_s : reply.response.retry_after_s;
    if (every_s == 0)
        every_s = result < 0 ? ASK_AFTER_FAILURE_S : ASK_EVERY_S;
    if (result == 0) {
        result = answer_read(&reply, leaf, window, error);
        acme_reply_free(&reply);
    }
    window->ask_at = now + (every_s < ASK_MIN_S               ? ASK_MIN_S
                            : every_s > ACME_WINDOW_ASK_MAX_S ? ACME_WINDOW_ASK_MAX_S
                                                              : (time_t)every_s);
    if (result < 0)
        acme_error_while(error, "asking when to renew");
    return result;
}

// A window that makes no sense is as good as none, but is said.
static int answer_read(const struct acme_reply *reply, const struct acme_leaf *leaf,
                       struct acme_window *window, struct acme_error *error) {
    const json_t *suggested = json_object_get(reply->json, "suggestedWindow");
    const char *start = acme_json_text(suggested, "start");
    const char *end = acme_json_text(suggested, "end");
    const char *why = acme_json_text(reply->json, "explanationURL");
    *window = (struct acme_window){0};
    if (!start || !end || !acme_date_read(start, &window->start) ||
        !acme_date_read(end, &window->end) || window->end <= window->start ||
        window->start >= leaf->not_after) {
        *window = (struct acme_window){0};
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the server suggests no time before the certificate's end");
    }
    for (const char *at = why; at && *at; at++)
        if (!isgraph((unsigned char)*at))
            why = NULL;
    snprintf(window->why, sizeof window->why, "%s", why ? why : "");
    return 0;
}

bool acme_date_read(const char *text, time_t *when) {
    struct tm tm = {0};
    unsigned hours = 0, minutes = 0;
    int sign = 0, used = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest == '+' || *rest == '-') {
        sign = *rest == '+' ? 1 : -1;
        if (sscanf(rest + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 || rest[1 + used])
            return false;
    } else if (strcmp(rest, "Z") != 0) {
        return false;
    }
    *when = timegm(&tm) - sign * (time_t)(hours * 3600 + minutes * 60);
    return true;
}
