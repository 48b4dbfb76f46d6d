// SPDX-License-Identifier: Apache-2.0
//
// Asking name servers, by UDP and then by TCP. ldns makes and reads the messages; the sockets are
// our own, so that a wait ends when the gateway stops. Blocking.
#ifndef RINGWAY_ACME_DNS_QUERY_H
#define RINGWAY_ACME_DNS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <ldns/packet.h>

#include "acme/error.h"
#include "core/address.h"
#include "core/config.h"

// A host name as text, without a dot at its end; terminated.
#define ACME_DNS_NAME_BYTES 256
#define ACME_DNS_SERVERS_MAX 16

struct acme_dns_server {
    struct sockaddr_storage address;
    char text[ADDRESS_TEXT_MAX]; // for messages
};

struct acme_dns_servers {
    struct acme_dns_server items[ACME_DNS_SERVERS_MAX];
    size_t count;
};

// A message from a server, read and as it came.
struct acme_dns_answer {
    ldns_pkt *packet;
    uint8_t *wire;
    size_t wire_size;
};

// Adds one address; it is dropped when the list is full.
void acme_dns_servers_add(struct acme_dns_servers *servers, const struct sockaddr_storage *address);

// Adds all addresses of a server from the configuration. 0, or negative errno when its name is not
// found.
int acme_dns_servers_add_host(struct acme_dns_servers *servers, const struct conf_server *server,
                              struct acme_error *error);

// Those that look names up for this machine: acme.dns.resolver, or those of /etc/resolv.conf. 0 or
// negative errno.
int acme_dns_resolvers(const struct conf_acme_dns *conf, struct acme_dns_servers *servers,
                       struct acme_error *error);

// Sends `query` and waits for its answer, for some seconds. 0, and the caller owes
// acme_dns_answer_free; -ETIMEDOUT, -ECANCELED (we are to stop), or another negative errno.
int acme_dns_exchange(int stop_fd, const struct acme_dns_server *server, const ldns_pkt *query,
                      struct acme_dns_answer *answer);

enum acme_dns_recursion { ACME_DNS_ITERATIVE, ACME_DNS_RECURSIVE };

// Asks one server for a name's records of one type. As above; -EINVAL when `name` is none.
int acme_dns_ask(int stop_fd, const struct acme_dns_server *server, const char *name,
                 ldns_rr_type type, enum acme_dns_recursion recursion,
                 struct acme_dns_answer *answer);

// Asks resolvers, one after the other, until one has an answer (that there is nothing is one). As
// above, with an error in words.
int acme_dns_lookup(int stop_fd, const struct acme_dns_servers *resolvers, const char *name,
                    ldns_rr_type type, struct acme_dns_answer *answer, struct acme_error *error);

// Harmless on one that is zeroed.
void acme_dns_answer_free(struct acme_dns_answer *answer);

// The text of an ldns name or value in `out`, cut to its size, without a dot at its end.
void acme_dns_text(const ldns_rdf *rdf, char *out, size_t size);

#endif
