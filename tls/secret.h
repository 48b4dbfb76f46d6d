// SPDX-License-Identifier: Apache-2.0
//
// The next key of one direction (RFC 8446 §7.2, §7.3). Inside tls/ only.
#ifndef RINGWAY_TLS_SECRET_H
#define RINGWAY_TLS_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/keys.h"

// Replaces the traffic secret by the next one and writes the key and IV made from that. False when
// the library fails; then nothing has changed.
bool tls_secret_next(uint8_t *secret, size_t secret_size, uint8_t *key, size_t key_size,
                     uint8_t iv[TLS_IV_BYTES]);

#endif
