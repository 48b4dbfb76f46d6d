// SPDX-License-Identifier: Apache-2.0
//
// A site's certificate comes by ACME when the site asks for it, or when nothing else in the file
// could give it one. What no authority can certify ("*") or not by a challenge we have (wildcards)
// is left out of it with a warning.
#include "core/config_acme.h"

#include <string.h>

#include "core/config_files.h"

static void authority_check(struct config_reader *reader, const struct yaml_node *section,
                            struct conf_authority *authority);
static void site_check(struct config_reader *reader, struct conf_site *site);

void config_acme_check(struct config_reader *reader) {
    struct config *config = reader->config;
    struct conf_acme *acme = &config->acme;
    const struct yaml_node *section = yaml_map_find(reader->root, "acme");
    acme->enabled = section && section->kind == YAML_MAP;
    const struct yaml_node *agree = acme->enabled ? yaml_map_find(section, "agree_tos") : NULL;
    if (agree && !acme->agree_tos)
        problems_add(reader->problems, PROBLEM_ERROR, agree->pos,
                     "agree_tos: an authority gives no certificates without it; read its terms of "
                     "service and set agree_tos: true, or remove \"acme\"");
    if (acme->enabled) {
        authority_check(reader, section, &acme->authority);
        authority_check(reader, yaml_map_find(section, "fallback"), &acme->fallback);
    }
    for (size_t i = 0; i < config->site_count; i++)
        site_check(reader, &config->sites[i]);
}

static void file_check(struct config_reader *reader, const struct yaml_node *section,
                       const char *key, const char *path) {
    if (path)
        config_file_check(reader, yaml_map_find(section, key)->pos, path);
}

static void directory_name(struct conf_authority *authority);

// `section`: where it stands; not looked at when there is no such authority.
static void authority_check(struct config_reader *reader, const struct yaml_node *section,
                            struct conf_authority *authority) {
    if (!authority->directory)
        return;
    file_check(reader, section, "ca_file", authority->ca_file);
    if (authority->eab_key_file)
        file_check(reader, yaml_map_find(section, "eab"), "key_file", authority->eab_key_file);
    directory_name(authority);
}

static void directory_name(struct conf_authority *authority) {
    if (strcmp(authority->directory, "letsencrypt") == 0)
        authority->directory = "https://acme-v02.api.letsencrypt.org/directory";
    else if (strcmp(authority->directory, "letsencrypt-staging") == 0)
        authority->directory = "https://acme-staging-v02.api.letsencrypt.org/directory";
}

static bool site_is_managed(struct config_reader *reader, const struct conf_site *site);
static void hosts_choose(struct config_reader *reader, struct conf_site *site);
static void certificate_add(struct config_reader *reader, struct conf_site *site,
                            enum acme_key_kind key_kind);

static void site_check(struct config_reader *reader, struct conf_site *site) {
    if (!site_is_managed(reader, site))
        return;
    hosts_choose(reader, site);
    enum acme_keys keys = reader->config->acme.keys;
    if (site->acme_host_count > 0 && keys != ACME_KEYS_RSA)
        certificate_add(reader, site, ACME_KEY_ECDSA);
    if (site->acme_host_count > 0 && keys != ACME_KEYS_ECDSA)
        certificate_add(reader, site, ACME_KEY_RSA);
}

static bool has_tls_listener(const struct config *config) {
    for (size_t i = 0; i < config->listen_count; i++)
        if (config->listens[i].kind == LISTEN_TLS)
            return true;
    return false;
}

static bool site_is_managed(struct config_reader *reader, const struct conf_site *site) {
    const struct config *config = reader->config;
    if (site->acme_named && !config->acme.enabled) {
        problems_add(reader->problems, PROBLEM_ERROR, site->pos,
                     "tls.acme of \"%.64s\" needs \"acme\" at the top level, for example acme: "
                     "{email: me@example.com, agree_tos: true}",
                     site->name);
        return false;
    }
    if (!config->acme.enabled || !has_tls_listener(config))
        return false;
    if (site->certificate_count > 0 && site->acme_named)
        problems_add(reader->problems, PROBLEM_ERROR, site->pos,
                     "\"%.64s\" has both tls.certificate and tls.acme; remove one of them",
                     site->name);
    if (site->acme_challenge == ACME_CHALLENGE_DNS_01) {
        problems_add(reader->problems, PROBLEM_NOTE, site->pos,
                     "acme: dns-01: accepted, not active yet; until then the site has the "
                     "certificate of \"certificates\" or none");
        return false;
    }
    return site->certificate_count == 0 && (site->acme_named || config->certificate_count == 0);
}

static void hosts_choose(struct config_reader *reader, struct conf_site *site) {
    site->acme_hosts = arena_alloc(reader->arena, site->host_count, sizeof(*site->acme_hosts));
    for (size_t i = 0; i < site->host_count; i++) {
        const char *host = site->hosts[i];
        if (strcmp(host, "*") == 0)
            problems_add(reader->problems, PROBLEM_WARNING, site->host_positions[i],
                         "no authority gives a certificate for \"*\"; clients that ask for a name "
                         "of no other site get the default certificate");
        else if (host[0] == '*')
            problems_add(reader->problems, PROBLEM_WARNING, site->host_positions[i],
                         "the certificate will not hold \"%s\": wildcards need dns-01, which is "
                         "not active yet",
                         host);
        else
            site->acme_hosts[site->acme_host_count++] = host;
    }
}

// The files are named after the site; '*' becomes '_', which no host name starts with, and '+' is
// in none. The first one keeps its name whatever its key is, so that a change of `keys` replaces
// it.
static void certificate_add(struct config_reader *reader, struct conf_site *site,
                            enum acme_key_kind key_kind) {
    char *name = arena_printf(reader->arena, "%s%s", site->name, site->managed_count ? "+rsa" : "");
    if (name[0] == '*')
        name[0] = '_';
    site->managed[site->managed_count++] = (struct conf_managed){
        .site = site,
        .name = name,
        .file = arena_printf(reader->arena, "%s/certificates/%s.pem",
                             reader->config->acme.state_dir, name),
        .key_kind = key_kind,
    };
}
