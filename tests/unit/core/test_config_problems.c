// SPDX-License-Identifier: Apache-2.0
//
// Mistakes in a configuration, each with the one message it gives and the place it names. A case
// fails as well when a second problem is reported: one mistake is one message.
#include "core/config.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

// A whole file around what is wrong, which starts at 3:1, 5:5, 6:7 or 5:3.
#define TOP(text)                                                                                  \
    "sites: {a.example: {routes: {/: {respond: hello}}}}\n"                                        \
    "listen: [{address: \":80\"}]\n" text "\n"
#define LISTEN(text)                                                                               \
    "sites: {a.example: {routes: {/: {respond: hello}}}}\n"                                        \
    "listen:\n" text "\n"
#define SITE(text)                                                                                 \
    "listen: [{address: \":80\"}]\n"                                                               \
    "sites:\n"                                                                                     \
    "  a.example:\n"                                                                               \
    "    routes: {/: {respond: hello}}\n"                                                          \
    "    " text "\n"
#define ROUTE(text)                                                                                \
    "listen: [{address: \":80\"}]\n"                                                               \
    "upstreams: {app: {servers: [\"app:80\"]}}\n"                                                  \
    "sites:\n"                                                                                     \
    "  a.example:\n"                                                                               \
    "    routes:\n"                                                                                \
    "      /: {upstream: app}\n"                                                                   \
    "      " text "\n"
#define UPSTREAM(text)                                                                             \
    "listen: [{address: \":80\"}]\n"                                                               \
    "sites: {a.example: {routes: {/: {upstream: app}}}}\n"                                         \
    "upstreams:\n"                                                                                 \
    "  app:\n"                                                                                     \
    "    servers: [\"app:80\"]\n"                                                                  \
    "    " text "\n"

struct problem_case {
    const char *text;
    unsigned line, column;
    const char *fragment;
};

static const struct problem_case errors[] = {
    // Nothing, and what is no configuration.
    {"", 1, 1, "nothing is configured: add sites"},
    {"# a comment\n", 1, 1, "nothing is configured: add sites"},
    {"~\n", 1, 1, "nothing is configured: add sites"},
    {"[sites]", 1, 1, "found a list; expected a map with the keys workers, user"},
    {"hello", 1, 1, "found a text; expected a map"},
    {"drain: 5s\nlisten: [{address: \":80\"}]\n", 1, 1, "the key \"sites\" is missing"},
    {"listen: [{address: \":80\"}]\nsites: {}", 2, 8, "sites: it is empty; expected at least one"},
    {"listen: [{address: \":80\"}]\nsites:\n", 2, 7, "sites: found nothing; expected a map"},

    // The admin endpoint.
    {TOP("admin: {}"), 3, 8,
     "the key \"listen\" is missing; for example listen: \"127.0.0.1:9180\""},
    {TOP("admin: 9180"), 3, 8, "found a text; expected a map with the keys listen"},
    {TOP("admin: {listen: 9180}"), 3, 17, "listen: \"9180\""},
    {TOP("admin: {listen: [\":1\"]}"), 3, 17, "listen: found a list"},
    {TOP("admin: {listen: \"127.0.0.1:80\", token: x}"), 3, 33, "unknown key \"token\""},
    {SITE("max_body: 1M") "admin: {listen: \"0.0.0.0:80\"}", 6, 17, "already; choose another port"},

    // Keys.
    {TOP("worker: 2"), 3, 1, "unknown key \"worker\"; did you mean \"workers\"?"},
    {TOP("max-head: 2K"), 3, 1, "unknown key \"max-head\"; did you mean \"max_head\"?"},
    {TOP("colour: red"), 3, 1, "unknown key \"colour\"; the keys here are workers, user"},
    {TOP("upstream: x"), 3, 1, "did you mean \"upstreams\"?"},
    {TOP("redirect: x"), 3, 1, "it belongs into sites.HOST.routes.PREFIX"},
    {SITE("drain: 5s"), 5, 5, "it belongs to the top level"},
    {SITE("Max_Body: 5K"), 5, 5, "did you mean \"max_body\"?"},
    {TOP("drain: 5s\ndrain: 6s"), 4, 1, "the key \"drain\" is here twice; the first is at 3:1"},
    {TOP("x\x1b: 1"), 3, 2, "the control character 0x1b is not allowed"},
    {TOP("\"x\\e[31m\": 1"), 3, 1, "unknown key \"x?[31m\""},

    // Numbers.
    {TOP("workers: 0"), 3, 10, "workers: \"0\" is out of range; expected a whole number from 1 to"},
    {TOP("workers: 1025"), 3, 10, "from 1 to 1024, or auto, for example workers: 2"},
    {TOP("workers: aut"), 3, 10, "(did you mean auto?)"},
    {TOP("workers: -1"), 3, 10, "\"-1\" is negative"},
    {TOP("workers: 1.5"), 3, 10, "\"1.5\" is no whole number"},
    {TOP("workers: .nan"), 3, 10, "found \".nan\"; expected a whole number"},
    {TOP("workers: .inf"), 3, 10, "found \".inf\""},
    {TOP("workers: 0x10"), 3, 10, "found \"0x10\""},
    {TOP("workers: 1e3"), 3, 10, "found \"1e3\""},
    {TOP("workers: 18446744073709551616"), 3, 10, "is too large for any use"},
    {TOP("workers: 4294967298"), 3, 10, "out of range"},
    {TOP("workers: \"2\""), 3, 10, "found the text \"2\"; expected a whole number"},
    {TOP("workers: [2]"), 3, 10, "found a list; expected a whole number"},
    {TOP("workers: {a: 2}"), 3, 10, "found a map; expected a whole number"},
    {TOP("workers:"), 3, 9, "found nothing; expected a whole number"},
    {TOP("max_connections: unlimitd"), 3, 18, "(did you mean unlimited?)"},
    {SITE("max_connections: 0"), 5, 22, "out of range"},

    // Sizes and durations.
    {TOP("max_head: 2M"), 3, 11, "max_head: \"2M\" is out of range; expected a size from 1K to 1M"},
    {TOP("max_head: 100"), 3, 11, "out of range"},
    {TOP("max_head: 32KB"), 3, 11, "unknown unit; sizes take K, M or G"},
    {TOP("max_head: 99999999999999999G"), 3, 11, "is too large for any use"},
    {TOP("max_head: big"), 3, 11, "found \"big\"; expected a size"},
    {TOP("max_head: unlimited"), 3, 11, "found \"unlimited\"; expected a size"},
    {TOP("drain: 5"), 3, 8, "drain: \"5\" has no unit; write 250ms, 5s"},
    {TOP("drain: 5 s"), 3, 8, "unknown unit"},
    {TOP("drain: 2d"), 3, 8, "out of range; expected a duration from 0 to 1d"},
    {TOP("drain: soon"), 3, 8, "found \"soon\"; expected a duration"},
    {TOP("timeouts: {idle: 31d}"), 3, 18, "expected a duration from 100ms to 30d"},
    {TOP("timeouts: 5s"), 3, 11, "found a text; expected a map with the keys handshake, head"},
    {SITE("max_body: 0"), 5, 15, "out of range"},

    // Words, booleans, texts.
    {SITE("strict: yes"), 5, 13, "strict: found \"yes\"; expected true or false"},
    {SITE("strict: \"true\""), 5, 13, "found the text \"true\"; expected true or false"},
    {TOP("log: {level: inf}"), 3, 14, "one of debug, info, warn, error (did you mean info?)"},
    {TOP("log: {target: sdterr}"), 3, 15, "(did you mean stderr?)"},
    {TOP("log: {target: \"syslog:here\"}"), 3, 15, "target: \"syslog:here\" has no port"},
    {TOP("log: stderr"), 3, 6, "expected a map with the keys target, level, format, facility"},
    {TOP("access_log: {format: json}"), 3, 13, "the key \"target\" is missing"},
    {TOP("tls: {unknown_sni: drop}"), 3, 20, "expected one of default, reject"},
    {SITE("tls: {min_version: 1.1}"), 5, 24, "expected one of 1.2, 1.3"},
    {TOP("pid_file: \"a\\tb\""), 3, 11, "has a control character in it"},
    {TOP("pid_file: \"\""), 3, 11, "found \"\"; expected a file name"},

    // Addresses.
    {TOP("trusted_proxies: 10.0.0.0/8"), 3, 18, "expected a list, each entry an address block"},
    {TOP("trusted_proxies: [10.0.0.1/8]"), 3, 19, "write the first address of the block"},
    {TOP("trusted_proxies: [10.0.0.0/33]"), 3, 19, "prefix length"},
    {TOP("trusted_proxies: [\"::/129\"]"), 3, 19, "prefix length"},
    {TOP("trusted_proxies: [10.0.0/8]"), 3, 19, "found \"10.0.0/8\""},
    {TOP("trusted_proxies: [10.0.0.0/8, here]"), 3, 31,
     "found \"here\"; expected an address block"},
    {LISTEN("  - {address: \"localhost:80\"}"), 3, 15, "is no IP address"},
    {LISTEN("  - {address: \"::1:80\"}"), 3, 15, "is no IP address"},
    {LISTEN("  - {address: \"[1.2.3.4]:80\"}"), 3, 15, "no IPv6 address in brackets"},
    {LISTEN("  - {address: \"127.0.0.1\"}"), 3, 15, "has no port"},
    {LISTEN("  - {address: \"127.0.0.1:0\"}"), 3, 15, "no port from 1 to 65535"},
    {LISTEN("  - {address: \"127.0.0.1:65536\"}"), 3, 15, "no port from 1 to 65535"},
    {LISTEN("  - {address: 80}"), 3, 15, "has no port"},
    {LISTEN("  - {tls: false}"), 3, 5, "the key \"address\" is missing"},
    {LISTEN("  []"), 3, 3, "listen: it is empty"},
    {LISTEN("  :80"), 3, 3, "listen: found \":80\"; expected a list of maps"},
    {LISTEN("  - {address: \":80\"}\n  - {address: \"0.0.0.0:80\"}"), 4, 15,
     "\"0.0.0.0:80\" is the address of \":80\" at 3:15 already"},
    {LISTEN("  - {address: \"[::0:1]:80\"}\n  - {address: \"[::1]:80\"}"), 4, 15,
     "at 3:15 already"},

    // Sites and their hosts.
    {SITE("aliases: [\"b.example:443\"]"), 5, 15, "leave the port out"},
    {SITE("aliases: [\"https://b.example\"]"), 5, 15, "is a URL"},
    {SITE("aliases: [\"bücher.example\"]"), 5, 15, "A-label form (xn--...)"},
    {SITE("aliases: [\"b.*.example\"]"), 5, 15, "has a '*' in a wrong place"},
    {SITE("aliases: [\"*b.example\"]"), 5, 15, "has a '*' in a wrong place"},
    {SITE("aliases: [\"*.10.0.0.1\"]"), 5, 15, "has a '*' in a wrong place"},
    {SITE("aliases: [\"b..example\"]"), 5, 15, "is no host name"},
    {SITE("aliases: [\"-b.example\"]"), 5, 15, "is no host name"},
    {SITE("aliases: [\"b example\"]"), 5, 15, "is no host name"},
    {SITE("aliases: [\"\"]"), 5, 15, "is no host name"},
    {SITE("aliases: [\"10.0.0.256\"]"), 5, 15, "looks like an IPv4 address and is none"},
    {SITE("aliases: [\"::1\"]"), 5, 15, "no IPv6 address in brackets"},
    {SITE("aliases: [\"[::1\"]"), 5, 15, "no IPv6 address in brackets"},
    {SITE("aliases: [b.example, A.Example.]"), 5, 26,
     "the host \"a.example\" is in site \"a.example\" already, at 3:3"},
    {SITE("aliases: b.example"), 5, 14, "expected a list, each entry a host name"},
    {"listen: [{address: \":80\"}]\nsites: {a.example: {routes: {/: {upstream: a}}}}\n"
     "upstreams: {a: 1}\n",
     3, 16, "found a text; expected a map with the keys servers"},
    {"listen: [{address: \":80\"}]\nsites:\n  a.example: {routes: {/: {respond: x}}}\n"
     "  b.example: {aliases: [A.EXAMPLE], routes: {/: {respond: x}}}\n",
     4, 25, "the host \"a.example\" is in site \"a.example\" already, at 3:3"},
    {"listen: [{address: \":80\"}]\nsites:\n  a.example: {}\n", 3, 14,
     "the key \"routes\" is miss"},
    {"listen: [{address: \":80\"}]\nsites:\n  a.example:\n", 3, 13,
     "found nothing; expected a map"},
    {"listen: [{address: \":80\"}]\nsites:\n  a.example: {routes: {}}\n", 3, 23, "it is empty"},
    {"sites:\n  a.example: {routes: {/: {respond: x}}}\n", 2, 3,
     "the site \"a.example\" has no certificate, and there is a listener with TLS"},

    // Certificates.
    {TOP("certificates: [none.pem]"), 3, 16, "cannot read /nowhere/none.pem: No such file"},
    {TOP("certificates: none.pem"), 3, 15, "expected a list"},
    {SITE("tls: {certificate: none.pem}"), 5, 24, "cannot read /nowhere/none.pem: No such file"},
    {SITE("tls: {certificate: /}"), 5, 24, "/ is no file, but a folder"},
    {SITE("tls: {certificate: /dev/null}"), 5, 24, "is no file, but a device or pipe"},
    {SITE("tls: {certificate: [/etc/passwd, /etc/passwd], key: /etc/passwd}"), 5, 57,
     "key: 1 for 2 certificates"},
    {SITE("tls: {key: /etc/passwd}"), 5, 16, "key: 1 for 0 certificates"},

    // Routes.
    {ROUTE("/a: {upstream: ap}"), 7, 22, "there is no \"ap\"; did you mean \"app\"?"},
    {ROUTE("/a: {upstream: other}"), 7, 22, "there is no \"other\"; add it to \"upstreams\""},
    {ROUTE("/a: {}"), 7, 11, "found none of upstream, redirect, respond; expected exactly one"},
    {ROUTE("/a: {upstream: app, respond: x}"), 7, 11, "found several of upstream, redirect"},
    {ROUTE("/a: app"), 7, 11, "found a text; expected a map with the keys upstream"},
    {ROUTE("a: {upstream: app}"), 7, 7, "routes: \"a\" does not start with '/'"},
    {ROUTE("/a?b: {upstream: app}"), 7, 7, "has a '?' or '#'"},
    {ROUTE("/%zz: {upstream: app}"), 7, 7, "has a '%' without two hexadecimal digits"},
    {ROUTE("/a%: {upstream: app}"), 7, 7, "has a '%' without two hexadecimal digits"},
    {ROUTE("/%00: {upstream: app}"), 7, 7, "escaped NUL"},
    {ROUTE("//a: {upstream: app}"), 7, 7, "empty, '.' or '..' segment"},
    {ROUTE("/a/%2E%2e: {upstream: app}"), 7, 7, "empty, '.' or '..' segment"},
    {ROUTE("/a/./b: {upstream: app}"), 7, 7, "empty, '.' or '..' segment"},
    {ROUTE("/a: {upstream: app}\n      /%61/: {upstream: app}"), 8, 7,
     "the prefix \"/a/\" is the same as \"/a\" at 7:7"},
    {ROUTE("/a: {redirect: /b, status: 200}"), 7, 34, "status: 200 is no redirect"},
    {ROUTE("/a: {redirect: /b, strip_prefix: true}"), 7, 26, "has a use only with upstream"},
    {ROUTE("/a: {redirect: /b, content_type: x}"), 7, 26, "has a use only with respond"},
    {ROUTE("/a: {redirect: b}"), 7, 22, "does not start with https://"},
    {ROUTE("/a: {redirect: \"/b c\"}"), 7, 22, "has a space in it"},
    {ROUTE("/a: {redirect: \"/b\\r\\nX: y\"}"), 7, 22, "has a control character in it"},
    {ROUTE("/a: {redirect: \"/${hots}\"}"), 7, 22,
     "unknown variable \"${hots}\", did you mean \"${host}\"?; the variables here are ${host}"},
    {ROUTE("/a: {redirect: \"/${}\"}"), 7, 22, "unknown variable \"${}\""},
    {ROUTE("/a: {redirect: \"/${host\"}"), 7, 22, "has a \"${\" without its \"}\""},
    {ROUTE("/a: {respond: x, status: 600}"), 7, 32, "out of range"},
    {ROUTE("/a: {respond: x, status: 204}"), 7, 32, "a response with 204 has no body"},
    {ROUTE("/a: {respond: x, content_type: \"a\\nb\"}"), 7, 38, "control character"},
    {ROUTE("/a: {upstream: app, status: 301}"), 7, 27, "only with redirect and respond"},
    {ROUTE("/a: {upstream: app, content_type: x}"), 7, 27, "only with respond"},

    // Upstreams.
    {UPSTREAM("retries: 17"), 6, 14, "expected a whole number from 0 to 16"},
    {UPSTREAM("timeouts: {connect: 1ms}"), 6, 25, "expected a duration from 10ms to 10m"},
    {UPSTREAM("timeout: {connect: 1s}"), 6, 5, "did you mean \"timeouts\"?"},
    {"listen: [{address: \":80\"}]\nsites: {a.example: {routes: {/: {upstream: app}}}}\n"
     "upstreams:\n  app: {servers: []}\n",
     4, 18, "servers: it is empty"},
    {"listen: [{address: \":80\"}]\nsites: {a.example: {routes: {/: {upstream: app}}}}\n"
     "upstreams:\n  app: {servers: [\"[::1]:80\", app]}\n",
     4, 31, "servers: \"app\" has no port"},
    {"listen: [{address: \":80\"}]\nsites: {a.example: {routes: {/: {respond: x}}}}\n"
     "upstreams:\n  \"a b\": {servers: [\"app:80\"]}\n",
     4, 3, "upstreams: found \"a b\"; expected a name of letters"},
    {TOP("acme: {email: me, agree_tos: true}"), 3, 15, "found \"me\"; expected an e-mail address"},
    {TOP("acme: {email: me@example.com}"), 3, 7, "the key \"agree_tos\" is missing"},
    {TOP("acme: {agree_tos: true, directory: http://a}"), 3, 36, "or an https:// URL"},
    {TOP("acme: {agree_tos: true, emial: x}"), 3, 25, "did you mean \"email\"?"},
    {TOP("acme: {agree_tos: false}"), 3, 19,
     "agree_tos: an authority gives no certificates without"},
    {TOP("acme: {agree_tos: true, ca_file: /no/such}"), 3, 34, "cannot read /no/such"},
    {SITE("tls: {acme: auto}"), 3, 3, "tls.acme of \"a.example\" needs \"acme\" at the top level"},
    {TOP("acme: {agree_tos: true, hook: /no/such}"), 3, 31, "is no program that can be run"},
    {TOP("acme: {agree_tos: true, hook: /etc/passwd}"), 3, 31, "must be executable (chmod +x)"},
    {TOP("acme: {agree_tos: true, hook: /bin/true, cloudflare: {}}"), 3, 54,
     "acme.hook sets the DNS records already; remove one of them"},
    {TOP("acme: {agree_tos: true, cloudflare: {token_file: /no/such}}"), 3, 50,
     "cannot read /no/such"},
    {TOP("acme: {agree_tos: true, cloudflare: {url: http://a}}"), 3, 43, "an https:// URL"},
    {TOP("acme: {agree_tos: true, rfc2136: {server: \"a:53\", key_name: b}}"), 3, 34,
     "the key \"key_file\" is missing"},
    {TOP("acme: {agree_tos: true, eab: {key_id: x}}"), 3, 30, "the key \"key_file\" is missing"},
    {TOP("acme: {agree_tos: true, dns: {servers: []}}"), 3, 40, "servers: it is empty"},
    {"acme: {agree_tos: true}\n"
     "sites:\n  a.example: {tls: {acme: dns-01}, routes: {/: {respond: x}}}\n",
     3, 3, "add hook, cloudflare or rfc2136 to \"acme\""},
    {"sites: {a.example: {routes: {/: {respond: x}}}}\n", 1, 9,
     "\"a.example\" has no certificate, and there is a listener with TLS; add tls: {certificate"},
};

// A listener with TLS, and nothing that ACME can get for it; the error comes beside the warning.
static const struct problem_case uncertified_errors[] = {
    {"acme: {agree_tos: true}\nsites: {\"*\": {routes: {/: {respond: x}}}}\n", 2, 9,
     "the site \"*\" has no certificate, and there is a listener with TLS"},
    {"acme: {agree_tos: true}\nsites: {\"*.a.example\": {routes: {/: {respond: x}}}}\n", 2, 9,
     "the site \"*.a.example\" has no certificate, and there is a listener with TLS"},
    {"acme: {agree_tos: true}\n"
     "sites: {\"*\": {tls: {acme: http-01}, routes: {/: {respond: x}}}}\n",
     2, 9, "the site \"*\" has no certificate, and there is a listener with TLS"},
};

// What nothing acts on yet is checked all the same; the error comes beside the note.
static const struct problem_case later_errors[] = {
    {TOP("user: [me]"), 3, 7, "user: found a list; expected a text of one line"},
    {TOP("log: {facility: local8}"), 3, 17, "(did you mean local"},
    {SITE("hsts: {max_age: 1}"), 5, 21, "has no unit"},
    {SITE("real_ip: {header: \"X Y\", trust: [\"::1\"]}"), 5, 23, "the name of an HTTP field"},
    {SITE("real_ip: {header: X, trust: [10.1.0.0/8]}"), 5, 34, "bits set behind its prefix"},
    {SITE("real_ip: {header: X, trust: []}"), 5, 33, "it is empty"},
    {SITE("rate_limit: {requests: 10}"), 5, 28, "expected a rate from 1/s"},
    {SITE("rate_limit: {requests: 10/d}"), 5, 28, "expected a rate from 1/s"},
    {SITE("request_headers: {set: {\"X Y\": z}}"), 5, 29, "the field name: found \"X Y\""},
    {SITE("request_headers: {set: {X: \"${client}\"}}"), 5, 32, "did you mean \"${client_ip}\"?"},
    {SITE("response_headers: {remove: X}"), 5, 32, "expected a list, each entry the name of"},
    {SITE("response_headers: {add: [X]}"), 5, 29, "expected a map of field names"},
    {UPSTREAM("health: {every: 5s}"), 6, 13, "the key \"path\" is missing"},
    {UPSTREAM("health: {path: health}"), 6, 20, "does not start with '/'"},
};

static const struct problem_case warnings[] = {
    {TOP("upstreams: {app: {servers: [\"app:80\"]}}"), 3, 13, "no route uses the upstream \"app\""},
    {TOP("admin: {listen: \"10.0.0.1:9180\"}"), 3, 17, "\"10.0.0.1:9180\" is not only for this"},
    {TOP("admin: {listen: \":9180\"}"), 3, 17, "admin: \":9180\" is not only for this machine"},
    {TOP("acme: {agree_tos: true}"), 3, 7,
     "acme: no listener has TLS, so it gets no certificates; add tls: true to a listener, for "
     "example {address: \":443\", tls: true}, or remove \"acme\""},
    {"listen: [{address: \":80\"}]\nacme: {agree_tos: true}\n"
     "sites: {a.example: {tls: {acme: auto}, routes: {/: {respond: x}}}}\n",
     2, 7, "acme: no listener has TLS"},
    {"acme: {agree_tos: true}\n"
     "sites: {a.example: {tls: {certificate: /etc/passwd}, routes: {/: {respond: x}}}}\n",
     1, 7,
     "acme: no site needs a certificate from it; add tls: {acme: auto} to those that are to have "
     "one, or remove \"acme\""},
    {"acme: {agree_tos: true}\n"
     "sites:\n  a.example: {routes: {/: {respond: x}}}\n  \"*\": {routes: {/: {respond: x}}}\n",
     4, 3, "no authority gives a certificate for \"*\""},
};

static const struct problem_case notes[] = {
    {TOP("user: me"), 3, 1, "user: accepted, not active yet"},
    {TOP("group: us"), 3, 1, "group: accepted, not active yet"},
    {TOP("log: {facility: local2}"), 3, 7, "facility: accepted, not active yet"},
    {TOP("log: {target: \"syslog:127.0.0.1:514\"}"), 3, 15, "accepted, not active yet; the log"},
    {SITE("hsts: {}"), 5, 5, "hsts: accepted, not active yet"},
    {SITE("real_ip: {header: X, trust: [\"::1\"]}"), 5, 5, "real_ip: accepted, not active yet"},
    {SITE("rate_limit: {requests: 10/s}"), 5, 5, "rate_limit: accepted, not active yet"},
    {SITE("request_headers: {set: {X: y}}"), 5, 5, "request_headers: accepted, not active yet"},
    {SITE("response_headers: {remove: [X]}"), 5, 5, "response_headers: accepted, not active"},
    {UPSTREAM("health: {path: /health}"), 6, 5, "health: accepted, not active yet"},
};

#define COUNT(cases) (int)(sizeof(cases) / sizeof((cases)[0]))

// Parses a case; the problem at `index` must be the one it tells.
static void case_check(const struct problem_case *c, enum problem_kind kind, size_t count,
                       size_t index) {
    struct problems problems = {0};
    struct config *config = config_parse(c->text, strlen(c->text), "t.yaml", "/nowhere", &problems);
    ck_assert_msg((config == NULL) == (kind == PROBLEM_ERROR), "%s", c->text);
    ck_assert_msg(problems.count == count, "%zu problems, the first \"%s\", in:\n%s",
                  problems.count, problems.count ? problems.items[0].text : "", c->text);
    const struct problem *problem = &problems.items[index];
    ck_assert_msg(problem->kind == kind && problem->pos.line == c->line &&
                      problem->pos.column == c->column && strstr(problem->text, c->fragment),
                  "%u:%u: %s (kind %d); expected %u:%u: %s, in:\n%s", problem->pos.line,
                  problem->pos.column, problem->text, (int)problem->kind, c->line, c->column,
                  c->fragment, c->text);
    config_free(config);
    problems_free(&problems);
}

START_TEST(an_error_is_told_once_and_at_its_place) {
    case_check(&errors[_i], PROBLEM_ERROR, 1, 0);
}
END_TEST

START_TEST(what_is_not_active_yet_is_checked_as_well) {
    case_check(&later_errors[_i], PROBLEM_ERROR, 2, 1);
}
END_TEST

START_TEST(tls_with_nothing_to_certify_is_an_error) {
    case_check(&uncertified_errors[_i], PROBLEM_ERROR, 2, 1);
}
END_TEST

START_TEST(a_warning_refuses_nothing) {
    case_check(&warnings[_i], PROBLEM_WARNING, 1, 0);
}
END_TEST

START_TEST(what_is_not_active_yet_is_noted) {
    case_check(&notes[_i], PROBLEM_NOTE, 1, 0);
}
END_TEST

START_TEST(every_problem_is_told_in_the_order_of_the_file) {
    const char *text =
        "worker: 2\ndrain: 5\nuser: me\nmax_head: 1\nsites:\n  a: {routes: {b: 1}}\n";
    static const struct conf_pos expected[] = {{1, 1}, {2, 8},  {3, 1}, {4, 11},
                                               {6, 3}, {6, 16}, {6, 19}};
    struct problems problems = {0};
    ck_assert_ptr_null(config_parse(text, strlen(text), "t.yaml", ".", &problems));
    ck_assert_uint_eq(problems.count, 7);
    ck_assert_uint_eq(problems.errors, 6);
    for (size_t i = 0; i < problems.count; i++) {
        ck_assert_uint_eq(problems.items[i].pos.line, expected[i].line);
        ck_assert_uint_eq(problems.items[i].pos.column, expected[i].column);
    }
    problems_free(&problems);
}
END_TEST

START_TEST(a_syntax_error_is_the_only_problem) {
    const char *text = "drain: 5\ndrain: 6\nx: !tag 1\nsites: [a\n";
    struct problems problems = {0};
    problems_add(&problems, PROBLEM_WARNING, (struct conf_pos){0}, "from somebody else");
    ck_assert_ptr_null(config_parse(text, strlen(text), "t.yaml", ".", &problems));
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_ptr_nonnull(strstr(problems.items[0].text, "somebody else"));
    ck_assert_ptr_nonnull(strstr(problems.items[1].text, "not YAML"));
    problems_free(&problems);
}
END_TEST

START_TEST(a_file_that_is_wrong_throughout_fills_no_memory) {
    static char text[40000];
    size_t used = 0;
    for (int i = 0; i < 2500; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "bad_%d: 1\n", i);
    struct problems problems = {0};
    ck_assert_ptr_null(config_parse(text, used, "t.yaml", ".", &problems));
    ck_assert_uint_eq(problems.errors, 2501); // and no sites
    ck_assert_uint_eq(problems.count, 1001);
    problems_free(&problems);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config_problems");
    TCase *tcase = tcase_create("config_problems");
    tcase_add_loop_test(tcase, an_error_is_told_once_and_at_its_place, 0, COUNT(errors));
    tcase_add_loop_test(tcase, what_is_not_active_yet_is_checked_as_well, 0, COUNT(later_errors));
    tcase_add_loop_test(tcase, tls_with_nothing_to_certify_is_an_error, 0,
                        COUNT(uncertified_errors));
    tcase_add_loop_test(tcase, a_warning_refuses_nothing, 0, COUNT(warnings));
    tcase_add_loop_test(tcase, what_is_not_active_yet_is_noted, 0, COUNT(notes));
    tcase_add_test(tcase, every_problem_is_told_in_the_order_of_the_file);
    tcase_add_test(tcase, a_syntax_error_is_the_only_problem);
    tcase_add_test(tcase, a_file_that_is_wrong_throughout_fills_no_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
