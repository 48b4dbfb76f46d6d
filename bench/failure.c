// SPDX-License-Identifier: Apache-2.0
#include "bench/failure.h"

#include "bench/counter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

static const char *const names[FAILURE_KINDS] = {
    [FAILURE_NONE] = "none",
    [FAILURE_REFUSED] = "refused",
    [FAILURE_UNREACHABLE] = "unreachable",
    [FAILURE_RESET] = "reset",
    [FAILURE_ENDED] = "ended",
    [FAILURE_TIMEOUT] = "timeout",
    [FAILURE_TLS] = "tls",
    [FAILURE_HTTP] = "http",
    [FAILURE_UPGRADE] = "upgrade",
    [FAILURE_FRAME] = "frame",
    [FAILURE_WRONG_BYTES] = "wrong_bytes",
    [FAILURE_CLOSED] = "closed",
    [FAILURE_LOCAL] = "local",
};

const char *failure_name(enum failure_kind kind) {
    return names[kind];
}

enum failure_kind failure_of_errno(int error) {
    switch (-error) {
    case ECONNREFUSED:
        return FAILURE_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return FAILURE_RESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
        return FAILURE_UNREACHABLE;
    case ETIMEDOUT:
        return FAILURE_TIMEOUT;
    case EPROTO:
        return FAILURE_TLS;
    default:
        return FAILURE_LOCAL;
    }
}

void failure_add(struct failures *failures, enum failure_kind kind, const char *text) {
    char *first = failures->first[kind];
    if (failures->counts[kind] == 0) {
        snprintf(first, FAILURE_TEXT_MAX, "%s", text);
        for (char *c = first; *c; c++)
            *c = isprint((unsigned char)*c) ? *c : '?';
    }
    counter_add(&failures->counts[kind], 1);
}

void failure_code_add(struct failure_codes *codes, unsigned code, uint64_t count) {
    size_t i = 0;
    while (i + 1 < FAILURE_CODES_MAX && codes->items[i].count > 0 && codes->items[i].code != code)
        i++;
    if (codes->items[i].count == 0)
        codes->items[i].code = code;
    codes->items[i].count += count;
}

static void codes_merge(struct failure_codes *into, const struct failure_codes *from) {
    for (size_t i = 0; i < FAILURE_CODES_MAX; i++)
        if (from->items[i].count > 0)
            failure_code_add(into, from->items[i].code, from->items[i].count);
}

void failure_merge(struct failures *into, const struct failures *from) {
    for (size_t kind = 0; kind < FAILURE_KINDS; kind++) {
        if (into->counts[kind] == 0)
            snprintf(into->first[kind], FAILURE_TEXT_MAX, "%s", from->first[kind]);
        into->counts[kind] += from->counts[kind];
    }
    codes_merge(&into->closes, &from->closes);
    codes_merge(&into->statuses, &from->statuses);
}

uint64_t failure_total(const struct failures *failures) {
    uint64_t total = 0;
    for (size_t kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++)
        total += counter_read(&failures->counts[kind]);
    return total;
}
