// SPDX-License-Identifier: Apache-2.0
//
// Host names and addresses as the subject alternative name of a certificate or of a request for one
// (RFC 5280 §4.2.1.6), in DER. Pure.
#ifndef RINGWAY_TLS_NAMES_H
#define RINGWAY_TLS_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Writes host names, patterns and literal addresses to `der`. Returns the size; -EINVAL when they
// do not fit `capacity` bytes or one is no name.
ssize_t tls_names_encode(const char *const names[], size_t name_count, uint8_t *der,
                         size_t capacity);

#endif
