// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 from elsewhere: what of it is well-formed, and fit to be shown. Pure.
#ifndef RINGWAY_CORE_UTF8_H
#define RINGWAY_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

// Decodes the well-formed character at the front of `s`, which is not empty (RFC 3629 §4: no
// overlong forms, no surrogates). Returns its size in bytes, or 0 when there is none.
size_t utf8_decode(struct str s, uint32_t *code);

// Whether it can stand in a line: no control, nothing that ends a line or turns its direction.
bool utf8_is_printable(uint32_t code);

#endif
