// SPDX-License-Identifier: Apache-2.0
//
// Memory that ends all at once: what is read from one configuration file lives in one arena and is
// freed with it, also when reading stops half-way. Blocks only grow; nothing is given back alone.
//
// Not for the data path. One thread at a time.
#ifndef RINGWAY_CORE_ARENA_H
#define RINGWAY_CORE_ARENA_H

#include <stddef.h>

struct conf_arena;

// Makes an empty arena. Running out of memory ends the process (see arena.c).
struct conf_arena *arena_new(void);

// Ends the arena and everything in it. NULL is allowed.
void arena_free(struct conf_arena *arena);

// Zeroed memory for `count` objects of `size_bytes` each, aligned for any type. Never NULL; it
// lives as long as the arena.
void *arena_alloc(struct conf_arena *arena, size_t count, size_t size_bytes);

// A terminated copy of `size_bytes` bytes. Never NULL; lives as long as the arena.
char *arena_copy(struct conf_arena *arena, const char *text, size_t size_bytes);

// A formatted, terminated text. Never NULL; lives as long as the arena.
char *arena_printf(struct conf_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
