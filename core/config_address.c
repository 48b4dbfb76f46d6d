// SPDX-License-Identifier: Apache-2.0
//
// Hosts and addresses. Names follow RFC 1123 §2.1 with '_' allowed beside letters, digits and '-',
// because container and service names have it; a name whose last label is a number can only be an
// IPv4 address (as URLs have it), so "10.0.0.256" is an error and no name.
#include "core/config_address.h"

#include <arpa/inet.h>

#include "core/address.h"
#include "core/config_quantity.h"

#define HOST_MAX_BYTES 253
#define LABEL_MAX_BYTES 63
#define MAPPED_PREFIX_BITS 96 // ::ffff:0:0/96, where IPv4 stands in IPv6

static enum value_verdict host_refuse_foreign(struct str text);
static enum value_verdict bracketed_parse(struct str text, char host[CONF_HOST_SIZE]);
static enum value_verdict name_parse(struct str text, char host[CONF_HOST_SIZE]);
static enum value_verdict labels_check(struct str name);
static enum value_verdict port_split(struct str text, struct str *host, uint16_t *port);
static bool literal_parse(struct str text, sa_family_t family, struct sockaddr_storage *address);

enum value_verdict conf_host_parse(struct str text, char host[CONF_HOST_SIZE]) {
    enum value_verdict verdict = host_refuse_foreign(text);
    if (verdict != VALUE_OK)
        return verdict;
    if (text.len > 0 && text.ptr[0] == '[')
        return bracketed_parse(text, host);
    if (memchr(text.ptr, ':', text.len)) {
        struct sockaddr_storage address;
        return literal_parse(text, AF_INET6, &address) ? VALUE_HOST_BRACKETS : VALUE_HOST_PORT;
    }
    if (str_eq(text, STR("*"))) {
        memcpy(host, "*", 2);
        return VALUE_OK;
    }
    char name[CONF_HOST_SIZE];
    struct str suffix = str_starts(text, STR("*.")) ? str_skip(text, 2) : text;
    verdict = name_parse(suffix, name);
    if (verdict != VALUE_OK)
        return verdict;
    bool wildcard = suffix.len < text.len;
    size_t name_bytes = strlen(name);
    struct sockaddr_storage address;
    if (wildcard && literal_parse((struct str){name, name_bytes}, AF_INET, &address))
        return VALUE_HOST_WILDCARD;
    if (wildcard && name_bytes + 2 > HOST_MAX_BYTES)
        return VALUE_HOST_LONG;
    memcpy(host, "*.", 2);
    memcpy(host + (wildcard ? 2 : 0), name, name_bytes + 1);
    return VALUE_OK;
}

// Names what people paste into this place: URLs, and names in their own script.
static enum value_verdict host_refuse_foreign(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] >= 0x80)
            return VALUE_HOST_UNICODE;
        if (text.ptr[i] == '/')
            return VALUE_HOST_URL;
    }
    return VALUE_OK;
}

static enum value_verdict bracketed_parse(struct str text, char host[CONF_HOST_SIZE]) {
    const char *end = memchr(text.ptr, ']', text.len);
    if (!end)
        return VALUE_HOST_BRACKETS;
    struct sockaddr_storage address;
    struct str inner = {text.ptr + 1, (size_t)(end - text.ptr) - 1};
    if (memchr(inner.ptr, '%', inner.len) || !literal_parse(inner, AF_INET6, &address))
        return VALUE_HOST_BRACKETS;
    if (inner.len + 2 < text.len)
        return VALUE_HOST_PORT;
    host[0] = '[';
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, host + 1, INET6_ADDRSTRLEN);
    memcpy(host + strlen(host), "]", 2);
    return VALUE_OK;
}

// A name or an IPv4 address, in lower case and without a dot at the end.
static enum value_verdict name_parse(struct str text, char host[CONF_HOST_SIZE]) {
    if (text.len > 1 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len > HOST_MAX_BYTES)
        return VALUE_HOST_LONG;
    enum value_verdict verdict = labels_check(text);
    if (verdict != VALUE_OK)
        return verdict;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        host[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    host[text.len] = 0;
    return VALUE_OK;
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static enum value_verdict labels_check(struct str name) {
    size_t start = 0;
    bool digits_only = true; // of the label that is being read
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.ptr[i] == '*')
            return VALUE_HOST_WILDCARD;
        if (i < name.len && name.ptr[i] != '.') {
            if (!is_name_char(name.ptr[i]))
                return VALUE_HOST_LABEL;
            digits_only &= name.ptr[i] >= '0' && name.ptr[i] <= '9';
            continue;
        }
        size_t label_bytes = i - start;
        if (label_bytes == 0 || label_bytes > LABEL_MAX_BYTES || name.ptr[start] == '-' ||
            name.ptr[i - 1] == '-')
            return VALUE_HOST_LABEL;
        start = i + 1;
        digits_only = i < name.len ? true : digits_only;
    }
    struct sockaddr_storage address;
    return digits_only && !literal_parse(name, AF_INET, &address) ? VALUE_HOST_ADDRESS : VALUE_OK;
}

enum value_verdict conf_server_parse(struct str text, char host[CONF_HOST_SIZE], uint16_t *port) {
    struct str name;
    uint16_t number;
    enum value_verdict verdict = host_refuse_foreign(text);
    if (verdict == VALUE_OK)
        verdict = port_split(text, &name, &number);
    if (verdict != VALUE_OK)
        return verdict;
    struct sockaddr_storage address;
    if (name.len > 1 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        name = (struct str){name.ptr + 1, name.len - 2};
        if (name.len >= CONF_HOST_SIZE || !literal_parse(name, AF_INET6, &address))
            return VALUE_HOST_BRACKETS;
        memcpy(host, name.ptr, name.len); // as it is: it may name an interface
        host[name.len] = 0;
    } else if (memchr(name.ptr, ':', name.len) || memchr(name.ptr, '[', name.len)) {
        return VALUE_HOST_BRACKETS;
    } else {
        verdict = name_parse(name, host);
        if (verdict != VALUE_OK)
            return verdict == VALUE_HOST_WILDCARD ? VALUE_HOST_LABEL : verdict;
    }
    *port = number;
    return VALUE_OK;
}

enum value_verdict conf_listen_parse(struct str text, struct sockaddr_storage addresses[2],
                                     size_t *count) {
    struct str host;
    uint16_t port;
    enum value_verdict verdict = port_split(text, &host, &port);
    if (verdict != VALUE_OK)
        return verdict;
    if (host.len == 0) {
        memset(addresses, 0, 2 * sizeof(*addresses)); // the zero address of either family is "any"
        addresses[0].ss_family = AF_INET;
        addresses[1].ss_family = AF_INET6;
        *count = 2;
    } else {
        struct sockaddr_storage address;
        bool is_v4 = literal_parse(host, AF_INET, &address);
        if (!is_v4 && host.ptr[0] != '[')
            return VALUE_ADDRESS_NAME;
        if (!is_v4 && address_parse(host, &address) != sizeof(struct sockaddr_in6))
            return VALUE_HOST_BRACKETS;
        addresses[0] = address;
        *count = 1;
    }
    for (size_t i = 0; i < *count; i++)
        address_set_port(&addresses[i], port);
    return VALUE_OK;
}

// At the last ':' that is not inside brackets.
static enum value_verdict port_split(struct str text, struct str *host, uint16_t *port) {
    const char *colon = memrchr(text.ptr, ':', text.len);
    if (!colon || memchr(colon, ']', (size_t)(text.ptr + text.len - colon)))
        return VALUE_PORT_MISSING;
    size_t host_bytes = (size_t)(colon - text.ptr);
    uint64_t number;
    if (quantity_number_parse(str_skip(text, host_bytes + 1), &number) != VALUE_OK || number < 1 ||
        number > UINT16_MAX)
        return VALUE_PORT_RANGE;
    *host = (struct str){text.ptr, host_bytes};
    *port = (uint16_t)number;
    return VALUE_OK;
}

enum value_verdict conf_cidr_parse(struct str text, struct conf_cidr *cidr) {
    const char *slash = memchr(text.ptr, '/', text.len);
    struct str address = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    struct sockaddr_storage parsed;
    if (address.len == 0 || address.ptr[0] == '[' || memchr(address.ptr, '%', address.len) ||
        address_parse(address, &parsed) == 0)
        return VALUE_MALFORMED;
    struct conf_cidr block = {.prefix_bits = 128};
    address_to_in6((struct sockaddr *)&parsed, &block.address);
    unsigned offset_bits = parsed.ss_family == AF_INET ? MAPPED_PREFIX_BITS : 0;
    if (slash) {
        uint64_t bits;
        if (quantity_number_parse(str_skip(text, address.len + 1), &bits) != VALUE_OK ||
            bits > 128 - offset_bits)
            return VALUE_CIDR_PREFIX;
        block.prefix_bits = (unsigned)bits + offset_bits;
    }
    for (unsigned bit = block.prefix_bits; bit < 128; bit++)
        if (block.address.s6_addr[bit / 8] & (0x80 >> (bit % 8)))
            return VALUE_CIDR_HOST_BITS;
    *cidr = block;
    return VALUE_OK;
}

// A literal of that family and nothing around it.
static bool literal_parse(struct str text, sa_family_t family, struct sockaddr_storage *address) {
    return text.len > 0 && text.ptr[0] != '[' && address_parse(text, address) > 0 &&
           address->ss_family == family;
}
