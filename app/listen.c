// SPDX-License-Identifier: Apache-2.0
#include "app/listen.h"

#include "core/address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096
// A listener outlives its process by some milliseconds, until the kernel has taken its ring down.
#define IN_USE_TRIES 100
#define IN_USE_WAIT_US 10000

enum sharing { SHARED, ALONE };

static int try_listen(const struct conf_listen *listen_conf, enum sharing sharing) {
    const struct sockaddr *address = (const struct sockaddr *)&listen_conf->address;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
    if (sharing == SHARED)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, listen_conf->address_size_bytes) == 0 &&
        (sharing == ALONE || listen(fd, BACKLOG) == 0))
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

// A socket bound without SO_REUSEPORT, or negative errno.
static int bind_alone(const struct conf_listen *listen_conf) {
    int fd;
    for (int tries = 0; (fd = try_listen(listen_conf, ALONE)) == -EADDRINUSE; tries++) {
        if (tries == IN_USE_TRIES)
            break;
        usleep(IN_USE_WAIT_US);
    }
    return fd;
}

// Two processes with SO_REUSEPORT would silently share an address: a first bind without it tells
// whether someone else has it.
static int check_free(const struct conf_listen *listen_conf) {
    int fd = bind_alone(listen_conf);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static const char *advice(int error) {
    switch (error) {
    case -EADDRINUSE:
        return ": another program listens there; stop it or choose another port";
    case -EACCES:
        return ": ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case -EADDRNOTAVAIL:
        return ": no interface of this machine has the address";
    default:
        return "";
    }
}

static void report(const struct conf_listen *listen_conf, int error, struct problems *problems) {
    char text[ADDRESS_TEXT_MAX];
    address_format((const struct sockaddr *)&listen_conf->address, text);
    problems_add(problems, PROBLEM_ERROR, listen_conf->pos, "cannot listen on %s: %s%s", text,
                 strerror(-error), advice(error));
}

int listen_alone(const struct conf_listen *listen_conf, struct problems *problems) {
    int fd = bind_alone(listen_conf);
    if (fd >= 0 && listen(fd, BACKLOG) < 0) {
        int error = errno;
        close(fd);
        fd = -error;
    }
    if (fd < 0)
        report(listen_conf, fd, problems);
    return fd;
}

static const struct listen_socket *find(const struct listen_set *set,
                                        const struct conf_listen *listen_conf) {
    for (size_t i = 0; i < set->count; i++)
        if (address_compare((const struct sockaddr *)&set->sockets[i].address,
                            (const struct sockaddr *)&listen_conf->address) == 0)
            return &set->sockets[i];
    return NULL;
}

static int open_all(struct listen_socket *sockets, const struct conf_listen *listen_conf,
                    unsigned worker_count) {
    int error = check_free(listen_conf);
    for (unsigned i = 0; error == 0 && i < worker_count; i++) {
        sockets->fds[i] = try_listen(listen_conf, SHARED);
        if (sockets->fds[i] < 0)
            error = sockets->fds[i];
    }
    return error;
}

static int prepare_one(struct listen_set *next, const struct listen_set *current,
                       const struct conf_listen *listen_conf) {
    size_t index = next->count;
    struct listen_socket *sockets = &next->sockets[index];
    sockets->address = listen_conf->address;
    sockets->fds = malloc(next->worker_count * sizeof(int));
    if (!sockets->fds)
        return -ENOMEM;
    memset(sockets->fds, 0xff, next->worker_count * sizeof(int)); // -1: not open
    next->count++;
    const struct listen_socket *kept = find(current, listen_conf);
    next->fresh[index] = !kept;
    if (!kept)
        return open_all(sockets, listen_conf, next->worker_count);
    memcpy(sockets->fds, kept->fds, next->worker_count * sizeof(int));
    return 0;
}

int listen_set_prepare(struct listen_set *next, const struct listen_set *current,
                       const struct config *config, unsigned worker_count,
                       struct problems *problems) {
    *next = (struct listen_set){.worker_count = worker_count};
    next->sockets = calloc(config->listen_count + 1, sizeof *next->sockets);
    next->fresh = calloc(config->listen_count + 1, sizeof *next->fresh);
    bool good = next->sockets && next->fresh;
    for (size_t i = 0; next->sockets && next->fresh && i < config->listen_count; i++) {
        const struct conf_listen *listen_conf = &config->listens[i];
        int error = prepare_one(next, current, listen_conf);
        if (error == 0)
            continue;
        report(listen_conf, error, problems);
        good = false;
    }
    if (good)
        return 0;
    listen_set_undo(next);
    return -1;
}

void listen_set_commit(struct listen_set *current, struct listen_set *next) {
    listen_set_free(current);
    *current = *next;
    memset(current->fresh, 0, current->count * sizeof *current->fresh);
    *next = (struct listen_set){0};
}

void listen_set_undo(struct listen_set *next) {
    for (size_t i = 0; i < next->count; i++)
        for (unsigned worker = 0; next->fresh[i] && worker < next->worker_count; worker++)
            if (next->sockets[i].fds[worker] >= 0)
                close(next->sockets[i].fds[worker]);
    listen_set_free(next);
}

void listen_set_free(struct listen_set *set) {
    for (size_t i = 0; i < set->count; i++)
        free(set->sockets[i].fds);
    free(set->sockets);
    free(set->fresh);
    *set = (struct listen_set){0};
}
