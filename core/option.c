// SPDX-License-Identifier: Apache-2.0
//
// Looking things up in the option table, and saying in words what a row allows.
#include "core/option.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/config.h"
#include "core/config_quantity.h"
#include "core/config_read.h"

static const char *const section_paths[SECTION_COUNT] = {
    [SECTION_TOP] = "",
    [SECTION_LISTEN] = "listen[]",
    [SECTION_LOG] = "log",
    [SECTION_ACCESS_LOG] = "access_log",
    [SECTION_TIMEOUTS] = "timeouts",
    [SECTION_TLS] = "tls",
    [SECTION_SITE] = "sites.HOST",
    [SECTION_SITE_TLS] = "sites.HOST.tls",
    [SECTION_SITE_TIMEOUTS] = "sites.HOST.timeouts",
    [SECTION_ROUTE] = "sites.HOST.routes.PREFIX",
    [SECTION_HSTS] = "sites.HOST.hsts",
    [SECTION_REAL_IP] = "sites.HOST.real_ip",
    [SECTION_RATE_LIMIT] = "sites.HOST.rate_limit",
    [SECTION_HEADERS] = "sites.HOST.request_headers",
    [SECTION_UPSTREAM] = "upstreams.NAME",
    [SECTION_UPSTREAM_TIMEOUTS] = "upstreams.NAME.timeouts",
    [SECTION_HEALTH] = "upstreams.NAME.health",
    [SECTION_ACME] = "acme",
    [SECTION_ACME_CLOUDFLARE] = "acme.cloudflare",
    [SECTION_ACME_RFC2136] = "acme.rfc2136",
    [SECTION_ACME_DNS] = "acme.dns",
    [SECTION_ACME_EAB] = "acme.eab",
    [SECTION_ACME_FALLBACK] = "acme.fallback",
    [SECTION_ADMIN] = "admin",
};

// The words for one value of the types whose rows add nothing to it, what its text looks like, and
// what it takes in memory. Patterns are ECMA-262's, as JSON Schema has them; they let through what
// only a program can tell (the reader is stricter).
static const struct {
    const char *expected, *pattern;
    size_t size_bytes;
} types[OPTION_TYPE_COUNT] = {
    [OPTION_BOOL] = {"true or false", NULL, sizeof(bool)},
    [OPTION_NUMBER] = {"a whole number", NULL, sizeof(uint64_t)},
    [OPTION_SIZE] = {"a size", "^[0-9]+[KMG]?$", sizeof(uint64_t)},
    [OPTION_DURATION_MS] = {"a duration", "^(0|[0-9]+(ms|s|m|h|d))$", sizeof(uint64_t)},
    [OPTION_DURATION_S] = {"a duration", "^(0|[0-9]+(ms|s|m|h|d))$", sizeof(uint64_t)},
    [OPTION_RATE] = {"a rate", "^[0-9]+/[smh]$", sizeof(uint64_t)},
    [OPTION_ENUM] = {"one of", NULL, sizeof(int)},
    [OPTION_TEXT] = {"a text of one line", "^[^\\u0000-\\u001f\\u007f]+$", sizeof(char *)},
    [OPTION_BODY] = {"a text", NULL, sizeof(char *)},
    [OPTION_NAME] = {"a name of letters, digits, '-', '_' and '.'",
                     "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", sizeof(char *)},
    [OPTION_HOST] = {"a host name, \"*.suffix\", \"*\", or an IP address (IPv6 in brackets)",
                     "^(\\*|(\\*\\.)?[A-Za-z0-9_.-]+|\\[[0-9A-Fa-f:.]+\\])$", sizeof(char *)},
    [OPTION_PREFIX] = {"a path that starts with '/'", "^/[^?#]*$", sizeof(char *)},
    [OPTION_PATH] = {"a file name; a relative one starts at the folder of the configuration file",
                     "^[^\\u0000-\\u001f\\u007f]+$", sizeof(char *)},
    [OPTION_FILE] = {"a file name; a relative one starts at the folder of the configuration file",
                     "^[^\\u0000-\\u001f\\u007f]+$", sizeof(struct conf_file)},
    [OPTION_CIDR] = {"an address block such as 10.0.0.0/8 or one address",
                     "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", sizeof(struct conf_cidr)},
    [OPTION_LISTEN] = {"an IP address and port as in \"192.0.2.1:443\", or \":443\" for all "
                       "addresses",
                       "^([0-9.]*|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$", sizeof(char *)},
    [OPTION_SERVER] = {"\"host:port\" or \"[IPv6]:port\"",
                       "^([A-Za-z0-9_.-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$",
                       sizeof(struct conf_server)},
    [OPTION_TEMPLATE] = {"a text of one line", "^[^\\u0000-\\u001f\\u007f]*$", sizeof(char *)},
    [OPTION_REDIRECT] = {"a URL or a path", "^(https?://|\\$\\{scheme\\}://|/)[!-~]*$",
                         sizeof(char *)},
    [OPTION_LOG_TARGET] = {"stderr, stdout, none, a file name with a '/' or '.' in it, or "
                           "\"syslog:HOST:PORT\"",
                           "^(stderr|stdout|none|syslog:.+:[0-9]{1,5}|.*[/.].*)$",
                           sizeof(struct conf_log)},
    [OPTION_FIELD_NAME] = {"the name of an HTTP field", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
                           sizeof(char *)},
    [OPTION_EMAIL] = {"an e-mail address", "^[^@ ]+@[^@ ]+$", sizeof(char *)},
    [OPTION_DIRECTORY] = {"letsencrypt, letsencrypt-staging, or an https:// URL",
                          "^(letsencrypt|letsencrypt-staging|https://.+)$", sizeof(char *)},
    [OPTION_HTTPS_URL] = {"an https:// URL", "^https://.+$", sizeof(char *)},
};

static struct phrase range_expected(const struct option *option);

const struct option *option_find(enum option_section section, struct str key) {
    for (const struct option *row = option_first(section); row; row = option_next(row))
        if (str_eq(key, str_from(row->key)))
            return row;
    return NULL;
}

static const struct option *row_from(const struct option *row, enum option_section section) {
    for (; row < option_table + option_count; row++)
        if (row->section == section)
            return row;
    return NULL;
}

const struct option *option_first(enum option_section section) {
    return row_from(option_table, section);
}

const struct option *option_next(const struct option *option) {
    return row_from(option + 1, option->section);
}

bool option_has_child(const struct option *option) {
    return option->shape == SHAPE_SECTION || option->shape == SHAPE_SECTION_LIST ||
           option->shape == SHAPE_SECTION_MAP;
}

const struct option *option_parent(enum option_section section) {
    for (const struct option *row = option_table; row < option_table + option_count; row++)
        if (option_has_child(row) && row->child == section)
            return row;
    return NULL;
}

bool option_section_is_later(enum option_section section) {
    const struct option *parent = option_parent(section);
    return parent && (parent->status == OPTION_LATER || option_section_is_later(parent->section));
}

const char *option_section_path(enum option_section section) {
    assert(section < SECTION_COUNT);
    return section_paths[section];
}

struct phrase option_expected(const struct option *option) {
    struct phrase one = option_value_expected(option), phrase = one;
    switch (option->shape) {
    case SHAPE_ONE:
        break;
    case SHAPE_LIST:
        snprintf(phrase.text, sizeof(phrase.text), "a list, each entry %.200s", one.text);
        break;
    case SHAPE_ONE_OR_LIST:
        snprintf(phrase.text, sizeof(phrase.text), "%.200s; or a list of them", one.text);
        break;
    case SHAPE_TEXT_MAP:
        snprintf(phrase.text, sizeof(phrase.text), "a map of field names, each with %.190s",
                 one.text);
        break;
    case SHAPE_SECTION:
        return (struct phrase){"a map"};
    case SHAPE_SECTION_LIST:
        return (struct phrase){"a list of maps"};
    case SHAPE_SECTION_MAP:
        snprintf(phrase.text, sizeof(phrase.text), "a map, each key %.200s", one.text);
        break;
    }
    return phrase;
}

struct phrase option_value_expected(const struct option *option) {
    struct phrase phrase = {0};
    struct str rest, word;
    size_t used;
    switch (option->type) {
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_RATE:
    case OPTION_DURATION_MS:
    case OPTION_DURATION_S:
        return range_expected(option);
    case OPTION_ENUM:
        used = (size_t)snprintf(phrase.text, sizeof(phrase.text), "one of");
        rest = str_from(option->values);
        for (const char *between = " "; value_word_next(&rest, &word); between = ", ")
            used += (size_t)snprintf(phrase.text + used, sizeof(phrase.text) - used, "%s%.*s",
                                     between, STR_ARG(word));
        return phrase;
    default:
        snprintf(phrase.text, sizeof(phrase.text), "%s", types[option->type].expected);
        return phrase;
    }
}

static struct phrase quantity_text(enum option_type type, uint64_t value) {
    if (type == OPTION_SIZE)
        return quantity_size_text(value);
    if (type == OPTION_DURATION_MS || type == OPTION_DURATION_S)
        return quantity_duration_text(value);
    struct phrase phrase;
    snprintf(phrase.text, sizeof(phrase.text), "%" PRIu64 "%s", value,
             type == OPTION_RATE ? "/s" : "");
    return phrase;
}

static struct phrase range_expected(const struct option *option) {
    struct phrase min = quantity_text(option->type, option->min);
    struct phrase max = quantity_text(option->type, option->max);
    struct phrase phrase;
    snprintf(phrase.text, sizeof(phrase.text), "%s from %.32s to %.32s%s%s",
             types[option->type].expected, min.text, max.text, option->word ? ", or " : "",
             option->word ? option->word : "");
    return phrase;
}

const char *option_type_pattern(enum option_type type) {
    return types[type].pattern;
}

size_t option_type_size_bytes(enum option_type type) {
    return types[type].size_bytes;
}
