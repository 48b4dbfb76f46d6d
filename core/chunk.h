// SPDX-License-Identifier: Apache-2.0
//
// Memory for bytes that have to wait: what a full socket did not take, what arrived before anyone
// wanted it, the first part of a TLS record. Chunks come in three sizes from a worker's own pool,
// which keeps a few of each for the next one; a chain is a first-in-first-out queue of them.
//
// One thread per pool. A chunk belongs to exactly one chain or one holder.
#ifndef RINGWAY_CORE_CHUNK_H
#define RINGWAY_CORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CHUNK_CLASSES 3

struct chunk {
    struct chunk *next;
    uint32_t start, end; // the bytes held: data[start..end)
    uint32_t capacity;
    uint8_t class;
    uint8_t data[];
};

struct chunk_pool {
    struct chunk *free[CHUNK_CLASSES];
    unsigned free_count[CHUNK_CLASSES];
    size_t used_bytes; // capacity handed out
};

// Zero-initialised memory is an empty pool. `chunk_pool_clear` returns what it keeps to the system.
void chunk_pool_clear(struct chunk_pool *pool);

// The largest a single chunk can be: a 64 KB read, sealed as TLS records.
#define CHUNK_MAX_BYTES (68 * 1024)

// A chunk of at least `size_bytes` (up to CHUNK_MAX_BYTES), empty. NULL when memory is out.
struct chunk *chunk_get(struct chunk_pool *pool, size_t size_bytes);
// Gives a chunk back to the pool it came from. It must be in no chain.
void chunk_put(struct chunk_pool *pool, struct chunk *chunk);

// The bytes a chunk holds.
static inline size_t chunk_length(const struct chunk *chunk) {
    return chunk->end - chunk->start;
}

// A queue of bytes. Zero-initialised memory is an empty one.
struct chain {
    struct chunk *head, *tail;
};

// No chunk of a chain is ever empty, so this is also "holds no bytes".
static inline bool chain_is_empty(const struct chain *chain) {
    return chain->head == NULL;
}

// The bytes a chain holds. Walks it.
size_t chain_length(const struct chain *chain);

// Copies bytes to the end. Returns 0 or -ENOMEM, in which case nothing was added.
int chain_append(struct chunk_pool *pool, struct chain *chain, const void *bytes, size_t n);

// Drops `n` bytes from the front; there must be as many.
void chain_consume(struct chunk_pool *pool, struct chain *chain, size_t n);

// Describes the first bytes for one writev: at most `max` parts. Valid until the chain changes.
int chain_parts(const struct chain *chain, struct iovec *parts, int max);

// Drops everything; the chain is empty after it and may go on being used.
void chain_clear(struct chunk_pool *pool, struct chain *chain);

#endif
