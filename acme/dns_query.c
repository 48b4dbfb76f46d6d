// SPDX-License-Identifier: Apache-2.0
#include "acme/dns_query.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ldns/ldns.h>

#include "acme/wait.h"
#include "core/clock.h"

#define UDP_TRIES 2
#define UDP_TRY_MS 2000
#define TCP_MS 5000
// What fits into a datagram that no network splits (RFC 9715 §3).
#define UDP_BYTES 1232
#define DNS_PORT 53

// --- servers ----------------------------------------------------------------------------------

void acme_dns_servers_add(struct acme_dns_servers *servers,
                          const struct sockaddr_storage *address) {
    if (servers->count == ACME_DNS_SERVERS_MAX)
        return;
    struct acme_dns_server *server = &servers->items[servers->count++];
    server->address = *address;
    address_format((const struct sockaddr *)address, server->text);
}

int acme_dns_servers_add_host(struct acme_dns_servers *servers, const struct conf_server *server,
                              struct acme_error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *addresses;
    int failure = getaddrinfo(server->host, NULL, &hints, &addresses);
    if (failure)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EHOSTUNREACH,
                              "looking up the name server %s: %s", server->host,
                              gai_strerror(failure));
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        struct sockaddr_storage address = {0};
        memcpy(&address, at->ai_addr, at->ai_addrlen);
        address_set_port(&address, server->port);
        acme_dns_servers_add(servers, &address);
    }
    freeaddrinfo(addresses);
    return 0;
}

int acme_dns_resolvers(const struct conf_acme_dns *conf, struct acme_dns_servers *servers,
                       struct acme_error *error) {
    ldns_resolver *system;
    *servers = (struct acme_dns_servers){0};
    if (conf->resolver.host)
        return acme_dns_servers_add_host(servers, &conf->resolver, error);
    if (ldns_resolver_new_frm_file(&system, NULL) == LDNS_STATUS_OK) {
        for (size_t i = 0; i < ldns_resolver_nameserver_count(system); i++) {
            struct sockaddr_storage address;
            char text[ADDRESS_TEXT_MAX];
            acme_dns_text(ldns_resolver_nameservers(system)[i], text, sizeof text);
            if (address_parse(str_from(text), &address) == 0)
                continue;
            address_set_port(&address, DNS_PORT);
            acme_dns_servers_add(servers, &address);
        }
        ldns_resolver_deep_free(system);
    }
    if (servers->count > 0)
        return 0;
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOENT,
                          "/etc/resolv.conf names no resolver; name one with acme.dns.resolver");
}

void acme_dns_text(const ldns_rdf *rdf, char *out, size_t size) {
    char *text = rdf ? ldns_rdf2str(rdf) : NULL;
    snprintf(out, size, "%s", text ? text : "");
    free(text);
    size_t length = strlen(out);
    if (length > 0 && out[length - 1] == '.')
        out[length - 1] = '\0';
}

// --- one message and its answer ---------------------------------------------------------------

// The answer to exactly this query, or what only pretends to be (RFC 5452 §9.1).
static bool is_answer_to(const ldns_pkt *query, const ldns_pkt *packet) {
    if (!ldns_pkt_qr(packet) || ldns_pkt_id(packet) != ldns_pkt_id(query) ||
        ldns_pkt_get_opcode(packet) != ldns_pkt_get_opcode(query))
        return false;
    const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    const ldns_rr *said = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    if (!said) // in the answer to an update it may be left out (RFC 2136 §3.8)
        return ldns_pkt_get_opcode(query) == LDNS_PACKET_UPDATE;
    return ldns_rr_get_type(asked) == ldns_rr_get_type(said) &&
           ldns_dname_compare(ldns_rr_owner(asked), ldns_rr_owner(said)) == 0;
}

static bool answer_take(const ldns_pkt *query, const uint8_t *wire, size_t size,
                        struct acme_dns_answer *answer) {
    ldns_pkt *packet;
    if (ldns_wire2pkt(&packet, wire, size) != LDNS_STATUS_OK)
        return false;
    answer->wire = is_answer_to(query, packet) ? malloc(size) : NULL;
    if (!answer->wire) {
        ldns_pkt_free(packet);
        return false;
    }
    memcpy(answer->wire, wire, size);
    answer->wire_size = size;
    answer->packet = packet;
    return true;
}

void acme_dns_answer_free(struct acme_dns_answer *answer) {
    ldns_pkt_free(answer->packet);
    free(answer->wire);
    *answer = (struct acme_dns_answer){0};
}

// A connected socket: the kernel keeps what comes from elsewhere away, and picks the port.
static int socket_open(int stop_fd, const struct acme_dns_server *server, int type,
                       uint64_t deadline_ms) {
    const struct sockaddr *address = (const struct sockaddr *)&server->address;
    int failure = 0, fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof failure;
    if (fd < 0)
        return -errno;
    int result = connect(fd, address, address_size(address)) < 0 ? -errno : 0;
    if (result == -EINPROGRESS)
        result = acme_wait_ready(stop_fd, fd, POLLOUT, deadline_ms);
    if (result == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0)
        result = -failure;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

static int udp_try(int stop_fd, const struct acme_dns_server *server, const ldns_pkt *query,
                   struct str wire, struct acme_dns_answer *answer) {
    uint8_t bytes[UDP_BYTES];
    uint64_t deadline_ms = clock_monotonic_ms() + UDP_TRY_MS;
    int fd = socket_open(stop_fd, server, SOCK_DGRAM, deadline_ms);
    if (fd < 0)
        return fd;
    int result = send(fd, wire.ptr, wire.len, 0) < 0 ? -errno : 0;
    bool taken = false;
    while (result == 0 && !taken) {
        result = acme_wait_ready(stop_fd, fd, POLLIN, deadline_ms);
        ssize_t got = result == 0 ? recv(fd, bytes, sizeof bytes, 0) : 0;
        if (got > 0)
            taken = answer_take(query, bytes, (size_t)got, answer);
        else if (got < 0 && errno != EAGAIN)
            result = -errno;
    }
    close(fd);
    return result;
}

static int tcp_send(int stop_fd, int fd, struct str bytes, uint64_t deadline_ms) {
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return -errno;
        bytes = str_skip(bytes, sent > 0 ? (size_t)sent : 0);
        int result = acme_wait_ready(stop_fd, fd, POLLOUT, deadline_ms);
        if (result < 0)
            return result;
    }
    return 0;
}

static int tcp_receive(int stop_fd, int fd, uint8_t *bytes, size_t size, uint64_t deadline_ms) {
    while (size > 0) {
        int result = acme_wait_ready(stop_fd, fd, POLLIN, deadline_ms);
        if (result < 0)
            return result;
        ssize_t got = recv(fd, bytes, size, 0);
        if (got == 0)
            return -ECONNRESET;
        if (got < 0 && errno != EAGAIN)
            return -errno;
        bytes += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

// The length comes first (RFC 1035 §4.2.2).
static int tcp_try(int stop_fd, const struct acme_dns_server *server, const ldns_pkt *query,
                   struct str wire, struct acme_dns_answer *answer) {
    uint8_t length[2] = {(uint8_t)(wire.len >> 8), (uint8_t)wire.len}, *bytes = NULL;
    uint64_t deadline_ms = clock_monotonic_ms() + TCP_MS;
    size_t size = 0;
    int fd = socket_open(stop_fd, server, SOCK_STREAM, deadline_ms);
    if (fd < 0)
        return fd;
    int result = tcp_send(stop_fd, fd, (struct str){(char *)length, 2}, deadline_ms);
    if (result == 0)
        result = tcp_send(stop_fd, fd, wire, deadline_ms);
    if (result == 0)
        result = tcp_receive(stop_fd, fd, length, 2, deadline_ms);
    if (result == 0) {
        size = (size_t)length[0] << 8 | length[1];
        bytes = malloc(size + 1);
        result = bytes ? tcp_receive(stop_fd, fd, bytes, size, deadline_ms) : -ENOMEM;
    }
    if (result == 0 && !answer_take(query, bytes, size, answer))
        result = -EBADMSG;
    free(bytes);
    close(fd);
    return result;
}

int acme_dns_exchange(int stop_fd, const struct acme_dns_server *server, const ldns_pkt *query,
                      struct acme_dns_answer *answer) {
    uint8_t *bytes;
    size_t size;
    *answer = (struct acme_dns_answer){0};
    if (ldns_pkt2wire(&bytes, query, &size) != LDNS_STATUS_OK)
        return -ENOMEM;
    struct str wire = {(const char *)bytes, size};
    int result = -ETIMEDOUT;
    for (int i = 0; i < UDP_TRIES && result == -ETIMEDOUT; i++)
        result = udp_try(stop_fd, server, query, wire, answer);
    bool is_cut = result == 0 && ldns_pkt_tc(answer->packet);
    if (is_cut || (result < 0 && result != -ECANCELED)) {
        acme_dns_answer_free(answer);
        result = tcp_try(stop_fd, server, query, wire, answer);
    }
    free(bytes);
    return result;
}

// --- questions --------------------------------------------------------------------------------

int acme_dns_ask(int stop_fd, const struct acme_dns_server *server, const char *name,
                 ldns_rr_type type, enum acme_dns_recursion recursion,
                 struct acme_dns_answer *answer) {
    ldns_pkt *query;
    *answer = (struct acme_dns_answer){0};
    if (ldns_pkt_query_new_frm_str(&query, name, type, LDNS_RR_CLASS_IN,
                                   recursion == ACME_DNS_RECURSIVE ? LDNS_RD : 0) != LDNS_STATUS_OK)
        return -EINVAL;
    ldns_pkt_set_random_id(query);
    ldns_pkt_set_edns_udp_size(query, UDP_BYTES);
    int result = acme_dns_exchange(stop_fd, server, query, answer);
    ldns_pkt_free(query);
    return result;
}

int acme_dns_lookup(int stop_fd, const struct acme_dns_servers *resolvers, const char *name,
                    ldns_rr_type type, struct acme_dns_answer *answer, struct acme_error *error) {
    int result = -ENOENT;
    const char *said = "no resolver";
    for (size_t i = 0; i < resolvers->count && result != -ECANCELED; i++) {
        result =
            acme_dns_ask(stop_fd, &resolvers->items[i], name, type, ACME_DNS_RECURSIVE, answer);
        if (result < 0) {
            said = strerror(-result);
            continue;
        }
        ldns_pkt_rcode code = ldns_pkt_get_rcode(answer->packet);
        if (code == LDNS_RCODE_NOERROR || code == LDNS_RCODE_NXDOMAIN)
            return 0;
        acme_dns_answer_free(answer);
        said = code == LDNS_RCODE_REFUSED ? "it is refused" : "the resolver fails (SERVFAIL)";
        result = -EIO;
    }
    if (result == -ECANCELED)
        return acme_error_set(error, ACME_TROUBLE_STOPPED, result, "the gateway stops");
    return acme_error_set(error, ACME_TROUBLE_LOCAL, result,
                          "looking up %s in DNS: %s; does DNS work on this machine, or is another "
                          "resolver needed (acme.dns.resolver)?",
                          name, said);
}
