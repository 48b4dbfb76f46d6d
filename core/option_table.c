// SPDX-License-Identifier: Apache-2.0
//
// The table of options, in the order of the reference. See option.h for what the columns mean.
#include "core/option.h"

#include "core/config.h"
#include "core/config_entry.h"
#include "core/config_quantity.h"

#define FIELD(type, member) .field = {offsetof(type, member), sizeof(((type *)0)->member)}
#define LIST_FIELD(type, member, count) FIELD(type, member), .count_offset = offsetof(type, count)
#define RANGE(least, most) .min = (least), .max = (most)

#define SECONDS(n) ((n)*QUANTITY_SECOND_MS)
#define MINUTES(n) ((n)*QUANTITY_MINUTE_MS)
#define DAYS(n) ((n)*QUANTITY_DAY_MS)
#define KIB(n) (UINT64_C(n) << 10)
#define GIB(n) (UINT64_C(n) << 30)

#define COUNT_MAX UINT64_C(1000000000)

const struct option option_table[] = {
    // --- the file as a whole ---
    {SECTION_TOP, "workers", SHAPE_ONE, OPTION_NUMBER, RANGE(1, 1024), .word = "auto",
     .fallback = "auto", .example = "2", .reload = OPTION_FIXED, FIELD(struct config, workers),
     .help =
         "How many threads serve connections, each with an io_uring of its own. With auto there "
         "is one for each CPU core the process may use."},
    {SECTION_TOP, "user", SHAPE_ONE, OPTION_TEXT, .example = "ringway", .status = OPTION_LATER,
     .reload = OPTION_FIXED, FIELD(struct config, user),
     .help = "The user to become once the ports are open."},
    {SECTION_TOP, "group", SHAPE_ONE, OPTION_TEXT, .example = "ringway", .status = OPTION_LATER,
     .reload = OPTION_FIXED, FIELD(struct config, group),
     .help = "The group to become once the ports are open."},
    {SECTION_TOP, "pid_file", SHAPE_ONE, OPTION_PATH, .example = "/run/ringway.pid",
     FIELD(struct config, pid_file), .help = "Where to write the number of the running process."},
    {SECTION_TOP, "core_dumps", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     .reload = OPTION_FIXED, FIELD(struct config, core_dumps),
     .help = "Whether a crash may leave a core dump, which has all private keys and tokens in it. "
             "Without it, debuggers other than root's are kept out as well."},
    {SECTION_TOP, "max_connections", SHAPE_ONE, OPTION_NUMBER, RANGE(1, COUNT_MAX),
     .word = "unlimited", .fallback = "unlimited", .example = "4000",
     FIELD(struct config, max_connections),
     .help = "How many client connections may be open at once, all sites together."},
    {SECTION_TOP, "listen", SHAPE_SECTION_LIST, .child = SECTION_LISTEN,
     .example = "[{address: \":443\", tls: true}]", .min = 1, .read = entry_listens_read,
     .help = "Where to accept connections. Without it: port 443 with TLS, and port 80, which "
             "redirects to https, both on all IPv4 and IPv6 addresses."},
    {SECTION_TOP, "log", SHAPE_SECTION, .child = SECTION_LOG, FIELD(struct config, log),
     .example = "{target: stderr, level: info, format: text}",
     .help = "The log of what the gateway does and of what goes wrong."},
    {SECTION_TOP, "access_log", SHAPE_SECTION, .child = SECTION_ACCESS_LOG,
     FIELD(struct config, access_log), .example = "{target: access.log, format: json}",
     .help = "One line for each request, and for a WebSocket one at its start and one at its end. "
             "Without it there is no access log."},
    {SECTION_TOP, "drain", SHAPE_ONE, OPTION_DURATION_MS, RANGE(0, DAYS(1)), .fallback = "30s",
     .example = "5s", FIELD(struct config, drain_ms),
     .help = "How long a stop may take: running exchanges finish, and the Close frames of open "
             "WebSockets are spread over this time."},
    {SECTION_TOP, "max_head", SHAPE_ONE, OPTION_SIZE, RANGE(KIB(1), KIB(1024)), .fallback = "32K",
     .example = "64K", FIELD(struct config, max_head_bytes),
     .help = "The largest head (request or status line, and fields) of a request or response. A "
             "larger request is answered with status 431."},
    {SECTION_TOP, "splice_min", SHAPE_ONE, OPTION_SIZE, RANGE(KIB(4), GIB(1)), .word = "off",
     .fallback = "64K", .example = "256K", FIELD(struct config, splice_min_bytes),
     .help =
         "From how many remaining bytes on a WebSocket frame or a body passes without being read "
         "into the gateway's memory; frames of half as many that follow each other do so together "
         "(Linux 6.11). That needs the connection it comes from to be plain or "
         "decrypted by the kernel, and the one it goes to to be plain or encrypted by it."},
    {SECTION_TOP, "timeouts", SHAPE_SECTION, .child = SECTION_TIMEOUTS,
     .example = "{head: 5s, idle: 2h}", .help = "How long to wait for a client."},
    {SECTION_TOP, "tls", SHAPE_SECTION, .child = SECTION_TLS, .example = "{unknown_sni: reject}",
     .help = "What holds for TLS on every listener."},
    {SECTION_TOP, "trusted_proxies", SHAPE_LIST, OPTION_CIDR,
     .example = "[10.0.0.0/8, \"fd00::/8\"]", LIST_FIELD(struct config, trusted, trusted_count),
     .help = "Addresses of proxies in front of the gateway. What they say in X-Forwarded-For, "
             "X-Forwarded-Proto, X-Forwarded-Host and X-Real-IP is believed; the same fields from "
             "anybody else are dropped."},
    {SECTION_TOP, "resolve_every", SHAPE_ONE, OPTION_DURATION_MS, RANGE(SECONDS(1), DAYS(1)),
     .fallback = "30s", .example = "10s", FIELD(struct config, resolve_every_ms),
     .help = "How often the names of servers are looked up again."},
    {SECTION_TOP, "certificates", SHAPE_LIST, OPTION_PATH, .example = "[/etc/ringway/certs/]",
     .read = entry_certificates_read,
     .help = "PEM files with a certificate chain and its key in one, or folders of them (the files "
             "named *.pem). Each serves the names it holds."},
    {SECTION_TOP, "sites", SHAPE_SECTION_MAP, OPTION_HOST, .child = SECTION_SITE,
     .need = OPTION_REQUIRED, .example = "{www.example.com: {routes: {/: {upstream: app}}}}",
     .min = 1, .read = entry_sites_read,
     .help = "What is served, by host. The most specific host wins: first the name itself, then "
             "\"*.suffix\" (one label in front of the suffix), then \"*\", the default site."},
    {SECTION_TOP, "upstreams", SHAPE_SECTION_MAP, OPTION_NAME, .child = SECTION_UPSTREAM,
     .example = "{app: {servers: [\"127.0.0.1:3000\"]}}", .read = entry_upstreams_read,
     .help = "Groups of servers that requests are sent to, by name."},
    {SECTION_TOP, "acme", SHAPE_SECTION, .child = SECTION_ACME, FIELD(struct config, acme),
     .example = "{email: me@example.com, agree_tos: true}",
     .help =
         "Certificates that the gateway gets and renews by itself (RFC 8555), for each site "
         "that has tls.acme. Where there is no \"certificates\", also for each site that has no "
         "certificate of its own."},
    {SECTION_TOP, "admin", SHAPE_SECTION, .child = SECTION_ADMIN, FIELD(struct config, admin),
     .example = "{listen: \"127.0.0.1:9180\"}",
     .help = "Where operators and their tools look at the gateway: /metrics (Prometheus), /status "
             "(a page) and /status.json, /healthz and /readyz (probes). Without it there is no "
             "such place."},

    {SECTION_LISTEN, "address", SHAPE_ONE, OPTION_LISTEN, .need = OPTION_REQUIRED,
     .example = "\"127.0.0.1:8443\"", FIELD(struct listen_entry, address),
     .help = "An IP address and a port; the port alone, as in \":443\", means all IPv4 and IPv6 "
             "addresses."},
    {SECTION_LISTEN, "tls", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     FIELD(struct listen_entry, tls),
     .help = "Whether this is for https and wss. Otherwise it serves http and ws."},

    {SECTION_LOG, "target", SHAPE_ONE, OPTION_LOG_TARGET, .fallback = "stderr",
     .example = "/var/log/ringway.log", .field = {0, sizeof(struct conf_log)},
     .help = "Where the log goes: stderr, stdout, none, or a file. \"syslog:HOST:PORT\" is "
             "accepted and not active yet: meanwhile the log goes to stderr."},
    {SECTION_LOG, "level", SHAPE_ONE, OPTION_ENUM, .values = "debug|info|warn|error",
     .fallback = "info", .example = "warn", FIELD(struct conf_log, level),
     .help = "The least important messages to log."},
    {SECTION_LOG, "format", SHAPE_ONE, OPTION_ENUM, .values = "text|json", .fallback = "text",
     .example = "json", FIELD(struct conf_log, format),
     .help = "Lines for people, or one JSON object a line."},
    {SECTION_LOG, "facility", SHAPE_ONE, OPTION_ENUM,
     .values = "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local0|local1|"
               "local2|local3|local4|local5|local6|local7",
     .fallback = "daemon", .example = "local2", .status = OPTION_LATER,
     .help = "The facility of syslog messages."},

    {SECTION_ACCESS_LOG, "target", SHAPE_ONE, OPTION_LOG_TARGET, .need = OPTION_REQUIRED,
     .example = "access.log", .field = {0, sizeof(struct conf_log)},
     .help = "Where the access log goes, as for log.target."},
    {SECTION_ACCESS_LOG, "format", SHAPE_ONE, OPTION_ENUM, .values = "text|json",
     .fallback = "text", .example = "json", FIELD(struct conf_log, format),
     .help = "Lines for people, or one JSON object a line."},

    {SECTION_TIMEOUTS, "handshake", SHAPE_ONE, OPTION_DURATION_MS, RANGE(100, MINUTES(10)),
     .fallback = "10s", .example = "5s", FIELD(struct config, handshake_timeout_ms),
     .help = "For a TLS handshake to be done."},
    {SECTION_TIMEOUTS, "head", SHAPE_ONE, OPTION_DURATION_MS, RANGE(100, MINUTES(10)),
     .fallback = "10s", .example = "5s", FIELD(struct config, head_timeout_ms),
     .help = "For the head of a request, from its first byte (or the connection's start) to its "
             "last. A slower request is answered with status 408."},
    {SECTION_TIMEOUTS, "keep_alive", SHAPE_ONE, OPTION_DURATION_MS, RANGE(100, DAYS(1)),
     .fallback = "75s", .example = "30s", FIELD(struct config, keep_alive_timeout_ms),
     .help = "For the next request on a connection."},
    {SECTION_TIMEOUTS, "idle", SHAPE_ONE, OPTION_DURATION_MS, RANGE(100, DAYS(30)),
     .fallback = "1h", .example = "2h", FIELD(struct config, idle_timeout_ms),
     .help = "For a WebSocket, or a request or response under way, on which no byte moves in "
             "either direction. A site may have its own."},

    {SECTION_TLS, "unknown_sni", SHAPE_ONE, OPTION_ENUM, .values = "default|reject",
     .fallback = "default", .example = "reject", FIELD(struct config, unknown_sni),
     .help = "What a client gets that asks for a name no site has: the default certificate, or the "
             "alert unrecognized_name."},
    {SECTION_TLS, "kernel", SHAPE_ONE, OPTION_ENUM, .values = "auto|on|off", .fallback = "auto",
     .example = "off", FIELD(struct config, kernel_tls),
     .help =
         "Whether the kernel encrypts what is sent, on connections whose handshake is done. With "
         "auto it does wherever it can; with on, too, and a warning says so at the start if it "
         "cannot. Other connections are served in user space."},
    {SECTION_TLS, "kernel_rx", SHAPE_ONE, OPTION_ENUM, .values = "auto|on|off", .fallback = "auto",
     .example = "off", FIELD(struct config, kernel_tls_rx),
     .help =
         "Whether the kernel decrypts what is received as well, on connections where it "
         "encrypts. That saves memory, and CPU time where messages are large; with small ones it "
         "costs CPU time. With auto it does not."},
    {SECTION_TLS, "ticket_rotation", SHAPE_ONE, OPTION_DURATION_S, RANGE(0, DAYS(7)),
     .fallback = "12h", .example = "1h", FIELD(struct config, ticket_rotation_s),
     .help = "How often the key of session tickets changes. With 0 there are no tickets."},

    // --- sites ---
    {SECTION_SITE, "aliases", SHAPE_LIST, OPTION_HOST, .example = "[\"*.example.com\"]",
     .read = entry_aliases_read, .help = "More hosts of this site."},
    {SECTION_SITE, "tls", SHAPE_SECTION, .child = SECTION_SITE_TLS,
     .example = "{certificate: cert.pem, key: key.pem}",
     .help = "The certificates of this site. Without them those of \"certificates\" are used."},
    {SECTION_SITE, "routes", SHAPE_SECTION_MAP, OPTION_PREFIX, .child = SECTION_ROUTE,
     .need = OPTION_REQUIRED, .min = 1, .example = "{/: {upstream: app}}",
     .read = entry_routes_read,
     .help = "What happens to a request, by the start of its path. The longest prefix that ends "
             "where a segment of the path ends wins."},
    {SECTION_SITE, "max_body", SHAPE_ONE, OPTION_SIZE, RANGE(1, GIB(1024)), .word = "unlimited",
     .fallback = "unlimited", .example = "200M", FIELD(struct conf_site, max_body_bytes),
     .help = "The largest body of a request. A larger one is answered with status 413."},
    {SECTION_SITE, "max_connections", SHAPE_ONE, OPTION_NUMBER, RANGE(1, COUNT_MAX),
     .word = "unlimited", .fallback = "unlimited", .example = "3000",
     FIELD(struct conf_site, max_connections),
     .help = "How many client connections this site may have at once."},
    {SECTION_SITE, "timeouts", SHAPE_SECTION, .child = SECTION_SITE_TIMEOUTS,
     .example = "{idle: 10m}", .help = "How long to wait for clients of this site."},
    {SECTION_SITE, "strict", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     FIELD(struct conf_site, strict),
     .help = "Whether a WebSocket whose frames break RFC 6455 is closed with code 1002. Otherwise "
             "such frames are counted and passed on."},
    {SECTION_SITE, "hsts", SHAPE_SECTION, .child = SECTION_HSTS, .status = OPTION_LATER,
     .example = "{max_age: 180d, include_subdomains: true}",
     .help = "The Strict-Transport-Security field of responses (RFC 6797)."},
    {SECTION_SITE, "real_ip", SHAPE_SECTION, .child = SECTION_REAL_IP, .status = OPTION_LATER,
     .example = "{header: CF-Connecting-IP, trust: [173.245.48.0/20]}",
     .help = "Where to find the client's address behind a content network."},
    {SECTION_SITE, "rate_limit", SHAPE_SECTION, .child = SECTION_RATE_LIMIT, .status = OPTION_LATER,
     .example = "{requests: 10/s, burst: 40}",
     .help = "How many requests one client address may make."},
    {SECTION_SITE, "request_headers", SHAPE_SECTION, .child = SECTION_HEADERS,
     .status = OPTION_LATER, .example = "{set: {X-Client-IP: \"${client_ip}\"}}",
     .help = "Changes to the fields of requests before they are sent on."},
    {SECTION_SITE, "response_headers", SHAPE_SECTION, .child = SECTION_HEADERS,
     .status = OPTION_LATER, .example = "{remove: [Server]}",
     .help = "Changes to the fields of responses, with the same keys as request_headers."},

    {SECTION_SITE_TLS, "certificate", SHAPE_ONE_OR_LIST, OPTION_FILE, .example = "cert.pem",
     LIST_FIELD(struct site_entry, certificates, certificate_count),
     .help = "PEM file with the certificate and those between it and the root, in this order. "
             "Several (one ECDSA, one RSA) serve side by side."},
    {SECTION_SITE_TLS, "key", SHAPE_ONE_OR_LIST, OPTION_FILE, .example = "key.pem",
     LIST_FIELD(struct site_entry, keys, key_count),
     .help = "PEM file with the key of each certificate, in the same order. It may be left out "
             "when the certificate's file holds the key as well."},
    {SECTION_SITE_TLS, "min_version", SHAPE_ONE, OPTION_ENUM, .values = "1.2|1.3",
     .fallback = "\"1.2\"", .example = "\"1.3\"", FIELD(struct conf_site, min_version),
     .help = "The oldest TLS version a client may use."},
    {SECTION_SITE_TLS, "acme", SHAPE_ONE, OPTION_ENUM,
     .values = "auto|http-01|tls-alpn-01|dns-01|dns-persist-01", .fallback = "auto",
     .example = "http-01", FIELD(struct conf_site, acme_challenge),
     .help = "Get the certificate of this site by ACME, and how to show that its names are yours: "
             "http-01 is answered on port 80, tls-alpn-01 on port 443; dns-01 sets a record in DNS "
             "and needs acme.hook, acme.cloudflare or acme.rfc2136; dns-persist-01 is a record "
             "that you have made. auto tries what can work; for wildcards only dns-01 can."},

    {SECTION_SITE_TIMEOUTS, "idle", SHAPE_ONE, OPTION_DURATION_MS, RANGE(100, DAYS(30)),
     .example = "10m", FIELD(struct conf_site, idle_timeout_ms),
     .help = "As timeouts.idle, which holds for sites that have none."},

    {SECTION_ROUTE, "upstream", SHAPE_ONE, OPTION_NAME, .need = OPTION_CHOICE, .example = "app",
     FIELD(struct conf_route, upstream_name), .help = "Send requests to these servers."},
    {SECTION_ROUTE, "redirect", SHAPE_ONE, OPTION_REDIRECT, .need = OPTION_CHOICE,
     .values = "host|path|query|scheme|port", .example = "\"https://${host}/new${path}${query}\"",
     FIELD(struct conf_route, redirect),
     .help = "Answer with a redirect to this URL or path. ${scheme}, ${host}, ${port} and ${path} "
             "stand for those of the request, ${query} for its query with the '?'."},
    {SECTION_ROUTE, "respond", SHAPE_ONE, OPTION_BODY, .need = OPTION_CHOICE,
     .example = "\"pong\\n\"", FIELD(struct conf_route, respond), .help = "Answer with this text."},
    {SECTION_ROUTE, "strip_prefix", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     FIELD(struct conf_route, strip_prefix),
     .help = "With upstream: take the prefix off the path before the request is sent on."},
    {SECTION_ROUTE, "status", SHAPE_ONE, OPTION_NUMBER, RANGE(200, 599), .example = "301",
     FIELD(struct conf_route, status),
     .help = "With redirect: 301, 302, 303, 307 or 308 (the default). With respond: any (200 by "
             "default)."},
    {SECTION_ROUTE, "content_type", SHAPE_ONE, OPTION_TEXT, .example = "text/html",
     FIELD(struct conf_route, content_type),
     .help = "With respond: the Content-Type; text/plain; charset=utf-8 by default."},

    {SECTION_HSTS, "max_age", SHAPE_ONE, OPTION_DURATION_S, RANGE(0, DAYS(3650)),
     .fallback = "365d", .example = "180d", .help = "How long browsers insist on https."},
    {SECTION_HSTS, "include_subdomains", SHAPE_ONE, OPTION_BOOL, .fallback = "false",
     .example = "true", .help = "Whether this holds for hosts below the site's as well."},
    {SECTION_HSTS, "preload", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     .help = "Whether browsers may ship with the host in their lists."},

    {SECTION_REAL_IP, "header", SHAPE_ONE, OPTION_FIELD_NAME, .need = OPTION_REQUIRED,
     .example = "CF-Connecting-IP", .help = "The field with the client's address."},
    {SECTION_REAL_IP, "trust", SHAPE_LIST, OPTION_CIDR, .min = 1, .need = OPTION_REQUIRED,
     .example = "[173.245.48.0/20]", .help = "The peers whose field is believed."},

    {SECTION_RATE_LIMIT, "requests", SHAPE_ONE, OPTION_RATE, RANGE(1, COUNT_MAX),
     .need = OPTION_REQUIRED, .example = "10/s",
     .help = "Requests a second (/s), minute (/m) or hour (/h)."},
    {SECTION_RATE_LIMIT, "burst", SHAPE_ONE, OPTION_NUMBER, RANGE(0, COUNT_MAX), .fallback = "0",
     .example = "40", .help = "Requests that may come at once beyond that."},

    {SECTION_HEADERS, "set", SHAPE_TEXT_MAP, OPTION_TEMPLATE,
     .values = "client_ip|host|path|query|scheme|port",
     .example = "{X-Client-IP: \"${client_ip}\"}",
     .help = "Fields to set, in the place of those of the same name."},
    {SECTION_HEADERS, "add", SHAPE_TEXT_MAP, OPTION_TEMPLATE,
     .values = "client_ip|host|path|query|scheme|port", .example = "{X-Robots-Tag: noindex}",
     .help = "Fields to add to those of the same name."},
    {SECTION_HEADERS, "remove", SHAPE_LIST, OPTION_FIELD_NAME, .example = "[X-Powered-By]",
     .help = "Fields to take out."},

    // --- upstreams ---
    {SECTION_UPSTREAM, "servers", SHAPE_LIST, OPTION_SERVER, .min = 1, .need = OPTION_REQUIRED,
     .example = "[\"10.0.0.1:3000\", \"app.internal:3000\"]",
     LIST_FIELD(struct conf_upstream, servers, server_count),
     .help = "The servers, which take turns. Names are looked up at the start and then at every "
             "resolve_every."},
    {SECTION_UPSTREAM, "timeouts", SHAPE_SECTION, .child = SECTION_UPSTREAM_TIMEOUTS,
     .example = "{connect: 2s, response: 10m}", .help = "How long to wait for a server."},
    {SECTION_UPSTREAM, "keep_alive", SHAPE_ONE, OPTION_NUMBER, RANGE(0, 65536), .fallback = "32",
     .example = "8", FIELD(struct conf_upstream, keep_alive),
     .help = "How many unused connections each worker keeps open to each server; 0 for none."},
    {SECTION_UPSTREAM, "retries", SHAPE_ONE, OPTION_NUMBER, RANGE(0, 16), .fallback = "1",
     .example = "3", FIELD(struct conf_upstream, retries),
     .help = "How many more servers to try when one cannot be connected to."},
    {SECTION_UPSTREAM, "health", SHAPE_SECTION, .child = SECTION_HEALTH, .status = OPTION_LATER,
     .example = "{path: /health, every: 10s}",
     .help = "Requests that find out which servers work."},

    {SECTION_UPSTREAM_TIMEOUTS, "connect", SHAPE_ONE, OPTION_DURATION_MS, RANGE(10, MINUTES(10)),
     .fallback = "5s", .example = "2s", FIELD(struct conf_upstream, connect_timeout_ms),
     .help = "For a connection to be made."},
    {SECTION_UPSTREAM_TIMEOUTS, "response", SHAPE_ONE, OPTION_DURATION_MS, RANGE(10, DAYS(1)),
     .fallback = "60s", .example = "10m", FIELD(struct conf_upstream, response_timeout_ms),
     .help = "For the head of the response, from the end of the request on."},
    {SECTION_UPSTREAM_TIMEOUTS, "keep_alive", SHAPE_ONE, OPTION_DURATION_MS, RANGE(10, DAYS(1)),
     .fallback = "60s", .example = "20s", FIELD(struct conf_upstream, keep_alive_timeout_ms),
     .help = "For an unused connection before it is closed."},

    {SECTION_HEALTH, "path", SHAPE_ONE, OPTION_PREFIX, .need = OPTION_REQUIRED,
     .example = "/health", .help = "What to ask for."},
    {SECTION_HEALTH, "every", SHAPE_ONE, OPTION_DURATION_MS, RANGE(SECONDS(1), DAYS(1)),
     .fallback = "10s", .example = "30s", .help = "How often."},
    {SECTION_HEALTH, "timeout", SHAPE_ONE, OPTION_DURATION_MS, RANGE(10, MINUTES(10)),
     .fallback = "5s", .example = "2s", .help = "For an answer."},

    // --- certificates by themselves ---
    {SECTION_ACME, "email", SHAPE_ONE, OPTION_EMAIL, .example = "me@example.com",
     FIELD(struct conf_acme, email), .help = "Where the certificate authority can reach you."},
    {SECTION_ACME, "agree_tos", SHAPE_ONE, OPTION_BOOL, .need = OPTION_REQUIRED, .example = "true",
     FIELD(struct conf_acme, agree_tos),
     .help = "That you agree to the authority's terms of service."},
    {SECTION_ACME, "directory", SHAPE_ONE, OPTION_DIRECTORY, .fallback = "letsencrypt",
     .example = "letsencrypt-staging", FIELD(struct conf_acme, authority.directory),
     .help = "The authority: letsencrypt, letsencrypt-staging, or the URL of an ACME directory."},
    {SECTION_ACME, "ca_file", SHAPE_ONE, OPTION_PATH, .example = "pebble-root.pem",
     FIELD(struct conf_acme, authority.ca_file),
     .help = "PEM file of the roots that the directory's own certificate is checked against, in "
             "the place of the system's."},
    {SECTION_ACME, "state_dir", SHAPE_ONE, OPTION_PATH, .fallback = "/var/lib/ringway",
     .example = "/srv/ringway", FIELD(struct conf_acme, state_dir),
     .help = "The folder of account, keys and certificates. Several gateways may share it: one of "
             "them does the work."},
    {SECTION_ACME, "profile", SHAPE_ONE, OPTION_TEXT, .example = "shortlived",
     FIELD(struct conf_acme, profile),
     .help = "The kind of certificate to ask for, of those that the authority offers "
             "(draft-ietf-acme-profiles). The fallback is asked for it if it offers it as well."},
    {SECTION_ACME, "preferred_chain", SHAPE_ONE, OPTION_TEXT, .example = "ISRG Root X1",
     FIELD(struct conf_acme, preferred_chain),
     .help = "The common name of the root to prefer when the authority offers several chains: of "
             "who issued the topmost certificate in a chain."},
    {SECTION_ACME, "staging", SHAPE_ONE, OPTION_DIRECTORY, .example = "letsencrypt-staging",
     FIELD(struct conf_acme, staging.directory),
     .help = "Where to try first, with the same ca_file, once a site has failed three times in a "
             "row, so that the authority's limits are spared. For letsencrypt it is "
             "letsencrypt-staging, for others nothing unless it is given."},
    {SECTION_ACME, "limits", SHAPE_ONE, OPTION_ENUM, .values = "auto|letsencrypt|none",
     .fallback = "auto", .example = "letsencrypt", FIELD(struct conf_acme, limits),
     .help =
         "Whose published limits are kept to: orders, failed proofs of a name, and certificates "
         "for the same names and for a registered domain are counted, and the next order waits "
         "before it would be too many. "
         "With auto those of Let's Encrypt for letsencrypt, and none for others."},
    {SECTION_ACME, "keys", SHAPE_ONE, OPTION_ENUM, .values = "ecdsa|rsa|both", .fallback = "ecdsa",
     .example = "both", FIELD(struct conf_acme, keys),
     .help = "The kind of keys certificates have: ECDSA P-256, RSA of 2048 bits, or a certificate "
             "of each, side by side, for clients that know no ECDSA."},
    {SECTION_ACME, "reuse_key", SHAPE_ONE, OPTION_BOOL, .fallback = "false", .example = "true",
     FIELD(struct conf_acme, reuse_key), .help = "Whether a renewed certificate keeps its key."},
    {SECTION_ACME, "hook", SHAPE_ONE, OPTION_PATH, .example = "/etc/ringway/dns-hook",
     FIELD(struct conf_acme, hook),
     .help = "A program that sets and removes DNS records for dns-01: it is run as "
             "\"HOOK set|remove RECORD-NAME VALUE\"."},
    {SECTION_ACME, "hook_timeout", SHAPE_ONE, OPTION_DURATION_MS, RANGE(SECONDS(1), MINUTES(60)),
     .fallback = "2m", .example = "30s", FIELD(struct conf_acme, hook_timeout_ms),
     .help = "How long one run of the hook may take; then it is killed."},
    {SECTION_ACME, "cloudflare", SHAPE_SECTION, .child = SECTION_ACME_CLOUDFLARE,
     .example = "{token_file: /etc/ringway/cloudflare.token}", FIELD(struct conf_acme, cloudflare),
     .help = "DNS records for dns-01 by Cloudflare's API."},
    {SECTION_ACME, "rfc2136", SHAPE_SECTION, .child = SECTION_ACME_RFC2136,
     .example = "{server: \"ns.example.com:53\", key_name: ringway, key_file: tsig.key}",
     FIELD(struct conf_acme, rfc2136),
     .help = "DNS records for dns-01 by dynamic update (RFC 2136) with TSIG."},
    {SECTION_ACME, "dns", SHAPE_SECTION, .child = SECTION_ACME_DNS, .example = "{timeout: 10m}",
     FIELD(struct conf_acme, dns),
     .help = "How DNS is asked whether a record of dns-01 has arrived, before the authority is "
             "told to look."},
    {SECTION_ACME, "eab", SHAPE_SECTION, .child = SECTION_ACME_EAB,
     .example = "{key_id: kid-1, key_file: eab.key}", FIELD(struct conf_acme, authority),
     .help = "External account binding, for authorities that ask for it: they tie the account to "
             "one you have with them."},
    {SECTION_ACME, "fallback", SHAPE_SECTION, .child = SECTION_ACME_FALLBACK,
     .example = "{directory: \"https://acme.example.net/directory\"}",
     FIELD(struct conf_acme, fallback),
     .help =
         "A second authority. It is asked when the first cannot be reached or refuses: at once "
         "where a site has no good certificate, otherwise when the first has failed three times "
         "in a row."},

    {SECTION_ACME_CLOUDFLARE, "token_file", SHAPE_ONE, OPTION_PATH,
     .example = "/etc/ringway/cloudflare.token", FIELD(struct conf_cloudflare, token_file),
     .help = "File with an API token that may read the zones and edit their DNS records."},
    {SECTION_ACME_CLOUDFLARE, "token_env", SHAPE_ONE, OPTION_TEXT,
     .fallback = "CLOUDFLARE_API_TOKEN", .example = "CF_DNS_API_TOKEN",
     FIELD(struct conf_cloudflare, token_env),
     .help = "The environment variable with the token, when there is no token_file."},
    {SECTION_ACME_CLOUDFLARE, "url", SHAPE_ONE, OPTION_HTTPS_URL,
     .fallback = "https://api.cloudflare.com/client/v4",
     .example = "\"https://proxy.example.net/client/v4\"", FIELD(struct conf_cloudflare, url),
     .help = "Where the API is, if a proxy leads to it."},
    {SECTION_ACME_CLOUDFLARE, "ca_file", SHAPE_ONE, OPTION_PATH, .example = "proxy-root.pem",
     FIELD(struct conf_cloudflare, ca_file),
     .help = "PEM file of the roots that its certificate is checked against, in the place of the "
             "system's."},
    {SECTION_ACME_RFC2136, "server", SHAPE_ONE, OPTION_SERVER, .need = OPTION_REQUIRED,
     .example = "\"ns.example.com:53\"", FIELD(struct conf_rfc2136, server),
     .help = "The name server that takes updates."},
    {SECTION_ACME_RFC2136, "key_name", SHAPE_ONE, OPTION_TEXT, .need = OPTION_REQUIRED,
     .example = "ringway", FIELD(struct conf_rfc2136, key_name),
     .help = "The name of the TSIG key."},
    {SECTION_ACME_RFC2136, "key_file", SHAPE_ONE, OPTION_PATH, .need = OPTION_REQUIRED,
     .example = "tsig.key", FIELD(struct conf_rfc2136, key_file),
     .help = "File with the TSIG key in base64, or as tsig-keygen(8) writes it."},
    {SECTION_ACME_RFC2136, "algorithm", SHAPE_ONE, OPTION_ENUM,
     .values = "hmac-sha256|hmac-sha512|hmac-sha1", .fallback = "hmac-sha256",
     .example = "hmac-sha512", FIELD(struct conf_rfc2136, algorithm),
     .help = "The algorithm of the TSIG key."},
    {SECTION_ACME_DNS, "resolver", SHAPE_ONE, OPTION_SERVER, .example = "\"192.0.2.53:53\"",
     FIELD(struct conf_acme_dns, resolver),
     .help = "The resolver to ask, in the place of those in /etc/resolv.conf."},
    {SECTION_ACME_DNS, "servers", SHAPE_LIST, OPTION_SERVER, .example = "[\"192.0.2.54:53\"]",
     LIST_FIELD(struct conf_acme_dns, servers, server_count), .min = 1,
     .help = "The name servers that must have a record before the authority is told, in the place "
             "of all that DNS names as the zone's."},
    {SECTION_ACME_DNS, "timeout", SHAPE_ONE, OPTION_DURATION_MS, RANGE(SECONDS(1), MINUTES(120)),
     .fallback = "5m", .example = "20m", FIELD(struct conf_acme_dns, timeout_ms),
     .help = "How long it may take until all of them have it."},
    {SECTION_ACME_DNS, "delay", SHAPE_ONE, OPTION_DURATION_MS, RANGE(0, MINUTES(60)),
     .fallback = "0", .example = "30s", FIELD(struct conf_acme_dns, delay_ms),
     .help = "How much longer to wait afterwards, where name servers are behind others that cannot "
             "be asked."},
    {SECTION_ACME_EAB, "key_id", SHAPE_ONE, OPTION_TEXT, .need = OPTION_REQUIRED,
     .example = "kid-1", FIELD(struct conf_authority, eab_key_id),
     .help = "The key identifier the authority gave."},
    {SECTION_ACME_EAB, "key_file", SHAPE_ONE, OPTION_PATH, .need = OPTION_REQUIRED,
     .example = "eab.key", FIELD(struct conf_authority, eab_key_file),
     .help =
         "File with the MAC key the authority gave, in base64url. It is read when an account is "
         "made."},
    {SECTION_ACME_FALLBACK, "directory", SHAPE_ONE, OPTION_DIRECTORY, .need = OPTION_REQUIRED,
     .example = "\"https://acme.example.net/directory\"", FIELD(struct conf_authority, directory),
     .help = "As acme.directory."},
    {SECTION_ACME_FALLBACK, "ca_file", SHAPE_ONE, OPTION_PATH, .example = "other-root.pem",
     FIELD(struct conf_authority, ca_file), .help = "As acme.ca_file."},
    {SECTION_ACME_FALLBACK, "eab", SHAPE_SECTION, .child = SECTION_ACME_EAB,
     .example = "{key_id: kid-1, key_file: eab.key}", .field = {0, sizeof(struct conf_authority)},
     .help = "As acme.eab."},

    // --- looking at it ---
    {SECTION_ADMIN, "listen", SHAPE_ONE, OPTION_LISTEN, .need = OPTION_REQUIRED,
     .example = "\"127.0.0.1:9180\"", FIELD(struct conf_admin, text),
     .help = "An IP address and a port, for plain HTTP. Who reaches it can read names, addresses "
             "and counters without a password, and change nothing."},
};

const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);
