// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include "ws/upgrade.h"

#include <stdio.h>
#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static const struct {
    const char *text;
    unsigned status;
} bad_requests[] = {
    {"GET /up/99 HTTP/1.1\r\n\r\n", 400},
    {"GET /up/99 HTTP/1.1\nHost: a\n\n", 400},
    {"GET /up/99 HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET /up/99 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET /up/99 HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400},
    {"GET /up/99 HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404},
    {"GET /up/../../up/99 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"POST /up/99 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"POST /up/99 HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nabc", 413},
    {"GET /up/99 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
     "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
     426},
    {"GET /up/99 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
     400},
};

// In place of a chunk.
static const struct {
    const char *text;
    unsigned status;
} broken_chunks[] = {
    {"no number\r\n", 400}, {"5 \r\n", 400}, {"\r\n", 400}, {"0\r\nContent-Length: 3\r\n\r\n", 400},
    {"fffffff\r\n", 413},
};

static const char *const spoilt_responses[] = {
    "rubbish\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
};

static bool half(void) {
    return fake_random(2);
}

// Sizes that are often small and at times the largest.
static size_t size_draw(const struct sim *sim) {
    switch (fake_random(4)) {
    case 0:
        return 0;
    case 1:
        return fake_random(100);
    case 2:
        return fake_random((uint32_t)sim->max_bytes);
    default:
        return fake_random((uint32_t)sim->max_bytes / 8 + 1);
    }
}

// Streams are long more often.
static size_t stream_size_draw(const struct sim *sim) {
    return half() ? size_draw(sim) : fake_random((uint32_t)sim->max_bytes);
}

static void payload_add(struct buffer *buffer, const struct call *call, unsigned way, size_t from,
                        size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = payload_byte(call->id, way, from + i);
        buffer_add(buffer, &byte, 1);
    }
}

static void chunk_add(struct buffer *buffer, const struct call *call, unsigned way, size_t at,
                      size_t n) {
    buffer_text(buffer, half() ? "%zx\r\n" : "%zX;name=value\r\n", n);
    payload_add(buffer, call, way, at, n);
    buffer_text(buffer, "\r\n");
}

static void chunks_add(struct buffer *buffer, const struct call *call, unsigned way, size_t size) {
    for (size_t at = 0, n; at < size; at += n) {
        n = 1 + fake_random((uint32_t)(size - at));
        chunk_add(buffer, call, way, at, n);
    }
    buffer_text(buffer, half() ? "0\r\n\r\n" : "0\r\nX-Checksum: 1\r\n\r\n");
}

// --- requests ---------------------------------------------------------------------------------

static void bad_plan(struct call *call) {
    unsigned which = fake_random(sizeof bad_requests / sizeof bad_requests[0]);
    buffer_text(&call->request, "%s", bad_requests[which].text);
    call->status = bad_requests[which].status;
}

static void own_plan(struct call *call) {
    bool redirect = half();
    buffer_text(&call->request, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", redirect ? "old/x" : "ping");
    call->status = redirect ? 308 : 200;
}

static const char *method_of(const struct call *call) {
    switch (call->kind) {
    case CALL_HEAD:
        return "HEAD";
    case CALL_POST:
    case CALL_CHUNKED:
    case CALL_BROKEN:
        return "POST";
    default:
        return "GET";
    }
}

static void head_plan(struct call *call) {
    buffer_text(&call->request, "%s /up/%u HTTP/1.%d\r\nHost: a\r\n", method_of(call), call->id,
                call->kind != CALL_OLD);
    if (fake_random(8) == 0)
        buffer_text(&call->request, "X-Long: %0*d\r\n", 1 + (int)fake_random(800), 0);
    if (call->asks_close)
        buffer_text(&call->request, "Connection: close\r\n");
    if (call->kind == CALL_POST)
        buffer_text(&call->request, "Content-Length: %zu\r\n", call->body_size);
    if (call->kind == CALL_CHUNKED || call->kind == CALL_BROKEN)
        buffer_text(&call->request, "Transfer-Encoding: chunked\r\n");
    if (call->kind == CALL_WEBSOCKET)
        buffer_text(&call->request, "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n");
    buffer_text(&call->request, "\r\n");
}

static void broken_plan(struct call *call) {
    unsigned which = fake_random(sizeof broken_chunks / sizeof broken_chunks[0]);
    head_plan(call);
    if (half())
        chunk_add(&call->request, call, 0, 0, 1 + fake_random(200));
    buffer_text(&call->request, "%s", broken_chunks[which].text);
    call->status = broken_chunks[which].status;
}

static void request_plan(const struct sim *sim, struct call *call) {
    if (call->kind == CALL_POST || call->kind == CALL_CHUNKED)
        call->body_size = size_draw(sim);
    head_plan(call);
    if (call->kind == CALL_POST)
        payload_add(&call->request, call, 0, 0, call->body_size);
    if (call->kind == CALL_CHUNKED)
        chunks_add(&call->request, call, 0, call->body_size);
}

// --- responses --------------------------------------------------------------------------------

static void switch_plan(const struct sim *sim, struct call *call) {
    char accept[UPGRADE_ACCEPT_BYTES + 1];
    upgrade_accept(STR(KEY), accept);
    call->status = 101;
    buffer_text(&call->response,
                "HTTP/1.1 101 Switching Protocols\r\nX-Call: %u\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                call->id, accept);
    stream_plan(&call->up, true, stream_size_draw(sim), sim->strict && fake_random(4) == 0);
    stream_plan(&call->down, false, stream_size_draw(sim), sim->strict && fake_random(4) == 0);
}

static bool has_payload(const struct call *call) {
    return call->status != 204 && call->status != 304;
}

static void response_plan(const struct sim *sim, struct call *call) {
    static const unsigned statuses[] = {200, 200, 200, 404, 204, 304, 500};
    struct buffer *text = &call->response;
    call->status = statuses[fake_random(sizeof statuses / sizeof statuses[0])];
    call->interims = fake_random(5) == 0 ? 1 + fake_random(2) : 0;
    call->response_size = has_payload(call) ? size_draw(sim) : 0;
    bool chunked = has_payload(call) && half();
    call->until_close = has_payload(call) && !chunked && fake_random(4) == 0;
    call->server_closes = call->until_close || fake_random(6) == 0;
    call->early = call->body_size > 0 && !call->server_closes && fake_random(6) == 0;
    for (unsigned i = 0; i < call->interims; i++)
        buffer_text(text, "HTTP/1.1 103 Early Hints\r\nX-Call: %u\r\n\r\n", call->id);
    buffer_text(text, "HTTP/1.1 %u Word\r\nX-Call: %u\r\n", call->status, call->id);
    if (call->server_closes && !call->until_close && !sim->flaky)
        buffer_text(text, "Connection: close\r\n");
    if (chunked)
        buffer_text(text, "Transfer-Encoding: chunked\r\n");
    else if (!call->until_close && has_payload(call))
        buffer_text(text, "Content-Length: %zu\r\n", call->response_size);
    buffer_text(text, "\r\n");
    if (call->kind == CALL_HEAD)
        return;
    if (chunked && !sim->clean && fake_random(10) == 0)
        buffer_text(text, "%s", broken_chunks[fake_random(3)].text);
    if (chunked)
        chunks_add(text, call, 1, call->response_size);
    else
        payload_add(text, call, 1, 0, call->response_size);
}

static void spoilt_plan(struct call *call) {
    unsigned which = fake_random(sizeof spoilt_responses / sizeof spoilt_responses[0]);
    buffer_text(&call->response, "%s", spoilt_responses[which]);
    call->status = 502;
}

// --- calls ------------------------------------------------------------------------------------

static struct mishap mishap_draw(const struct sim *sim, size_t size) {
    if (sim->clean || fake_random(5) > 0)
        return (struct mishap){0};
    return (struct mishap){FAULT_CLOSE + fake_random(4), fake_random((uint32_t)size + 1)};
}

static void call_plan(const struct sim *sim, struct call *call) {
    call->asks_close = call->kind != CALL_WEBSOCKET && fake_random(8) == 0;
    call->pipelined = fake_random(3) == 0;
    call->eager = half();
    if (call->kind == CALL_BAD)
        return bad_plan(call);
    if (call->kind == CALL_OWN)
        return own_plan(call);
    if (call->kind == CALL_BROKEN)
        return broken_plan(call);
    request_plan(sim, call);
    if (call->kind == CALL_WEBSOCKET)
        switch_plan(sim, call);
    else if (call->kind == CALL_SPOILT)
        spoilt_plan(call);
    else
        response_plan(sim, call);
    call->client_mishap = mishap_draw(sim, call->request.size + call->up.bytes.size);
    call->server_mishap = mishap_draw(sim, call->response.size + call->down.bytes.size);
}

void plan_calls(struct sim *sim, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; i++) {
        struct call *call = &sim->calls[i];
        bool last = i + 1 == first + count;
        // A WebSocket and a refusal are the last on their connection.
        enum call_kind kind = fake_random(last ? CALL_KINDS : CALL_WEBSOCKET);
        *call = (struct call){.id = i, .kind = last || fake_random(8) ? kind : CALL_OWN};
        if (last && fake_random(3) == 0)
            call->kind = CALL_WEBSOCKET;
        call_plan(sim, call);
    }
}

bool call_violates(const struct sim *sim, const struct call *call) {
    return sim->strict &&
           (call->up.violation_at != SIZE_MAX || call->down.violation_at != SIZE_MAX);
}

void plan_free(struct call *call) {
    buffer_free(&call->request);
    buffer_free(&call->response);
    buffer_free(&call->up.bytes);
    buffer_free(&call->down.bytes);
}
