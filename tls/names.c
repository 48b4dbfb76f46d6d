// SPDX-License-Identifier: Apache-2.0
//
// A sequence of tagged strings. It is written behind room for the longest header, then moved up to
// the header it got.
#include "tls/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SEQUENCE_HEADER_BYTES 4

enum general_name { NAME_DNS = 0x82, NAME_ADDRESS = 0x87 };

struct writing {
    uint8_t *bytes;
    size_t size, capacity;
};

static bool name_encode(struct writing *to, const char *name);

ssize_t tls_names_encode(const char *const names[], size_t name_count, uint8_t *der,
                         size_t capacity) {
    if (capacity <= SEQUENCE_HEADER_BYTES)
        return -EINVAL;
    struct writing to = {der + SEQUENCE_HEADER_BYTES, 0, capacity - SEQUENCE_HEADER_BYTES};
    for (size_t i = 0; i < name_count; i++)
        if (!name_encode(&to, names[i]))
            return -EINVAL;
    if (to.size == 0 || to.size > UINT16_MAX)
        return -EINVAL;
    // DER wants the shortest form of the length (X.690 §10.1).
    uint8_t header[SEQUENCE_HEADER_BYTES] = {0x30};
    size_t header_size = 0;
    header[++header_size] = (uint8_t)(to.size < 128 ? to.size : to.size < 256 ? 0x81 : 0x82);
    if (to.size >= 256)
        header[++header_size] = (uint8_t)(to.size >> 8);
    if (to.size >= 128)
        header[++header_size] = (uint8_t)to.size;
    header_size++;
    memmove(der + header_size, to.bytes, to.size);
    memcpy(der, header, header_size);
    return (ssize_t)(header_size + to.size);
}

static bool is_host(const char *name) {
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    size_t allowed =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return allowed > 0 && name[allowed] == '\0' && allowed <= 253;
}

// Appends one tagged string; false when it does not fit.
static bool name_append(struct writing *to, enum general_name tag, const void *bytes, size_t n) {
    size_t length_bytes = n < 128 ? 1 : 2;
    if (to->size + 1 + length_bytes + n > to->capacity)
        return false;
    to->bytes[to->size++] = (uint8_t)tag;
    if (length_bytes == 2)
        to->bytes[to->size++] = 0x81;
    to->bytes[to->size++] = (uint8_t)n;
    memcpy(to->bytes + to->size, bytes, n);
    to->size += n;
    return true;
}

static bool name_encode(struct writing *to, const char *name) {
    uint8_t address[16];
    if (inet_pton(AF_INET, name, address) == 1)
        return name_append(to, NAME_ADDRESS, address, 4);
    if (inet_pton(AF_INET6, name, address) == 1)
        return name_append(to, NAME_ADDRESS, address, 16);
    return is_host(name) && name_append(to, NAME_DNS, name, strlen(name));
}
