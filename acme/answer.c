// SPDX-License-Identifier: Apache-2.0
//
// llhttp's callbacks gather one field at a time; only those that ACME uses are looked at.
#include "acme/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/url.h"

// The longest of the limits that are published anywhere is for a week.
#define RETRY_AFTER_MAX_S (7 * 24 * 3600)

static struct acme_answer *answer_of(llhttp_t *parser) {
    return parser->data;
}

static int fail(struct acme_answer *answer, int error) {
    answer->error = error;
    return HPE_USER;
}

// Appends what fits; the fields we need do.
static int gather(struct acme_answer *answer, char *to, size_t *size, size_t capacity,
                  const char *bytes, size_t n) {
    answer->head_size += n;
    if (answer->head_size > ACME_ANSWER_HEAD_BYTES_MAX)
        return fail(answer, -EMSGSIZE);
    size_t room = capacity - 1 - *size, take = n < room ? n : room;
    memcpy(to + *size, bytes, take);
    *size += take;
    to[*size] = '\0';
    return 0;
}

static int on_status(llhttp_t *parser, const char *bytes, size_t n) {
    (void)bytes;
    answer_of(parser)->head_size += n;
    return answer_of(parser)->head_size > ACME_ANSWER_HEAD_BYTES_MAX
               ? fail(answer_of(parser), -EMSGSIZE)
               : 0;
}

static int on_name(llhttp_t *parser, const char *bytes, size_t n) {
    struct acme_answer *answer = answer_of(parser);
    return gather(answer, answer->name, &answer->name_size, sizeof answer->name, bytes, n);
}

static int on_value(llhttp_t *parser, const char *bytes, size_t n) {
    struct acme_answer *answer = answer_of(parser);
    return gather(answer, answer->value, &answer->value_size, sizeof answer->value, bytes, n);
}

// Seconds, or a date (RFC 9110 §10.2.3).
static unsigned retry_after_read(const char *text) {
    char *end;
    struct tm tm = {0};
    long long seconds = strtoll(text, &end, 10);
    if (end == text || *end) {
        if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
            return 0;
        seconds = (long long)timegm(&tm) - (long long)time(NULL);
    }
    return seconds <= 0 ? 0 : seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (unsigned)seconds;
}

// Puts "/path" on the same server, or a URL, into `url`; what is no URL, or too long for one, is no
// reference.
static bool reference_resolve(const struct acme_request *request, struct str reference,
                              char url[ACME_URL_BYTES]) {
    struct acme_url parts;
    const char *path = request->url + strlen("https://");
    path += strcspn(path, "/?#");
    bool relative = str_starts(reference, STR("/"));
    int size = snprintf(url, ACME_URL_BYTES, "%.*s%.*s", relative ? (int)(path - request->url) : 0,
                        request->url, STR_ARG(reference));
    return size < ACME_URL_BYTES && acme_url_read(url, &parts);
}

static int alternate_add(struct acme_answer *answer, struct str reference) {
    struct acme_response *response = answer->response;
    char url[ACME_URL_BYTES];
    if (response->alternate_count == ACME_ALTERNATES_MAX ||
        !reference_resolve(answer->request, reference, url))
        return 0;
    char *kept = strdup(url);
    if (!kept)
        return fail(answer, -ENOMEM);
    response->alternates[response->alternate_count++] = kept;
    return 0;
}

// <https://…/cert/1>;rel="alternate" (RFC 8288 §3), one link a field, as ACME servers send it, or
// more, as who stands before them may make of that.
static int link_read(struct acme_answer *answer) {
    const char *from = strchr(answer->value, '<'), *to;
    int result = 0;
    while (result == 0 && from && (to = strchr(from, '>'))) {
        const char *next = strchr(to, '<'), *relation = strcasestr(to, "alternate");
        if (relation && (!next || relation < next))
            result = alternate_add(answer, (struct str){from + 1, (size_t)(to - from - 1)});
        from = next;
    }
    return result;
}

static void location_read(struct acme_answer *answer) {
    struct acme_response *response = answer->response;
    char url[ACME_URL_BYTES];
    if (reference_resolve(answer->request, (struct str){answer->value, answer->value_size}, url))
        memcpy(response->location, url, sizeof url);
}

// Base64url; anything else must be ignored (RFC 8555 §6.5.1).
static void nonce_read(struct acme_answer *answer) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (answer->value_size < sizeof answer->response->nonce &&
        strspn(answer->value, letters) == answer->value_size)
        strcpy(answer->response->nonce, answer->value);
}

static void value_trim(struct acme_answer *answer) {
    while (answer->value_size > 0 && strchr(" \t", answer->value[answer->value_size - 1]))
        answer->value[--answer->value_size] = '\0';
}

static int on_value_complete(llhttp_t *parser) {
    struct acme_answer *answer = answer_of(parser);
    int result = 0;
    value_trim(answer);
    if (strcasecmp(answer->name, "Location") == 0)
        location_read(answer);
    else if (strcasecmp(answer->name, "Replay-Nonce") == 0)
        nonce_read(answer);
    else if (strcasecmp(answer->name, "Retry-After") == 0)
        answer->response->retry_after_s = retry_after_read(answer->value);
    else if (strcasecmp(answer->name, "Link") == 0)
        result = link_read(answer);
    answer->name_size = answer->value_size = 0;
    answer->name[0] = answer->value[0] = '\0';
    return result;
}

// 1: no body follows, whatever the head says.
static int on_headers_complete(llhttp_t *parser) {
    return strcmp(answer_of(parser)->request->method, "HEAD") == 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t n) {
    struct acme_answer *answer = answer_of(parser);
    struct acme_response *response = answer->response;
    if (response->body_size + n > ACME_ANSWER_BODY_BYTES_MAX)
        return fail(answer, -EMSGSIZE);
    char *grown = realloc(response->body, response->body_size + n + 1);
    if (!grown)
        return fail(answer, -ENOMEM);
    memcpy(grown + response->body_size, bytes, n);
    response->body = grown;
    response->body_size += n;
    grown[response->body_size] = '\0';
    return 0;
}

// Answers before the last one (100, 103) are passed over.
static int on_message_complete(llhttp_t *parser) {
    struct acme_answer *answer = answer_of(parser);
    if (parser->status_code < 200)
        return 0;
    answer->response->status = parser->status_code;
    answer->keeps = llhttp_should_keep_alive(parser);
    answer->whole = true;
    return HPE_PAUSED;
}

void acme_answer_start(struct acme_answer *answer, const struct acme_request *request,
                       struct acme_response *response) {
    memset(answer, 0, sizeof *answer);
    answer->request = request;
    answer->response = response;
    llhttp_settings_init(&answer->settings);
    answer->settings.on_status = on_status;
    answer->settings.on_header_field = on_name;
    answer->settings.on_header_value = on_value;
    answer->settings.on_header_value_complete = on_value_complete;
    answer->settings.on_headers_complete = on_headers_complete;
    answer->settings.on_body = on_body;
    answer->settings.on_message_complete = on_message_complete;
    llhttp_init(&answer->parser, HTTP_RESPONSE, &answer->settings);
    answer->parser.data = answer;
}

int acme_answer_feed(struct acme_answer *answer, const char *bytes, size_t n) {
    llhttp_errno_t read = llhttp_execute(&answer->parser, bytes, n);
    if (answer->whole)
        return 1;
    if (read == HPE_OK)
        return 0;
    return answer->error ? answer->error : -EBADMSG;
}

int acme_answer_end(struct acme_answer *answer) {
    if (!answer->whole)
        llhttp_finish(&answer->parser); // the end of a body without a length
    return answer->whole ? 0 : -EBADMSG;
}

bool acme_answer_keeps(const struct acme_answer *answer) {
    return answer->whole && answer->keeps;
}

void acme_response_free(struct acme_response *response) {
    for (size_t i = 0; i < response->alternate_count; i++)
        free(response->alternates[i]);
    free(response->body);
    *response = (struct acme_response){0};
}
