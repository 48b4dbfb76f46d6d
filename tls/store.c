// SPDX-License-Identifier: Apache-2.0
//
// Two tables: host patterns of sites, and names of common certificates. A pick looks up at most
// three keys in each.
#include "tls/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

// A host pattern with the certificates its site brought.
struct host_row {
    struct tls_host host;
    struct tls_certificate **certificates;
    size_t certificate_count;
    UT_hash_handle hh;
};

// A name and the common certificates made out to it, at most one of each kind.
#define COMMON_KINDS 3
struct name_row {
    struct tls_certificate *certificates[COMMON_KINDS];
    size_t certificate_count;
    UT_hash_handle hh;
    char name[];
};

// Everything the store has to free.
struct owned {
    struct tls_certificate *certificate;
    struct owned *next;
};

// Where a certificate came from.
struct source_row {
    struct tls_certificate *certificate;
    UT_hash_handle hh;
    char source[];
};

struct tls_store {
    enum unknown_sni unknown_sni;
    struct host_row *hosts;
    struct host_row *default_host; // the first added
    struct name_row *names;
    struct tls_certificate *default_common; // the first added
    struct owned *owned;
    struct source_row *sources;
};

// Certificates to choose from.
struct choice {
    struct tls_certificate *const *certificates;
    size_t count;
};

// --- building ----------------------------------------------------------------------------------

// The configuration is loaded as a whole or not at all; out of memory there is nothing to save.
static void *memory(size_t n) {
    void *block = calloc(1, n);
    if (block == NULL)
        abort();
    return block;
}

struct tls_store *tls_store_new(enum unknown_sni unknown_sni) {
    struct tls_store *store = memory(sizeof *store);
    store->unknown_sni = unknown_sni;
    return store;
}

void tls_store_free(struct tls_store *store) {
    if (store == NULL)
        return;
    struct host_row *host, *next_host;
    struct name_row *name, *next_name;
    struct source_row *source, *next_source;
    HASH_ITER(hh, store->hosts, host, next_host) {
        HASH_DEL(store->hosts, host);
        free((char *)host->host.pattern);
        free(host->certificates);
        free(host);
    }
    HASH_ITER(hh, store->names, name, next_name) {
        HASH_DEL(store->names, name);
        free(name);
    }
    HASH_ITER(hh, store->sources, source, next_source) {
        HASH_DEL(store->sources, source);
        free(source);
    }
    for (struct owned *owned = store->owned, *next; owned != NULL; owned = next) {
        next = owned->next;
        tls_certificate_free(owned->certificate);
        free(owned);
    }
    free(store);
}

static struct host_row *host_find(const struct tls_store *store, const char *pattern) {
    struct host_row *row;
    HASH_FIND_STR(store->hosts, pattern, row);
    return row;
}

void tls_store_add_host(struct tls_store *store, const char *pattern, void *site,
                        enum tls_version min_version, struct tls_certificate *const *certificates,
                        size_t certificate_count) {
    if (host_find(store, pattern) != NULL)
        return;
    struct host_row *row = memory(sizeof *row);
    size_t pattern_size = strlen(pattern) + 1;
    row->host =
        (struct tls_host){memcpy(memory(pattern_size), pattern, pattern_size), site, min_version};
    row->certificates = memory((certificate_count + 1) * sizeof(*row->certificates));
    for (size_t i = 0; i < certificate_count; i++)
        row->certificates[i] = certificates[i];
    row->certificate_count = certificate_count;
    HASH_ADD_KEYPTR(hh, store->hosts, row->host.pattern, pattern_size - 1, row);
    if (store->default_host == NULL)
        store->default_host = row;
}

void tls_store_own(struct tls_store *store, struct tls_certificate *certificate) {
    struct owned *owned = memory(sizeof *owned);
    *owned = (struct owned){certificate, store->owned};
    store->owned = owned;
}

void tls_store_remember(struct tls_store *store, const char *source,
                        struct tls_certificate *certificate) {
    struct source_row *row;
    HASH_FIND_STR(store->sources, source, row);
    if (row != NULL)
        return;
    size_t size = strlen(source) + 1;
    row = memory(sizeof *row + size);
    row->certificate = certificate;
    memcpy(row->source, source, size);
    HASH_ADD_STR(store->sources, source, row);
}

struct tls_certificate *tls_store_recall(const struct tls_store *store, const char *source) {
    struct source_row *row;
    HASH_FIND_STR(store->sources, source, row);
    return row != NULL ? tls_certificate_hold(row->certificate) : NULL;
}

static struct name_row *name_find(const struct tls_store *store, const char *name) {
    struct name_row *row;
    HASH_FIND_STR(store->names, name, row);
    return row;
}

static struct name_row *name_row_get(struct tls_store *store, const char *name) {
    struct name_row *row = name_find(store, name);
    if (row != NULL)
        return row;
    size_t size = strlen(name) + 1;
    row = memory(sizeof *row + size);
    memcpy(row->name, name, size);
    HASH_ADD_STR(store->names, name, row);
    return row;
}

// Puts a certificate under a name; of two of a kind the one that lasts longer stays.
static void name_row_put(struct name_row *row, struct tls_certificate *certificate) {
    for (size_t i = 0; i < row->certificate_count; i++) {
        struct tls_certificate *other = row->certificates[i];
        if (tls_certificate_key_kind(other) != tls_certificate_key_kind(certificate))
            continue;
        if (tls_certificate_not_after(other) < tls_certificate_not_after(certificate))
            row->certificates[i] = certificate;
        return;
    }
    assert(row->certificate_count < COMMON_KINDS);
    row->certificates[row->certificate_count++] = certificate;
}

void tls_store_add_common(struct tls_store *store, struct tls_certificate *certificate) {
    tls_store_own(store, certificate);
    if (store->default_common == NULL)
        store->default_common = certificate;
    for (size_t i = 0; i < tls_certificate_name_count(certificate); i++)
        name_row_put(name_row_get(store, tls_certificate_name(certificate, i)), certificate);
}

// --- picking -----------------------------------------------------------------------------------

// "*.a.example" for "b.a.example"; false when the name has one label only.
static bool wildcard_of(const char *name, char wildcard[TLS_HOST_BYTES + 1]) {
    const char *dot = strchr(name, '.');
    if (dot == NULL || strlen(dot) >= TLS_HOST_BYTES)
        return false;
    wildcard[0] = '*';
    strcpy(wildcard + 1, dot);
    return true;
}

static const struct host_row *host_match(const struct tls_store *store, const char *name) {
    char wildcard[TLS_HOST_BYTES + 1];
    const struct host_row *row = host_find(store, name);
    if (row == NULL && wildcard_of(name, wildcard))
        row = host_find(store, wildcard);
    return row != NULL ? row : host_find(store, "*");
}

static struct choice common_match(const struct tls_store *store, const char *name) {
    char wildcard[TLS_HOST_BYTES + 1];
    const struct name_row *row = name_find(store, name);
    if (row == NULL && wildcard_of(name, wildcard))
        row = name_find(store, wildcard);
    return row == NULL ? (struct choice){0}
                       : (struct choice){row->certificates, row->certificate_count};
}

// The certificates of a host for a name (which may be its own pattern).
static struct choice host_choice(const struct tls_store *store, const struct host_row *row,
                                 const char *name) {
    if (row->certificate_count > 0)
        return (struct choice){row->certificates, row->certificate_count};
    return common_match(store, name);
}

// What is served when the name decides nothing.
static struct choice default_choice(const struct tls_store *store) {
    const struct host_row *row = store->default_host;
    struct choice choice = {0};
    if (row != NULL)
        choice = host_choice(store, row, row->host.pattern);
    if (choice.count == 0 && store->default_common != NULL)
        choice = (struct choice){&store->default_common, 1};
    return choice;
}

// Higher is better; 0: not acceptable. Covering the name counts more than the kind of key.
static unsigned certificate_rank(const struct tls_certificate *certificate,
                                 const struct tls_hello *hello, size_t count) {
    unsigned kind = tls_certificate_key_kind(certificate);
    if (!(hello->accepts & kind))
        return 0;
    unsigned rank = kind == TLS_KEY_ECDSA_P256 ? 3 : kind == TLS_KEY_ECDSA_P384 ? 2 : 1;
    bool covers = count > 1 && tls_certificate_covers(certificate, hello->server_name);
    return covers ? rank + 3 : rank;
}

static const struct tls_certificate *choice_best(struct choice choice,
                                                 const struct tls_hello *hello) {
    const struct tls_certificate *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < choice.count; i++) {
        unsigned rank = certificate_rank(choice.certificates[i], hello, choice.count);
        if (rank > best_rank)
            best = choice.certificates[i];
        if (rank > best_rank)
            best_rank = rank;
    }
    return best;
}

enum tls_pick_verdict tls_store_pick(const struct tls_store *store, const struct tls_hello *hello,
                                     struct tls_pick *pick) {
    const char *name = hello->server_name;
    const struct host_row *row = name[0] != '\0' ? host_match(store, name) : NULL;
    struct choice choice = {0};
    *pick = (struct tls_pick){0};
    if (row != NULL) {
        pick->site = row->host.site;
        choice = host_choice(store, row, name);
    }
    if (choice.count == 0 && name[0] != '\0' && store->unknown_sni == UNKNOWN_SNI_REJECT)
        return TLS_PICK_UNKNOWN_NAME;
    if (choice.count == 0)
        choice = default_choice(store);
    if (row == NULL)
        row = store->default_host;
    pick->certificate = choice_best(choice, hello);
    if (row == NULL || pick->certificate == NULL)
        return TLS_PICK_NO_CERTIFICATE;
    pick->host = &row->host;
    return TLS_PICK_FOUND;
}

// --- showing -----------------------------------------------------------------------------------

void tls_store_each(const struct tls_store *store, tls_store_visit *visit, void *context) {
    for (const struct host_row *row = store->hosts; row != NULL; row = row->hh.next) {
        struct choice choice = host_choice(store, row, row->host.pattern);
        if (choice.count == 0 && store->unknown_sni != UNKNOWN_SNI_REJECT)
            choice = default_choice(store);
        for (size_t i = 0; i < choice.count; i++)
            visit(context, &row->host, choice.certificates[i]);
    }
}
