// SPDX-License-Identifier: Apache-2.0
//
// Classes of bytes in HTTP grammar (RFC 9110 §5.5, §5.6.2; RFC 9112 §3).
#ifndef RINGWAY_WS_OCTET_H
#define RINGWAY_WS_OCTET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OCTET_TOKEN = 1 << 0, // tchar
    OCTET_VALUE = 1 << 1, // in field values: VCHAR, obs-text, space, tab
    OCTET_LINE = 1 << 2,  // in a request line: VCHAR and space
    OCTET_DIGIT = 1 << 3,
    OCTET_HEX = 1 << 4,
    OCTET_ALPHA = 1 << 5,
};

extern const uint8_t octet_classes[256];

// Whether `byte` is in any of `classes`.
static inline bool octet_is(char byte, unsigned classes) {
    return (octet_classes[(unsigned char)byte] & classes) != 0;
}

// ASCII lower case, whatever the locale.
static inline char octet_lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

#endif
