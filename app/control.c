// SPDX-License-Identifier: Apache-2.0
#include "app/control.h"

#include "core/container.h"
#include "core/log.h"
#include "ws/leg.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMAND_BYTES_MAX 512
// What a client gets to say its line and take the answer.
#define CLIENT_MS 10000
// How long accepting rests when there is no descriptor or memory for a client.
#define PAUSE_MS 64

// One client, from its line to the end of the answer.
struct client {
    struct control_server *server;
    struct leg *leg;
    struct timer timer;
    char line[COMMAND_BYTES_MAX];
    size_t size;
};

// The name is a hash (FNV-1a) of the file's real path: paths can be longer than socket names.
static socklen_t name_socket(const char *config_path, struct sockaddr_un *address) {
    char path[PATH_MAX];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (!realpath(config_path, path))
        return 0;
    for (const char *at = path; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int size = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "ringway-%016llx",
                        (unsigned long long)hash);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

// --- the gateway's side -----------------------------------------------------------------------

static void client_end(struct client *client) {
    timer_clear(&client->server->worker->timers, &client->timer);
    leg_close(client->leg);
    free(client);
}

static void client_expired(struct timer *timer) {
    client_end(container_of(timer, struct client, timer));
}

static void client_answer(struct client *client) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return client_end(client);
    bool done = client->server->command(client->server->context, client->line, out);
    fclose(out);
    leg_send(client->leg, done ? "ok\n" : "failed\n", done ? 3 : 7);
    leg_send(client->leg, text, size);
    leg_finish(client->leg);
    free(text);
}

static size_t client_input(void *owner, struct leg *leg, const uint8_t *bytes, size_t n) {
    (void)leg;
    struct client *client = owner;
    for (size_t i = 0; i < n; i++) {
        if (client->size == COMMAND_BYTES_MAX) {
            client_end(client);
            return n;
        }
        if (bytes[i] == '\n') {
            client->line[client->size] = '\0';
            client->size = COMMAND_BYTES_MAX; // whatever follows ends it
            client_answer(client);
            return n;
        }
        client->line[client->size++] = (char)bytes[i];
    }
    return n;
}

static void client_ended(void *owner, struct leg *leg, enum leg_end how) {
    (void)leg, (void)how;
    client_end(owner);
}

static void client_event(void *owner, struct leg *leg) {
    (void)owner, (void)leg;
}

static const struct leg_events client_events = {
    .input = client_input,
    .ended = client_ended,
    .drained = client_event,
    .hangup = client_event,
};

static bool is_welcome(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void client_begin(struct control_server *server, int fd) {
    struct client *client = is_welcome(fd) ? calloc(1, sizeof *client) : NULL;
    struct leg *leg = client ? leg_new(server->worker, fd, &client_events, client) : NULL;
    if (!leg) {
        free(client);
        close(fd);
        return;
    }
    client->server = server;
    client->leg = leg;
    client->timer.fired = client_expired;
    timer_set(&server->worker->timers, &client->timer, server->worker->now_ms + CLIENT_MS);
    leg_resume(leg);
}

static void accept_resume(struct timer *timer) {
    struct control_server *server = container_of(timer, struct control_server, accept_timer);
    ring_accept(server->worker->ring, &server->accept, server->fd);
}

static void control_accepted(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct control_server *server = container_of(op, struct control_server, accept);
    if (result >= 0)
        client_begin(server, result);
    if (op->submitted || server->fd < 0)
        return;
    if (result >= 0)
        ring_accept(server->worker->ring, op, server->fd);
    else
        timer_set(&server->worker->timers, &server->accept_timer,
                  server->worker->now_ms + PAUSE_MS);
}

void control_open(struct control_server *server, struct worker *worker, const char *config_path,
                  control_command *command, void *context) {
    *server = (struct control_server){.worker = worker, .command = command, .context = context};
    server->fd = -1;
    struct sockaddr_un address;
    socklen_t size = config_path ? name_socket(config_path, &address) : 0;
    if (size == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 16) < 0) {
        log_line(LOG_WARN, NULL,
                 "'ringway reload' and 'ringway status' will not work: %s (does another gateway "
                 "run with this file?)",
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    server->fd = fd;
    server->accept.done = control_accepted;
    server->accept_timer.fired = accept_resume;
    ring_accept(worker->ring, &server->accept, fd);
}

void control_close(struct control_server *server) {
    if (server->fd < 0)
        return;
    timer_clear(&server->worker->timers, &server->accept_timer);
    close(server->fd); // the accept ends with the ring
    server->fd = -1;
}

// --- the command's side -----------------------------------------------------------------------

static int copy_answer(FILE *from, FILE *out) {
    char line[4096];
    if (!fgets(line, sizeof line, from)) {
        fprintf(stderr,
                "ringway: the gateway did not answer: it hears root and its own user only\n");
        return 1;
    }
    bool done = strcmp(line, "ok\n") == 0;
    while (fgets(line, sizeof line, from))
        fputs(line, out);
    return done ? 0 : 1;
}

int control_send(const char *config_path, const char *command, FILE *out) {
    struct sockaddr_un address;
    socklen_t size = name_socket(config_path, &address);
    if (size == 0) {
        fprintf(stderr, "ringway: %s: %s\n", config_path, strerror(errno));
        return 1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0) {
        fprintf(stderr, "ringway: no running gateway uses %s (%s)\n", config_path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 1;
    }
    FILE *stream = fdopen(fd, "r+");
    signal(SIGPIPE, SIG_IGN); // a gateway that does not hear us closes at once
    if (!stream || (dprintf(fd, "%s\n", command) < 0 && errno != EPIPE)) {
        fprintf(stderr, "ringway: %s\n", strerror(errno));
        close(fd);
        return 1;
    }
    int status = copy_answer(stream, out);
    fclose(stream);
    return status;
}
