// SPDX-License-Identifier: Apache-2.0
#include "bench/echo.h"

#include "bench/frame.h"
#include "bench/source.h"
#include "bench/upgrade.h"
#include "core/chunk.h"
#include "core/container.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum {
    READS_PER_TURN = 8, // then the others have theirs
    SENDS_PER_TURN = 8, // of a source
    FLUSH_PARTS = 16,
    CLOSE_PROTOCOL_ERROR = 1002, // RFC 6455 §7.4.1
    CLOSE_TOO_BIG = 1009,
    ROOM_BACKLOG_MAX = 8 << 20, // what waits for a member that does not read; then it is dropped
};

enum echo_state { ECHO_HEAD, ECHO_OPEN, ECHO_DRAINING, ECHO_ENDING };

struct echo_conn {
    struct echo_server *server;
    struct echo_conn *prev, *next;
    int fd;
    enum echo_state state;
    struct op rx, tx;
    struct task again;  // goes on reading in the next turn
    struct chunk *head; // HEAD: the request so far
    struct chain out;   // what the socket did not take
    struct frame_reader in;
    bool hung_up;
    enum backend_role role;
    struct source *source;      // of a BACKEND_SOURCE, allocated
    struct room_member *member; // of a BACKEND_BROADCAST, allocated
};

// Output of one turn, in the worker's seal scratch.
struct output {
    uint8_t *bytes;
    size_t n;
};

static void accepted(struct acceptor *acceptor, int fd);
static void visit_done(struct op *op, int result, uint8_t *buffer);
static void rx_done(struct op *op, int result, uint8_t *buffer);
static void tx_done(struct op *op, int result, uint8_t *buffer);
static void receive(struct echo_conn *conn);
static void receive_again(struct task *task);
static void input_take(struct echo_conn *conn, struct str input);
static void source_take(struct echo_conn *conn, struct str input);
static void member_deliver(struct room_member *member, const uint8_t *frame, size_t n);
static void source_send(struct echo_conn *conn);
static void send_output(struct echo_conn *conn, const struct output *output);
static void end(struct echo_conn *conn);
static void join(struct echo_conn *conn);

// --- accepting --------------------------------------------------------------------------------

void echo_server_start(struct echo_server *server, struct worker *worker) {
    server->worker = worker;
    server->acceptor.accepted = accepted;
    server->visit.done = visit_done;
    acceptor_start(&server->acceptor, worker);
    ring_poll_in(worker->ring, &server->visit, server->inboxes[server->index].read_fd);
}

static void conn_free(struct echo_conn *conn) {
    struct worker *worker = conn->server->worker;
    DL_DELETE(conn->server->conns, conn);
    chain_clear(&worker->chunks, &conn->out);
    if (conn->head)
        chunk_put(&worker->chunks, conn->head);
    if (conn->member && conn->member->room)
        room_leave(&conn->server->rooms, conn->member);
    free(conn->member);
    free(conn->source);
    free(conn);
}

void echo_server_clear(struct echo_server *server) {
    struct echo_conn *conn, *next;
    DL_FOREACH_SAFE(server->conns, conn, next) {
        close(conn->fd);
        conn_free(conn);
    }
    chunk_pool_clear(&server->worker->chunks);
}

// NULL: out of memory.
static struct echo_conn *conn_start(struct echo_server *server, int fd) {
    struct echo_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    *conn = (struct echo_conn){.server = server,
                               .fd = fd,
                               .rx.done = rx_done,
                               .tx.done = tx_done,
                               .again.run = receive_again,
                               .head = chunk_get(&server->worker->chunks, UPGRADE_HEAD_MAX)};
    if (!conn->head) {
        free(conn);
        return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    DL_APPEND(server->conns, conn);
    ring_poll_in(server->worker->ring, &conn->rx, fd);
    return conn;
}

static void accepted(struct acceptor *acceptor, int fd) {
    struct echo_server *server = container_of(acceptor, struct echo_server, acceptor);
    if (!conn_start(server, fd))
        ring_close_socket(server->worker->ring, fd);
}

// Connections that other threads have accepted, for a room of this one.
static void visit_done(struct op *op, int result, uint8_t *buffer) {
    (void)result, (void)buffer;
    struct echo_server *server = container_of(op, struct echo_server, visit);
    const struct inbox *inbox = &server->inboxes[server->index];
    struct visitor *visitor;
    while ((visitor = inbox_take(inbox))) {
        struct echo_conn *conn = conn_start(server, visitor->fd);
        if (conn)
            input_take(conn, (struct str){visitor->said, visitor->n});
        else
            ring_close_socket(server->worker->ring, visitor->fd);
        free(visitor);
    }
    if (!op->submitted)
        ring_poll_in(server->worker->ring, op, inbox->read_fd);
}

// --- receiving --------------------------------------------------------------------------------

static void rx_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct echo_conn *conn = container_of(op, struct echo_conn, rx);
    if (conn->state == ECHO_ENDING) {
        join(conn);
        return;
    }
    if (result < 0) {
        end(conn);
        return;
    }
    if (!op->submitted)
        ring_poll_in(conn->server->worker->ring, op, conn->fd);
    conn->hung_up = conn->hung_up || op->poll_events & (POLLHUP | POLLRDHUP | POLLERR);
    receive(conn);
}

static void receive_again(struct task *task) {
    struct echo_conn *conn = container_of(task, struct echo_conn, again);
    if (conn->state == ECHO_ENDING) {
        join(conn);
        return;
    }
    receive(conn);
    if (conn->source && conn->state == ECHO_OPEN)
        source_send(conn);
}

static void receive(struct echo_conn *conn) {
    struct worker *worker = conn->server->worker;
    for (int reads = 0; reads < READS_PER_TURN; reads++) {
        if (!chain_is_empty(&conn->out) && !conn->source)
            return; // goes on when the client has taken that
        ssize_t n =
            ring_recv_now(worker->ring, conn->fd, worker->read_scratch, WORKER_SCRATCH_BYTES);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            end(conn);
            return;
        }
        input_take(conn, (struct str){(const char *)worker->read_scratch, (size_t)n});
        if (conn->state == ECHO_ENDING)
            return;
        if (n < WORKER_SCRATCH_BYTES && !conn->hung_up)
            return; // the socket is empty; the poll tells of more
    }
    worker_defer(worker, &conn->again);
}

// --- the upgrade ------------------------------------------------------------------------------

static void answer(struct output *output, enum upgrade_verdict verdict, const char *accept) {
    char *out = (char *)output->bytes;
    if (verdict == UPGRADE_DONE)
        output->n = (size_t)sprintf(out,
                                    "HTTP/1.1 101 Switching Protocols\r\n"
                                    "Upgrade: websocket\r\n"
                                    "Connection: Upgrade\r\n"
                                    "Sec-WebSocket-Accept: %s\r\n\r\n",
                                    accept);
    else
        output->n = (size_t)sprintf(out,
                                    "HTTP/1.1 %s\r\n"
                                    "Upgrade: websocket\r\n"
                                    "Sec-WebSocket-Version: 13\r\n"
                                    "Connection: close\r\n"
                                    "Content-Length: 0\r\n\r\n",
                                    verdict == UPGRADE_REFUSED ? "426 Upgrade Required"
                                                               : "400 Bad Request");
}

static void finish(struct echo_conn *conn) {
    conn->state = ECHO_DRAINING;
    if (chain_is_empty(&conn->out))
        ring_shutdown(conn->server->worker->ring, conn->fd, RING_SHUTDOWN_SEND);
}

// Takes on the role that the path asks for. False when it cannot.
static bool role_take(struct echo_conn *conn, struct str path) {
    conn->role = backend_role_of(path);
    if (conn->role == BACKEND_SOURCE) {
        conn->source = calloc(1, sizeof *conn->source);
        return conn->source && source_start(conn->source, path);
    }
    if (conn->role == BACKEND_BROADCAST) {
        conn->member = calloc(1, sizeof *conn->member);
        if (!conn->member)
            return false;
        *conn->member = (struct room_member){.deliver = member_deliver, .owner = conn};
        return room_enter(&conn->server->rooms, conn->member, path);
    }
    return true;
}

// Hands the connection over to the thread of the room that `path` asks for, if that is another.
static bool moves_away(struct echo_conn *conn, struct str path, struct str rest) {
    struct echo_server *server = conn->server;
    if (backend_role_of(path) != BACKEND_BROADCAST)
        return false;
    size_t home = room_home(path, server->inbox_count);
    if (home == server->index)
        return false;
    struct str said = {(const char *)conn->head->data, conn->head->end};
    inbox_send(&server->inboxes[home], conn->fd, said, rest);
    end(conn); // lets go of this thread's descriptor only; the last one if the other has none
    return true;
}

// Takes bytes of the request's head. Returns those that follow it.
static struct str head_take(struct echo_conn *conn, struct str input) {
    struct worker *worker = conn->server->worker;
    struct chunk *head = conn->head;
    uint32_t before = head->end;
    size_t room = UPGRADE_HEAD_MAX - before;
    size_t n = input.len < room ? input.len : room;
    memcpy(head->data + before, input.ptr, n);
    head->end += (uint32_t)n;

    char accept[UPGRADE_ACCEPT_TEXT];
    struct upgrade_result result;
    struct str all = {(const char *)head->data, head->end};
    enum upgrade_verdict verdict = upgrade_request_check(all, accept, &result);
    if (verdict == UPGRADE_WANTS_MORE)
        return str_skip(input, input.len);
    if (verdict == UPGRADE_DONE && moves_away(conn, result.path, str_skip(input, n)))
        return str_skip(input, input.len);
    if (verdict == UPGRADE_DONE && !role_take(conn, result.path))
        verdict = UPGRADE_BROKEN;
    chunk_put(&worker->chunks, head);
    conn->head = NULL;
    struct output output = {.bytes = worker->seal_scratch};
    answer(&output, verdict, accept);
    conn->state = ECHO_OPEN;
    send_output(conn, &output);
    if (verdict != UPGRADE_DONE && conn->state == ECHO_OPEN)
        finish(conn);
    if (conn->source && conn->state == ECHO_OPEN)
        source_send(conn);
    return str_skip(input, result.head_bytes - before);
}

// --- echoing ----------------------------------------------------------------------------------

static uint8_t opcode_back(uint8_t opcode) {
    return opcode == OPCODE_PING ? OPCODE_PONG : opcode;
}

// Whether a frame has an answer.
static bool is_answered(const struct echo_conn *conn) {
    const struct frame *frame = &conn->in.frame;
    return frame->opcode != OPCODE_PONG && (conn->role == BACKEND_ECHO || frame_is_control(frame));
}

// Whether it is part of what a member of a room says.
static bool is_collected(const struct echo_conn *conn) {
    return conn->member && !frame_is_control(&conn->in.frame);
}

static void head_echo(const struct frame *frame, struct output *output) {
    struct frame back = {
        .opcode = opcode_back(frame->opcode), .fin = frame->fin, .length = frame->length};
    output->n += frame_head_write(output->bytes + output->n, &back);
}

static void payload_echo(const struct frame_reader *in, struct output *output) {
    frame_mask(output->bytes + output->n, (const uint8_t *)in->payload.ptr, in->payload.len,
               in->frame.key, in->position);
    output->n += in->payload.len;
}

static void close_say(struct output *output, unsigned code) {
    struct frame frame = {.opcode = OPCODE_CLOSE, .fin = true, .length = 2};
    output->n += frame_head_write(output->bytes + output->n, &frame);
    output->bytes[output->n++] = (uint8_t)(code >> 8);
    output->bytes[output->n++] = (uint8_t)code;
}

// Adds to the message that a member says. False when it is too long.
static bool payload_collect(struct room_member *member, const struct frame_reader *in) {
    uint8_t *room = room_message_extend(member, in->payload.len);
    if (!room)
        return false;
    frame_mask(room, (const uint8_t *)in->payload.ptr, in->payload.len, in->frame.key,
               in->position);
    return true;
}

// A frame back is shorter than the frame in, so the output of a read fits where the read did, but
// for one head that began earlier. Returns false when nothing more is to be said.
static bool frames_echo(struct echo_conn *conn, struct str input, struct output *output) {
    const struct frame *frame = &conn->in.frame;
    for (;;) {
        switch (frame_next(&conn->in, &input)) {
        case FRAME_WANTS_MORE:
            return true;
        case FRAME_HEAD:
            if (!frame->masked) { // RFC 6455 §5.1
                close_say(output, CLOSE_PROTOCOL_ERROR);
                return false;
            }
            if (is_answered(conn))
                head_echo(frame, output);
            else if (conn->member &&
                     (frame->opcode == OPCODE_TEXT || frame->opcode == OPCODE_BINARY))
                room_message_begin(conn->member, frame->opcode);
            break;
        case FRAME_PAYLOAD:
            if (is_answered(conn)) {
                payload_echo(&conn->in, output);
            } else if (is_collected(conn) && !payload_collect(conn->member, &conn->in)) {
                close_say(output, CLOSE_TOO_BIG);
                return false;
            }
            break;
        case FRAME_END:
            if (frame->opcode == OPCODE_CLOSE)
                return false;
            if (is_collected(conn) && frame->fin)
                room_message_say(conn->member);
            break;
        case FRAME_BROKEN:
            close_say(output, CLOSE_PROTOCOL_ERROR);
            return false;
        }
    }
}

static void input_take(struct echo_conn *conn, struct str input) {
    if (conn->state == ECHO_HEAD)
        input = head_take(conn, input);
    if (conn->state != ECHO_OPEN || input.len == 0)
        return;
    if (conn->source) {
        source_take(conn, input);
        return;
    }
    struct output output = {.bytes = conn->server->worker->seal_scratch};
    bool goes_on = frames_echo(conn, input, &output);
    send_output(conn, &output);
    if (!goes_on && conn->state == ECHO_OPEN)
        finish(conn);
}

static void member_deliver(struct room_member *member, const uint8_t *frame, size_t n) {
    struct echo_conn *conn = member->owner;
    if (conn->state != ECHO_OPEN)
        return;
    struct output output = {.bytes = (uint8_t *)frame, .n = n};
    if (chain_length(&conn->out) + n > ROOM_BACKLOG_MAX)
        end(conn);
    else
        send_output(conn, &output);
}

// --- being a source ---------------------------------------------------------------------------

static void source_take(struct echo_conn *conn, struct str input) {
    struct dialog *dialog = &conn->source->dialog;
    enum dialog_event event;
    do {
        event = dialog_take(dialog, &input);
        if (event == DIALOG_BROKEN || event == DIALOG_WRONG) {
            end(conn);
            return;
        }
    } while (event != DIALOG_WANTS_MORE);
    if (dialog->control_out.opcode)
        source_send(conn);
}

// Sends as long as the client takes it: a client that does not read is not sent to.
static void source_send(struct echo_conn *conn) {
    struct worker *worker = conn->server->worker;
    struct dialog *dialog = &conn->source->dialog;
    struct output output = {.bytes = worker->seal_scratch};
    for (int sends = 0; chain_is_empty(&conn->out) && conn->state == ECHO_OPEN; sends++) {
        if (sends == SENDS_PER_TURN) {
            worker_defer(worker, &conn->again);
            return;
        }
        output.n = dialog_fill(dialog, output.bytes, WORKER_SCRATCH_BYTES);
        if (output.n == 0)
            break;
        send_output(conn, &output);
    }
    if (dialog->close_sent && conn->state == ECHO_OPEN)
        finish(conn);
}

// --- sending ----------------------------------------------------------------------------------

// Sends what it can and keeps the rest.
static void send_output(struct echo_conn *conn, const struct output *output) {
    struct worker *worker = conn->server->worker;
    if (output->n == 0)
        return;
    ssize_t sent = 0;
    if (chain_is_empty(&conn->out)) {
        struct iovec part = {output->bytes, output->n};
        sent = ring_send_now(worker->ring, conn->fd, &part, 1, RING_LAST);
        if (sent == (ssize_t)output->n)
            return;
    }
    if (sent == -EAGAIN)
        sent = 0;
    if (sent < 0 || chain_append(&worker->chunks, &conn->out, output->bytes + sent,
                                 output->n - (size_t)sent) < 0) {
        end(conn);
        return;
    }
    if (!conn->tx.submitted)
        ring_poll_out(worker->ring, &conn->tx, conn->fd);
}

static void tx_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct echo_conn *conn = container_of(op, struct echo_conn, tx);
    struct worker *worker = conn->server->worker;
    if (conn->state == ECHO_ENDING) {
        join(conn);
        return;
    }
    ssize_t sent = result;
    while (sent >= 0 && !chain_is_empty(&conn->out)) {
        struct iovec parts[FLUSH_PARTS];
        int count = chain_parts(&conn->out, parts, FLUSH_PARTS);
        sent = ring_send_now(worker->ring, conn->fd, parts, count, RING_LAST);
        if (sent > 0)
            chain_consume(&worker->chunks, &conn->out, (size_t)sent);
    }
    if (sent < 0 && sent != -EAGAIN)
        end(conn);
    else if (!chain_is_empty(&conn->out))
        ring_poll_out(worker->ring, op, conn->fd);
    else if (conn->state == ECHO_DRAINING)
        ring_shutdown(worker->ring, conn->fd, RING_SHUTDOWN_SEND);
    else if (conn->source)
        source_send(conn);
    else
        receive(conn);
}

// --- ending -----------------------------------------------------------------------------------

static void end(struct echo_conn *conn) {
    struct worker *worker = conn->server->worker;
    if (conn->state == ECHO_ENDING)
        return;
    conn->state = ECHO_ENDING;
    if (conn->rx.submitted)
        ring_cancel(worker->ring, &conn->rx);
    if (conn->tx.submitted)
        ring_cancel(worker->ring, &conn->tx);
    // From a task, never from inside a call: what called may still look at the connection.
    worker_defer(worker, &conn->again);
}

static void join(struct echo_conn *conn) {
    struct worker *worker = conn->server->worker;
    if (conn->rx.submitted || conn->tx.submitted || conn->again.queued)
        return;
    ring_close_socket(worker->ring, conn->fd);
    conn_free(conn);
}
