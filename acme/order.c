// SPDX-License-Identifier: Apache-2.0
#include "acme/order.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/chain.h"
#include "acme/challenge.h"
#include "acme/csr.h"
#include "acme/dns_persist.h"
#include "acme/dns_proof.h"
#include "acme/json.h"
#include "acme/leaf.h"
#include "acme/storage.h"
#include "core/clock.h"
#include "core/log.h"
#include "tls/certificate.h"

// How long the server may take for a validation, or for making the certificate.
#define POLL_MS 300000
#define POLL_FIRST_MS 250
#define POLL_MOST_MS 10000
// After so many failed attempts an order that is out of reach is given up.
#define UNREACHABLE_MAX 3

struct order {
    struct acme_client *client;
    const struct conf_acme *acme;
    const struct conf_managed *managed;
    const struct conf_site *site; // whose names they are
    enum acme_challenge kind;
    const struct acme_order_terms *terms;
    struct acme_error *error;
    char path[PATH_MAX]; // of its file
    char url[ACME_URL_BYTES];
    struct acme_key *key; // of the certificate
    char *key_pem;
    enum acme_renewal renewal; // as what the server counts it
    struct acme_reply state;   // as it has told it last
};

static int order_begin(struct order *order);
static int order_authorize(struct order *order);
static int order_finalize(struct order *order);
static int order_invalid(struct order *order);
static int order_download(struct order *order);
static void order_forget(const struct order *order);
static void order_free(struct order *order);

int acme_order_run(struct acme_client *client, const struct conf_acme *acme,
                   const struct conf_managed *managed, enum acme_challenge kind,
                   const struct acme_order_terms *terms, struct acme_error *error) {
    struct order order = {.client = client,
                          .acme = acme,
                          .managed = managed,
                          .site = managed->site,
                          .kind = kind,
                          .terms = terms,
                          .error = error,
                          .renewal = terms->renewal};
    acme_storage_path(acme->state_dir, ACME_ORDERS, managed->name, ".json", order.path);
    int result = order_begin(&order);
    if (result == 0)
        result = order_authorize(&order);
    if (result == 0 && !terms->trial)
        result = order_finalize(&order);
    if (result == 0 && !terms->trial)
        result = order_download(&order);
    // After a refusal this order leads nowhere; after anything else it can be gone on with.
    if (result == 0 || error->trouble == ACME_TROUBLE_REFUSED ||
        error->trouble == ACME_TROUBLE_VALIDATION)
        order_forget(&order);
    order_free(&order);
    return result;
}

// --- the order --------------------------------------------------------------------------------

static const char *status_of(const json_t *json) {
    const char *status = acme_json_text(json, "status");
    return status ? status : "";
}

static bool order_is(const struct order *order, const char *status) {
    return strcmp(status_of(order->state.json), status) == 0;
}

static int order_refresh(struct order *order) {
    acme_reply_free(&order->state);
    return acme_client_post(order->client, order->url, NULL, &order->state, order->error);
}

// {"type": "dns", "value": NAME}, or "ip" (RFC 8738).
static json_t *identifiers_of(const struct conf_site *site) {
    struct in6_addr address;
    json_t *list = json_array();
    for (size_t i = 0; i < site->acme_host_count; i++) {
        const char *name = site->acme_hosts[i];
        bool is_address =
            inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "type", is_address ? "ip" : "dns", "value", name));
    }
    return list;
}

static int order_resume(struct order *order);
static int order_make_key(struct order *order);
static int order_ask(struct order *order);

static int order_begin(struct order *order) {
    int resumed = order->terms->trial ? 0 : order_resume(order);
    if (resumed != 0)
        return resumed < 0 ? resumed : 0;
    acme_key_free(order->key);
    free(order->key_pem);
    order->key = NULL;
    order->key_pem = NULL;
    int result = order->terms->trial ? 0 : order_make_key(order);
    if (result < 0)
        return result;
    result = order_ask(order);
    if (result < 0) {
        acme_error_while(order->error, "ordering");
        return result;
    }
    if (!order->state.response.location[0])
        return acme_error_set(order->error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "ordering: the server does not say where the order is");
    memcpy(order->url, order->state.response.location, sizeof order->url);
    if (order->terms->trial)
        return 0;
    json_t *file =
        json_pack("{s:s, s:s, s:s, s:s*, s:o}", "directory", order->client->authority->directory,
                  "url", order->url, "key", order->key_pem, "profile", order->terms->profile,
                  "identifiers", identifiers_of(order->site));
    result = acme_storage_write_json(order->path, file, order->error);
    acme_quota_count_order(order->acme, order->client->authority, order->site, order->renewal);
    return result;
}

// An order that does not say what it replaces counts like any other renewal.
static int counted_renewal(struct order *order) {
    if (order->renewal != ACME_RENEWAL_SUGGESTED)
        return 0;
    order->renewal = ACME_RENEWAL_NAMES;
    return acme_quota_check(order->acme, order->client->authority, order->site, order->renewal,
                            order->error);
}

// A server that does not like what the certificate is to replace need not know.
static int order_ask(struct order *order) {
    const struct acme_order_terms *terms = order->terms;
    const char *replaces = terms->replaces;
    int result;
    do {
        json_t *payload = json_pack("{s:o, s:s*, s:s*}", "identifiers", identifiers_of(order->site),
                                    "profile", terms->profile, "replaces", replaces);
        acme_reply_free(&order->state);
        result = acme_client_post(order->client, order->client->new_order, payload, &order->state,
                                  order->error);
        bool again = result < 0 && replaces &&
                     (order->error->trouble == ACME_TROUBLE_REFUSED ||
                      order->error->trouble == ACME_TROUBLE_NO_ACCOUNT);
        if (!again)
            break;
        log_line(LOG_INFO, NULL, "acme: %s: %s; ordering without \"replaces\"",
                 order->managed->name, order->error->text);
        replaces = NULL;
        result = counted_renewal(order);
    } while (result == 0);
    return result;
}

// Whether the order in the file is for what is wanted now.
static bool order_fits(const struct order *order, const json_t *file) {
    const char *directory = acme_json_text(file, "directory"), *url = acme_json_text(file, "url");
    const char *profile = acme_json_text(file, "profile"), *wanted = order->terms->profile;
    json_t *identifiers = identifiers_of(order->site);
    bool fits = directory && strcmp(directory, order->client->authority->directory) == 0 && url &&
                strlen(url) < sizeof order->url && acme_json_text(file, "key") &&
                strcmp(profile ? profile : "", wanted ? wanted : "") == 0 &&
                json_equal(json_object_get(file, "identifiers"), identifiers);
    json_decref(identifiers);
    return fits;
}

// Whether the certificate has been put in its place already, by a process that was killed before it
// could forget the order: to go on would fetch the same one again.
static bool order_is_done(const struct order *order) {
    char *pem = acme_storage_read(order->managed->file);
    bool done = pem && strstr(pem, order->key_pem);
    if (pem)
        explicit_bzero(pem, strlen(pem));
    free(pem);
    return done;
}

// Whether what the server says of an order leaves something to do with it.
static bool order_can_go_on(const struct order *order) {
    return order_is(order, "pending") || order_is(order, "ready") ||
           order_is(order, "processing") || (order_is(order, "valid") && !order_is_done(order));
}

// Whether an order that the server says nothing about now should be waited for. One that has been
// out of reach for some attempts may be gone for good, with the place where it was.
static bool order_can_wait(const struct order *order) {
    switch (order->error->trouble) {
    case ACME_TROUBLE_STOPPED:
    case ACME_TROUBLE_LIMITED:
        return true;
    case ACME_TROUBLE_NETWORK:
        return order->terms->failures < UNREACHABLE_MAX;
    default:
        return false;
    }
}

// Goes on with an order of the same server for the same names, if there is one that can lead
// somewhere. 1: it does; 0: there is none; or negative errno, when that cannot be known now.
static int order_resume(struct order *order) {
    json_t *file = acme_storage_read_json(order->path);
    const char *key = acme_json_text(file, "key");
    int result = 0;
    if (file && order_fits(order, file) && (order->key_pem = strdup(key)) &&
        acme_key_read(key, &order->key) == 0 &&
        acme_key_kind(order->key) == order->managed->key_kind) {
        strcpy(order->url, acme_json_text(file, "url"));
        int asked = order_refresh(order);
        if (asked < 0 && order_can_wait(order)) {
            acme_error_while(order->error, "going on with the order %s", order->url);
            result = asked;
        }
        if (asked == 0 && order_can_go_on(order))
            result = 1;
    }
    if (result > 0)
        log_line(LOG_INFO, NULL, "acme: %s: going on with the order %s", order->managed->name,
                 order->url);
    json_decref(file);
    return result;
}

// A new one, unless the old one is to be kept and there is one.
static int order_make_key(struct order *order) {
    char *pem = order->terms->keeps_key ? acme_storage_read(order->managed->file) : NULL;
    int result = pem ? acme_key_read(pem, &order->key) : -ENOENT;
    if (pem)
        explicit_bzero(pem, strlen(pem));
    free(pem);
    if (result == 0 && acme_key_kind(order->key) != order->managed->key_kind) {
        acme_key_free(order->key);
        result = -ENOENT;
    }
    if (result < 0)
        result = acme_key_make(order->managed->key_kind, &order->key);
    if (result == 0 && !(order->key_pem = acme_key_write(order->key)))
        result = -EIO;
    return result == 0 ? 0
                       : acme_error_set(order->error, ACME_TROUBLE_LOCAL, result,
                                        "no key can be made for the certificate");
}

static void order_forget(const struct order *order) {
    acme_storage_remove(order->path);
}

static void order_free(struct order *order) {
    acme_reply_free(&order->state);
    acme_key_free(order->key);
    if (order->key_pem)
        explicit_bzero(order->key_pem, strlen(order->key_pem));
    free(order->key_pem);
}

// Waits before looking again: as long as the server wants, or half as long again each time; once
// more at the end of its time. -ETIMEDOUT when it has taken too long.
static int poll_wait(struct order *order, unsigned turn, unsigned retry_after_s,
                     uint64_t begun_ms) {
    uint64_t elapsed_ms = clock_monotonic_ms() - begun_ms, wait_ms = POLL_FIRST_MS;
    for (; turn > 0 && wait_ms < POLL_MOST_MS; turn--)
        wait_ms += wait_ms / 2;
    if (retry_after_s > 0)
        wait_ms = (uint64_t)retry_after_s * 1000;
    if (elapsed_ms >= POLL_MS)
        return acme_error_set(order->error, ACME_TROUBLE_NETWORK, -ETIMEDOUT,
                              "the server is not done after %d minutes", POLL_MS / 60000);
    if (wait_ms > POLL_MS - elapsed_ms)
        wait_ms = POLL_MS - elapsed_ms;
    return acme_client_sleep(order->client, (unsigned)wait_ms, order->error);
}

// --- authorizations ---------------------------------------------------------------------------

static int authorize(struct order *order, const char *url);
static int order_await_ready(struct order *order);

static int order_authorize(struct order *order) {
    if (!order_is(order, "pending"))
        return 0;
    const json_t *urls = acme_json_array(order->state.json, "authorizations"), *url;
    size_t place;
    int result = 0;
    if (order->kind == ACME_CHALLENGE_DNS_01)
        result = acme_dns_publish(order->client, order->acme, order->managed, urls, order->error);
    else if (order->kind == ACME_CHALLENGE_DNS_PERSIST_01)
        result =
            acme_dns_persist_expect(order->client, order->acme, order->managed, urls, order->error);
    json_array_foreach(urls, place, url) {
        if (result == 0 && !json_is_string(url))
            result = acme_error_set(order->error, ACME_TROUBLE_NETWORK, -EPROTO,
                                    "the order has an authorization without a URL");
        if (result == 0)
            result = authorize(order, json_string_value(url));
    }
    if (order->kind == ACME_CHALLENGE_DNS_01)
        acme_dns_withdraw(order->acme, order->managed, order->client->stop_fd);
    if (result == 0)
        result = order_refresh(order);
    if (result == 0)
        result = order_await_ready(order);
    return result == 0 && order_is(order, "invalid") ? order_invalid(order) : result;
}

// A server of many machines may need a moment to see that all authorizations are valid.
static int order_await_ready(struct order *order) {
    uint64_t begun_ms = clock_monotonic_ms();
    int result = 0;
    for (unsigned turn = 0; result == 0 && order_is(order, "pending"); turn++) {
        result = poll_wait(order, turn, order->state.response.retry_after_s, begun_ms);
        if (result == 0)
            result = order_refresh(order);
    }
    return result;
}

static int answer_and_wait(struct order *order, const char *url, const char *challenge_url);
static int challenge_failed(struct order *order, const char *name, const json_t *authorization);

// Shows that one name is ours.
static int authorize(struct order *order, const char *url) {
    struct acme_reply reply;
    int result = acme_client_post(order->client, url, NULL, &reply, order->error);
    if (result < 0)
        return result;
    const char *name = acme_json_text(json_object_get(reply.json, "identifier"), "value");
    const json_t *challenge = acme_challenge_find(reply.json, order->kind);
    const char *token = acme_json_text(challenge, "token");
    const char *challenge_url = acme_json_text(challenge, "url");
    if (strcmp(status_of(reply.json), "valid") == 0)
        result = 0; // shown before
    else if (!name || strcmp(status_of(reply.json), "pending") != 0)
        result = name ? challenge_failed(order, name, reply.json)
                      : acme_error_set(order->error, ACME_TROUBLE_NETWORK, -EPROTO,
                                       "the server sends an authorization for nothing");
    else if (!challenge_url || (!token && order->kind != ACME_CHALLENGE_DNS_PERSIST_01))
        result = acme_error_set(order->error, ACME_TROUBLE_VALIDATION, -EPROTO,
                                "the server does not offer %s for %s",
                                acme_challenge_name(order->kind), name);
    else if ((result = acme_challenge_begin(order->client, order->kind, name, token,
                                            order->error)) == 0) {
        result = answer_and_wait(order, url, challenge_url);
        acme_challenge_end(order->kind, name, token);
    }
    acme_reply_free(&reply);
    return result;
}

// Tells the server to look, and waits until it has (RFC 8555 §7.5.1).
static int answer_and_wait(struct order *order, const char *url, const char *challenge_url) {
    struct acme_reply reply;
    uint64_t begun_ms = clock_monotonic_ms();
    int result =
        acme_client_post(order->client, challenge_url, json_object(), &reply, order->error);
    for (unsigned turn = 0; result == 0; turn++) {
        unsigned retry_after_s = reply.response.retry_after_s;
        acme_reply_free(&reply);
        result = poll_wait(order, turn, retry_after_s, begun_ms);
        if (result == 0)
            result = acme_client_post(order->client, url, NULL, &reply, order->error);
        if (result < 0)
            return result;
        const char *status = status_of(reply.json);
        if (strcmp(status, "valid") == 0)
            break;
        if (strcmp(status, "pending") != 0 && strcmp(status, "processing") != 0) {
            const char *name = acme_json_text(json_object_get(reply.json, "identifier"), "value");
            result = challenge_failed(order, name ? name : "?", reply.json);
        }
    }
    acme_reply_free(&reply);
    return result;
}

// The server says in the challenge what it has met.
static int challenge_failed(struct order *order, const char *name, const json_t *authorization) {
    const json_t *challenge = acme_challenge_find(authorization, order->kind);
    const json_t *problem = json_object_get(challenge, "error");
    const char *doing = acme_challenge_name(order->kind);
    if (!problem)
        return acme_error_set(order->error, ACME_TROUBLE_VALIDATION, -EPROTO,
                              "showing by %s that %s is ours: the authorization is \"%.20s\"",
                              doing, name, status_of(authorization));
    acme_problem_read(problem, 0, order->error);
    acme_error_while(order->error, "showing by %s that %s is ours", doing, name);
    acme_quota_count_failure(order->acme, order->client->authority, name);
    if (order->error->trouble != ACME_TROUBLE_VALIDATION)
        return -EPROTO;
    acme_challenge_advise(order->kind, name, order->error);
    return -EPROTO;
}

// --- the certificate --------------------------------------------------------------------------

static int order_invalid(struct order *order) {
    const json_t *problem = json_object_get(order->state.json, "error");
    if (problem)
        acme_problem_read(problem, 0, order->error);
    else
        acme_error_set(order->error, ACME_TROUBLE_REFUSED, -EPROTO, "the order is \"%.20s\"",
                       status_of(order->state.json));
    order->error->trouble = ACME_TROUBLE_REFUSED;
    acme_error_while(order->error, "ordering");
    return -EPROTO;
}

// A server that has somebody look at the order, for instance. The next attempt goes on with it.
static int order_later(struct order *order, unsigned retry_after_s) {
    acme_error_set(order->error, ACME_TROUBLE_LIMITED, -EAGAIN,
                   "the server is still working on the order %s; it is looked at again when the "
                   "server wants that",
                   order->url);
    order->error->retry_after_s = retry_after_s;
    return -EAGAIN;
}

// Sends the request for the certificate and waits until it is made.
static int order_finalize(struct order *order) {
    uint64_t begun_ms = clock_monotonic_ms();
    const char *url = acme_json_text(order->state.json, "finalize");
    int result = 0;
    if (order_is(order, "ready") && !url)
        return acme_error_set(order->error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the order names no place to finalize it");
    if (order_is(order, "ready")) {
        char *csr =
            acme_csr_make(order->key, order->site->acme_hosts, order->site->acme_host_count);
        if (!csr)
            return acme_error_set(order->error, ACME_TROUBLE_REFUSED, -EINVAL,
                                  "no request can be made: are these too many names for one "
                                  "certificate?");
        struct acme_reply reply;
        result = acme_client_post(order->client, url, json_pack("{s:s}", "csr", csr), &reply,
                                  order->error);
        free(csr);
        if (result < 0) {
            acme_error_while(order->error, "asking for the certificate");
            return result;
        }
        acme_reply_free(&order->state);
        order->state = reply;
    }
    for (unsigned turn = 0; order_is(order, "processing") || order_is(order, "ready"); turn++) {
        unsigned retry_after_s = order->state.response.retry_after_s;
        if (retry_after_s > POLL_MS / 1000)
            return order_later(order, retry_after_s);
        result = poll_wait(order, turn, retry_after_s, begun_ms);
        if (result == 0)
            result = order_refresh(order);
        if (result < 0)
            return result;
    }
    return order_is(order, "valid") ? 0 : order_invalid(order);
}

static int certificate_check(const struct order *order, const char *pem);

static int order_download(struct order *order) {
    const char *url = acme_json_text(order->state.json, "certificate");
    char *chain, *pem;
    if (!url)
        return acme_error_set(order->error, ACME_TROUBLE_NETWORK, -EPROTO,
                              "the order is valid and names no certificate");
    int result = acme_chain_download(order->client, url, order->terms->preferred_chain, &chain,
                                     order->error);
    if (result < 0)
        return result;
    if (asprintf(&pem, "%s\n%s", chain, order->key_pem) < 0)
        pem = NULL;
    free(chain);
    if (!pem)
        return acme_error_set(order->error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    result = certificate_check(order, pem);
    if (result == 0)
        result = acme_storage_write(order->managed->file, str_from(pem), order->error);
    if (result == 0)
        acme_quota_count_certificate(order->acme, order->client->authority, order->site,
                                     order->renewal);
    explicit_bzero(pem, strlen(pem));
    free(pem);
    return result;
}

// One that is new and not in its time says that a clock is wrong, ours most likely. The order
// stays: once the clock is set the same certificate will do.
static int dates_check(const struct order *order, const char *pem) {
    struct acme_leaf leaf;
    time_t now = time(NULL);
    const char *problem = NULL;
    if (acme_leaf_read(pem, &leaf) && now < leaf.not_before)
        problem = "is not good yet";
    else if (leaf.not_after > 0 && now >= leaf.not_after)
        problem = "has expired already";
    acme_leaf_free(&leaf);
    return problem ? acme_error_set(order->error, ACME_TROUBLE_LOCAL, -EPROTO,
                                    "the certificate that came %s; is the clock of this machine "
                                    "right?",
                                    problem)
                   : 0;
}

// What came must be what was asked for, before it takes the place of one that works.
static int certificate_check(const struct order *order, const char *pem) {
    const struct conf_certificate from = {.certificate_path = "the new certificate",
                                          .key_path = "its key"};
    struct problems problems = {0};
    struct str text = str_from(pem);
    int result = dates_check(order, pem);
    if (result < 0)
        return result;
    struct tls_certificate *certificate =
        tls_certificate_parse(text, text, &from, NULL, time(NULL), &problems);
    if (!certificate)
        result = acme_error_set(order->error, ACME_TROUBLE_REFUSED, -EPROTO,
                                "the certificate that came is no good: %s",
                                problems.count > 0 ? problems.items[0].text : "out of memory");
    for (size_t i = 0; result == 0 && i < order->site->acme_host_count; i++)
        if (!tls_certificate_covers(certificate, order->site->acme_hosts[i]))
            result = acme_error_set(order->error, ACME_TROUBLE_REFUSED, -EPROTO,
                                    "the certificate that came is not made out to %s",
                                    order->site->acme_hosts[i]);
    tls_certificate_free(certificate);
    problems_free(&problems);
    return result;
}
