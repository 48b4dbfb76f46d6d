// SPDX-License-Identifier: Apache-2.0
//
// Host → site; see the header. One hash of names and wildcards as written: "*.a.example" cannot be
// confused with a name, because a host that is looked up may not hold '*'.
#include "route/site.h"

#include "core/address.h"

#include <stdlib.h>

// Without memory uthash would end the process; this leaves the entry out of any table.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define HOST_MAX 255 // longer than any name (RFC 1035 §2.3.4)

struct site_entry {
    struct str host; // the key, borrowed from the configuration
    const struct conf_site *site;
    UT_hash_handle hh;
};

struct site_table {
    struct site_entry *by_host;
    struct site_entry *entries;
    size_t entry_count;
    const struct conf_site *fallback; // the host "*"
};

static bool table_add(struct site_table *table, struct str host, const struct conf_site *site);

struct site_table *site_table_build(const struct config *config) {
    size_t host_count = 0;
    for (size_t i = 0; i < config->site_count; i++)
        host_count += config->sites[i].host_count;
    struct site_table *table = calloc(1, sizeof(*table));
    if (table)
        table->entries = calloc(host_count + 1, sizeof(*table->entries));
    if (!table || !table->entries) {
        free(table);
        return NULL;
    }
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        for (size_t j = 0; j < site->host_count; j++) {
            if (!table_add(table, str_from(site->hosts[j]), site)) {
                site_table_free(table);
                return NULL;
            }
        }
    }
    return table;
}

static struct site_entry *entry_find(const struct site_table *table, struct str host);

static bool table_add(struct site_table *table, struct str host, const struct conf_site *site) {
    if (str_eq(host, STR("*"))) {
        table->fallback = table->fallback ? table->fallback : site;
        return true;
    }
    if (entry_find(table, host))
        return true;
    struct site_entry *entry = &table->entries[table->entry_count++];
    entry->host = host;
    entry->site = site;
    HASH_ADD_KEYPTR(hh, table->by_host, host.ptr, host.len, entry);
    return entry->hh.tbl != NULL;
}

static struct site_entry *entry_find(const struct site_table *table, struct str host) {
    struct site_entry *entry;
    HASH_FIND(hh, table->by_host, host.ptr, host.len, entry);
    return entry;
}

void site_table_free(struct site_table *table) {
    if (!table)
        return;
    HASH_CLEAR(hh, table->by_host);
    free(table->entries);
    free(table);
}

static struct str host_canonical(struct str host, char literal[ADDRESS_TEXT_MAX]);
static struct site_entry *wildcard_find(const struct site_table *table, struct str host);

const struct conf_site *site_find(const struct site_table *table, struct str host) {
    char literal[ADDRESS_TEXT_MAX];
    host = host_canonical(host, literal);
    if (host.len == 0 || host.len > HOST_MAX || memchr(host.ptr, '*', host.len))
        return table->fallback;
    struct site_entry *entry = entry_find(table, host);
    if (!entry && host.ptr != literal) // an address has no labels
        entry = wildcard_find(table, host);
    return entry ? entry->site : table->fallback;
}

// The form the configuration has hosts in: addresses in their shortest form and IPv6 in brackets,
// names without the final dot. An interface ('%') would cost a system call, and means nothing here.
static struct str host_canonical(struct str host, char literal[ADDRESS_TEXT_MAX]) {
    struct sockaddr_storage address;
    bool scoped = host.len > 0 && memchr(host.ptr, '%', host.len);
    if (!scoped && address_parse(host, &address) != 0)
        return (struct str){literal, address_format((struct sockaddr *)&address, literal)};
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static struct site_entry *wildcard_find(const struct site_table *table, struct str host) {
    const char *dot = memchr(host.ptr, '.', host.len);
    if (!dot || dot == host.ptr)
        return NULL;
    char pattern[1 + HOST_MAX] = "*";
    size_t parent_size = host.len - (size_t)(dot - host.ptr);
    memcpy(pattern + 1, dot, parent_size);
    return entry_find(table, (struct str){pattern, 1 + parent_size});
}
