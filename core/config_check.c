// SPDX-License-Identifier: Apache-2.0
//
// Everything here is sorted before it is compared: a file may have as many sites as fit into it.
#include "core/config_check.h"

#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/config_acme.h"
#include "core/config_address.h"

static void listens_imply(struct config_reader *reader);
static void listens_check(struct config_reader *reader);
static void sites_complete(struct config *config);
static void hosts_check(struct config_reader *reader);
static void upstreams_link(struct config_reader *reader);
static void upstream_unknown(struct config_reader *reader, const struct conf_route *route);
static void certificates_check(struct config_reader *reader);
static void admin_check(struct config_reader *reader);

void config_check(struct config_reader *reader) {
    if (!yaml_map_find(reader->root, "listen"))
        listens_imply(reader);
    listens_check(reader);
    sites_complete(reader->config);
    hosts_check(reader);
    upstreams_link(reader);
    config_acme_check(reader);
    certificates_check(reader);
    if (reader->config->admin.text)
        admin_check(reader);
}

static void listens_imply(struct config_reader *reader) {
    static const struct {
        const char *text;
        enum listen_kind kind;
    } implied[] = {{":80", LISTEN_REDIRECT}, {":443", LISTEN_TLS}};
    struct config *config = reader->config;
    config->listens = arena_alloc(reader->arena, 4, sizeof(*config->listens));
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage addresses[2];
        size_t count = 0;
        conf_listen_parse(str_from(implied[i].text), addresses, &count);
        for (size_t j = 0; j < count; j++)
            config->listens[config->listen_count++] = (struct conf_listen){
                .text = implied[i].text,
                .address = addresses[j],
                .address_size_bytes = address_size((struct sockaddr *)&addresses[j]),
                .kind = implied[i].kind,
            };
    }
}

static int compare_positions(struct conf_pos a, struct conf_pos b) {
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column < b.column ? -1 : a.column > b.column;
}

static int compare_listens(const void *left, const void *right) {
    const struct conf_listen *a = *(struct conf_listen *const *)left;
    const struct conf_listen *b = *(struct conf_listen *const *)right;
    int order =
        address_compare((const struct sockaddr *)&a->address, (const struct sockaddr *)&b->address);
    return order ? order : compare_positions(a->pos, b->pos);
}

static void listens_check(struct config_reader *reader) {
    struct config *config = reader->config;
    size_t count = config->listen_count;
    const struct conf_listen **sorted = arena_alloc(reader->arena, count, sizeof(void *));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &config->listens[i];
    qsort(sorted, count, sizeof(void *), compare_listens);
    for (size_t i = 1; i < count; i++) {
        const struct conf_listen *first = sorted[i - 1], *second = sorted[i];
        if (address_compare((const struct sockaddr *)&first->address,
                            (const struct sockaddr *)&second->address) == 0)
            problems_add(reader->problems, PROBLEM_ERROR, second->pos,
                         "address: \"%s\" is the address of \"%s\" at %u:%u already; remove one of "
                         "them",
                         second->text, first->text, first->pos.line, first->pos.column);
    }
}

static void sites_complete(struct config *config) {
    for (size_t i = 0; i < config->site_count; i++)
        if (config->sites[i].idle_timeout_ms == 0)
            config->sites[i].idle_timeout_ms = config->idle_timeout_ms;
}

struct host {
    const char *name;
    struct conf_pos pos;
    const struct conf_site *site;
};

static int compare_hosts(const void *left, const void *right) {
    const struct host *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : compare_positions(a->pos, b->pos);
}

static void hosts_check(struct config_reader *reader) {
    const struct config *config = reader->config;
    size_t count = 0, filled = 0;
    for (size_t i = 0; i < config->site_count; i++)
        count += config->sites[i].host_count;
    struct host *hosts = arena_alloc(reader->arena, count, sizeof(*hosts));
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        for (size_t j = 0; j < site->host_count; j++)
            hosts[filled++] = (struct host){site->hosts[j], site->host_positions[j], site};
    }
    qsort(hosts, count, sizeof(*hosts), compare_hosts);
    for (size_t i = 1; i < count; i++) {
        const struct host *first = &hosts[i - 1], *second = &hosts[i];
        if (strcmp(first->name, second->name) == 0)
            problems_add(reader->problems, PROBLEM_ERROR, second->pos,
                         "the host \"%s\" is in site \"%.64s\" already, at %u:%u; a host can be in "
                         "one place only",
                         second->name, first->site->name, first->pos.line, first->pos.column);
    }
}

static int compare_upstreams(const void *left, const void *right) {
    const struct conf_upstream *a = *(struct conf_upstream *const *)left;
    const struct conf_upstream *b = *(struct conf_upstream *const *)right;
    return strcmp(a->name, b->name);
}

static void upstreams_link(struct config_reader *reader) {
    struct config *config = reader->config;
    size_t count = config->upstream_count;
    const struct conf_upstream **sorted = arena_alloc(reader->arena, count, sizeof(void *));
    bool *used = arena_alloc(reader->arena, count, sizeof(*used));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &config->upstreams[i];
    qsort(sorted, count, sizeof(void *), compare_upstreams);
    for (size_t i = 0; i < config->site_count; i++) {
        struct conf_site *site = &config->sites[i];
        for (size_t j = 0; j < site->route_count; j++) {
            struct conf_route *route = &site->routes[j];
            if (!route->upstream_name)
                continue;
            const struct conf_upstream wanted = {.name = route->upstream_name}, *key = &wanted;
            const struct conf_upstream **found =
                bsearch(&key, sorted, count, sizeof(void *), compare_upstreams);
            if (!found) {
                upstream_unknown(reader, route);
                continue;
            }
            route->upstream = *found;
            used[(*found)->index] = true;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!used[i] && config->upstreams[i].name[0])
            problems_add(reader->problems, PROBLEM_WARNING, config->upstreams[i].pos,
                         "no route uses the upstream \"%s\"", config->upstreams[i].name);
}

static void upstream_unknown(struct config_reader *reader, const struct conf_route *route) {
    const struct config *config = reader->config;
    struct nearest nearest = nearest_start(str_from(route->upstream_name));
    if (reader->problems->errors < CONFIG_GUESSES_MAX)
        for (size_t i = 0; i < config->upstream_count; i++)
            nearest_offer(&nearest, str_from(config->upstreams[i].name));
    if (nearest.best.len > 0)
        problems_add(reader->problems, PROBLEM_ERROR, route->upstream_pos,
                     "upstream: there is no \"%s\"; did you mean \"%.*s\"?", route->upstream_name,
                     STR_ARG(nearest.best));
    else
        problems_add(reader->problems, PROBLEM_ERROR, route->upstream_pos,
                     "upstream: there is no \"%s\"; add it to \"upstreams\", for example %s: "
                     "{servers: [\"127.0.0.1:3000\"]}",
                     route->upstream_name, route->upstream_name);
}

static bool any_site_has_certificate(const struct config *config);

// Whether a certificate is the right one for its site is seen when it is loaded; here, only whether
// there is any. What ACME leaves out has been warned of, and gets another site's, if there is one.
static void certificates_check(struct config_reader *reader) {
    const struct config *config = reader->config;
    bool has_acme = yaml_map_find(reader->root, "acme");
    if (!config_has_tls_listener(config) || config->certificate_count > 0 ||
        (has_acme && (!config->acme.enabled || any_site_has_certificate(config))))
        return;
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        if (site->certificate_count == 0 && (has_acme || !site->acme_named))
            problems_add(reader->problems, PROBLEM_ERROR, site->pos,
                         "the site \"%.64s\" has no certificate, and there is a listener with TLS; "
                         "add tls: {certificate: cert.pem, key: key.pem} here, or \"certificates\" "
                         "at the top level",
                         site->name);
    }
}

bool config_has_tls_listener(const struct config *config) {
    for (size_t i = 0; i < config->listen_count; i++)
        if (config->listens[i].kind == LISTEN_TLS)
            return true;
    return false;
}

static bool any_site_has_certificate(const struct config *config) {
    for (size_t i = 0; i < config->site_count; i++)
        if (config->sites[i].certificate_count > 0 || config->sites[i].managed_count > 0)
            return true;
    return false;
}

static bool has_listener(const struct config *config, const struct sockaddr *address) {
    for (size_t i = 0; i < config->listen_count; i++)
        if (address_compare(address, (const struct sockaddr *)&config->listens[i].address) == 0)
            return true;
    return false;
}

static void admin_check(struct config_reader *reader) {
    struct config *config = reader->config;
    struct conf_admin *admin = &config->admin;
    struct conf_pos pos = yaml_map_find(yaml_map_find(reader->root, "admin"), "listen")->pos;
    struct sockaddr_storage addresses[2];
    conf_listen_parse(str_from(admin->text), addresses, &admin->listen_count);
    bool is_private = true;
    for (size_t i = 0; i < admin->listen_count; i++) {
        const struct sockaddr *address = (const struct sockaddr *)&addresses[i];
        admin->listens[i] = (struct conf_listen){
            .pos = pos,
            .text = admin->text,
            .address = addresses[i],
            .address_size_bytes = address_size(address),
            .kind = LISTEN_PLAIN,
        };
        is_private &= address_is_loopback(address);
        if (has_listener(config, address)) {
            problems_add(reader->problems, PROBLEM_ERROR, pos,
                         "admin: clients connect to \"%s\" already; choose another port",
                         admin->text);
            return;
        }
    }
    if (!is_private)
        problems_add(reader->problems, PROBLEM_WARNING, pos,
                     "admin: \"%s\" is not only for this machine: whoever reaches it can read "
                     "names, addresses and counters; see to it that a firewall or network policy "
                     "lets in who should, or listen on 127.0.0.1",
                     admin->text);
}
