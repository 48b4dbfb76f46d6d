// SPDX-License-Identifier: Apache-2.0
//
// Socket addresses as values; see the header.
#include "core/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

static size_t format_in(const struct in_addr *address, uint16_t port, char *out);
static size_t format_in6(const struct sockaddr_in6 *in6, char *out);

size_t address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return format_in(&in->sin_addr, ntohs(in->sin_port), out);
    }
    if (address->sa_family == AF_INET6)
        return format_in6((const struct sockaddr_in6 *)address, out);
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "unknown");
}

static size_t format_in(const struct in_addr *address, uint16_t port, char *out) {
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, address, host, sizeof(host));
    if (port == 0)
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s", host);
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, port);
}

static size_t format_in6(const struct sockaddr_in6 *in6, char *out) {
    uint16_t port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        struct in_addr in;
        memcpy(&in, &in6->sin6_addr.s6_addr[12], sizeof(in));
        return format_in(&in, port, out);
    }
    char host[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    char scope[1 + 10 + 1] = "";
    if (in6->sin6_scope_id != 0)
        snprintf(scope, sizeof(scope), "%%%u", in6->sin6_scope_id);
    if (port == 0)
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "[%s%s]", host, scope);
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "[%s%s]:%u", host, scope, port);
}

static bool parse_in6(char *text, struct sockaddr_in6 *out);

socklen_t address_parse(struct str text, struct sockaddr_storage *out) {
    char copy[ADDRESS_TEXT_MAX];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = (struct str){text.ptr + 1, text.len - 2};
    if (text.len == 0 || text.len >= sizeof(copy))
        return 0;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';

    memset(out, 0, sizeof(*out));
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, copy, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        return sizeof(*in);
    }
    if (parse_in6(copy, (struct sockaddr_in6 *)out))
        return sizeof(struct sockaddr_in6);
    return 0;
}

// A link-local address names its interface after '%' (RFC 4007 §11), by name or number.
static bool parse_in6(char *text, struct sockaddr_in6 *out) {
    char *scope = strchr(text, '%');
    if (scope)
        *scope++ = '\0';
    if (inet_pton(AF_INET6, text, &out->sin6_addr) != 1)
        return false;
    out->sin6_family = AF_INET6;
    if (scope) {
        unsigned number = 0;
        out->sin6_scope_id = if_nametoindex(scope);
        if (out->sin6_scope_id == 0 && sscanf(scope, "%9u", &number) == 1)
            out->sin6_scope_id = number;
        return out->sin6_scope_id != 0;
    }
    return true;
}

socklen_t address_size(const struct sockaddr *address) {
    switch (address->sa_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return 0;
    }
}

void address_set_port(struct sockaddr_storage *address, uint16_t port) {
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static uint64_t sort_key(const struct sockaddr *address);

int address_compare(const struct sockaddr *a, const struct sockaddr *b) {
    if (a->sa_family != b->sa_family)
        return a->sa_family < b->sa_family ? -1 : 1;
    struct in6_addr a6 = {0}, b6 = {0};
    address_to_in6(a, &a6);
    address_to_in6(b, &b6);
    int order = memcmp(&a6, &b6, sizeof(a6));
    if (order != 0)
        return order;
    uint64_t a_key = sort_key(a), b_key = sort_key(b);
    return (a_key > b_key) - (a_key < b_key);
}

// What distinguishes equal hosts: the interface of a link-local address, and the port.
static uint64_t sort_key(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    if (address->sa_family != AF_INET6)
        return 0;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    return ((uint64_t)in6->sin6_scope_id << 16) | ntohs(in6->sin6_port);
}

bool address_to_in6(const struct sockaddr *address, struct in6_addr *out) {
    if (address->sa_family == AF_INET6) {
        *out = ((const struct sockaddr_in6 *)address)->sin6_addr;
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    *out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&out->s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
    return true;
}

bool address_is_loopback(const struct sockaddr *address) {
    struct in6_addr bits;
    if (!address_to_in6(address, &bits))
        return false;
    return IN6_IS_ADDR_LOOPBACK(&bits) || (IN6_IS_ADDR_V4MAPPED(&bits) && bits.s6_addr[12] == 127);
}
