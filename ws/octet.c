// SPDX-License-Identifier: Apache-2.0
#include "ws/octet.h"

enum {
    SEEN = OCTET_VALUE | OCTET_LINE, // every visible character
    TOKEN = OCTET_TOKEN | SEEN,
    LETTER = OCTET_ALPHA | TOKEN,
};

const uint8_t octet_classes[256] = {
    ['\t'] = OCTET_VALUE,
    [' '] = OCTET_VALUE | OCTET_LINE,
    ['!'] = TOKEN,
    ['"'] = SEEN,
    ['#' ... '\''] = TOKEN,
    ['(' ... ')'] = SEEN,
    ['*' ... '+'] = TOKEN,
    [','] = SEEN,
    ['-' ... '.'] = TOKEN,
    ['/'] = SEEN,
    ['0' ... '9'] = OCTET_DIGIT | OCTET_HEX | TOKEN,
    [':' ... '@'] = SEEN,
    ['A' ... 'F'] = OCTET_HEX | LETTER,
    ['G' ... 'Z'] = LETTER,
    ['[' ... ']'] = SEEN,
    ['^' ... '`'] = TOKEN,
    ['a' ... 'f'] = OCTET_HEX | LETTER,
    ['g' ... 'z'] = LETTER,
    ['{'] = SEEN,
    ['|'] = TOKEN,
    ['}'] = SEEN,
    ['~'] = TOKEN,
    [0x80 ... 0xff] = OCTET_VALUE,
};
