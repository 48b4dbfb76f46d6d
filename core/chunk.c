// SPDX-License-Identifier: Apache-2.0
//
// Three size classes cover what waits in practice: a head or a small residue, one TLS record, one
// whole read. What is given back is kept up to a bound, so that a busy worker does not go to the
// system allocator for each record that arrives in two parts.
#include "core/chunk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The middle one holds the largest TLS record with its header (RFC 8446 §5.2, RFC 5246 §6.2.3).
static const uint32_t CLASS_BYTES[CHUNK_CLASSES] = {2 * 1024, 18 * 1024 + 512, CHUNK_MAX_BYTES};
static const unsigned CLASS_KEPT[CHUNK_CLASSES] = {256, 64, 16};

struct chunk *chunk_get(struct chunk_pool *pool, size_t size_bytes) {
    assert(size_bytes <= CHUNK_MAX_BYTES);
    unsigned class = 0;
    while (CLASS_BYTES[class] < size_bytes)
        class ++;
    struct chunk *chunk = pool->free[class];
    if (chunk) {
        pool->free[class] = chunk->next;
        pool->free_count[class]--;
    } else {
        chunk = malloc(sizeof *chunk + CLASS_BYTES[class]);
        if (!chunk)
            return NULL;
        chunk->class = (uint8_t) class;
        chunk->capacity = CLASS_BYTES[class];
    }
    chunk->next = NULL;
    chunk->start = chunk->end = 0;
    pool->used_bytes += chunk->capacity;
    return chunk;
}

void chunk_put(struct chunk_pool *pool, struct chunk *chunk) {
    unsigned class = chunk->class;
    pool->used_bytes -= chunk->capacity;
    if (pool->free_count[class] == CLASS_KEPT[class]) {
        free(chunk);
        return;
    }
    chunk->next = pool->free[class];
    pool->free[class] = chunk;
    pool->free_count[class]++;
}

void chunk_pool_clear(struct chunk_pool *pool) {
    for (unsigned class = 0; class < CHUNK_CLASSES; class ++) {
        while (pool->free[class]) {
            struct chunk *chunk = pool->free[class];
            pool->free[class] = chunk->next;
            free(chunk);
        }
        pool->free_count[class] = 0;
    }
}

size_t chain_length(const struct chain *chain) {
    size_t total = 0;
    for (const struct chunk *chunk = chain->head; chunk; chunk = chunk->next)
        total += chunk_length(chunk);
    return total;
}

// Gets the chunks `n` more bytes need beyond the room in the tail, linked; false when memory is
// out.
static bool chain_reserve(struct chunk_pool *pool, size_t n, struct chain *fresh) {
    *fresh = (struct chain){0};
    while (n > 0) {
        size_t part = n < CHUNK_MAX_BYTES ? n : CHUNK_MAX_BYTES;
        struct chunk *chunk = chunk_get(pool, part);
        if (!chunk) {
            chain_clear(pool, fresh);
            return false;
        }
        if (fresh->tail)
            fresh->tail->next = chunk;
        else
            fresh->head = chunk;
        fresh->tail = chunk;
        n -= part;
    }
    return true;
}

static size_t chunk_fill(struct chunk *chunk, const uint8_t *bytes, size_t n) {
    size_t room = chunk->capacity - chunk->end;
    size_t part = n < room ? n : room;
    memcpy(chunk->data + chunk->end, bytes, part);
    chunk->end += (uint32_t)part;
    return part;
}

int chain_append(struct chunk_pool *pool, struct chain *chain, const void *bytes, size_t n) {
    if (n == 0)
        return 0;
    size_t room = chain->tail ? chain->tail->capacity - chain->tail->end : 0;
    struct chain fresh;
    if (!chain_reserve(pool, n > room ? n - room : 0, &fresh))
        return -ENOMEM;

    const uint8_t *from = bytes;
    if (chain->tail) {
        size_t part = chunk_fill(chain->tail, from, n);
        from += part;
        n -= part;
    }
    for (struct chunk *chunk = fresh.head; chunk; chunk = chunk->next) {
        size_t part = chunk_fill(chunk, from, n);
        from += part;
        n -= part;
    }
    assert(n == 0);
    if (fresh.head) {
        if (chain->tail)
            chain->tail->next = fresh.head;
        else
            chain->head = fresh.head;
        chain->tail = fresh.tail;
    }
    return 0;
}

void chain_consume(struct chunk_pool *pool, struct chain *chain, size_t n) {
    while (n > 0) {
        struct chunk *chunk = chain->head;
        assert(chunk);
        size_t length = chunk_length(chunk);
        if (n < length) {
            chunk->start += (uint32_t)n;
            return;
        }
        n -= length;
        chain->head = chunk->next;
        if (!chain->head)
            chain->tail = NULL;
        chunk_put(pool, chunk);
    }
}

int chain_parts(const struct chain *chain, struct iovec *parts, int max) {
    int count = 0;
    for (struct chunk *chunk = chain->head; chunk && count < max; chunk = chunk->next)
        parts[count++] = (struct iovec){chunk->data + chunk->start, chunk_length(chunk)};
    return count;
}

void chain_clear(struct chunk_pool *pool, struct chain *chain) {
    while (chain->head) {
        struct chunk *chunk = chain->head;
        chain->head = chunk->next;
        chunk_put(pool, chunk);
    }
    chain->tail = NULL;
}
