// SPDX-License-Identifier: Apache-2.0
//
// A whole order with a server that answers anything: directory, nonce, account, order,
// authorizations, challenges, finalizing and download are the real code, on a connection and a
// state folder that are defined here again. The input is the answers, one after the other, each
// ended by
// "\n%%\n"; byte 0 picks the challenge. When they are used up the server is gone.
//
// It ends, with an error in words, and leaves no challenge behind.
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/account.h"
#include "acme/advice.h"
#include "acme/answer.h"
#include "acme/order.h"
#include "acme/storage.h"
#include "acme/url.h"
#include "core/log.h"
#include "tls/library.h"

static const char end_of_answer[] = "\n%%\n";

static struct str answers;
static size_t requests;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

// --- the connection ---------------------------------------------------------------------------

int acme_http_open(struct acme_http **out, const char *ca_file, int stop_fd,
                   struct acme_error *error) {
    (void)ca_file;
    (void)stop_fd;
    (void)error;
    *out = NULL;
    return 0;
}

void acme_http_close(struct acme_http *http) {
    (void)http;
}

int acme_http_sleep(const struct acme_http *http, unsigned ms) {
    (void)http;
    assert(ms > 0 && ms <= 300000);
    return 0;
}

static struct str answer_next(void) {
    const char *end = memmem(answers.ptr, answers.len, end_of_answer, strlen(end_of_answer));
    struct str one = {answers.ptr, end ? (size_t)(end - answers.ptr) : answers.len};
    answers = str_skip(answers, end ? one.len + strlen(end_of_answer) : one.len);
    return one;
}

int acme_http_send(struct acme_http *http, const struct acme_request *request,
                   struct acme_response *response, struct acme_error *error) {
    struct acme_answer answer;
    struct acme_url url;
    (void)http;
    *response = (struct acme_response){0};
    if (answers.len == 0 || strlen(request->url) >= ACME_URL_BYTES ||
        !acme_url_read(request->url, &url))
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -ECONNREFUSED, "the server is gone");
    requests++;
    struct str bytes = answer_next();
    acme_answer_start(&answer, request, response);
    int result = acme_answer_feed(&answer, bytes.ptr, bytes.len);
    if (result == 1 || (result == 0 && acme_answer_end(&answer) == 0))
        return 0;
    acme_response_free(response);
    return acme_error_set(error, ACME_TROUBLE_NETWORK, -EBADMSG, "that is no HTTP");
}

// --- the state folder: nothing was kept -------------------------------------------------------

void acme_storage_path(const char *state_dir, enum acme_shelf shelf, const char *name,
                       const char *suffix, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%d/%s%s", state_dir, shelf, name, suffix);
}

int acme_storage_write(const char *path, struct str text, struct acme_error *error) {
    (void)path;
    (void)error;
    assert(text.len > 0);
    return 0;
}

char *acme_storage_read(const char *path) {
    (void)path;
    return NULL;
}

int acme_storage_write_json(const char *path, json_t *json, struct acme_error *error) {
    (void)path;
    (void)error;
    assert(json);
    json_decref(json);
    return 0;
}

json_t *acme_storage_read_json(const char *path) {
    (void)path;
    return NULL;
}

void acme_storage_remove(const char *path) {
    (void)path;
}

// It would ask DNS.
void acme_advise_addresses(struct acme_error *error, const char *name) {
    acme_error_advise(error, "%s", name);
}

// --- an order ---------------------------------------------------------------------------------

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    static const struct conf_log quiet = {.target = LOG_TARGET_STDERR, .level = LOG_ERROR};
    assert(tls_library_init() == 0 && log_open(&quiet) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static const char *hosts[] = {"a.example", "b.example"};
    static struct conf_site site = {.name = "a.example", .acme_hosts = hosts, .acme_host_count = 2};
    static const struct conf_managed managed = {
        .site = &site, .name = "a.example", .file = "x.pem"};
    static const struct conf_acme acme = {
        .enabled = true, .agree_tos = true, .email = "me@a.example", .state_dir = "/state"};
    static const struct conf_authority authority = {.directory = "https://ca.example/dir"};
    static const struct acme_order_terms terms = {0};
    struct acme_client client;
    struct acme_error error = {0};
    if (size_bytes < 1)
        return 0;
    answers = (struct str){(const char *)data + 1, size_bytes - 1};
    requests = 0;
    int result = acme_client_open(&client, &authority, -1, &error);
    if (result == 0)
        result = acme_account_open(&client, &acme, &error);
    if (result == 0)
        result = acme_order_run(&client, &acme, &managed,
                                data[0] & 1 ? ACME_CHALLENGE_HTTP_01 : ACME_CHALLENGE_TLS_ALPN_01,
                                &terms, &error);
    // No answer can know the key that was made for this order.
    assert(result < 0 && error.text[0]);
    acme_client_close(&client);
    return 0;
}
