// SPDX-License-Identifier: Apache-2.0
//
// Socket addresses of IPv4 and IPv6 as values: text both ways, order, port. An IPv4 address and its
// IPv4-mapped IPv6 form (::ffff:a.b.c.d, RFC 4291 §2.5.5.2) print alike, because a dual-stack
// listener sees IPv4 clients in the mapped form. Pure; any thread.
#ifndef RINGWAY_CORE_ADDRESS_H
#define RINGWAY_CORE_ADDRESS_H

#include "core/str.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// Enough for "[full IPv6 address%scope]:65535" and its terminator.
#define ADDRESS_TEXT_MAX 80

// Writes "203.0.113.9:443" or "[2001:db8::1]:443" to `out`, terminated, and returns its length.
// Without a port when it is 0. An address of another family gives "unknown".
size_t address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

// Reads a literal address without port, IPv6 with or without brackets, into `out` with port 0.
// Returns the size of the address, or 0 when `text` is no literal (a host name).
socklen_t address_parse(struct str text, struct sockaddr_storage *out);

// The size of the address by its family; 0 for families other than IPv4 and IPv6.
socklen_t address_size(const struct sockaddr *address);

// Replaces the port, given in host byte order. Other families stay as they are.
void address_set_port(struct sockaddr_storage *address, uint16_t port);

// A total order over family, address and port, for sorting and comparing lists: <0, 0, >0.
int address_compare(const struct sockaddr *a, const struct sockaddr *b);

// Whether only this machine can connect to it: 127.0.0.0/8 or ::1.
bool address_is_loopback(const struct sockaddr *address);

// The address as 128 bits, IPv4 as IPv4-mapped. False for other families.
bool address_to_in6(const struct sockaddr *address, struct in6_addr *out);

#endif
