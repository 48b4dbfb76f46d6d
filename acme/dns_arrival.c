// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_arrival.h"

#include <errno.h>
#include <string.h>

#include "acme/dns_zone.h"
#include "acme/wait.h"
#include "core/clock.h"
#include "core/log.h"

#define LOOK_FIRST_MS 250
#define LOOK_MOST_MS 5000
#define SAY_EVERY_MS 30000
// Each try is some datagrams and a connection.
#define SILENT_AFTER 2

enum arrival { ARRIVAL_MISSING, ARRIVAL_THERE, ARRIVAL_SILENT };

struct watch {
    int stop_fd;
    const char *name, *value;
    struct acme_dns_servers servers;
    enum acme_dns_recursion recursion;
    enum arrival arrivals[ACME_DNS_SERVERS_MAX];
    unsigned failures[ACME_DNS_SERVERS_MAX];
};

static int servers_find(struct watch *watch, const struct conf_acme_dns *conf,
                        struct acme_error *error);
static int look(struct watch *watch);
static const struct acme_dns_server *first_missing(const struct watch *watch);
static void outcome_say(const struct watch *watch);

int acme_dns_arrival_wait(int stop_fd, const struct conf_acme_dns *conf, const char *name,
                          const char *value, uint64_t deadline_ms, struct acme_error *error) {
    struct watch watch = {.stop_fd = stop_fd, .name = name, .value = value};
    unsigned wait_ms = LOOK_FIRST_MS;
    int result = servers_find(&watch, conf, error);
    if (result < 0)
        return result;
    uint64_t say_ms = clock_monotonic_ms(), now_ms;
    while ((result = look(&watch)) == 0 && first_missing(&watch)) {
        const struct acme_dns_server *missing = first_missing(&watch);
        now_ms = clock_monotonic_ms();
        if (now_ms >= deadline_ms)
            return acme_error_set(error, ACME_TROUBLE_LOCAL, -ETIMEDOUT,
                                  "the name server %s does not have the record %s that was set; is "
                                  "it set in the right zone, and do the secondaries get its "
                                  "changes? If they are only slow, raise acme.dns.timeout",
                                  missing->text, name);
        if (now_ms >= say_ms) {
            log_line(LOG_INFO, NULL, "acme: waiting until the name server %s has %s", missing->text,
                     name);
            say_ms = now_ms + SAY_EVERY_MS;
        }
        result = acme_wait_sleep(stop_fd, wait_ms);
        if (result < 0)
            break;
        wait_ms = wait_ms * 2 < LOOK_MOST_MS ? wait_ms * 2 : LOOK_MOST_MS;
    }
    if (result < 0)
        return acme_error_set(error, ACME_TROUBLE_STOPPED, result, "the gateway stops");
    outcome_say(&watch);
    return 0;
}

static int servers_find(struct watch *watch, const struct conf_acme_dns *conf,
                        struct acme_error *error) {
    struct acme_dns_servers resolvers;
    char zone[ACME_DNS_NAME_BYTES];
    int result = 0;
    watch->recursion = conf->server_count > 0 ? ACME_DNS_RECURSIVE : ACME_DNS_ITERATIVE;
    for (size_t i = 0; i < conf->server_count && result == 0; i++)
        result = acme_dns_servers_add_host(&watch->servers, &conf->servers[i], error);
    if (conf->server_count > 0)
        return result;
    result = acme_dns_resolvers(conf, &resolvers, error);
    if (result == 0)
        result = acme_dns_zone_find(watch->stop_fd, &resolvers, ACME_DNS_RECURSIVE, watch->name,
                                    zone, error);
    if (result == 0)
        result = acme_dns_authorities(watch->stop_fd, &resolvers, zone, &watch->servers, error);
    return result;
}

// Asks those that have not had it. -ECANCELED when we are to stop.
static int look(struct watch *watch) {
    for (size_t i = 0; i < watch->servers.count; i++) {
        struct acme_dns_answer answer;
        if (watch->arrivals[i] != ARRIVAL_MISSING)
            continue;
        int result = acme_dns_ask(watch->stop_fd, &watch->servers.items[i], watch->name,
                                  LDNS_RR_TYPE_TXT, watch->recursion, &answer);
        if (result == -ECANCELED)
            return result;
        if (result < 0 && ++watch->failures[i] == SILENT_AFTER) {
            watch->arrivals[i] = ARRIVAL_SILENT;
            log_line(LOG_WARN, NULL, "acme: the name server %s cannot be asked for %s: %s",
                     watch->servers.items[i].text, watch->name, strerror(-result));
        }
        if (result == 0 && acme_dns_answer_has_text(&answer, watch->value))
            watch->arrivals[i] = ARRIVAL_THERE;
        acme_dns_answer_free(&answer);
    }
    return 0;
}

// NULL: there is none that is still to be waited for.
static const struct acme_dns_server *first_missing(const struct watch *watch) {
    for (size_t i = 0; i < watch->servers.count; i++)
        if (watch->arrivals[i] == ARRIVAL_MISSING)
            return &watch->servers.items[i];
    return NULL;
}

static void outcome_say(const struct watch *watch) {
    size_t there = 0;
    for (size_t i = 0; i < watch->servers.count; i++)
        there += watch->arrivals[i] == ARRIVAL_THERE;
    if (there > 0)
        log_line(LOG_INFO, NULL, "acme: %s: %zu of %zu name servers have the record", watch->name,
                 there, watch->servers.count);
    else
        log_line(
            LOG_WARN, NULL,
            "acme: %s: no name server could be asked for the record: going on without knowing; "
            "if they cannot be reached from here, name those that can with acme.dns.servers",
            watch->name);
}
