// SPDX-License-Identifier: Apache-2.0
//
// Appends text to a buffer of fixed size and remembers when it did not fit, so that a writer checks
// once at its end.
#ifndef RINGWAY_WS_OUT_H
#define RINGWAY_WS_OUT_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/str.h"

struct out {
    char *bytes;
    size_t capacity, length;
    bool is_full; // something did not fit; everything after it is dropped too
};

// Appends all of `text` or, when it does not fit, nothing from here on.
static inline void out_str(struct out *out, struct str text) {
    if (out->is_full || text.len > out->capacity - out->length) {
        out->is_full = true;
        return;
    }
    if (text.len > 0)
        memcpy(out->bytes + out->length, text.ptr, text.len);
    out->length += text.len;
}

// The same for a terminated text.
static inline void out_text(struct out *out, const char *text) {
    out_str(out, str_from(text));
}

// Appends a number in decimal digits.
static inline void out_number(struct out *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    out_str(out, (struct str){digits + at, sizeof digits - at});
}

// One whole field line.
static inline void out_field(struct out *out, struct str name, struct str value) {
    out_str(out, name);
    out_text(out, ": ");
    out_str(out, value);
    out_text(out, "\r\n");
}

// What a writer returns: the bytes written, or -ENOSPC.
static inline ssize_t out_end(const struct out *out) {
    return out->is_full ? -ENOSPC : (ssize_t)out->length;
}

#endif
