// SPDX-License-Identifier: Apache-2.0
#include "acme/registered_domain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libpsl.h>

#define DOMAIN_BYTES 256

static void domain_of(const psl_ctx_t *suffixes, const char *name, char domain[DOMAIN_BYTES]);
static bool has_text(const json_t *list, const char *text);

json_t *acme_registered_domains(const char *const names[], size_t name_count) {
    char domain[DOMAIN_BYTES];
    json_t *list = json_array();
    psl_ctx_t *suffixes = list ? psl_latest(NULL) : NULL;
    for (size_t i = 0; suffixes && i < name_count; i++) {
        domain_of(suffixes, names[i], domain);
        if (!has_text(list, domain))
            json_array_append_new(list, json_string(domain));
    }
    if (!suffixes) {
        json_decref(list);
        return NULL;
    }
    psl_free(suffixes);
    return list;
}

// A name that is a public suffix itself is counted as it is.
static void domain_of(const psl_ctx_t *suffixes, const char *name, char domain[DOMAIN_BYTES]) {
    struct in6_addr address;
    if (inet_pton(AF_INET6, name, &address) == 1) {
        memset(address.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &address, domain, INET6_ADDRSTRLEN);
        strcat(domain, "/64");
        return;
    }
    bool is_address = inet_pton(AF_INET, name, &address) == 1;
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    const char *registered = is_address ? NULL : psl_registrable_domain(suffixes, name);
    snprintf(domain, DOMAIN_BYTES, "%s", registered ? registered : name);
}

static bool has_text(const json_t *list, const char *text) {
    const json_t *one;
    size_t place;
    json_array_foreach(list, place, one) {
        if (strcmp(json_string_value(one), text) == 0)
            return true;
    }
    return false;
}
