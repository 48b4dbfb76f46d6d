// SPDX-License-Identifier: Apache-2.0
//
// What an ACME server may answer to one request: byte 0 says to which and how the rest is cut.
//
// However it is cut, the same is read: the same verdict, fields and body, within their bounds. What
// is a URL there, and what is JSON in the body, is read on.
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "acme/answer.h"
#include "acme/client.h"
#include "acme/json.h"
#include "acme/url.h"

#define RETRY_AFTER_MAX_S (7 * 24 * 3600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static const struct acme_request requests[] = {
    {.method = "POST", .url = "https://ca.example:14000/order/1?x=/y"},
    {.method = "HEAD", .url = "https://[::1]/nonce"},
};

// 1: whole; else negative.
static int answer_read(const struct acme_request *request, const char *bytes, size_t n, size_t step,
                       struct acme_response *response) {
    struct acme_answer answer;
    int result = 0;
    *response = (struct acme_response){0};
    acme_answer_start(&answer, request, response);
    for (size_t at = 0; at < n && result == 0; at += step)
        result = acme_answer_feed(&answer, bytes + at, step < n - at ? step : n - at);
    if (result == 0)
        result = acme_answer_end(&answer) == 0 ? 1 : -EBADMSG;
    assert(result == 1 || !acme_answer_keeps(&answer));
    return result;
}

static void bounds_check(const struct acme_response *response) {
    struct acme_url url;
    assert(response->retry_after_s <= RETRY_AFTER_MAX_S);
    assert(memchr(response->nonce, '\0', sizeof response->nonce));
    assert(memchr(response->location, '\0', sizeof response->location));
    assert(response->alternate_count <= ACME_ALTERNATES_MAX);
    assert(response->body_size <= ACME_ANSWER_BODY_BYTES_MAX);
    assert(!response->body || response->body[response->body_size] == '\0');
    for (size_t i = 0; i < response->alternate_count; i++)
        assert(acme_url_read(response->alternates[i], &url));
    if (response->location[0])
        assert(acme_url_read(response->location, &url) && url.port > 0 && url.host[0]);
}

static void same_check(const struct acme_response *a, const struct acme_response *b) {
    assert(a->status == b->status && strcmp(a->nonce, b->nonce) == 0);
    assert(strcmp(a->location, b->location) == 0 && a->alternate_count == b->alternate_count);
    for (size_t i = 0; i < a->alternate_count; i++)
        assert(strcmp(a->alternates[i], b->alternates[i]) == 0);
    assert(a->body_size == b->body_size);
    assert(a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0);
}

// Whatever it says becomes one line of printable text.
static void problem_check(const struct acme_response *response) {
    struct acme_error error = {0};
    json_t *json = acme_json_read(response->body, response->body_size);
    assert(acme_problem_read(json, response->status, &error) < 0);
    assert(error.text[0] && memchr(error.text, '\0', sizeof error.text));
    for (const unsigned char *byte = (const unsigned char *)error.text; *byte; byte++)
        assert(*byte >= ' ' && *byte != 0x7f);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    struct acme_response whole, cut;
    if (size_bytes < 1)
        return 0;
    const struct acme_request *request = &requests[data[0] & 1];
    const char *bytes = (const char *)data + 1;
    size_t n = size_bytes - 1, step = (data[0] >> 1) + 1;
    int result = answer_read(request, bytes, n, n + 1, &whole);
    int result_cut = answer_read(request, bytes, n, step, &cut);
    assert(result == result_cut);
    bounds_check(&whole);
    bounds_check(&cut);
    if (result == 1) {
        same_check(&whole, &cut);
        problem_check(&whole);
    }
    acme_response_free(&whole);
    acme_response_free(&cut);
    return 0;
}
