// SPDX-License-Identifier: Apache-2.0
//
// Prose around the table: a page has its fixed parts here and one entry for each row. Texts of the
// table may hold any character, so those that mean something to scdoc are escaped.
#include "core/config_reference.h"

#include <ctype.h>
#include <string.h>

#include "core/option.h"

static void section_print(FILE *out, enum option_section section);
static void option_print(FILE *out, const struct option *option);
static void text_print(FILE *out, const char *text);
static void fixed_print(FILE *out);

static const char head[] =
    "ringway.yaml(5)\n"
    "\n"
    "# NAME\n"
    "\n"
    "ringway.yaml - configuration of the WebSocket gateway ringway\n"
    "\n"
    "# DESCRIPTION\n"
    "\n"
    "One YAML file says where *ringway*(1) listens, which sites it serves, and to which servers it "
    "sends what. The smallest one has five lines:\n"
    "\n"
    "```\n"
    "certificates: [/etc/ringway/certs/]\n"
    "sites:\n"
    "  www.example.com: {routes: {/: {upstream: app}}}\n"
    "upstreams:\n"
    "  app: {servers: [\"127.0.0.1:3000\"]}\n"
    "```\n"
    "\n"
    "*ringway check* tells every mistake in it, with line and column. *ringway schema* prints a "
    "JSON Schema of it for editors. Relative file names start at the folder of the file. Anchors "
    "and aliases work; merge keys, tags and several documents in one file are refused, and so are "
    "duplicate keys.\n"
    "\n"
    "# OPTIONS\n"
    "\n"
    "Each option stands under the path of the map it belongs into; HOST, PREFIX and NAME stand for "
    "keys of your choice.\n";

static const char tail[] =
    "\n"
    "# UNITS\n"
    "\n"
    "*Durations* have a unit: _ms_, _s_, _m_ (minutes), _h_ or _d_ (days), as in 250ms, 5s, 10m, "
    "1h, 180d. Only 0 may stand alone.\n"
    "\n"
    "*Sizes* are bytes, or have a unit: _K_, _M_ or _G_ (1024, 1024 times 1024, ...), as in 32K, "
    "200M, 1G.\n"
    "\n"
    "*unlimited*, where it is allowed, means that there is no limit.\n"
    "\n"
    "# EXAMPLES\n"
    "\n"
    "Two applications on one host, the second under a prefix that it does not see, and a redirect "
    "from an old place:\n"
    "\n"
    "```\n"
    "sites:\n"
    "  www.example.com:\n"
    "    aliases: [example.com, \"*.example.com\"]\n"
    "    tls: {certificate: cert.pem, key: key.pem}\n"
    "    routes:\n"
    "      /: {upstream: pages}\n"
    "      /chat/: {upstream: chat, strip_prefix: true}\n"
    "      /old/: {redirect: \"https://${host}/new${path}${query}\"}\n"
    "      /ping: {respond: \"pong\\\\n\"}\n"
    "upstreams:\n"
    "  pages: {servers: [\"127.0.0.1:3000\"]}\n"
    "  chat: {servers: [\"10.0.0.1:7000\", \"10.0.0.2:7000\"], retries: 1}\n"
    "```\n"
    "\n"
    "Own ports, certificate and key in one file, an access log in JSON:\n"
    "\n"
    "```\n"
    "listen:\n"
    "  - {address: \"127.0.0.1:8443\", tls: true}\n"
    "access_log: {target: access.log, format: json}\n"
    "sites:\n"
    "  localhost:\n"
    "    tls: {certificate: both.pem}\n"
    "    routes: {/: {upstream: app}}\n"
    "upstreams:\n"
    "  app: {servers: [\"127.0.0.1:3000\"]}\n"
    "```\n"
    "\n"
    "# SEE ALSO\n"
    "\n"
    "*ringway*(1)\n";

void config_reference_print(FILE *out) {
    fputs(head, out);
    for (enum option_section section = SECTION_TOP; section < SECTION_COUNT; section++)
        section_print(out, section);
    fixed_print(out);
    fputs(tail, out);
}

static void section_print(FILE *out, enum option_section section) {
    const struct option *parent = option_parent(section);
    fputs("\n## ", out);
    fputs(parent ? option_section_path(section) : "Top level", out); // no markup in headings
    fputs("\n\n", out);
    if (parent) {
        text_print(out, parent->help);
        if (option_section_is_later(section))
            fputs(" Accepted, not active yet.", out);
        fputs("\n\n", out);
    }
    for (const struct option *row = option_first(section); row; row = option_next(row))
        option_print(out, row);
}

static void option_print(FILE *out, const struct option *option) {
    fputc('*', out);
    text_print(out, option->key);
    fputs("*\n\t", out);
    text_print(out, option->help);
    if (option->need == OPTION_REQUIRED)
        fputs(" Required.", out);
    if (option->need == OPTION_CHOICE)
        fputs(" One of the actions of a route, of which it has exactly one.", out);
    if (option->status == OPTION_LATER)
        fputs(" Accepted, not active yet.", out);
    if (option->reload == OPTION_FIXED)
        fputs(" A change takes effect at a restart, not at a reload.", out);
    fputs("\n\n\tValue: ", out);
    text_print(out, option_expected(option).text);
    if (option_has_child(option)) {
        fputs(", see *", out);
        text_print(out, option_section_path(option->child));
        fputs("*", out);
    }
    if (option->fallback) {
        fputs(". Default: ", out);
        text_print(out, option->fallback);
    }
    fputs(".\n\n\tExample: ", out);
    text_print(out, option->key);
    fputs(": ", out);
    text_print(out, option->example);
    fputs("\n\n", out);
}

// Between letters '_' is no markup (scdoc(5)), and stays as it is: escapes clutter the source.
static void text_print(FILE *out, const char *text) {
    for (const char *c = text; *c; c++) {
        bool inside_word =
            *c == '_' && c > text && isalnum((unsigned char)c[-1]) && isalnum((unsigned char)c[1]);
        if (strchr("\\*_`+[]<>~", *c) && !inside_word)
            fputc('\\', out);
        fputc(*c, out);
    }
}

static void fixed_print(FILE *out) {
    const char *between = "";
    fputs("\n# RELOADING\n\nOn SIGHUP and *ringway reload* the file is read again and put into "
          "effect as a whole; if it has a mistake, nothing changes. Open connections keep going. "
          "All options can be changed in this way but ",
          out);
    for (const struct option *row = option_first(SECTION_TOP); row; row = option_next(row)) {
        if (row->reload != OPTION_FIXED)
            continue;
        fprintf(out, "%s*%s*", between, row->key);
        between = ", ";
    }
    fputs(", which take effect at the next start.\n", out);
}
