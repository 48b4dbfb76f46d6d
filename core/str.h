// SPDX-License-Identifier: Apache-2.0
//
// A slice of bytes somebody else owns: no terminator, no allocation. It lives as long as the buffer
// it points into, which each function that returns one names.
#ifndef RINGWAY_CORE_STR_H
#define RINGWAY_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *ptr;
    size_t len;
};

// A slice over a string literal.
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

// For printf: `"%.*s", STR_ARG(s)`.
#define STR_ARG(s) (int)(s).len, (s).ptr

// A slice over a terminated string; NULL gives the empty slice. Borrows `text`.
static inline struct str str_from(const char *text) {
    return (struct str){text, text ? strlen(text) : 0};
}

// Equal byte by byte.
static inline bool str_eq(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// Equal up to ASCII case, as HTTP field names and host names are compared (RFC 9110 §5.1).
static inline bool str_ieq(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

// Whether `s` starts with `prefix`, byte by byte. Everything starts with the empty slice.
static inline bool str_starts(struct str s, struct str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

// Everything from byte `from` on; empty when `from` is past the end.
static inline struct str str_skip(struct str s, size_t from) {
    return from >= s.len ? (struct str){s.ptr + s.len, 0}
                         : (struct str){s.ptr + from, s.len - from};
}

#endif
