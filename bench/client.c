// SPDX-License-Identifier: Apache-2.0
#include "bench/client.h"

#include "bench/counter.h"
#include "core/container.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void connect_done(struct op *op, int result, uint8_t *buffer);
static void rx_done(struct op *op, int result, uint8_t *buffer);
static void again_run(struct task *task);
static void asked_run(struct task *task);
static void tx_done(struct op *op, int result, uint8_t *buffer);
static void deadline_fired(struct timer *timer);
static void handshake(struct client *client);
static void upgrade(struct client *client);
static void receive(struct client *client);
static void head_take(struct client *client, struct str bytes);
static void frames_take(struct client *client, struct str bytes);
static void write_bytes(struct client *client, size_t n);
static void pump(struct client *client);
static void close_when_done(struct client *client);
static void end(struct client *client);
static void join(struct client *client);
static void fail(struct client *client, enum failure_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail_errno(struct client *client, int error);

static const char *const phases[] = {
    [CLIENT_IDLE] = "opening a socket",
    [CLIENT_CONNECTING] = "connecting",
    [CLIENT_SECURING] = "in the TLS handshake",
    [CLIENT_UPGRADING] = "waiting for the upgrade's answer",
    [CLIENT_OPEN] = "open",
    [CLIENT_CLOSING] = "closing",
    [CLIENT_ENDING] = "ending",
};

static const char *const waits_for[] = {
    [PART_ECHOED] = "waiting for an echo",     [PART_ANSWERED] = "waiting for an answer",
    [PART_SPEAKER] = "waiting to send",        [PART_SENDER] = "waiting to send",
    [PART_RECEIVER] = "waiting for a message", [PART_PEER] = "waiting to send",
};

enum { PATH_MAX_BYTES = TARGET_PATH_NUMBERED_MAX + SIZE_MIX_TEXT_MAX + 64 };

enum { CALLS_PER_TURN = 8 }; // reads or writes; then the other clients have their turn

static void progress(struct client *client) {
    client->progress_ms = client->setup->worker->now_ms;
}

void client_init(struct client *client, struct client_setup *setup, uint32_t index, void *owner) {
    client->setup = setup;
    client->index = index;
    client->owner = owner;
    client->channel.fd = -1;
    client->deadline.fired = deadline_fired;
    client->again.run = again_run;
    client->asked.run = asked_run;
}

// --- connecting -------------------------------------------------------------------------------

// A socket, bound where the client has a source of its own, or a negative errno.
static int socket_open(const struct client *client) {
    const struct client_setup *setup = client->setup;
    int fd = ring_socket(setup->worker->ring, setup->target->address.ss_family);
    if (fd < 0 || client->source.ss_family == 0)
        return fd;
    int on = 1; // the port is chosen at connect, when the whole address pair is known
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&client->source, sizeof(struct sockaddr_in)) == 0)
        return fd;
    int error = -errno;
    ring_close_socket(setup->worker->ring, fd);
    return error;
}

void client_start(struct client *client) {
    const struct client_setup *setup = client->setup;
    assert(client->state == CLIENT_IDLE);
    dialog_start(&client->dialog, client->index, &setup->dialog);
    client->opened = client->closes = false;
    client->failure = FAILURE_NONE;
    client->started_ns = clock_now_ns();
    progress(client);
    int fd = socket_open(client);
    channel_open(&client->channel, setup->worker, fd);
    if (fd < 0) {
        fail_errno(client, fd);
        return;
    }
    client->state = CLIENT_CONNECTING;
    timer_set(&setup->worker->timers, &client->deadline, client->progress_ms + setup->timeout_ms);
    client->rx.done = rx_done;
    client->tx.done = connect_done;
    ring_connect(setup->worker->ring, &client->tx, fd,
                 (const struct sockaddr *)&setup->target->address,
                 setup->target->address_size_bytes);
}

static void connect_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct client *client = container_of(op, struct client, tx);
    const struct client_setup *setup = client->setup;
    if (client->state == CLIENT_ENDING) {
        join(client);
        return;
    }
    if (result < 0) {
        fail_errno(client, result);
        return;
    }
    client->tx.done = tx_done;
    ring_poll_in(setup->worker->ring, &client->rx, client->channel.fd);
    if (!setup->tls) {
        upgrade(client);
        return;
    }
    client->state = CLIENT_SECURING;
    result = channel_secure(&client->channel, setup->tls, setup->target);
    if (result < 0)
        fail_errno(client, result);
    else
        handshake(client);
}

static void handshake(struct client *client) {
    int result = channel_handshake(&client->channel);
    if (result == 0)
        upgrade(client);
    else if (result != -EAGAIN)
        fail_errno(client, result);
}

// The target's path; a source is also told which messages this client waits for.
static void path_make(const struct client *client, char out[PATH_MAX_BYTES]) {
    const struct client_setup *setup = client->setup;
    target_path_write(setup->target, client->index, out);
    size_t n = strlen(out);
    if (setup->dialog.part == PART_RECEIVER)
        snprintf(out + n, PATH_MAX_BYTES - n, "%csize=%s&connection=%u",
                 strchr(out, '?') ? '&' : '?', setup->dialog.sizes->text, (unsigned)client->index);
}

static void upgrade(struct client *client) {
    struct client_setup *setup = client->setup;
    client->state = CLIENT_UPGRADING;
    client->head = chunk_get(&setup->worker->chunks, UPGRADE_HEAD_MAX);
    if (!client->head) {
        fail_errno(client, -ENOMEM);
        return;
    }
    uint64_t words[2] = {random_next(&setup->random), random_next(&setup->random)};
    upgrade_key_make(client->key, (const uint8_t *)words);
    char path[PATH_MAX_BYTES];
    path_make(client, path);
    size_t n = upgrade_request_write((char *)setup->write_buffer, CHANNEL_WRITE_MAX,
                                     setup->target->authority, path, client->key, setup->fields);
    write_bytes(client, n);
}

// --- receiving --------------------------------------------------------------------------------

static void rx_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct client *client = container_of(op, struct client, rx);
    if (client->state == CLIENT_ENDING) {
        join(client);
        return;
    }
    if (result < 0) {
        fail_errno(client, result);
        return;
    }
    if (!op->submitted)
        ring_poll_in(client->setup->worker->ring, op, client->channel.fd);
    bool hung_up = op->poll_events & (POLLHUP | POLLRDHUP | POLLERR);
    channel_wake(&client->channel, hung_up ? CHANNEL_HUNG_UP : CHANNEL_ALIVE);
    if (client->state == CLIENT_SECURING)
        handshake(client);
    if (client->state > CLIENT_SECURING)
        receive(client);
}

static void again_run(struct task *task) {
    struct client *client = container_of(task, struct client, again);
    if (client->state == CLIENT_ENDING) {
        join(client);
        return;
    }
    receive(client);
    if (client->state == CLIENT_OPEN || client->state == CLIENT_CLOSING)
        pump(client);
}

static bool is_over(const struct client *client) {
    return client->state == CLIENT_ENDING || client->state == CLIENT_IDLE;
}

static void receive(struct client *client) {
    for (int reads = 0; !is_over(client); reads++) {
        if (reads >= CALLS_PER_TURN && channel_may_rest(&client->channel)) {
            worker_defer(client->setup->worker, &client->again);
            return;
        }
        struct str bytes;
        ssize_t n = channel_receive(&client->channel, &bytes);
        if (n == -EAGAIN)
            return;
        if (n > 0 && client->state == CLIENT_UPGRADING)
            head_take(client, bytes);
        else if (n > 0)
            frames_take(client, bytes);
        else if (n < 0)
            fail_errno(client, (int)n);
        else if (client->dialog.close_sent && client->dialog.close_received)
            end(client);
        else
            fail(client, FAILURE_ENDED, "end of the stream while %s", phases[client->state]);
    }
}

static void head_end(struct client *client) {
    if (client->head)
        chunk_put(&client->setup->worker->chunks, client->head);
    client->head = NULL;
}

// Collects the head of the answer; the first frames may follow it at once.
static void head_take(struct client *client, struct str bytes) {
    struct chunk *head = client->head;
    uint32_t before = head->end;
    size_t room = UPGRADE_HEAD_MAX - before;
    size_t n = bytes.len < room ? bytes.len : room;
    memcpy(head->data + before, bytes.ptr, n);
    head->end += (uint32_t)n;

    struct upgrade_result result;
    struct str all = {(const char *)head->data, head->end};
    switch (upgrade_response_check(all, client->key, client->setup->fields, &result)) {
    case UPGRADE_WANTS_MORE:
        return;
    case UPGRADE_REFUSED:
        client->code = result.status;
        fail(client, FAILURE_HTTP, "the upgrade was answered with status %u%s%.*s", result.status,
             result.location.len > 0 ? ", Location: " : "", STR_ARG(result.location));
        return;
    case UPGRADE_BROKEN:
        fail(client, FAILURE_UPGRADE, "%s", result.why);
        return;
    case UPGRADE_DONE:
        break;
    }
    head_end(client);
    client->state = CLIENT_OPEN;
    client->opened = true;
    if (client->setup->reads_when_told)
        channel_allow(&client->channel, 0);
    progress(client);
    client->setup->events->opened(client);
    if (client->state == CLIENT_OPEN || client->state == CLIENT_CLOSING)
        frames_take(client, str_skip(bytes, result.head_bytes - before));
}

static void close_taken(struct client *client) {
    if (client->dialog.close_sent)
        return; // the answer to ours: the server ends the stream (RFC 6455 §7.1.1)
    client->code = client->dialog.close_code;
    char reason[FRAME_CONTROL_MAX];
    dialog_close_reason(&client->dialog, reason);
    pump(client);
    if (!is_over(client))
        fail(client, FAILURE_CLOSED, "closed with code %u%s%s", client->code, reason[0] ? ": " : "",
             reason);
}

static void frames_take(struct client *client, struct str bytes) {
    while (client->state == CLIENT_OPEN || client->state == CLIENT_CLOSING) {
        switch (dialog_take(&client->dialog, &bytes)) {
        case DIALOG_WANTS_MORE:
            return;
        case DIALOG_MESSAGE:
            progress(client);
            client->setup->events->received(client);
            close_when_done(client);
            break;
        case DIALOG_PING:
            pump(client);
            break;
        case DIALOG_CLOSE:
            close_taken(client);
            break;
        case DIALOG_WRONG:
            fail(client, FAILURE_WRONG_BYTES, "%s", client->dialog.why);
            return;
        case DIALOG_BROKEN:
            fail(client, FAILURE_FRAME, "%s", client->dialog.why);
            return;
        }
    }
}

// --- sending ----------------------------------------------------------------------------------

void client_send(struct client *client) {
    assert(client->state == CLIENT_OPEN && !client->closes);
    if (dialog_outstanding(&client->dialog) == 0)
        progress(client); // from here on an echo is waited for
    dialog_send(&client->dialog);
    pump(client);
}

void client_ask(struct client *client) {
    assert(client->state == CLIENT_OPEN && !client->closes);
    if (dialog_outstanding(&client->dialog) == 0)
        progress(client);
    dialog_send(&client->dialog);
    worker_defer(client->setup->worker, &client->asked);
}

static void asked_run(struct task *task) {
    struct client *client = container_of(task, struct client, asked);
    if (client->state == CLIENT_ENDING)
        join(client);
    else if (client->state == CLIENT_OPEN || client->state == CLIENT_CLOSING)
        pump(client);
}

void client_stream(struct client *client) {
    assert(client->state == CLIENT_OPEN && !client->closes);
    progress(client);
    dialog_stream(&client->dialog);
    pump(client);
}

void client_read(struct client *client, size_t bytes) {
    assert(client->setup->reads_when_told);
    if (client->state != CLIENT_OPEN && client->state != CLIENT_CLOSING)
        return;
    channel_allow(&client->channel, bytes);
    channel_wake(&client->channel, CHANNEL_ALIVE);
    worker_defer(client->setup->worker, &client->again);
}

static void wait_writable(struct client *client) {
    if (channel_is_backlogged(&client->channel) && !client->tx.submitted)
        ring_poll_out(client->setup->worker->ring, &client->tx, client->channel.fd);
}

// Sends `n` bytes of the write buffer.
static void write_bytes(struct client *client, size_t n) {
    int result = channel_send(&client->channel, client->setup->write_buffer, n);
    if (result < 0)
        fail_errno(client, result);
    else
        wait_writable(client);
}

// Sends what is to be sent, as far as the socket takes it.
static void pump(struct client *client) {
    for (int writes = 0; !channel_is_backlogged(&client->channel); writes++) {
        if (writes == CALLS_PER_TURN) {
            worker_defer(client->setup->worker, &client->again);
            return;
        }
        size_t n = dialog_fill(&client->dialog, client->setup->write_buffer, CHANNEL_WRITE_MAX);
        if (n == 0)
            break;
        write_bytes(client, n);
        if (is_over(client))
            return;
    }
    if (!dialog_is_answered(&client->dialog))
        close_when_done(client);
}

static void tx_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct client *client = container_of(op, struct client, tx);
    if (client->state == CLIENT_ENDING) {
        join(client);
        return;
    }
    if (result >= 0)
        result = channel_flush(&client->channel);
    if (result < 0) {
        fail_errno(client, result);
        return;
    }
    if (!dialog_is_answered(&client->dialog))
        progress(client); // the server takes what it is sent: there is no other sign of life
    wait_writable(client);
    if (client->state >= CLIENT_OPEN)
        pump(client);
}

// --- ending -----------------------------------------------------------------------------------

static void close_when_done(struct client *client) {
    if (client->closes && client->state == CLIENT_OPEN)
        client_close(client);
}

void client_close(struct client *client) {
    client->closes = true;
    if (client->setup->dialog.part == PART_SENDER)
        dialog_stop(&client->dialog);
    if (client->state == CLIENT_OPEN && dialog_outstanding(&client->dialog) == 0) {
        client->state = CLIENT_CLOSING;
        progress(client);
        dialog_close(&client->dialog, CLOSE_NORMAL);
        pump(client);
    } else if (client->state != CLIENT_IDLE && client->state < CLIENT_OPEN) {
        end(client);
    }
}

void client_abandon(struct client *client) {
    uint64_t outstanding = dialog_outstanding(&client->dialog);
    if (client->state == CLIENT_OPEN && outstanding > 0)
        fail(client, FAILURE_TIMEOUT, "%llu messages still due %llu ms after the end",
             (unsigned long long)outstanding, (unsigned long long)client->setup->timeout_ms);
}

// Whether the peer has something to do for us.
static bool is_waiting(const struct client *client) {
    const struct client_setup *setup = client->setup;
    bool is_fed = setup->dialog.part == PART_RECEIVER && !setup->reads_when_told;
    return client->state != CLIENT_OPEN || is_fed || dialog_outstanding(&client->dialog) > 0;
}

// Looks once per timeout instead of being set anew for each message.
static void deadline_fired(struct timer *timer) {
    struct client *client = container_of(timer, struct client, deadline);
    struct worker *worker = client->setup->worker;
    uint64_t since_ms = is_waiting(client) ? client->progress_ms : worker->now_ms;
    if (worker->now_ms < since_ms + client->setup->timeout_ms)
        timer_set(&worker->timers, timer, since_ms + client->setup->timeout_ms);
    else
        fail(client, FAILURE_TIMEOUT, "no progress for %llu ms while %s",
             (unsigned long long)client->setup->timeout_ms,
             client->state == CLIENT_OPEN ? waits_for[client->setup->dialog.part]
                                          : phases[client->state]);
}

static void fail(struct client *client, enum failure_kind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->why, sizeof client->why, format, arguments);
    va_end(arguments);
    client->failure = kind;
    end(client);
}

static void fail_errno(struct client *client, int error) {
    const char *detail = error == -EPROTO ? client->channel.why : strerror(-error);
    fail(client, failure_of_errno(error), "%s while %s", detail, phases[client->state]);
}

// Lets go of everything; done when the kernel has too.
static void end(struct client *client) {
    struct worker *worker = client->setup->worker;
    if (client->state == CLIENT_ENDING)
        return;
    client->state = CLIENT_ENDING;
    if (client->setup->dialog.part == PART_SENDER)
        dialog_stop(&client->dialog);
    timer_clear(&worker->timers, &client->deadline);
    if (client->rx.submitted)
        ring_cancel(worker->ring, &client->rx);
    if (client->tx.submitted)
        ring_cancel(worker->ring, &client->tx);
    join(client);
}

static void join(struct client *client) {
    if (client->rx.submitted || client->tx.submitted || client->again.queued ||
        client->asked.queued)
        return;
    head_end(client);
    channel_close(&client->channel);
    client->state = CLIENT_IDLE;
    client->setup->events->ended(client);
}
