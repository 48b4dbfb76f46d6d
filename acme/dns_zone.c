// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_zone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// More aliases than this in a row are a loop, or as good as one.
#define ALIASES_MAX 8
#define NAME_SERVERS_MAX 13
#define DNS_PORT 53

// The first record of this type among the answers whose owner is `name`; NULL: none.
static const ldns_rr *record_find(const ldns_pkt *packet, const char *name, ldns_rr_type type) {
    const ldns_rr_list *answers = ldns_pkt_answer(packet);
    char owner[ACME_DNS_NAME_BYTES];
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *record = ldns_rr_list_rr(answers, i);
        acme_dns_text(ldns_rr_owner(record), owner, sizeof owner);
        if (ldns_rr_get_type(record) == type && strcasecmp(owner, name) == 0)
            return record;
    }
    return NULL;
}

int acme_dns_follow(int stop_fd, const struct acme_dns_servers *resolvers, const char *name,
                    char target[ACME_DNS_NAME_BYTES], struct acme_error *error) {
    snprintf(target, ACME_DNS_NAME_BYTES, "%s", name);
    for (int i = 0; i < ALIASES_MAX; i++) {
        struct acme_dns_answer answer;
        int result =
            acme_dns_lookup(stop_fd, resolvers, target, LDNS_RR_TYPE_CNAME, &answer, error);
        if (result < 0)
            return result;
        const ldns_rr *alias = record_find(answer.packet, target, LDNS_RR_TYPE_CNAME);
        if (alias)
            acme_dns_text(ldns_rr_rdf(alias, 0), target, ACME_DNS_NAME_BYTES);
        acme_dns_answer_free(&answer);
        if (!alias)
            return 0;
    }
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ELOOP,
                          "%s is an alias (CNAME) of an alias, more than %d times: is it a loop?",
                          name, ALIASES_MAX);
}

// 1: it is a zone; 0: it is none; negative errno.
static int zone_ask(int stop_fd, const struct acme_dns_server *server,
                    enum acme_dns_recursion recursion, const char *name) {
    struct acme_dns_answer answer;
    int result = acme_dns_ask(stop_fd, server, name, LDNS_RR_TYPE_SOA, recursion, &answer);
    if (result < 0)
        return result;
    result = record_find(answer.packet, name, LDNS_RR_TYPE_SOA) != NULL;
    acme_dns_answer_free(&answer);
    return result;
}

int acme_dns_zone_find(int stop_fd, const struct acme_dns_servers *servers,
                       enum acme_dns_recursion recursion, const char *name,
                       char zone[ACME_DNS_NAME_BYTES], struct acme_error *error) {
    int result = 0;
    for (size_t i = 0; i < servers->count; i++) {
        for (const char *at = name; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
            result = zone_ask(stop_fd, &servers->items[i], recursion, at);
            if (result < 0)
                break;
            if (result > 0) {
                snprintf(zone, ACME_DNS_NAME_BYTES, "%s", at);
                return 0;
            }
        }
        if (result == -ECANCELED)
            return acme_error_set(error, ACME_TROUBLE_STOPPED, result, "the gateway stops");
    }
    if (result < 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, result,
                              "the name server %s does not answer: %s", servers->items[0].text,
                              strerror(-result));
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                          "the name server %s knows no zone (SOA) that %s is in",
                          servers->count > 0 ? servers->items[0].text : "", name);
}

// Adds the addresses of one name server. A name without any is passed over.
static int addresses_add(int stop_fd, const struct acme_dns_servers *resolvers, const char *name,
                         ldns_rr_type type, struct acme_dns_servers *authorities,
                         struct acme_error *error) {
    struct acme_dns_answer answer;
    int result = acme_dns_lookup(stop_fd, resolvers, name, type, &answer, error);
    if (result < 0)
        return result == -ECANCELED ? result : 0;
    const ldns_rr_list *answers = ldns_pkt_answer(answer.packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *record = ldns_rr_list_rr(answers, i);
        struct sockaddr_storage address;
        char text[ADDRESS_TEXT_MAX];
        if (ldns_rr_get_type(record) != type)
            continue;
        acme_dns_text(ldns_rr_rdf(record, 0), text, sizeof text);
        if (address_parse(str_from(text), &address) == 0)
            continue;
        address_set_port(&address, DNS_PORT);
        acme_dns_servers_add(authorities, &address);
    }
    acme_dns_answer_free(&answer);
    return 0;
}

int acme_dns_authorities(int stop_fd, const struct acme_dns_servers *resolvers, const char *zone,
                         struct acme_dns_servers *authorities, struct acme_error *error) {
    struct acme_dns_answer answer;
    char name[ACME_DNS_NAME_BYTES];
    int result = acme_dns_lookup(stop_fd, resolvers, zone, LDNS_RR_TYPE_NS, &answer, error);
    if (result < 0)
        return result;
    const ldns_rr_list *answers = ldns_pkt_answer(answer.packet);
    size_t count = ldns_rr_list_rr_count(answers);
    for (size_t i = 0; i < count && i < NAME_SERVERS_MAX && result == 0; i++) {
        const ldns_rr *record = ldns_rr_list_rr(answers, i);
        if (ldns_rr_get_type(record) != LDNS_RR_TYPE_NS)
            continue;
        acme_dns_text(ldns_rr_rdf(record, 0), name, sizeof name);
        result = addresses_add(stop_fd, resolvers, name, LDNS_RR_TYPE_A, authorities, error);
        if (result == 0)
            result = addresses_add(stop_fd, resolvers, name, LDNS_RR_TYPE_AAAA, authorities, error);
    }
    acme_dns_answer_free(&answer);
    if (result == 0 && authorities->count == 0)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                              "DNS names no name server for the zone %s; if it is not a public "
                              "one, name those to ask with acme.dns.servers",
                              zone);
    return result;
}

// --- texts ------------------------------------------------------------------------------------

// A TXT record is a list of texts of up to 255 bytes, each after its length.
static void text_join(const ldns_rr *record, char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
        const ldns_rdf *part = ldns_rr_rdf(record, i);
        size_t take = ldns_rdf_size(part) > 0 ? ldns_rdf_size(part) - 1 : 0;
        if (take > size - 1 - used)
            take = size - 1 - used;
        memcpy(out + used, ldns_rdf_data(part) + 1, take);
        used += take;
    }
    out[used] = '\0';
}

bool acme_dns_answer_text(const struct acme_dns_answer *answer, size_t place, char *out,
                          size_t size) {
    const ldns_rr_list *answers = ldns_pkt_answer(answer->packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *record = ldns_rr_list_rr(answers, i);
        if (ldns_rr_get_type(record) != LDNS_RR_TYPE_TXT || place-- > 0)
            continue;
        text_join(record, out, size);
        return true;
    }
    return false;
}

bool acme_dns_answer_has_text(const struct acme_dns_answer *answer, const char *value) {
    char text[512];
    for (size_t i = 0; acme_dns_answer_text(answer, i, text, sizeof text); i++)
        if (strcmp(text, value) == 0)
            return true;
    return false;
}
