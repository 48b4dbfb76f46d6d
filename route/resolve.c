// SPDX-License-Identifier: Apache-2.0
//
// Upstream names → addresses; see the header. Hosts are sorted, so finding one is a binary search.
#include "route/resolve.h"

#include "core/address.h"
#include "core/clock.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdlib.h>

// Each name server is asked so often and waited for so long, unless resolv.conf(5) says less.
#define LOOKUP_TRIES 2
#define LOOKUP_TIMEOUT_S 3
// Once names have kept a configuration waiting for so long, the others are left to the resolver's
// thread: with dead name servers each would take as long.
#define LOOKUPS_MS 5000

static const struct log_context looking_up = {
    .worker = LOG_NO_WORKER,
    .phase = "looking up the names of upstream servers",
};

struct resolve_table {
    atomic_uint references;
    size_t count;
    struct resolve_answer answers[]; // sorted by host
};

enum lookup { LOOKUP_NOW, LOOKUP_LATER };

static size_t addresses_collect(const struct addrinfo *list, struct sockaddr_storage *out);
static int lookup_error(int gai_error, int system_error);

int resolve_host(const char *host, struct sockaddr_storage out[RESOLVE_ADDRESSES_MAX]) {
    if (address_parse(str_from(host), &out[0]) != 0)
        return 1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(host, NULL, &hints, &list);
    if (error != 0)
        return lookup_error(error, errno);
    size_t count = addresses_collect(list, out);
    freeaddrinfo(list);
    return count > 0 ? (int)count : -ENOENT;
}

static int storage_compare(const void *a, const void *b) {
    return address_compare(a, b);
}

// Copies at most RESOLVE_ADDRESSES_MAX of them, sorted and each once.
static size_t addresses_collect(const struct addrinfo *list, struct sockaddr_storage *out) {
    size_t found = 0;
    for (const struct addrinfo *at = list; at && found < RESOLVE_ADDRESSES_MAX; at = at->ai_next) {
        socklen_t size_bytes = address_size(at->ai_addr);
        if (size_bytes == 0)
            continue;
        out[found] = (struct sockaddr_storage){0};
        memcpy(&out[found++], at->ai_addr, size_bytes);
    }
    qsort(out, found, sizeof(*out), storage_compare);
    size_t kept = 0;
    for (size_t i = 0; i < found; i++) {
        if (kept == 0 || storage_compare(&out[kept - 1], &out[i]) != 0)
            out[kept++] = out[i];
    }
    return kept;
}

static int lookup_error(int gai_error, int system_error) {
    switch (gai_error) {
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return system_error ? -system_error : -EIO;
    case EAI_NONAME:
    case EAI_NODATA:
        return -ENOENT;
    default:
        return -EIO;
    }
}

static struct resolve_table *table_allocate(size_t count);
static void lookup_prepare(void);
static bool answer_make(struct resolve_answer *answer, const char *host,
                        const struct resolve_answer *previous, enum lookup lookup);
static bool answer_copy(struct resolve_answer *answer, const struct resolve_answer *from);
static const char **hosts_collect(const struct config *config, size_t *count);

struct resolve_table *resolve_table_make(const struct config *config,
                                         const struct resolve_table *previous) {
    size_t count;
    const char **hosts = hosts_collect(config, &count);
    struct resolve_table *table = hosts ? table_allocate(count) : NULL;
    uint64_t until_ms = clock_monotonic_ms() + LOOKUPS_MS;
    lookup_prepare();
    for (size_t i = 0; table && i < count; i++) {
        const struct resolve_answer *known =
            previous ? resolve_table_find(previous, hosts[i]) : NULL;
        bool good = known && known->error == 0;
        enum lookup lookup = clock_monotonic_ms() < until_ms ? LOOKUP_NOW : LOOKUP_LATER;
        if (good ? !answer_copy(&table->answers[i], known)
                 : !answer_make(&table->answers[i], hosts[i], known, lookup)) {
            resolve_table_drop(table);
            table = NULL;
        }
    }
    free(hosts);
    return table;
}

struct resolve_table *resolve_table_refresh(const struct resolve_table *previous) {
    struct resolve_table *table = table_allocate(previous->count);
    lookup_prepare();
    for (size_t i = 0; table && i < previous->count; i++) {
        const struct resolve_answer *known = &previous->answers[i];
        if (!answer_make(&table->answers[i], known->host, known, LOOKUP_NOW)) {
            resolve_table_drop(table);
            return NULL;
        }
    }
    return table;
}

static struct resolve_table *table_allocate(size_t count) {
    struct resolve_table *table = calloc(1, sizeof(*table) + count * sizeof(table->answers[0]));
    if (table) {
        table->references = 1;
        table->count = count;
    }
    return table;
}

// Reads resolv.conf(5) again and bounds what a dead name server costs. Both belong to the calling
// thread alone; glibc stops reading the file by itself once its values have been changed.
static void lookup_prepare(void) {
    if (res_init() != 0)
        return;
    if (_res.retrans > LOOKUP_TIMEOUT_S)
        _res.retrans = LOOKUP_TIMEOUT_S;
    if (_res.retry > LOOKUP_TRIES)
        _res.retry = LOOKUP_TRIES;
}

static int text_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The hosts of all servers, sorted and each once; the array is the caller's to free.
static const char **hosts_collect(const struct config *config, size_t *count) {
    size_t found = 0, kept = 0;
    for (size_t i = 0; i < config->upstream_count; i++)
        found += config->upstreams[i].server_count;
    const char **hosts = calloc(found + 1, sizeof(*hosts));
    if (!hosts)
        return NULL;
    found = 0;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct conf_upstream *upstream = &config->upstreams[i];
        for (size_t j = 0; j < upstream->server_count; j++)
            hosts[found++] = upstream->servers[j].host;
    }
    qsort(hosts, found, sizeof(*hosts), text_compare);
    for (size_t i = 0; i < found; i++) {
        if (kept == 0 || strcmp(hosts[kept - 1], hosts[i]) != 0)
            hosts[kept++] = hosts[i];
    }
    *count = kept;
    return hosts;
}

static bool answer_set(struct resolve_answer *answer, const char *host,
                       const struct sockaddr_storage *addresses, size_t count, int error);
static void answer_say(const struct resolve_answer *answer, const struct resolve_answer *previous);

// Looks one host up; when that fails, `previous` stands in. False when memory is short.
static bool answer_make(struct resolve_answer *answer, const char *host,
                        const struct resolve_answer *previous, enum lookup lookup) {
    struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
    bool asks = address_parse(str_from(host), &found[0]) == 0; // a literal costs nothing
    int result = asks && lookup == LOOKUP_LATER ? -ETIMEDOUT : resolve_host(host, found);
    bool made;
    if (result > 0)
        made = answer_set(answer, host, found, (size_t)result, 0);
    else if (previous)
        made = answer_set(answer, host, previous->addresses, previous->address_count, result);
    else
        made = answer_set(answer, host, NULL, 0, result);
    if (made)
        answer_say(answer, previous);
    return made;
}

static bool answer_copy(struct resolve_answer *answer, const struct resolve_answer *from) {
    return answer_set(answer, from->host, from->addresses, from->address_count, from->error);
}

static bool answer_set(struct resolve_answer *answer, const char *host,
                       const struct sockaddr_storage *addresses, size_t count, int error) {
    answer->host = strdup(host);
    answer->addresses = calloc(count + 1, sizeof(*addresses));
    if (!answer->host || !answer->addresses)
        return false;
    if (count > 0)
        memcpy(answer->addresses, addresses, count * sizeof(*addresses));
    answer->address_count = count;
    answer->error = error;
    return true;
}

static void answer_say(const struct resolve_answer *answer, const struct resolve_answer *previous) {
    bool failed_before = previous && previous->error != 0;
    bool fails = answer->error != 0;
    if (fails && !failed_before && answer->address_count > 0)
        log_line(LOG_WARN, &looking_up, "%s: %s; its %zu known addresses stay in use", answer->host,
                 resolve_error_text(answer->error), answer->address_count);
    else if (fails && !failed_before)
        log_line(LOG_WARN, &looking_up, "%s: %s; it cannot be used yet", answer->host,
                 resolve_error_text(answer->error));
    else if (!fails && failed_before)
        log_line(LOG_INFO, &looking_up, "%s: found again, %zu addresses", answer->host,
                 answer->address_count);
}

const char *resolve_error_text(int error) {
    switch (error) {
    case -ENOENT:
        return "no such name";
    case -EAGAIN:
        return "the name servers do not answer";
    case -ETIMEDOUT:
        return "not looked up yet, because other names took too long";
    default:
        return strerror(-error);
    }
}

static int answer_compare(const void *host, const void *answer) {
    return strcmp(host, ((const struct resolve_answer *)answer)->host);
}

const struct resolve_answer *resolve_table_find(const struct resolve_table *table,
                                                const char *host) {
    return bsearch(host, table->answers, table->count, sizeof(table->answers[0]), answer_compare);
}

bool resolve_table_covers(const struct resolve_table *table, const struct config *config) {
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct conf_upstream *upstream = &config->upstreams[i];
        for (size_t j = 0; j < upstream->server_count; j++) {
            if (!resolve_table_find(table, upstream->servers[j].host))
                return false;
        }
    }
    return true;
}

static bool answer_equal(const struct resolve_answer *a, const struct resolve_answer *b);

bool resolve_table_equal(const struct resolve_table *a, const struct resolve_table *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!answer_equal(&a->answers[i], &b->answers[i]))
            return false;
    }
    return true;
}

static bool answer_equal(const struct resolve_answer *a, const struct resolve_answer *b) {
    if (strcmp(a->host, b->host) != 0 || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++) {
        if (storage_compare(&a->addresses[i], &b->addresses[i]) != 0)
            return false;
    }
    return true;
}

bool resolve_table_fails(const struct resolve_table *table) {
    for (size_t i = 0; i < table->count; i++) {
        if (table->answers[i].error != 0)
            return true;
    }
    return false;
}

bool resolve_table_has_names(const struct resolve_table *table) {
    struct sockaddr_storage literal;
    for (size_t i = 0; i < table->count; i++) {
        if (address_parse(str_from(table->answers[i].host), &literal) == 0)
            return true;
    }
    return false;
}

struct resolve_table *resolve_table_hold(struct resolve_table *table) {
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
    return table;
}

void resolve_table_drop(struct resolve_table *table) {
    if (!table || atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < table->count; i++) {
        free(table->answers[i].host);
        free(table->answers[i].addresses);
    }
    free(table);
}
