// SPDX-License-Identifier: Apache-2.0
//
// The configuration as typed values: what one YAML file says, checked as far as text alone allows
// (types, ranges, names that refer to each other), defaults filled in. Certificates, names and
// addresses are opened by the layers that use them, which report through the same problem list, so
// that every message carries file:line:column.
//
// Life: `config_load` makes it, everything in it lives in its one arena, the last `config_free`
// ends all of it. Immutable after loading; any thread may read it.
#ifndef RINGWAY_CORE_CONFIG_H
#define RINGWAY_CORE_CONFIG_H

#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONFIG_UNLIMITED UINT64_MAX

// Where a value stands in the file; both count from 1. Line 0: not from the file (a default).
struct conf_pos {
    uint32_t line, column;
};

// One finding of a check. A note ("accepted, not active yet") is no error.
enum problem_kind { PROBLEM_ERROR, PROBLEM_WARNING, PROBLEM_NOTE };

struct problem {
    enum problem_kind kind;
    struct conf_pos pos;
    char *text;
};

// Findings in the order met. Zero-initialise; `problems_free` releases the texts.
struct problems {
    struct problem *items;
    size_t count, capacity;
    size_t errors;
};

// Records one finding; the text is formatted and copied.
void problems_add(struct problems *list, enum problem_kind kind, struct conf_pos pos,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
// Drops all findings but the first `count`.
void problems_rewind(struct problems *list, size_t count);
// Puts the findings from index `from` on in the order of the file.
void problems_sort(struct problems *list, size_t from);
// Drops all findings and their memory; the list is empty after it.
void problems_free(struct problems *list);

enum log_target { LOG_TARGET_NONE, LOG_TARGET_STDERR, LOG_TARGET_STDOUT, LOG_TARGET_FILE };
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct conf_log {
    enum log_target target;
    const char *path;     // LOG_TARGET_FILE: absolute or relative to the working folder, resolved
    enum log_level level; // error log only
    enum log_format format;
};

enum listen_kind {
    LISTEN_PLAIN,    // http and ws
    LISTEN_TLS,      // https and wss
    LISTEN_REDIRECT, // http answered with a redirect to https (the implied port 80)
};

struct conf_listen {
    struct conf_pos pos;
    const char *text; // as written
    struct sockaddr_storage address;
    socklen_t address_size_bytes;
    enum listen_kind kind;
};

// An address block as in "10.0.0.0/8"; IPv4 is kept as IPv4-mapped IPv6 with 96 added.
struct conf_cidr {
    struct in6_addr address;
    unsigned prefix_bits;
};

// A certificate chain and its key, both PEM. `key_path` equals `certificate_path` when one file
// holds both.
struct conf_certificate {
    struct conf_pos pos, key_pos;
    const char *certificate_path, *key_path;
};

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

// How a certificate authority is shown that a site's names are ours (RFC 8555 §8, RFC 8737). AUTO:
// what can work, one after the other.
enum acme_challenge {
    ACME_CHALLENGE_AUTO,
    ACME_CHALLENGE_HTTP_01,
    ACME_CHALLENGE_TLS_ALPN_01,
    ACME_CHALLENGE_DNS_01,
    ACME_CHALLENGE_DNS_PERSIST_01, // draft-ietf-acme-dns-persist
};

struct conf_server {
    struct conf_pos pos;
    const char *text; // as written, "host:port"
    const char *host; // name or literal address, without brackets; NULL: none
    uint16_t port;
};

// Who sets the DNS records of dns-01.
enum conf_dns_provider {
    CONF_DNS_NONE,
    CONF_DNS_HOOK,
    CONF_DNS_CLOUDFLARE,
    CONF_DNS_RFC2136,
};

// RFC 8945 §6, in the order of the option's words.
enum conf_tsig { CONF_TSIG_HMAC_SHA256, CONF_TSIG_HMAC_SHA512, CONF_TSIG_HMAC_SHA1 };

struct conf_cloudflare {
    const char *token_file; // NULL: the token is in the environment
    const char *token_env;
    const char *url;     // of the API
    const char *ca_file; // NULL: the system's roots
};

struct conf_rfc2136 {
    struct conf_server server;
    const char *key_name, *key_file;
    enum conf_tsig algorithm;
};

// How DNS is looked at before and after a record is set.
struct conf_acme_dns {
    struct conf_server resolver; // no host: those of /etc/resolv.conf
    struct conf_server *servers; // asked whether they have a record; none: the zone's own
    size_t server_count;
    unsigned timeout_ms; // for all of them to have it
    unsigned delay_ms;   // afterwards
};

// A certificate authority.
struct conf_authority {
    const char *directory;                 // URL
    const char *ca_file;                   // NULL: the system's roots
    const char *eab_key_id, *eab_key_file; // external account binding; NULL: none
    bool limited;                          // its limits are known, and we keep to them
};

enum acme_keys { ACME_KEYS_ECDSA, ACME_KEYS_RSA, ACME_KEYS_BOTH };

// Whose limits are kept to. AUTO: those of the authority, if they are known.
enum acme_limits { ACME_LIMITS_AUTO, ACME_LIMITS_LETSENCRYPT, ACME_LIMITS_NONE };

// How certificates are got and renewed.
struct conf_acme {
    bool enabled; // the file has the section
    bool agree_tos;
    const char *email; // NULL: none
    struct conf_authority authority;
    struct conf_authority fallback; // directory NULL: none
    struct conf_authority staging;  // where to try first after failures; directory NULL: nowhere
    enum acme_limits limits;
    const char *state_dir;
    const char *profile;         // NULL: the authority's choice
    const char *preferred_chain; // common name of who issued its topmost certificate; NULL: any
    enum acme_keys keys;
    bool reuse_key;
    enum conf_dns_provider dns_provider;
    const char *hook;
    unsigned hook_timeout_ms;
    struct conf_cloudflare cloudflare;
    struct conf_rfc2136 rfc2136;
    struct conf_acme_dns dns;
};

enum acme_key_kind { ACME_KEY_ECDSA, ACME_KEY_RSA }; // P-256; 2048 bits

// A certificate that ACME keeps for a site.
struct conf_managed {
    const struct conf_site *site;
    const char *name; // of its files in the state folder
    const char *file; // PEM, chain and key
    enum acme_key_kind key_kind;
};

// Where operators and their tools look at the gateway.
struct conf_admin {
    const char *text;              // as written; NULL: nowhere
    struct conf_listen listens[2]; // ":port" is two
    size_t listen_count;
};

enum route_action { ROUTE_UPSTREAM, ROUTE_REDIRECT, ROUTE_RESPOND };

struct conf_upstream;

struct conf_route {
    struct conf_pos pos;
    const char *prefix; // starts with '/', normalised (see core/config_url.h)
    enum route_action action;
    const char *upstream_name; // ROUTE_UPSTREAM, as written
    struct conf_pos upstream_pos;
    const struct conf_upstream *upstream; // ROUTE_UPSTREAM
    bool strip_prefix;
    const char *redirect;     // template: ${host} ${path} ${query} ${scheme} ${port}
    const char *respond;      // body
    const char *content_type; // of `respond`
    unsigned status;          // of redirect (default 308) and respond (default 200)
};

struct conf_site {
    struct conf_pos pos;
    const char *name; // the key in `sites`
    const char *
        *hosts; // name and aliases, lower case: "a.example", "*.a.example", "*", "127.0.0.1"
    struct conf_pos *host_positions; // of each host
    size_t host_count;
    struct conf_certificate *certificates; // tls.certificate/tls.key; several side by side
    size_t certificate_count;
    enum acme_challenge acme_challenge; // `tls.acme`
    bool acme_named;                    // `tls.acme` is there
    struct conf_managed managed[2];     // the certificates that ACME keeps for it
    size_t managed_count;               // 0: it does not
    const char **acme_hosts;            // those of the hosts that they are made out to
    size_t acme_host_count;
    enum tls_version min_version;
    uint64_t max_body_bytes;  // CONFIG_UNLIMITED
    uint64_t max_connections; // CONFIG_UNLIMITED
    unsigned idle_timeout_ms;
    bool strict;               // WebSocket protocol violations close with 1002 (RFC 6455 §7.4.1)
    struct conf_route *routes; // longest prefix first
    size_t route_count;
};

struct conf_upstream {
    struct conf_pos pos;
    const char *name;
    struct conf_server *servers;
    size_t server_count;
    unsigned connect_timeout_ms, response_timeout_ms, keep_alive_timeout_ms;
    unsigned keep_alive; // idle connections kept, per worker and server; 0 = none
    unsigned retries;    // further servers tried after the first fails to connect
    unsigned index;      // position in `struct config.upstreams`
};

enum kernel_tls { KERNEL_TLS_AUTO, KERNEL_TLS_ON, KERNEL_TLS_OFF };

enum unknown_sni { UNKNOWN_SNI_DEFAULT, UNKNOWN_SNI_REJECT };

struct config {
    const char *path;         // of the file, as given
    const char *folder;       // relative file names start here
    unsigned workers;         // 0 = one per core this process may use
    const char *user, *group; // NULL = stay; nothing acts on them yet
    const char *pid_file;     // NULL = none
    bool core_dumps;          // whether a crash may leave one
    uint64_t max_connections;
    uint64_t max_head_bytes;
    unsigned drain_ms;
    unsigned handshake_timeout_ms, head_timeout_ms, keep_alive_timeout_ms;
    unsigned idle_timeout_ms; // of sites that have none of their own
    enum unknown_sni unknown_sni;
    enum kernel_tls kernel_tls, kernel_tls_rx; // ON: as AUTO, and a warning where it cannot be had
    uint64_t splice_min_bytes;                 // 0 = never
    unsigned ticket_rotation_s;                // 0 = no session tickets
    unsigned resolve_every_ms;                 // how often upstream names are looked up again
    struct conf_log log, access_log;
    struct conf_acme acme;
    struct conf_admin admin;
    struct conf_cidr *trusted; // peers whose X-Forwarded-* fields are believed
    size_t trusted_count;
    struct conf_listen *listens; // with the implied :80 and :443 when the file names none
    size_t listen_count;
    struct conf_certificate *certificates; // `certificates:` entries, files or folders
    size_t certificate_count;
    struct conf_site *sites;
    size_t site_count;
    struct conf_upstream *upstreams;
    size_t upstream_count;
    struct conf_arena *arena; // owns everything above
    atomic_uint references;
};

// Reads and checks `path`. Every problem found goes to `problems`, not only the first. Returns NULL
// when there is an error among them or the file cannot be read. Blocking; main thread.
struct config *config_load(const char *path, struct problems *problems);

// The same from memory; `name` stands for the file in messages and `folder` for its place.
struct config *config_parse(const char *text, size_t size_bytes, const char *name,
                            const char *folder, struct problems *problems);

// Whether a reload from `old` to `new` puts everything into effect. If not, a warning names each
// option that only a restart changes; the reload goes on with the old value of those.
bool config_reload_allowed(const struct config *old, const struct config *new,
                           struct problems *problems);

// One reference more; each is dropped by `config_free`. Any thread. Returns `config`.
struct config *config_hold(struct config *config);

// Drops one reference; the last one ends the configuration and every string in it. NULL is allowed.
void config_free(struct config *config);

#endif
