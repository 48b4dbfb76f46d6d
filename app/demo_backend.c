// SPDX-License-Identifier: Apache-2.0
//
// The demo's application; see the header. One poll loop; a client is read only when everything it
// was owed has been sent, so each holds two small buffers whatever it does.
#include "app/demo_backend.h"

#include "app/demo_echo.h"
#include "app/demo_page.h"
#include "core/str.h"
#include "core/thread.h"
#include "ws/head.h"
#include "ws/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define READ_SIZE (16 * 1024)
#define HEAD_SIZE_MAX (16 * 1024)
#define PAUSE_MS 20
#define ROUNDS_MAX 16 // reads from one client before the next one's turn

enum client_phase {
    CLIENT_HEAD, // reads a request head
    CLIENT_ECHO, // was upgraded
    CLIENT_LAST, // is sent what is owed, then closed
};

struct client {
    int fd;
    enum client_phase phase;
    struct head head; // CLIENT_HEAD
    struct echo echo; // CLIENT_ECHO
    uint8_t in[READ_SIZE];
    size_t in_start, in_end; // bytes read and not looked at yet
    uint8_t out[READ_SIZE + ECHO_EXTRA_BYTES];
    struct str owed, owed_then; // to be sent, in this order: from `out`, from the page
};

struct demo_backend {
    pthread_t thread;
    int listen_fd, stop_fd;
    uint16_t port;
    struct client *clients[CLIENTS_MAX];
    size_t client_count;
};

static int listen_start(struct demo_backend *backend);
static void *backend_run(void *argument);
static void backend_free(struct demo_backend *backend);

int demo_backend_start(struct demo_backend **out) {
    struct demo_backend *backend = calloc(1, sizeof(*backend));
    if (!backend)
        return -ENOMEM;
    backend->listen_fd = -1;
    backend->stop_fd = eventfd(0, EFD_CLOEXEC);
    int result = backend->stop_fd < 0 ? -errno : listen_start(backend);
    if (result == 0)
        result = thread_start(&backend->thread, "demo-backend", backend_run, backend);
    if (result < 0) {
        backend_free(backend);
        return result;
    }
    *out = backend;
    return 0;
}

static int listen_start(struct demo_backend *backend) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size_bytes = sizeof(address);
    backend->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (backend->listen_fd < 0 ||
        bind(backend->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(backend->listen_fd, SOMAXCONN) < 0 ||
        getsockname(backend->listen_fd, (struct sockaddr *)&address, &size_bytes) < 0)
        return -errno;
    backend->port = ntohs(address.sin_port);
    return 0;
}

uint16_t demo_backend_port(const struct demo_backend *backend) {
    return backend->port;
}

void demo_backend_stop(struct demo_backend *backend) {
    if (!backend)
        return;
    eventfd_write(backend->stop_fd, 1);
    pthread_join(backend->thread, NULL);
    backend_free(backend);
}

static void client_end(struct client *client);

static void backend_free(struct demo_backend *backend) {
    for (size_t i = 0; i < backend->client_count; i++)
        client_end(backend->clients[i]);
    if (backend->listen_fd >= 0)
        close(backend->listen_fd);
    if (backend->stop_fd >= 0)
        close(backend->stop_fd);
    free(backend);
}

enum client_fate { CLIENT_STAYS, CLIENT_IS_DONE };

static void clients_accept(struct demo_backend *backend);
static void clients_serve(struct demo_backend *backend, const struct pollfd *polled);

// Polls the stop descriptor, the listener (while there is room), then the clients in their order.
static void *backend_run(void *argument) {
    struct demo_backend *backend = argument;
    for (;;) {
        struct pollfd polled[2 + CLIENTS_MAX];
        polled[0] = (struct pollfd){.fd = backend->stop_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = backend->listen_fd, .events = POLLIN};
        if (backend->client_count == CLIENTS_MAX)
            polled[1].fd = -1;
        for (size_t i = 0; i < backend->client_count; i++) {
            const struct client *client = backend->clients[i];
            bool busy = client->owed.len > 0 || client->in_start < client->in_end;
            polled[2 + i] = (struct pollfd){client->fd, busy ? POLLOUT : POLLIN, 0};
        }
        if (poll(polled, 2 + backend->client_count, -1) < 0 && errno != EINTR)
            return NULL;
        if (polled[0].revents)
            return NULL;
        clients_serve(backend, polled + 2);
        if (polled[1].revents)
            clients_accept(backend);
    }
}

static struct client *client_start(int fd);

static void clients_accept(struct demo_backend *backend) {
    while (backend->client_count < CLIENTS_MAX) {
        int fd = accept4(backend->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN)
                poll(NULL, 0, PAUSE_MS); // no descriptor to be had: do not spin on it
            return;
        }
        const int on = 1; // what is measured is the gateway, not Nagle's algorithm
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct client *client = client_start(fd);
        if (client)
            backend->clients[backend->client_count++] = client;
        else
            close(fd);
    }
}

static enum client_fate client_serve(struct client *client);

static void clients_serve(struct demo_backend *backend, const struct pollfd *polled) {
    size_t kept = 0;
    for (size_t i = 0; i < backend->client_count; i++) {
        struct client *client = backend->clients[i];
        if (polled[i].revents && client_serve(client) == CLIENT_IS_DONE)
            client_end(client);
        else
            backend->clients[kept++] = client;
    }
    backend->client_count = kept;
}

static struct client *client_start(int fd) {
    struct client *client = calloc(1, sizeof(*client));
    if (client) {
        client->fd = fd;
        head_request_init(&client->head, HEAD_SIZE_MAX);
    }
    return client;
}

static void client_end(struct client *client) {
    head_free(&client->head);
    close(client->fd);
    free(client);
}

static int client_read(struct client *client);
static int client_flush(struct client *client);
static void client_head(struct client *client);
static void client_echo(struct client *client);

// Sends, reads and answers until the socket would block or it is the others' turn.
static enum client_fate client_serve(struct client *client) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int result = client_flush(client);
        if (result == 0 && client->phase == CLIENT_LAST)
            return CLIENT_IS_DONE;
        if (result == 0 && client->in_start == client->in_end)
            result = client_read(client);
        if (result < 0)
            return result == -EAGAIN ? CLIENT_STAYS : CLIENT_IS_DONE;
        if (client->phase == CLIENT_HEAD)
            client_head(client);
        else
            client_echo(client);
    }
    return CLIENT_STAYS;
}

// 0 when something was read; -EAGAIN; another negative errno, -EPIPE at the end of the stream.
static int client_read(struct client *client) {
    ssize_t got = recv(client->fd, client->in, sizeof(client->in), 0);
    if (got <= 0)
        return got == 0 ? -EPIPE : -errno;
    client->in_start = 0;
    client->in_end = (size_t)got;
    return 0;
}

// 0 when nothing is owed any more.
static int client_flush(struct client *client) {
    while (client->owed.len > 0) {
        ssize_t sent = send(client->fd, client->owed.ptr, client->owed.len, MSG_NOSIGNAL);
        if (sent < 0)
            return -errno;
        client->owed = str_skip(client->owed, (size_t)sent);
        if (client->owed.len == 0) {
            client->owed = client->owed_then;
            client->owed_then = (struct str){0};
        }
    }
    return 0;
}

static void client_answer(struct client *client);
static void client_respond(struct client *client, unsigned status, const char *reason,
                           const char *type, struct str body);

static void client_head(struct client *client) {
    size_t used;
    enum head_verdict verdict =
        head_feed(&client->head, (const char *)client->in + client->in_start,
                  client->in_end - client->in_start, &used);
    if (verdict == HEAD_BAD) {
        client->head.keep_alive = false;
        client_respond(client, client->head.status, "Refused", "text/plain", STR("bad request\n"));
        return;
    }
    client->in_start += used;
    if (verdict == HEAD_DONE)
        client_answer(client);
}

static void client_upgrade(struct client *client);

static void client_answer(struct client *client) {
    const struct head *head = &client->head;
    bool reads = head->method == METHOD_GET || head->method == METHOD_HEAD;
    if (head->framing != BODY_NONE || !reads) {
        client->head.keep_alive = false; // a body is not read
        client_respond(client, 405, "Method Not Allowed", "text/plain", STR("only GET and HEAD\n"));
    } else if (str_eq(head->path, STR("/echo"))) {
        client_upgrade(client);
    } else if (str_eq(head->path, STR("/"))) {
        struct str page = {demo_page, demo_page_size_bytes};
        client_respond(client, 200, "OK", "text/html; charset=utf-8", page);
    } else {
        client_respond(client, 404, "Not Found", "text/plain", STR("nothing here\n"));
    }
}

// Owes a response, and gets ready for the next head, or for the end.
static void client_respond(struct client *client, unsigned status, const char *reason,
                           const char *type, struct str body) {
    bool stays = client->head.keep_alive;
    int size_bytes = snprintf((char *)client->out, sizeof(client->out),
                              "HTTP/1.1 %u %s\r\n"
                              "Content-Type: %s\r\n"
                              "Content-Length: %zu\r\n"
                              "Cache-Control: no-store\r\n"
                              "Content-Security-Policy: default-src 'none'; img-src data:;"
                              " style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                              " connect-src 'self' wss: ws:\r\n"
                              "Connection: %s\r\n\r\n",
                              status, reason, type, body.len, stays ? "keep-alive" : "close");
    assert(size_bytes > 0 && (size_t)size_bytes < sizeof(client->out));
    client->owed = (struct str){(char *)client->out, (size_t)size_bytes};
    client->owed_then = client->head.method == METHOD_HEAD ? (struct str){0} : body;
    client->phase = stays ? CLIENT_HEAD : CLIENT_LAST;
    head_free(&client->head);
    head_request_init(&client->head, HEAD_SIZE_MAX);
}

static void client_upgrade(struct client *client) {
    const char *why = "this is a WebSocket endpoint";
    if (!client->head.upgrade_websocket ||
        upgrade_request_check(&client->head, &why) != UPGRADE_OK) {
        client_respond(client, 400, "Bad Request", "text/plain", str_from(why));
        return;
    }
    char accept[UPGRADE_ACCEPT_BYTES + 1];
    upgrade_accept(upgrade_key(&client->head), accept);
    int size_bytes = snprintf((char *)client->out, sizeof(client->out),
                              "HTTP/1.1 101 Switching Protocols\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: %s\r\n\r\n",
                              accept);
    client->owed = (struct str){(char *)client->out, (size_t)size_bytes};
    client->phase = CLIENT_ECHO;
    head_free(&client->head);
    echo_start(&client->echo);
}

static void client_echo(struct client *client) {
    size_t out_size;
    enum echo_verdict verdict =
        echo_feed(&client->echo, client->in + client->in_start, client->in_end - client->in_start,
                  client->out, &out_size);
    client->in_start = client->in_end;
    client->owed = (struct str){(char *)client->out, out_size};
    if (verdict != ECHO_MORE)
        client->phase = CLIENT_LAST;
}
