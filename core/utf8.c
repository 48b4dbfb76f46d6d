// SPDX-License-Identifier: Apache-2.0
#include "core/utf8.h"

size_t utf8_decode(struct str s, uint32_t *code) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)s.ptr[0];
    if (first < 0x80) {
        *code = first;
        return 1;
    }
    size_t size_bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || s.len < size_bytes)
        return 0;
    uint32_t value = first & (0xFFu >> (size_bytes + 1));
    for (size_t i = 1; i < size_bytes; i++) {
        unsigned char next = (unsigned char)s.ptr[i];
        if ((next & 0xC0) != 0x80)
            return 0;
        value = (value << 6) | (next & 0x3F);
    }
    if (value < smallest[size_bytes] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return size_bytes;
}

// Controls would break lines and drive terminals; line separators and bidirectional overrides
// (Unicode TR 36 §2.5) make a line show something it does not say.
bool utf8_is_printable(uint32_t code) {
    bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    bool separator_or_override = code >= 0x2028 && code <= 0x202E;
    bool isolate = code >= 0x2066 && code <= 0x2069;
    return !control && !separator_or_override && !isolate;
}
