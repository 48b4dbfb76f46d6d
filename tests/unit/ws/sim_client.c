// SPDX-License-Identifier: Apache-2.0
//
// A client: connects, sends its calls one after the other, in pieces, and judges each answer.
#include "tests/unit/ws/sim.h"

#include <stdlib.h>
#include <string.h>

static struct call *call_at(const struct client *client, unsigned place) {
    return place < client->count ? &client->sim->calls[client->first + place] : NULL;
}

static struct call *call_read(const struct client *client) {
    return call_at(client, client->reading);
}

static void next_response(struct client *client) {
    const struct call *call = call_read(client);
    client->message = (struct message){
        .kind = MESSAGE_RESPONSE, .way = 1, .without_body = call && call->kind == CALL_HEAD};
}

void client_start(struct client *client) {
    client->tls = fake_random(3) == 0;
    client->lazy = fake_random(3) == 0;
    client->hasty = fake_random(4) == 0;
    client->wake_ms = client->sim->started_ms + fake_random(400);
    client->address = (struct sockaddr_in){.sin_family = AF_INET,
                                           .sin_port = htons((uint16_t)(20000 + client->first)),
                                           .sin_addr.s_addr = htonl(0xc6336401)};
    next_response(client);
}

void client_free(struct client *client) {
    wire_free(&client->wire);
    buffer_free(&client->in);
    buffer_free(&client->frames);
}

static void leave(struct client *client, enum fault fault) {
    fake_trace("client %u: leaves (%d)", client->first, fault);
    if (fault == FAULT_RESET)
        fake_peer_reset(client->wire.peer);
    else if (fault == FAULT_CLOSE)
        fake_peer_close(client->wire.peer);
    else if (fault == FAULT_GARBAGE && client->tls)
        wire_garbage(&client->wire);
    client->state = fault == FAULT_RESET || fault == FAULT_CLOSE ? PEER_LEFT : PEER_STALLED;
}

// --- answers ----------------------------------------------------------------------------------

// May the gateway answer for a server that was to have answered?
static bool may_fail(const struct client *client, const struct call *call, unsigned status) {
    const struct sim *sim = client->sim;
    bool own = status >= 400 && status != 500;
    if (!sim->clean)
        return own;
    // A kept connection that was just closed: a request with a body is not sent again.
    return sim->flaky && status == 502 &&
           (call->kind == CALL_POST || call->kind == CALL_CHUNKED || call->kind == CALL_BROKEN);
}

static void head_judge(struct client *client) {
    const struct message *message = &client->message;
    const struct call *call = call_read(client);
    if (!call || !call->started)
        fake_fail("client %u: an answer to nothing", client->first);
    fake_trace("client %u: call %u is answered %u", client->first, call->id, message->status);
    if (message->status / 100 == 1 && message->status != 101) {
        if (call->interims == 0 || call->kind == CALL_OLD)
            fake_fail("call %u: an interim response nobody sent", call->id);
        return;
    }
    if (message->call >= 0 && (unsigned)message->call != call->id)
        fake_fail("call %u gets the answer to call %d", call->id, message->call);
    bool own = call->kind >= CALL_OWN;
    bool planned = message->status == call->status && own == (message->call < 0);
    if (!planned && (message->call >= 0 || !may_fail(client, call, message->status)))
        fake_fail("call %u gets %u instead of %u", call->id, message->status, call->status);
    bool closes = call->asks_close || call->kind == CALL_OLD || call->kind >= CALL_BAD ||
                  call->until_close || call->early || !planned;
    if (client->sim->clean && message->says_close && !closes)
        fake_fail("call %u: the connection is closed without need", call->id);
    if (message->says_close || message->place == AT_CLOSE)
        client->closing = true;
}

static void response_whole(struct client *client) {
    struct call *call = call_read(client);
    const struct message *message = &client->message;
    if (message->status / 100 == 1 && message->status != 101)
        return next_response(client);
    size_t size = call->kind == CALL_HEAD ? 0 : call->response_size;
    if (message->call >= 0 && message->payload_bytes != size)
        fake_fail("call %u: %zu bytes of payload instead of %zu", call->id, message->payload_bytes,
                  size);
    call->answered = true;
    if (message->status == 101) {
        client->upgraded = true;
        return;
    }
    client->reading++;
    next_response(client);
}

static bool response_read(struct client *client) {
    struct message *message = &client->message;
    bool headed = message->place != AT_HEAD;
    if (client->upgraded || !message_read(message, &client->in))
        return false;
    if (!headed && message->place != AT_HEAD)
        head_judge(client);
    if (message->place == AT_DONE)
        response_whole(client);
    return true;
}

static void receive(struct client *client) {
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms < client->pause_until_ms)
        return;
    bool long_rest = client->upgraded && !client->rested;
    if (fake_random(long_rest ? 30 : 200) == 0) { // reads nothing for a while
        unsigned longest_ms = !client->sim->clean ? 20000 : long_rest ? 4500 : 300;
        client->pause_until_ms = now_ms + fake_random(longest_ms);
        client->rested |= long_rest; // twice so long, and the idle timeout would come
    }
    wire_recv(&client->wire, &client->in);
    while (response_read(client))
        continue;
    if (client->upgraded && client->in.size > 0) {
        buffer_add(&client->frames, client->in.bytes, client->in.size);
        client->in.size = 0;
        stream_judge(&call_read(client)->down, &client->frames, client->sim->strict);
    }
}

// --- requests ---------------------------------------------------------------------------------

// The bytes that may be sent now: of this call's request, then of its frames.
static size_t next_piece(const struct client *client, const struct call *call,
                         const uint8_t **bytes) {
    size_t at = client->sent, whole = call->request.size;
    const struct buffer *from = at < whole ? &call->request : &call->up.bytes;
    if (at >= whole)
        at -= whole;
    else if (client->reading < client->sending && !call->pipelined)
        return 0; // it waits for the answer before
    if (from == &call->up.bytes && !call->eager && !client->upgraded)
        return 0;
    *bytes = from->bytes ? from->bytes + at : NULL;
    return from->size - at;
}

static void send_some(struct client *client) {
    struct call *call = call_at(client, client->sending);
    const uint8_t *bytes = NULL;
    if (!call || client->closing)
        return;
    size_t n = next_piece(client, call, &bytes);
    size_t piece = 1 + fake_random(client->sim->piece_max);
    n = n < piece ? n : piece;
    if (n > 0 && call->client_mishap.fault) {
        if (client->sent >= call->client_mishap.at)
            return leave(client, call->client_mishap.fault);
        size_t left = call->client_mishap.at - client->sent;
        n = n < left ? n : left;
    }
    if (n > 0) {
        call->started = true;
        client->sent += wire_send(&client->wire, bytes, n);
    }
    if (client->sent == call->request.size + call->up.bytes.size && call->kind != CALL_WEBSOCKET) {
        client->sending++;
        client->sent = 0;
    }
}

// --- the end ----------------------------------------------------------------------------------

static bool is_over(const struct client *client) {
    return fake_peer_state(client->wire.peer) != FAKE_PEER_OPEN;
}

// Nothing more is to be sent.
static bool is_done_sending(const struct client *client) {
    const struct call *call = call_at(client, client->sending);
    if (!call || client->closing)
        return true;
    return client->upgraded && client->wire.sealed.size == 0 &&
           client->sent == call->request.size + call->up.bytes.size;
}

// What a client of a clean world must have got when it is over.
static void judge(struct client *client) {
    const struct call *call = call_read(client);
    fake_trace("client %u: it is over", client->first);
    // A body until close may have been cut short without a sign; and whoever goes on sending after
    // a Close is reset in the end.
    if (!client->sim->clean || (client->upgraded && call_violates(client->sim, call)))
        return;
    if (client->message.place == AT_CLOSE && call && !client->upgraded)
        response_whole(client);
    if (fake_peer_state(client->wire.peer) == FAKE_PEER_RESET)
        fake_fail("client %u is reset", client->first);
    if (client->tls && !client->wire.notified)
        fake_fail("client %u is left without a close_notify", client->first);
    if (client->in.size > 0)
        fake_fail("client %u has got something more", client->first);
    call = call_read(client);
    if (call && !client->closing && !call->answered)
        fake_fail("call %u was never answered", call->id);
    for (unsigned place = client->reading; !client->upgraded && place < client->count; place++)
        if (call_at(client, place)->arrivals > 0)
            fake_fail("call %u got through behind the last answer", client->first + place);
}

static void frames_judge(const struct client *client) {
    const struct call *call = call_read(client);
    if (client->sim->clean && !call_violates(client->sim, call) &&
        client->frames.size != call->down.bytes.size)
        fake_fail("call %u: %zu bytes of frames come down instead of %zu", call->id,
                  client->frames.size, call->down.bytes.size);
}

static void end_some(struct client *client) {
    bool broken = fake_peer_state(client->wire.peer) == FAKE_PEER_RESET;
    if (is_over(client) && (!client->upgraded || broken || is_done_sending(client))) {
        judge(client);
        if (client->upgraded)
            frames_judge(client);
        return leave(client, FAULT_CLOSE);
    }
    if (client->finished || client->wire.sealed.size > 0 || !is_done_sending(client))
        return;
    bool all_read = client->reading == client->count;
    bool waits = client->upgraded ? call_read(client)->id % 4 == 0 : client->lazy || !all_read;
    if (client->closing || (waits && !client->hasty))
        return;
    if (!client->upgraded && all_read && fake_random(2))
        return leave(client, FAULT_CLOSE);
    client->finished = true;
    wire_finish(&client->wire);
}

uint64_t client_act(struct client *client) {
    uint64_t now_ms = clock_monotonic_ms();
    if (client->state == PEER_LEFT)
        return UINT64_MAX;
    if (client->wake_ms > now_ms)
        return client->wake_ms;
    if (client->state == PEER_WAITING) {
        struct sim *sim = client->sim;
        client->wire.peer =
            fake_connect(sim->listeners[fake_random(sim->listen_count)], &client->address);
        client->state = client->wire.peer ? PEER_TALKING : PEER_LEFT;
        return client->wake_ms = now_ms + 1;
    }
    if (client->state == PEER_STALLED) {
        if (fake_peer_is_left(client->wire.peer))
            leave(client, FAULT_CLOSE);
        return client->wake_ms = now_ms + 500;
    }
    if (client->tls && !client->secured && !is_over(client)) // the handshake is left out (sim.c)
        return client->wake_ms = now_ms + 1;
    receive(client);
    wire_flush(&client->wire);
    if (!client->finished)
        send_some(client);
    if (client->state == PEER_TALKING)
        end_some(client);
    bool busy = client->sent > 0 || client->upgraded || client->message.place != AT_HEAD;
    return client->wake_ms = now_ms + 1 + fake_random(busy ? 8 : 40);
}
