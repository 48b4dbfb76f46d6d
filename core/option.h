// SPDX-License-Identifier: Apache-2.0
//
// The option table: the only place an option exists. The reader of the configuration, the messages
// about mistakes in it, the JSON Schema and ringway.yaml(5) are all made from its rows.
//
// To add an option, add a row (option_table.c) and, unless it is a single value, the function that
// reads it (config_entry.c). To remove one, remove its row.
#ifndef RINGWAY_CORE_OPTION_H
#define RINGWAY_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config_nearest.h"
#include "core/config_value.h"
#include "core/str.h"

struct config_reader;
struct yaml_node;

// A map with a fixed set of keys. In the order of the reference.
enum option_section {
    SECTION_TOP,
    SECTION_LISTEN,
    SECTION_LOG,
    SECTION_ACCESS_LOG,
    SECTION_TIMEOUTS,
    SECTION_TLS,
    SECTION_SITE,
    SECTION_SITE_TLS,
    SECTION_SITE_TIMEOUTS,
    SECTION_ROUTE,
    SECTION_HSTS,
    SECTION_REAL_IP,
    SECTION_RATE_LIMIT,
    SECTION_HEADERS,
    SECTION_UPSTREAM,
    SECTION_UPSTREAM_TIMEOUTS,
    SECTION_HEALTH,
    SECTION_ACME,
    SECTION_ACME_CLOUDFLARE,
    SECTION_ACME_RFC2136,
    SECTION_ACME_DNS,
    SECTION_ACME_EAB,
    SECTION_ACME_FALLBACK,
    SECTION_ADMIN,
    SECTION_COUNT,
};

// How the values of an option are arranged.
enum option_shape {
    SHAPE_ONE,          // one value
    SHAPE_LIST,         // a list of values
    SHAPE_ONE_OR_LIST,  // either
    SHAPE_TEXT_MAP,     // field name → value
    SHAPE_SECTION,      // a map with the keys of `child`
    SHAPE_SECTION_LIST, // a list of such maps
    SHAPE_SECTION_MAP,  // name → such a map; `type` is that of the names
};

// What one value is.
enum option_type {
    OPTION_BOOL,
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_DURATION_MS, // stored in milliseconds
    OPTION_DURATION_S,  // stored in seconds
    OPTION_RATE,
    OPTION_ENUM,
    OPTION_TEXT, // one line
    OPTION_BODY, // any text
    OPTION_NAME, // of an upstream
    OPTION_HOST,
    OPTION_PREFIX,
    OPTION_PATH,
    OPTION_FILE, // a path to what must be readable
    OPTION_CIDR,
    OPTION_LISTEN,
    OPTION_SERVER,
    OPTION_TEMPLATE,
    OPTION_REDIRECT,
    OPTION_LOG_TARGET,
    OPTION_FIELD_NAME, // of an HTTP field
    OPTION_EMAIL,
    OPTION_DIRECTORY, // of an ACME server
    OPTION_HTTPS_URL,
    OPTION_TYPE_COUNT,
};

enum option_need {
    OPTION_OPTIONAL,
    OPTION_REQUIRED,
    OPTION_CHOICE, // exactly one of the section's choices
};

// A "later" option is read and checked like any other, and a note says that nothing acts on it yet.
enum option_status { OPTION_ACTIVE, OPTION_LATER };

enum option_reload { OPTION_RELOADABLE, OPTION_FIXED };

// Where a value goes in the struct its section is read into. Size 0: it is checked, not kept, or
// `read` keeps it.
struct option_field {
    size_t offset, size_bytes;
};

struct option;

// Reads what is no single value into `base`, the struct of the option's section.
typedef void option_read_fn(struct config_reader *reader, const struct option *option,
                            const struct yaml_node *value, void *base);

struct option {
    enum option_section section;
    const char *key;
    enum option_shape shape;
    enum option_type type;
    enum option_section child; // of the shapes with sections
    enum option_need need;
    enum option_status status;
    enum option_reload reload;
    uint64_t min, max;    // of numbers, bytes, milliseconds, events; `min` 1: no empty list or map
    const char *word;     // "auto" or "unlimited", allowed instead of a number
    const char *values;   // words of an enum ("text|json", in its order), variables of a template
    const char *fallback; // the default, as it would be written; NULL: none
    const char *example;  // as it would be written
    const char *help;     // sentences
    struct option_field field;
    size_t count_offset; // of a list kept through `field`
    option_read_fn *read;
};

extern const struct option option_table[];
extern const size_t option_count;

// The row of a key, or NULL.
const struct option *option_find(enum option_section section, struct str key);

// Iterates over a section: the first row, and the row after `option`; NULL at the end.
const struct option *option_first(enum option_section section);
const struct option *option_next(const struct option *option);

// Whether the value is made of maps with the keys of `child`.
bool option_has_child(const struct option *option);

// The row that leads to a section, NULL for the top. A section with several (the header rules)
// gives the first.
const struct option *option_parent(enum option_section section);

// Whether the section, or one around it, is not active yet.
bool option_section_is_later(enum option_section section);

// Where the section stands, as in "sites.HOST.tls"; "" for the top.
const char *option_section_path(enum option_section section);

// What the option may be, as in "a list, each entry a host name": its arrangement and one value.
struct phrase option_expected(const struct option *option);

// What one value may be, as in "a whole number from 1 to 1024, or auto".
struct phrase option_value_expected(const struct option *option);

// Of one value's type: the regular expression of its text for the JSON Schema, NULL if any text
// will do, and the bytes it takes in a list.
const char *option_type_pattern(enum option_type type);
size_t option_type_size_bytes(enum option_type type);

#endif
