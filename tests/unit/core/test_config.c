// SPDX-License-Identifier: Apache-2.0
//
// What a configuration says is what the structs hold: values, defaults, the order of routes, files
// found beside the configuration. The examples of the documentation are read as they are.
#include "core/config.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config_reference.h"
#include "core/config_schema.h"
#include "core/option.h"

static struct config *parse(const char *text) {
    struct problems problems = {0};
    struct config *config = config_parse(text, strlen(text), "t.yaml", "/etc/r", &problems);
    ck_assert_msg(config != NULL, "%s", problems.count ? problems.items[0].text : "");
    problems_free(&problems);
    return config;
}

static const char minimal[] = "listen: [{address: \":80\"}]\n"
                              "sites: {a.example: {routes: {/: {upstream: app}}}}\n"
                              "upstreams: {app: {servers: [\"app:3000\"]}}\n";

START_TEST(defaults_are_those_of_the_manual) {
    struct config *config = parse(minimal);
    ck_assert_uint_eq(config->workers, 0);
    ck_assert_ptr_null(config->pid_file);
    ck_assert_uint_eq(config->max_connections, CONFIG_UNLIMITED);
    ck_assert_uint_eq(config->max_head_bytes, 32 * 1024);
    ck_assert_uint_eq(config->drain_ms, 30000);
    ck_assert_uint_eq(config->handshake_timeout_ms, 10000);
    ck_assert_uint_eq(config->head_timeout_ms, 10000);
    ck_assert_uint_eq(config->keep_alive_timeout_ms, 75000);
    ck_assert_uint_eq(config->idle_timeout_ms, 3600000);
    ck_assert_int_eq(config->unknown_sni, UNKNOWN_SNI_DEFAULT);
    ck_assert_uint_eq(config->ticket_rotation_s, 12 * 3600);
    ck_assert_uint_eq(config->resolve_every_ms, 30000);
    ck_assert_int_eq(config->log.target, LOG_TARGET_STDERR);
    ck_assert_int_eq(config->log.level, LOG_INFO);
    ck_assert_int_eq(config->log.format, LOG_TEXT);
    ck_assert_int_eq(config->access_log.target, LOG_TARGET_NONE);
    ck_assert_uint_eq(config->trusted_count, 0);

    const struct conf_site *site = &config->sites[0];
    ck_assert_uint_eq(site->max_body_bytes, CONFIG_UNLIMITED);
    ck_assert_uint_eq(site->max_connections, CONFIG_UNLIMITED);
    ck_assert_uint_eq(site->idle_timeout_ms, 3600000);
    ck_assert_int_eq(site->min_version, TLS_VERSION_1_2);
    ck_assert(!site->strict && !site->acme_named && site->managed_count == 0);

    const struct conf_upstream *upstream = &config->upstreams[0];
    ck_assert_uint_eq(upstream->connect_timeout_ms, 5000);
    ck_assert_uint_eq(upstream->response_timeout_ms, 60000);
    ck_assert_uint_eq(upstream->keep_alive_timeout_ms, 60000);
    ck_assert_uint_eq(upstream->keep_alive, 32);
    ck_assert_uint_eq(upstream->retries, 1);
    config_free(config);
}
END_TEST

START_TEST(values_are_kept_as_written) {
    struct config *config =
        parse("workers: 3\npid_file: run/r.pid\nmax_connections: 4000\nmax_head: 64K\ndrain: 0\n"
              "log: {target: stdout, level: error, format: json}\n"
              "access_log: {target: /var/log/a.log, format: json}\n"
              "timeouts: {handshake: 250ms, head: 1s, keep_alive: 2m, idle: 2h}\n"
              "tls: {unknown_sni: reject, ticket_rotation: 1h}\nresolve_every: 10s\n"
              "listen: [{address: \":80\"}]\n"
              "sites: {a.example: {max_body: 200M, max_connections: 9, strict: true,\n"
              "  timeouts: {idle: 1m}, tls: {min_version: 1.3}, routes: {/: {upstream: b}}},\n"
              "  b.example: {routes: {/: {upstream: a}}}}\n"
              "upstreams:\n  a: {servers: [\"[::1]:80\", \"A.Example.:81\"], keep_alive: 0,\n"
              "      retries: 3, timeouts: {connect: 1s, response: 10m, keep_alive: 5s}}\n"
              "  b: {servers: [\"127.0.0.1:1\"]}\n");
    ck_assert_uint_eq(config->workers, 3);
    ck_assert_str_eq(config->pid_file, "/etc/r/run/r.pid");
    ck_assert_uint_eq(config->max_connections, 4000);
    ck_assert_uint_eq(config->max_head_bytes, 65536);
    ck_assert_uint_eq(config->drain_ms, 0);
    ck_assert_int_eq(config->log.target, LOG_TARGET_STDOUT);
    ck_assert_int_eq(config->log.level, LOG_ERROR);
    ck_assert_int_eq(config->log.format, LOG_JSON);
    ck_assert_int_eq(config->access_log.target, LOG_TARGET_FILE);
    ck_assert_str_eq(config->access_log.path, "/var/log/a.log");
    ck_assert_uint_eq(config->handshake_timeout_ms, 250);
    ck_assert_uint_eq(config->head_timeout_ms, 1000);
    ck_assert_uint_eq(config->keep_alive_timeout_ms, 120000);
    ck_assert_int_eq(config->unknown_sni, UNKNOWN_SNI_REJECT);
    ck_assert_uint_eq(config->ticket_rotation_s, 3600);
    ck_assert_uint_eq(config->resolve_every_ms, 10000);

    const struct conf_site *site = &config->sites[0];
    ck_assert_uint_eq(site->max_body_bytes, 200u << 20);
    ck_assert_uint_eq(site->max_connections, 9);
    ck_assert_uint_eq(site->idle_timeout_ms, 60000);
    ck_assert_uint_eq(config->sites[1].idle_timeout_ms, 7200000);
    ck_assert_int_eq(site->min_version, TLS_VERSION_1_3);
    ck_assert(site->strict);
    ck_assert_ptr_eq(site->routes[0].upstream, &config->upstreams[1]);

    const struct conf_upstream *upstream = &config->upstreams[0];
    ck_assert_uint_eq(upstream->server_count, 2);
    ck_assert_str_eq(upstream->servers[0].host, "::1");
    ck_assert_uint_eq(upstream->servers[0].port, 80);
    ck_assert_str_eq(upstream->servers[1].host, "a.example");
    ck_assert_str_eq(upstream->servers[1].text, "A.Example.:81");
    ck_assert_uint_eq(upstream->servers[1].pos.line, 16);
    ck_assert_uint_eq(upstream->connect_timeout_ms, 1000);
    ck_assert_uint_eq(upstream->response_timeout_ms, 600000);
    ck_assert_uint_eq(upstream->keep_alive_timeout_ms, 5000);
    ck_assert_uint_eq(upstream->keep_alive, 0);
    ck_assert_uint_eq(upstream->retries, 3);
    ck_assert_uint_eq(config->upstreams[1].index, 1);
    config_free(config);
}
END_TEST

static void listen_check(const struct conf_listen *listen, sa_family_t family, unsigned port,
                         enum listen_kind kind) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&listen->address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&listen->address;
    ck_assert_uint_eq(listen->address.ss_family, family);
    ck_assert_uint_eq(ntohs(family == AF_INET ? in->sin_port : in6->sin6_port), port);
    ck_assert_uint_eq(listen->address_size_bytes, family == AF_INET ? sizeof(*in) : sizeof(*in6));
    ck_assert_int_eq(listen->kind, kind);
}

START_TEST(a_port_alone_listens_on_both_families) {
    struct config *config =
        parse("listen: [{address: \":81\"}, {address: \"[::1]:8443\", tls: true}]\n"
              "acme: {agree_tos: true}\nsites: {a.example: {routes: {/: {respond: x}}}}\n");
    ck_assert_uint_eq(config->listen_count, 3);
    listen_check(&config->listens[0], AF_INET, 81, LISTEN_PLAIN);
    listen_check(&config->listens[1], AF_INET6, 81, LISTEN_PLAIN);
    listen_check(&config->listens[2], AF_INET6, 8443, LISTEN_TLS);
    ck_assert_str_eq(config->listens[1].text, ":81");
    ck_assert_uint_eq(config->listens[1].pos.column, 20);
    config_free(config);
}
END_TEST

START_TEST(limits_are_those_of_lets_encrypt) {
    static const struct {
        const char *options;
        bool authority, fallback;
    } cases[] = {
        {"", true, false},
        {", limits: none", false, false},
        {", directory: letsencrypt-staging", false, false},
        {", directory: \"https://acme-v02.api.letsencrypt.org/directory\"", true, false},
        {", directory: \"https://ca.example/d\"", false, false},
        {", directory: \"https://ca.example/d\", limits: letsencrypt", true, false},
        {", directory: \"https://ca.example/d\", fallback: {directory: letsencrypt}", false, true},
        {", directory: \"https://ca.example/d\", limits: letsencrypt, fallback: {directory: "
         "letsencrypt}",
         true, true},
        {", fallback: {directory: letsencrypt}, limits: none", false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "acme: {agree_tos: true%s}\nsites: {a.example: {routes: {/: {respond: x}}}}\n",
                 cases[i].options);
        struct config *config = parse(text);
        ck_assert_msg(config->acme.authority.limited == cases[i].authority, "%s", text);
        ck_assert_msg(config->acme.fallback.limited == cases[i].fallback, "%s", text);
        config_free(config);
    }
}
END_TEST

START_TEST(without_listen_80_redirects_and_443_serves) {
    struct config *config =
        parse("acme: {agree_tos: true}\nsites: {a.example: {routes: {/: {respond: x}}}}\n");
    ck_assert_uint_eq(config->listen_count, 4);
    listen_check(&config->listens[0], AF_INET, 80, LISTEN_REDIRECT);
    listen_check(&config->listens[1], AF_INET6, 80, LISTEN_REDIRECT);
    listen_check(&config->listens[2], AF_INET, 443, LISTEN_TLS);
    listen_check(&config->listens[3], AF_INET6, 443, LISTEN_TLS);
    config_free(config);
}
END_TEST

START_TEST(hosts_are_in_the_form_requests_are_compared_with) {
    struct config *config = parse(
        "listen: [{address: \":80\"}]\nsites:\n  WWW.Example.COM.:\n"
        "    aliases: [\"*.Example.com\", 127.0.0.1, \"[::0:1]\", \"*\", xn--bcher-kva.example]\n"
        "    routes: {/: {respond: x}}\n");
    static const char *const expected[] = {
        "www.example.com", "*.example.com", "127.0.0.1", "[::1]", "*", "xn--bcher-kva.example"};
    const struct conf_site *site = &config->sites[0];
    ck_assert_str_eq(site->name, "WWW.Example.COM.");
    ck_assert_uint_eq(site->host_count, 6);
    for (size_t i = 0; i < site->host_count; i++)
        ck_assert_str_eq(site->hosts[i], expected[i]);
    ck_assert_uint_eq(site->host_positions[0].line, 3);
    ck_assert_uint_eq(site->host_positions[2].column, 32);
    config_free(config);
}
END_TEST

START_TEST(routes_come_longest_prefix_first) {
    struct config *config =
        parse("listen: [{address: \":80\"}]\nsites:\n  a.example:\n    routes:\n"
              "      /: {respond: \"\", status: 204}\n"
              "      /b/: {redirect: \"https://${host}:${port}${path}${query}\", status: 301}\n"
              "      /a/long/: {upstream: app, strip_prefix: true}\n"
              "      /a: {redirect: /x}\n"
              "      /é b: {respond: \"<p>\", content_type: text/html}\n"
              "upstreams: {app: {servers: [\"app:3000\"]}}\n");
    const struct conf_route *routes = config->sites[0].routes;
    ck_assert_uint_eq(config->sites[0].route_count, 5);
    ck_assert_str_eq(routes[0].prefix, "/%C3%A9%20b");
    ck_assert_str_eq(routes[0].content_type, "text/html");
    ck_assert_str_eq(routes[1].prefix, "/a/long/");
    ck_assert(routes[1].action == ROUTE_UPSTREAM && routes[1].strip_prefix);
    ck_assert_str_eq(routes[2].prefix, "/a");
    ck_assert_str_eq(routes[2].redirect, "/x");
    ck_assert_uint_eq(routes[2].status, 308);
    ck_assert_str_eq(routes[3].prefix, "/b/");
    ck_assert_uint_eq(routes[3].status, 301);
    ck_assert_str_eq(routes[4].prefix, "/");
    ck_assert_str_eq(routes[4].respond, "");
    ck_assert_str_eq(routes[4].content_type, "text/plain; charset=utf-8");
    ck_assert_uint_eq(routes[4].status, 204);
    config_free(config);
}
END_TEST

START_TEST(ipv4_blocks_are_kept_as_mapped_ipv6) {
    struct config *config = parse("listen: [{address: \":80\"}]\n"
                                  "trusted_proxies: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.7]\n"
                                  "sites: {a.example: {routes: {/: {respond: x}}}}\n");
    static const struct {
        const char *address;
        unsigned bits;
    } expected[] = {{"::ffff:10.0.0.0", 104}, {"2001:db8::", 32}, {"::ffff:192.0.2.7", 128}};
    ck_assert_uint_eq(config->trusted_count, 3);
    for (size_t i = 0; i < config->trusted_count; i++) {
        char text[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, &config->trusted[i].address, text, sizeof(text));
        ck_assert_str_eq(text, expected[i].address);
        ck_assert_uint_eq(config->trusted[i].prefix_bits, expected[i].bits);
    }
    config_free(config);
}
END_TEST

START_TEST(aliases_of_yaml_are_expanded) {
    struct config *config = parse("listen: [{address: \":80\"}]\nsites:\n"
                                  "  a.example: {routes: &r {/: {upstream: app}}}\n"
                                  "  b.example: {routes: *r}\n"
                                  "upstreams: {app: {servers: [\"app:3000\"]}}\n");
    ck_assert_ptr_eq(config->sites[1].routes[0].upstream, &config->upstreams[0]);
    config_free(config);
}
END_TEST

// --- files ---

static char folder[] = "/tmp/ringway-test-config-XXXXXX";

static void folder_make(void) {
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void folder_remove(void) {
    char command[100];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void file_write(const char *name, const char *text) {
    FILE *file = fopen(in_folder(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(certificates_are_found_beside_the_file) {
    file_write("b.pem", "");
    file_write("a.pem", "");
    file_write("a.key", "");
    file_write(".hidden.pem", "");
    file_write("r.yaml", "certificates: [., a.pem]\nsites:\n  a.example:\n"
                         "    tls: {certificate: [a.pem, b.pem], key: [a.key, b.pem]}\n"
                         "    routes: {/: {respond: x}}\n"
                         "  b.example: {tls: {certificate: b.pem}, routes: {/: {respond: x}}}\n");
    struct problems problems = {0};
    struct config *config = config_load(in_folder("r.yaml"), &problems);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_str_eq(config->folder, folder);
    ck_assert_uint_eq(config->certificate_count, 3);
    ck_assert_str_eq(config->certificates[0].certificate_path, in_folder("./a.pem"));
    ck_assert_str_eq(config->certificates[1].certificate_path, in_folder("./b.pem"));
    ck_assert_str_eq(config->certificates[2].key_path, in_folder("a.pem"));

    const struct conf_certificate *pairs = config->sites[0].certificates;
    ck_assert_uint_eq(config->sites[0].certificate_count, 2);
    ck_assert_str_eq(pairs[0].certificate_path, in_folder("a.pem"));
    ck_assert_str_eq(pairs[0].key_path, in_folder("a.key"));
    ck_assert_uint_eq(pairs[1].key_pos.column, 53);
    pairs = config->sites[1].certificates;
    ck_assert_str_eq(pairs[0].key_path, pairs[0].certificate_path);
    config_free(config);
}
END_TEST

START_TEST(an_empty_folder_is_warned_about) {
    file_write("r.yaml", "certificates: [.]\nacme: {agree_tos: true}\n"
                         "sites: {a.example: {routes: {/: {respond: x}}}}\n");
    struct problems problems = {0};
    struct config *config = config_load(in_folder("r.yaml"), &problems);
    ck_assert_ptr_nonnull(config);
    ck_assert_int_eq(problems.items[0].kind, PROBLEM_WARNING);
    ck_assert_ptr_nonnull(strstr(problems.items[0].text, "no file named *.pem"));
    config_free(config);
    problems_free(&problems);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error) {
    struct problems problems = {0};
    ck_assert_ptr_null(config_load(in_folder("none.yaml"), &problems));
    ck_assert_ptr_null(config_load(folder, &problems));
    ck_assert_ptr_null(config_load("/dev/zero", &problems)); // more than 8 MiB of it
    ck_assert_uint_eq(problems.errors, 3);
    ck_assert_str_eq(problems.items[0].text, "cannot open it: No such file or directory");
    ck_assert_str_eq(problems.items[1].text, "cannot read it: Is a directory");
    ck_assert_ptr_nonnull(strstr(problems.items[2].text, "larger than 8 MiB"));
    problems_free(&problems);
}
END_TEST

static struct config *example_load(const char *name, struct problems *problems) {
    char path[300];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s/../../../docs/examples/%s", (int)(slash - __FILE__),
             __FILE__, name);
    return config_load(path, problems);
}

START_TEST(the_examples_are_read) {
    static const struct {
        const char *name;
        size_t errors, notes;
    } examples[] = {
        // Errors: the certificates and the token that are not there.
        {"chat.yaml", 0, 0},
        {"coder.yaml", 1, 3},
        {"local.yaml", 2, 0},
        {"open-webui.yaml", 1, 6},
    };
    struct problems problems = {0};
    struct config *config = example_load(examples[_i].name, &problems);
    ck_assert_uint_eq(problems.errors, examples[_i].errors);
    ck_assert_uint_eq(problems.count - problems.errors, examples[_i].notes);
    for (size_t i = 0; i < problems.count; i++)
        ck_assert(problems.items[i].kind == PROBLEM_NOTE ||
                  strstr(problems.items[i].text, "cannot read "));
    config_free(config);
    problems_free(&problems);
}
END_TEST

START_TEST(the_local_example_works_with_a_certificate_beside_it) {
    char command[500];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(command, sizeof(command), "cp %.*s/../../../docs/examples/local.yaml %s",
             (int)(slash - __FILE__), __FILE__, folder);
    ck_assert_int_eq(system(command), 0);
    file_write("cert.pem", "");
    file_write("key.pem", "");
    struct problems problems = {0};
    struct config *config = config_load(in_folder("local.yaml"), &problems);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_uint_eq(config->listen_count, 3);
    ck_assert_uint_eq(config->sites[0].host_count, 3);
    ck_assert_str_eq(config->sites[0].routes[0].prefix, "/echo/");
    ck_assert_str_eq(config->access_log.path, in_folder("access.log"));
    config_free(config);
}
END_TEST

// --- reload, schema, manual ---

START_TEST(a_reload_warns_of_what_only_a_restart_changes) {
    struct config *old = parse(minimal);
    char text[400];
    snprintf(text, sizeof(text), "%sdrain: 1s\n", minimal);
    struct config *reloadable = parse(text);
    snprintf(text, sizeof(text), "%sworkers: 2\nuser: me\n", minimal);
    struct config *fixed = parse(text);
    struct problems problems = {0};
    ck_assert(config_reload_allowed(old, old, &problems));
    ck_assert(config_reload_allowed(old, reloadable, &problems));
    ck_assert_uint_eq(problems.count, 0);
    ck_assert(!config_reload_allowed(old, fixed, &problems));
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_uint_eq(problems.errors, 0);
    ck_assert_ptr_nonnull(strstr(problems.items[0].text, "workers: the change takes effect at"));
    ck_assert_ptr_nonnull(strstr(problems.items[1].text, "user: "));
    problems_free(&problems);
    config_free(old);
    config_free(reloadable);
    config_free(fixed);
}
END_TEST

static char *printed(void (*print)(FILE *)) {
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *file = open_memstream(&text, &size_bytes);
    print(file);
    fclose(file);
    return text;
}

START_TEST(schema_and_manual_name_every_option) {
    char *schema = printed(config_schema_print), *manual = printed(config_reference_print);
    for (size_t i = 0; i < option_count; i++) {
        char line[100];
        snprintf(line, sizeof(line), "\"%s\": {", option_table[i].key);
        ck_assert_msg(strstr(schema, line) != NULL, "%s", line);
        snprintf(line, sizeof(line), "*%s*\n\t", option_table[i].key);
        ck_assert_msg(strstr(manual, line) != NULL, "%s", line);
    }
    free(schema);
    free(manual);
}
END_TEST

// Mistakes that come of an example standing alone.
static bool is_expected(const struct problem *problem) {
    static const char *const texts[] = {"cannot read ",      "there is no \"app\"",
                                        "no certificate,",   "the key \"sites\" is missing",
                                        "no route uses the", "key: 1 for 0",
                                        "needs \"acme\""};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strstr(problem->text, texts[i]))
            return true;
    return problem->kind == PROBLEM_NOTE;
}

// What the manual shows must be what the reader accepts: each example is read where it belongs.
START_TEST(the_examples_of_the_options_are_accepted) {
#define IN_SITE(key) "sites: {b.example: {routes: {/: {respond: x}}, " key ": {", "}}}"
    static const struct {
        enum option_section section;
        const char *before, *after;
    } frames[] = {
        {SECTION_TOP, "", ""},
        {SECTION_LOG, "log: {", "}"},
        {SECTION_TIMEOUTS, "timeouts: {", "}"},
        {SECTION_TLS, "tls: {", "}"},
        {SECTION_SITE_TLS, IN_SITE("tls")},
        {SECTION_SITE_TIMEOUTS, IN_SITE("timeouts")},
        {SECTION_HSTS, IN_SITE("hsts")},
        {SECTION_HEADERS, IN_SITE("request_headers")},
        {SECTION_UPSTREAM_TIMEOUTS, "upstreams: {b: {servers: [\"b:80\"], timeouts: {", "}}}"},
        {SECTION_ACME_CLOUDFLARE, "acme: {agree_tos: true, cloudflare: {", "}}"},
    };
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        const struct option *row = option_first(frames[i].section);
        for (; row; row = option_next(row)) {
            char text[600];
            snprintf(text, sizeof(text), "%s%s: %s%s\n", frames[i].before, row->key, row->example,
                     frames[i].after);
            struct problems problems = {0};
            config_free(config_parse(text, strlen(text), "t.yaml", "/", &problems));
            for (size_t j = 0; j < problems.count; j++)
                ck_assert_msg(is_expected(&problems.items[j]), "%s: %s", text,
                              problems.items[j].text);
            problems_free(&problems);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("values");
    tcase_add_test(tcase, defaults_are_those_of_the_manual);
    tcase_add_test(tcase, values_are_kept_as_written);
    tcase_add_test(tcase, a_port_alone_listens_on_both_families);
    tcase_add_test(tcase, limits_are_those_of_lets_encrypt);
    tcase_add_test(tcase, without_listen_80_redirects_and_443_serves);
    tcase_add_test(tcase, hosts_are_in_the_form_requests_are_compared_with);
    tcase_add_test(tcase, routes_come_longest_prefix_first);
    tcase_add_test(tcase, ipv4_blocks_are_kept_as_mapped_ipv6);
    tcase_add_test(tcase, aliases_of_yaml_are_expanded);
    tcase_add_test(tcase, a_reload_warns_of_what_only_a_restart_changes);
    tcase_add_test(tcase, schema_and_manual_name_every_option);
    tcase_add_test(tcase, the_examples_of_the_options_are_accepted);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_test(tcase, certificates_are_found_beside_the_file);
    tcase_add_test(tcase, an_empty_folder_is_warned_about);
    tcase_add_test(tcase, a_file_that_cannot_be_read_is_an_error);
    tcase_add_loop_test(tcase, the_examples_are_read, 0, 4);
    tcase_add_test(tcase, the_local_example_works_with_a_certificate_beside_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
