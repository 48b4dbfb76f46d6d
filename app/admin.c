// SPDX-License-Identifier: Apache-2.0
#include "app/admin.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/gateway.h"
#include "app/listen.h"
#include "app/metrics.h"
#include "app/status_json.h"
#include "app/status_page.h"
#include "core/address.h"
#include "core/clock.h"
#include "core/thread.h"

// A request with its head; answers have memory of their own.
#define REQUEST_BYTES_MAX (16 * 1024)
// Without a byte moving, and in all.
#define IDLE_S 10
#define CLIENT_MS 15000
// How long the thread rests when there is no descriptor for a client.
#define PAUSE_US 64000

#define HTML_TYPE "text/html; charset=utf-8"
#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain; charset=utf-8"

// --- answers ----------------------------------------------------------------------------------

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct MHD_Response *response) {
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (strcmp(type, HTML_TYPE) == 0)
        MHD_add_response_header(response, "Content-Security-Policy", STATUS_PAGE_POLICY);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text) {
    return answer(
        connection, status, TEXT_TYPE,
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT));
}

typedef void report_writer(const struct report *report, FILE *out);

static enum MHD_Result answer_report(struct MHD_Connection *connection, struct gateway *gateway,
                                     report_writer *write, const char *type) {
    char *text = NULL;
    size_t size = 0;
    if (atomic_load(&gateway->state) == REPORT_STARTING)
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return MHD_NO;
    struct report report;
    report_take(gateway, &report);
    write(&report, out);
    report_free(&report);
    if (fclose(out) != 0) {
        free(text);
        return MHD_NO;
    }
    return answer(connection, MHD_HTTP_OK, type,
                  MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE));
}

// --- requests ---------------------------------------------------------------------------------

static enum MHD_Result index_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    (void)gateway;
    return answer_text(connection, MHD_HTTP_OK,
                       "/status\n/status.json\n/metrics\n/healthz\n/readyz\n");
}

static enum MHD_Result health_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    (void)gateway;
    return answer_text(connection, MHD_HTTP_OK, "alive\n");
}

static enum MHD_Result ready_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    switch (atomic_load(&gateway->state)) {
    case REPORT_STARTING:
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
    case REPORT_SERVING:
        return answer_text(connection, MHD_HTTP_OK, "ready\n");
    case REPORT_DRAINING:
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "draining\n");
    }
    return MHD_NO;
}

static enum MHD_Result metrics_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    return answer_report(connection, gateway, metrics_write, METRICS_TYPE);
}

static enum MHD_Result page_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    return answer_report(connection, gateway, status_page_write, HTML_TYPE);
}

static enum MHD_Result json_answer(struct MHD_Connection *connection, struct gateway *gateway) {
    return answer_report(connection, gateway, status_json_write, JSON_TYPE);
}

static const struct {
    const char *path;
    enum MHD_Result (*answer)(struct MHD_Connection *connection, struct gateway *gateway);
} paths[] = {
    {"/", index_answer},          {"/status", page_answer},    {"/status.json", json_answer},
    {"/metrics", metrics_answer}, {"/healthz", health_answer}, {"/readyz", ready_answer},
};

// Answers as soon as the head is there; a body is not waited for.
static enum MHD_Result request_arrived(void *context, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload, size_t *upload_size, void **request) {
    (void)version, (void)upload, (void)upload_size, (void)request;
    struct admin_listener *listener = context;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(url, paths[i].path) == 0)
            return paths[i].answer(connection, listener->gateway);
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "there is no such page; try /status\n");
}

// --- clients ----------------------------------------------------------------------------------

// Called by the library's thread, before it closes the socket in the second case.
static void client_changed(void *context, struct MHD_Connection *connection, void **place,
                           enum MHD_ConnectionNotificationCode what) {
    struct admin_listener *listener = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct admin_client *client = *place;
    pthread_mutex_lock(&listener->lock);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED && client)
        client->fd = -1;
    for (size_t i = 0; what == MHD_CONNECTION_NOTIFY_STARTED && i < ADMIN_CLIENTS_MAX; i++) {
        if (listener->clients[i].fd >= 0)
            continue;
        listener->clients[i] = (struct admin_client){info->connect_fd, clock_monotonic_ms()};
        *place = &listener->clients[i];
        break;
    }
    pthread_mutex_unlock(&listener->lock);
}

// The library only knows how long nothing has moved, and a byte now and then would do for ever.
static void listener_sweep(struct admin_listener *listener) {
    uint64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&listener->lock);
    for (size_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        const struct admin_client *client = &listener->clients[i];
        if (client->fd >= 0 && now_ms - client->since_ms > CLIENT_MS)
            shutdown(client->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&listener->lock);
}

void admin_sweep(struct admin *admin) {
    for (size_t i = 0; i < admin->count; i++)
        listener_sweep(admin->listeners[i]);
}

// --- listeners --------------------------------------------------------------------------------

static bool descriptor_is_left(void) {
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

// The thread of an address. The library's own would ask without a pause for a client that no
// descriptor is left for.
static void *listener_serve(void *argument) {
    struct admin_listener *listener = argument;
    while (!atomic_load(&listener->stopping))
        if (MHD_run_wait(listener->daemon, -1) != MHD_YES || !descriptor_is_left())
            usleep(PAUSE_US);
    return NULL;
}

static void listener_free(struct admin_listener *listener) {
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon); // closes the socket
    else
        close(listener->fd);
    pthread_mutex_destroy(&listener->lock);
    free(listener);
}

static void listener_end(struct admin_listener *listener) {
    atomic_store(&listener->stopping, true);
    shutdown(listener->fd, SHUT_RDWR); // wakes the thread
    pthread_join(listener->thread, NULL);
    listener_free(listener);
}

static struct admin_listener *listener_new(const struct conf_listen *conf, struct gateway *gateway,
                                           struct problems *problems) {
    int fd = listen_alone(conf, problems);
    if (fd < 0)
        return NULL;
    struct admin_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        abort(); // as where the configuration is read
    listener->gateway = gateway;
    listener->fd = fd;
    listener->address = conf->address;
    pthread_mutex_init(&listener->lock, NULL);
    for (size_t i = 0; i < ADMIN_CLIENTS_MAX; i++)
        listener->clients[i].fd = -1;
    // clang-format off: one option a line
    listener->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, request_arrived, listener,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CLIENTS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_CONNECTION,
        client_changed, listener, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    // clang-format on
    if (listener->daemon &&
        thread_start(&listener->thread, "ringway-admin", listener_serve, listener) == 0)
        return listener;
    problems_add(problems, PROBLEM_ERROR, conf->pos,
                 "admin: its thread could not be started: out of memory or threads");
    listener_free(listener);
    return NULL;
}

static bool has(const struct admin *admin, const struct admin_listener *listener) {
    for (size_t i = 0; i < admin->count; i++)
        if (admin->listeners[i] == listener)
            return true;
    return false;
}

static struct admin_listener *find(const struct admin *admin, const struct conf_listen *conf) {
    for (size_t i = 0; i < admin->count; i++)
        if (address_compare((const struct sockaddr *)&admin->listeners[i]->address,
                            (const struct sockaddr *)&conf->address) == 0)
            return admin->listeners[i];
    return NULL;
}

int admin_prepare(struct admin *next, const struct admin *current, const struct config *config,
                  struct gateway *gateway, struct problems *problems) {
    *next = (struct admin){0};
    for (size_t i = 0; i < config->admin.listen_count; i++) {
        const struct conf_listen *conf = &config->admin.listens[i];
        struct admin_listener *listener = find(current, conf);
        if (!listener)
            listener = listener_new(conf, gateway, problems);
        if (!listener) {
            admin_undo(next, current);
            return -1;
        }
        next->listeners[next->count++] = listener;
    }
    return 0;
}

// Frees those of one that the other does not have.
static void difference_free(const struct admin *of, const struct admin *without) {
    for (size_t i = 0; i < of->count; i++)
        if (!has(without, of->listeners[i]))
            listener_end(of->listeners[i]);
}

void admin_commit(struct admin *current, struct admin *next) {
    difference_free(current, next);
    *current = *next;
    *next = (struct admin){0};
}

void admin_undo(struct admin *next, const struct admin *current) {
    difference_free(next, current);
    *next = (struct admin){0};
}

void admin_close(struct admin *admin) {
    struct admin none = {0};
    admin_commit(admin, &none);
}
