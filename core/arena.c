// SPDX-License-Identifier: Apache-2.0
//
// A list of blocks, filled one after the other. A request that does not fit the newest block gets
// a new one, at least as large as it needs.
//
// There is no way to answer for a configuration that does not fit into memory: its size is bounded
// (yaml_tree.h) to a small part of what one worker takes. So allocation failure ends the process
// with a sentence, and no caller has a path that no test can reach.
#include "core/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE_BYTES (16u * 1024)

struct block {
    struct block *next;
    size_t used_bytes, size_bytes;
    alignas(max_align_t) unsigned char bytes[];
};

struct conf_arena {
    struct block *newest;
};

static void *memory_or_exit(size_t size_bytes);
static struct block *block_push(struct conf_arena *arena, size_t wanted_bytes);

struct conf_arena *arena_new(void) {
    struct conf_arena *arena = memory_or_exit(sizeof(*arena));
    arena->newest = NULL;
    return arena;
}

void arena_free(struct conf_arena *arena) {
    if (!arena)
        return;
    for (struct block *block = arena->newest; block;) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    free(arena);
}

void *arena_alloc(struct conf_arena *arena, size_t count, size_t size_bytes) {
    const size_t alignment = alignof(max_align_t);
    assert(size_bytes > 0 && count <= (SIZE_MAX / 2) / size_bytes);
    size_t wanted_bytes = (count * size_bytes + alignment - 1) & ~(alignment - 1);
    struct block *block = arena->newest;
    if (!block || block->size_bytes - block->used_bytes < wanted_bytes)
        block = block_push(arena, wanted_bytes);
    void *memory = block->bytes + block->used_bytes;
    block->used_bytes += wanted_bytes;
    return memset(memory, 0, wanted_bytes);
}

static struct block *block_push(struct conf_arena *arena, size_t wanted_bytes) {
    size_t size_bytes = wanted_bytes > BLOCK_SIZE_BYTES ? wanted_bytes : BLOCK_SIZE_BYTES;
    struct block *block = memory_or_exit(sizeof(*block) + size_bytes);
    block->next = arena->newest;
    block->used_bytes = 0;
    block->size_bytes = size_bytes;
    arena->newest = block;
    return block;
}

static void *memory_or_exit(size_t size_bytes) {
    void *memory = malloc(size_bytes);
    if (!memory) {
        fputs("ringway: out of memory while reading the configuration\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

char *arena_copy(struct conf_arena *arena, const char *text, size_t size_bytes) {
    char *copy = arena_alloc(arena, size_bytes + 1, 1);
    if (size_bytes)
        memcpy(copy, text, size_bytes);
    return copy;
}

char *arena_printf(struct conf_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int size_bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(size_bytes >= 0);

    char *text = arena_alloc(arena, (size_t)size_bytes + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)size_bytes + 1, format, args);
    va_end(args);
    return text;
}
