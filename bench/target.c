// SPDX-License-Identifier: Apache-2.0
#include "bench/target.h"

#include "core/address.h"
#include "core/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 }; // how long an address has to answer, where there are others

static bool refuse(char *why, size_t why_size, const char *reason) {
    snprintf(why, why_size, "%s", reason);
    return false;
}

static bool scheme_parse(struct target *target, struct str *rest) {
    if (str_starts(*rest, STR("ws://"))) {
        target->security = TARGET_PLAIN;
        target->port = 80;
        *rest = str_skip(*rest, 5);
        return true;
    }
    if (str_starts(*rest, STR("wss://"))) {
        target->security = TARGET_TLS;
        target->port = 443;
        *rest = str_skip(*rest, 6);
        return true;
    }
    return false;
}

// Cuts off everything before the first of `stops`; all when there is none.
static struct str cut(struct str *rest, const char *stops) {
    size_t n = 0;
    while (n < rest->len && !strchr(stops, rest->ptr[n]))
        n++;
    struct str part = {rest->ptr, n};
    *rest = str_skip(*rest, n);
    return part;
}

static bool port_parse(struct target *target, struct str text) {
    unsigned port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.ptr[i]) || i > 4)
            return false;
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return false;
    target->port = (uint16_t)port;
    return true;
}

static bool host_parse(struct target *target, struct str authority) {
    struct str host, rest = authority;
    if (rest.len > 0 && rest.ptr[0] == '[') {
        rest = str_skip(rest, 1);
        host = cut(&rest, "]");
        if (rest.len == 0)
            return false;
        rest = str_skip(rest, 1);
    } else {
        host = cut(&rest, ":");
    }
    if (host.len == 0 || host.len >= sizeof target->host)
        return false;
    if (rest.len > 0 && (rest.ptr[0] != ':' || !port_parse(target, str_skip(rest, 1))))
        return false;
    snprintf(target->host, sizeof target->host, "%.*s", STR_ARG(host));
    snprintf(target->authority, sizeof target->authority, "%.*s", STR_ARG(authority));
    return true;
}

bool target_dial(struct target *target, const char *text) {
    struct target there = {.port = target->port};
    if (!host_parse(&there, str_from(text)))
        return false;
    memcpy(target->dial_host, there.host, sizeof there.host);
    target->port = there.port;
    return true;
}

static bool is_visible(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph((unsigned char)text.ptr[i]))
            return false;
    return true;
}

bool target_parse(struct target *target, const char *url, char *why, size_t why_size) {
    *target = (struct target){0};
    struct str rest = str_from(url);
    if (!scheme_parse(target, &rest))
        return refuse(why, why_size, "the URL must start with ws:// or wss://");
    if (!is_visible(rest))
        return refuse(why, why_size, "the URL has a character that must be percent-encoded");
    struct str authority = cut(&rest, "/?#");
    if (memchr(authority.ptr, '@', authority.len))
        return refuse(why, why_size, "the URL may not have a user name");
    if (!host_parse(target, authority))
        return refuse(why, why_size, "the URL has no valid host and port");
    struct str path = cut(&rest, "#");
    if (rest.len > 0) // RFC 6455 §3: fragments are meaningless here
        return refuse(why, why_size, "a WebSocket URL may not have a fragment (#)");
    if (path.len + 2 > sizeof target->path)
        return refuse(why, why_size, "the URL is too long");
    bool is_rooted = path.len > 0 && path.ptr[0] == '/';
    snprintf(target->path, sizeof target->path, "%s%.*s", is_rooted ? "" : "/", STR_ARG(path));
    return true;
}

static void address_take(struct target *target, const struct addrinfo *found) {
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_size_bytes = found->ai_addrlen;
    address_set_port(&target->address, target->port);
}

// Whether a server accepts connections there. Blocking.
static bool is_answered(const struct target *target) {
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int error = 0;
    socklen_t size = sizeof error;
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    bool is_open =
        connect(fd, (const struct sockaddr *)&target->address, target->address_size_bytes) == 0 ||
        (errno == EINPROGRESS && poll(&connecting, 1, ANSWER_MS) == 1 &&
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
    close(fd);
    return is_open;
}

// Where there is a choice, the first address that is answered; where none is, the first.
static void address_choose(struct target *target, const struct addrinfo *all) {
    for (const struct addrinfo *found = all->ai_next ? all : NULL; found; found = found->ai_next) {
        address_take(target, found);
        if (is_answered(target))
            return;
    }
    address_take(target, all);
}

bool target_resolve(struct target *target, char *why, size_t why_size) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *all = NULL;
    struct sockaddr_storage ignored;
    const char *host = target->dial_host[0] ? target->dial_host : target->host;
    if (address_parse(str_from(host), &ignored) != 0)
        hints.ai_flags = AI_NUMERICHOST;
    int result = getaddrinfo(host, NULL, &hints, &all);
    if (result != 0) {
        snprintf(why, why_size, "%s: %s", host, gai_strerror(result));
        return false;
    }
    address_choose(target, all);
    freeaddrinfo(all);
    return true;
}

void target_path_write(const struct target *target, uint32_t number,
                       char out[TARGET_PATH_NUMBERED_MAX]) {
    const char *rest = target->path;
    const char *mark;
    while ((mark = strstr(rest, TARGET_NUMBER))) {
        out += sprintf(out, "%.*s%" PRIu32, (int)(mark - rest), rest, number);
        rest = mark + strlen(TARGET_NUMBER);
    }
    strcpy(out, rest);
}

void target_format(const struct target *target, char *out, size_t size) {
    snprintf(out, size, "%s://%s%s", target->security == TARGET_TLS ? "wss" : "ws",
             target->authority, target->path);
}

bool target_is_literal(const struct target *target) {
    struct sockaddr_storage ignored;
    return address_parse(str_from(target->host), &ignored) != 0;
}

bool target_is_loopback(const struct target *target) {
    if (target->address.ss_family != AF_INET)
        return false;
    const struct sockaddr_in *address = (const struct sockaddr_in *)&target->address;
    return ntohl(address->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}
