// SPDX-License-Identifier: Apache-2.0
//
// A site's certificate comes by ACME when the site asks for it, or when nothing else in the file
// could give it one. What no authority can certify ("*"), or not by the challenges the site has
// (wildcards without dns-01, addresses by DNS), is left out of it with a warning.
#include "core/config_acme.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/address.h"
#include "core/config_check.h"
#include "core/config_files.h"

#define LETSENCRYPT "https://acme-v02.api.letsencrypt.org/directory"
#define LETSENCRYPT_STAGING "https://acme-staging-v02.api.letsencrypt.org/directory"

static void authority_check(struct config_reader *reader, const struct yaml_node *section,
                            struct conf_authority *authority);
static void providers_check(struct config_reader *reader, const struct yaml_node *section);
static void limits_set(struct conf_acme *acme);
static bool site_check(struct config_reader *reader, struct conf_site *site);
static void unused_warn(struct config_reader *reader, struct conf_pos pos);

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
        limits_set(acme);
        providers_check(reader, section);
    }
    bool used = false;
    for (size_t i = 0; i < config->site_count; i++)
        used |= site_check(reader, &config->sites[i]);
    // What is wrong elsewhere may be the listener or the site that it is for.
    if (acme->enabled && !used && reader->problems->errors == 0)
        unused_warn(reader, section->pos);
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
        authority->directory = LETSENCRYPT;
    else if (strcmp(authority->directory, "letsencrypt-staging") == 0)
        authority->directory = LETSENCRYPT_STAGING;
}

static bool is_letsencrypt(const struct conf_authority *authority) {
    return authority->directory && strcmp(authority->directory, LETSENCRYPT) == 0;
}

// Which limits are known, and where to try first.
static void limits_set(struct conf_acme *acme) {
    bool automatic = acme->limits == ACME_LIMITS_AUTO;
    acme->authority.limited =
        acme->limits == ACME_LIMITS_LETSENCRYPT || (automatic && is_letsencrypt(&acme->authority));
    acme->fallback.limited = acme->limits != ACME_LIMITS_NONE && is_letsencrypt(&acme->fallback);
    if (acme->staging.directory)
        directory_name(&acme->staging);
    else if (is_letsencrypt(&acme->authority))
        acme->staging.directory = LETSENCRYPT_STAGING;
    acme->staging.ca_file = acme->authority.ca_file;
}

static void hook_check(struct config_reader *reader, struct conf_pos pos, const char *path);

// One of them at most: a second one would never be asked.
static void providers_check(struct config_reader *reader, const struct yaml_node *section) {
    static const struct {
        const char *key;
        enum conf_dns_provider provider;
    } known[] = {{"hook", CONF_DNS_HOOK},
                 {"cloudflare", CONF_DNS_CLOUDFLARE},
                 {"rfc2136", CONF_DNS_RFC2136}};
    struct conf_acme *acme = &reader->config->acme;
    const char *first = NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct yaml_node *node = yaml_map_find(section, known[i].key);
        if (!node)
            continue;
        if (first)
            problems_add(reader->problems, PROBLEM_ERROR, node->pos,
                         "%s: acme.%s sets the DNS records already; remove one of them",
                         known[i].key, first);
        else
            acme->dns_provider = known[i].provider;
        first = known[i].key;
    }
    if (acme->hook)
        hook_check(reader, yaml_map_find(section, "hook")->pos, acme->hook);
    const struct yaml_node *cloudflare = yaml_map_find(section, "cloudflare");
    file_check(reader, cloudflare, "token_file", acme->cloudflare.token_file);
    file_check(reader, cloudflare, "ca_file", acme->cloudflare.ca_file);
    file_check(reader, yaml_map_find(section, "rfc2136"), "key_file", acme->rfc2136.key_file);
}

static void hook_check(struct config_reader *reader, struct conf_pos pos, const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || access(path, X_OK) != 0)
        problems_add(reader->problems, PROBLEM_ERROR, pos,
                     "hook: %s is no program that can be run; it is one file, without arguments, "
                     "and must be executable (chmod +x)",
                     path);
}

static bool site_is_managed(struct config_reader *reader, const struct conf_site *site);
static void provider_need(struct config_reader *reader, const struct conf_site *site);
static void hosts_choose(struct config_reader *reader, struct conf_site *site);
static void certificate_add(struct config_reader *reader, struct conf_site *site,
                            enum acme_key_kind key_kind);

// Returns whether the site is one that ACME is for.
static bool site_check(struct config_reader *reader, struct conf_site *site) {
    if (!site_is_managed(reader, site))
        return false;
    if (site->acme_challenge == ACME_CHALLENGE_DNS_01)
        provider_need(reader, site);
    hosts_choose(reader, site);
    enum acme_keys keys = reader->config->acme.keys;
    if (site->acme_host_count > 0 && keys != ACME_KEYS_RSA)
        certificate_add(reader, site, ACME_KEY_ECDSA);
    if (site->acme_host_count > 0 && keys != ACME_KEYS_ECDSA)
        certificate_add(reader, site, ACME_KEY_RSA);
    return true;
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
    if (!config->acme.enabled || !config_has_tls_listener(config))
        return false;
    if (site->certificate_count > 0 && site->acme_named)
        problems_add(reader->problems, PROBLEM_ERROR, site->pos,
                     "\"%.64s\" has both tls.certificate and tls.acme; remove one of them",
                     site->name);
    return site->certificate_count == 0 && (site->acme_named || config->certificate_count == 0);
}

static void provider_need(struct config_reader *reader, const struct conf_site *site) {
    if (reader->config->acme.dns_provider == CONF_DNS_NONE)
        problems_add(reader->problems, PROBLEM_ERROR, site->pos,
                     "tls.acme of \"%.64s\" is dns-01, which needs a way to set DNS records: add "
                     "hook, cloudflare or rfc2136 to \"acme\"",
                     site->name);
}

static void unused_warn(struct config_reader *reader, struct conf_pos pos) {
    problems_add(reader->problems, PROBLEM_WARNING, pos, "acme: %s, or remove \"acme\"",
                 config_has_tls_listener(reader->config)
                     ? "no site needs a certificate from it; add tls: {acme: auto} to those that "
                       "are to have one"
                     : "no listener has TLS, so it gets no certificates; add tls: true to a "
                       "listener, for example {address: \":443\", tls: true}");
}

static bool is_wildcard(const char *host) {
    return host[0] == '*' && host[1] == '.';
}

static bool is_address(const char *host) {
    struct sockaddr_storage address;
    return address_parse(str_from(host), &address) > 0;
}

// Whether the site's names are shown to be ours in DNS, and only there. A wildcard can be shown in
// no other way (RFC 8555 §8.4), and an order has one way for all of its names.
static bool is_by_dns(const struct config *config, const struct conf_site *site) {
    bool has_wildcard = false;
    for (size_t i = 0; i < site->host_count; i++)
        has_wildcard |= is_wildcard(site->hosts[i]);
    return site->acme_challenge == ACME_CHALLENGE_DNS_01 ||
           site->acme_challenge == ACME_CHALLENGE_DNS_PERSIST_01 ||
           (site->acme_challenge == ACME_CHALLENGE_AUTO && has_wildcard &&
            config->acme.dns_provider != CONF_DNS_NONE);
}

static bool host_is_certified(struct config_reader *reader, const struct conf_site *site,
                              const char *host, struct conf_pos pos) {
    bool by_dns = is_by_dns(reader->config, site);
    const char *text = NULL;
    if (strcmp(host, "*") == 0)
        text = "no authority gives a certificate for \"%s\"; clients that ask for a name of no "
               "other site get the default certificate";
    else if (is_wildcard(host) && !by_dns && site->acme_challenge == ACME_CHALLENGE_AUTO)
        text = "the certificate will not hold \"%s\": a wildcard needs dns-01, and so hook, "
               "cloudflare or rfc2136 in \"acme\"";
    else if (is_wildcard(host) && !by_dns)
        text = "the certificate will not hold \"%s\": a wildcard needs tls.acme: dns-01";
    else if (by_dns && is_address(host))
        text = "the certificate will not hold \"%s\": DNS cannot show that an address is yours; "
               "give it a site of its own with tls.acme: http-01";
    if (text)
        problems_add(reader->problems, PROBLEM_WARNING, pos, text, host);
    return !text;
}

static void hosts_choose(struct config_reader *reader, struct conf_site *site) {
    site->acme_hosts = arena_alloc(reader->arena, site->host_count, sizeof(*site->acme_hosts));
    for (size_t i = 0; i < site->host_count; i++)
        if (host_is_certified(reader, site, site->hosts[i], site->host_positions[i]))
            site->acme_hosts[site->acme_host_count++] = site->hosts[i];
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
