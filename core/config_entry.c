// SPDX-License-Identifier: Apache-2.0
//
// Listeners, sites and upstreams: the lists and maps of sections. See config_route.c for routes,
// config_files.c for certificates.
#include "core/config_entry.h"

#include <assert.h>
#include <string.h>

#include "core/address.h"
#include "core/config_address.h"
#include "core/config_read.h"

static void listen_add(struct config_reader *reader, const struct listen_entry *entry,
                       struct conf_pos pos);
static void site_read(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value, struct conf_site *site);
static void host_add(struct config_reader *reader, const struct option *option,
                     const struct yaml_node *value, struct conf_site *site);
static bool site_has_acme(const struct yaml_node *value);
static void certificates_pair(struct config_reader *reader, struct site_entry *entry);

void entry_listens_read(struct config_reader *reader, const struct option *option,
                        const struct yaml_node *value, void *base) {
    struct config *config = base;
    if (!config_list_check(reader, option, value))
        return;
    config->listens = arena_alloc(reader->arena, 2 * value->count, sizeof(*config->listens));
    for (const struct yaml_node *item = value->first; item; item = item->next) {
        struct listen_entry entry = {0};
        config_section_read(reader, option->child, item, &entry);
        if (entry.address)
            listen_add(reader, &entry, yaml_map_find(item, "address")->pos);
    }
}

static void listen_add(struct config_reader *reader, const struct listen_entry *entry,
                       struct conf_pos pos) {
    struct config *config = reader->config;
    struct sockaddr_storage addresses[2];
    size_t count = 0;
    enum value_verdict verdict = conf_listen_parse(str_from(entry->address), addresses, &count);
    assert(verdict == VALUE_OK); // else config_section_read would not have set it
    for (size_t i = 0; i < count; i++)
        config->listens[config->listen_count++] = (struct conf_listen){
            .pos = pos,
            .text = entry->address,
            .address = addresses[i],
            .address_size_bytes = address_size((struct sockaddr *)&addresses[i]),
            .kind = entry->tls ? LISTEN_TLS : LISTEN_PLAIN,
        };
}

void entry_sites_read(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value, void *base) {
    struct config *config = base;
    if (!config_map_check(reader, option, value))
        return;
    config->sites = arena_alloc(reader->arena, value->count, sizeof(*config->sites));
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next)
        site_read(reader, option, entry, &config->sites[config->site_count++]);
}

static void site_read(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value, struct conf_site *site) {
    const struct str name = value->key->text;
    const struct yaml_node *aliases =
        value->kind == YAML_MAP ? yaml_map_find(value, "aliases") : NULL;
    size_t hosts_max = 1 + (aliases ? aliases->count : 0);
    struct site_entry entry = {.site = {
                                   .pos = value->key->pos,
                                   .name = arena_copy(reader->arena, name.ptr, name.len),
                                   .acme_named = site_has_acme(value),
                               }};
    entry.site.hosts = arena_alloc(reader->arena, hosts_max, sizeof(*site->hosts));
    entry.site.host_positions =
        arena_alloc(reader->arena, hosts_max, sizeof(*site->host_positions));
    host_add(reader, option, value->key, &entry.site);
    config_section_read(reader, option->child, value, &entry);
    certificates_pair(reader, &entry);
    *site = entry.site;
}

static bool site_has_acme(const struct yaml_node *value) {
    const struct yaml_node *tls = value->kind == YAML_MAP ? yaml_map_find(value, "tls") : NULL;
    return tls && tls->kind == YAML_MAP && yaml_map_find(tls, "acme");
}

static void certificates_pair(struct config_reader *reader, struct site_entry *entry) {
    struct conf_site *site = &entry->site;
    size_t count = entry->certificate_count;
    if (entry->key_count > 0 && entry->key_count != count) {
        if (entry->keys[0].path) // else it has been refused
            problems_add(reader->problems, PROBLEM_ERROR, entry->keys[0].pos,
                         "key: %zu for %zu certificates; expected one for each, or none where the "
                         "certificate's file holds its key",
                         entry->key_count, count);
        return;
    }
    site->certificates = arena_alloc(reader->arena, count, sizeof(*site->certificates));
    site->certificate_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct conf_file *certificate = &entry->certificates[i];
        const struct conf_file *key = entry->key_count > 0 ? &entry->keys[i] : certificate;
        site->certificates[i] =
            (struct conf_certificate){certificate->pos, key->pos, certificate->path, key->path};
    }
}

void entry_aliases_read(struct config_reader *reader, const struct option *option,
                        const struct yaml_node *value, void *base) {
    if (!config_list_check(reader, option, value))
        return;
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next)
        host_add(reader, option, entry, base);
}

// There is room for the name and all aliases.
static void host_add(struct config_reader *reader, const struct option *option,
                     const struct yaml_node *value, struct conf_site *site) {
    if (!config_value_read(reader, option, value, &site->hosts[site->host_count]))
        return;
    site->host_positions[site->host_count++] = value->pos;
}

void entry_upstreams_read(struct config_reader *reader, const struct option *option,
                          const struct yaml_node *value, void *base) {
    struct config *config = base;
    if (!config_map_check(reader, option, value))
        return;
    config->upstreams = arena_alloc(reader->arena, value->count, sizeof(*config->upstreams));
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next) {
        struct conf_upstream *upstream = &config->upstreams[config->upstream_count];
        upstream->pos = entry->key->pos;
        upstream->index = (unsigned)config->upstream_count++;
        upstream->name = "";
        config_value_read(reader, option, entry->key, &upstream->name);
        config_section_read(reader, option->child, entry, upstream);
    }
}
