// SPDX-License-Identifier: Apache-2.0
//
// Hosts, addresses with ports and address blocks, as texts of the configuration. Nothing is looked
// up: a name stays a name.
#ifndef RINGWAY_CORE_CONFIG_ADDRESS_H
#define RINGWAY_CORE_CONFIG_ADDRESS_H

#include <netinet/in.h>

#include "core/config.h"
#include "core/config_value.h"
#include "core/str.h"

// A host name, with a terminating NUL and an end dot or brackets to spare.
#define CONF_HOST_SIZE 260

// All parsers leave their results untouched unless they return VALUE_OK.

// What a site may be called: a name, "*.suffix", "*", or an IP literal (IPv6 in brackets). Gives it
// in the form requests are compared with: lower case, no dot at the end, addresses in their
// shortest form (RFC 5952).
enum value_verdict conf_host_parse(struct str text, char host[CONF_HOST_SIZE]);

// "host:port" or "[v6]:port" of a server to connect to. The host comes without brackets.
enum value_verdict conf_server_parse(struct str text, char host[CONF_HOST_SIZE], uint16_t *port);

// "ip:port" or "[v6]:port" to listen on. ":port" gives two addresses, IPv4 and IPv6, else `count`
// is 1.
enum value_verdict conf_listen_parse(struct str text, struct sockaddr_storage addresses[2],
                                     size_t *count);

// "10.0.0.0/8", "2001:db8::/32", or one address. IPv4 becomes IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
enum value_verdict conf_cidr_parse(struct str text, struct conf_cidr *cidr);

#endif
