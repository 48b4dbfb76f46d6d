// SPDX-License-Identifier: Apache-2.0
//
// A connection to a server: reads requests, answers each as planned, and relays nothing: it sends
// its own frames and keeps those that arrive.
#include "tests/unit/ws/sim.h"

#include <stdlib.h>

struct server *server_new(struct sim *sim, struct fake_peer *peer) {
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->sim = sim;
    server->state = PEER_TALKING;
    server->wire.peer = peer;
    server->message = (struct message){.kind = MESSAGE_REQUEST};
    return server;
}

void server_free(struct server *server) {
    wire_free(&server->wire);
    buffer_free(&server->in);
    buffer_free(&server->frames);
    free(server);
}

static bool is_over(const struct server *server) {
    return fake_peer_state(server->wire.peer) != FAKE_PEER_OPEN;
}

static void leave(struct server *server, enum fault fault) {
    fake_trace("server: leaves (%d)", fault);
    if (fault == FAULT_RESET)
        fake_peer_reset(server->wire.peer);
    else if (fault == FAULT_CLOSE)
        fake_peer_close(server->wire.peer);
    server->state = fault == FAULT_RESET || fault == FAULT_CLOSE ? PEER_LEFT : PEER_STALLED;
}

// --- requests ---------------------------------------------------------------------------------

static void request_arrived(struct server *server) {
    struct sim *sim = server->sim;
    if (server->message.call >= (int)sim->call_count)
        fake_fail("a request that should have been refused got through");
    struct call *call = server->call = &sim->calls[server->message.call];
    bool may_repeat =
        call->kind != CALL_POST && call->kind != CALL_CHUNKED && call->kind != CALL_BROKEN;
    fake_trace("server: call %u arrives", call->id);
    if (!call->started)
        fake_fail("call %u arrives before it was sent", call->id);
    if (call->arrivals++ > 0 && (!may_repeat || (sim->clean && !sim->flaky)))
        fake_fail("call %u arrives a second time", call->id);
    call->body_arrived = 0;
    if (call->early)
        server->responding = true;
}

// The next request on this connection may come.
static void next_request(struct server *server) {
    if (server->sim->flaky && fake_random(3) == 0)
        server->close_ms = clock_monotonic_ms() + fake_random(300);
    server->call = NULL;
    server->sent = 0;
    server->answered = false;
    server->message = (struct message){.kind = MESSAGE_REQUEST};
}

static void body_arrived(struct server *server) {
    struct call *call = server->call;
    call->body_arrived = server->message.payload_bytes;
    call->body_whole = true;
    if (call->body_arrived != call->body_size)
        fake_fail("call %u: %zu bytes of payload arrive instead of %zu", call->id,
                  call->body_arrived, call->body_size);
    if (server->answered)
        next_request(server);
    else
        server->responding = true;
}

static bool request_read(struct server *server) {
    struct message *message = &server->message;
    bool headed = message->place != AT_HEAD;
    if (message->place == AT_DONE && server->call) {
        if (server->in.size > 0)
            fake_fail("call %u: bytes follow before it was answered", server->call->id);
        return false;
    }
    if (!message_read(message, &server->in))
        return false;
    if (!headed && message->place != AT_HEAD)
        request_arrived(server);
    if (message->place == AT_DONE)
        body_arrived(server);
    return true;
}

static void receive(struct server *server) {
    if (server->upgraded) {
        if (wire_recv(&server->wire, &server->frames))
            stream_judge(&server->call->up, &server->frames, server->sim->strict);
        return;
    }
    wire_recv(&server->wire, &server->in);
    while (request_read(server))
        continue;
}

// --- responses --------------------------------------------------------------------------------

static void response_sent(struct server *server) {
    const struct call *call = server->call;
    if (call->status == 101) {
        server->upgraded = true;
        server->responding = true;
        if (server->in.size > 0)
            fake_fail("call %u: frames arrive before the 101 was sent", call->id);
        return;
    }
    server->responding = false;
    server->answered = true;
    if (call->server_closes)
        leave(server, FAULT_CLOSE);
    else if (server->message.place == AT_DONE)
        next_request(server);
}

// The bytes of the response, then of the frames, from `sent` on.
static size_t next_piece(const struct server *server, const uint8_t **bytes) {
    const struct call *call = server->call;
    size_t at = server->sent, whole = call->response.size;
    const struct buffer *from = at < whole ? &call->response : &call->down.bytes;
    if (at >= whole)
        at -= whole;
    if (from == &call->down.bytes && !server->upgraded)
        return 0;
    *bytes = from->bytes ? from->bytes + at : NULL;
    return from->size - at;
}

static void respond(struct server *server) {
    const struct mishap *mishap = &server->call->server_mishap;
    const uint8_t *bytes = NULL;
    size_t n = next_piece(server, &bytes), piece = 1 + fake_random(server->sim->piece_max);
    n = n < piece ? n : piece;
    if (mishap->fault) {
        if (server->sent >= mishap->at)
            return leave(server, mishap->fault);
        n = n < mishap->at - server->sent ? n : mishap->at - server->sent;
    }
    if (n > 0)
        server->sent += wire_send(&server->wire, bytes, n);
    if (!server->upgraded && server->sent == server->call->response.size)
        response_sent(server);
}

// All frames are sent: FIN, at once or when the other side has sent its own.
static void frames_end(struct server *server) {
    const struct call *call = server->call;
    if (server->finished || server->sent < call->response.size + call->down.bytes.size)
        return;
    if (call->id % 2 == 0 || is_over(server)) {
        server->finished = true;
        wire_finish(&server->wire);
    }
}

static void gateway_left(struct server *server) {
    const struct call *call = server->call;
    fake_trace("server: the gateway has left");
    bool early = call && (call->early || call->kind >= CALL_BROKEN);
    if (server->sim->clean && call && !server->upgraded && !early)
        fake_fail("call %u: the gateway leaves the server in the middle", call->id);
    if (server->sim->clean && server->upgraded && !call_violates(server->sim, call) &&
        server->frames.size != call->up.bytes.size)
        fake_fail("call %u: %zu bytes of frames go up instead of %zu", call->id,
                  server->frames.size, call->up.bytes.size);
    leave(server, FAULT_CLOSE);
}

uint64_t server_act(struct server *server) {
    uint64_t now_ms = clock_monotonic_ms();
    if (server->state == PEER_LEFT)
        return UINT64_MAX;
    if (server->wake_ms > now_ms)
        return server->wake_ms;
    if (server->state == PEER_STALLED) {
        if (fake_peer_is_left(server->wire.peer))
            leave(server, FAULT_CLOSE);
        return server->wake_ms = now_ms + 500;
    }
    receive(server);
    if (server->responding)
        respond(server);
    if (server->state == PEER_TALKING && server->upgraded)
        frames_end(server);
    if (server->state == PEER_TALKING && is_over(server) && (!server->upgraded || server->finished))
        gateway_left(server);
    if (server->state == PEER_TALKING && !server->call && server->close_ms &&
        now_ms >= server->close_ms)
        leave(server, FAULT_CLOSE);
    bool idle = !server->responding || server->finished;
    return server->wake_ms = now_ms + 1 + fake_random(idle ? 30 : 8);
}
