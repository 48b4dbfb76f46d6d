// SPDX-License-Identifier: Apache-2.0
//
// The relay: two flows of frames, `up` from the client and `down` from the upstream. Direction is
// data: every function takes the flow it works on. Bytes go straight from the read into the other
// socket; a walker (ws/frame.h) keeps track of where frames end.
//
// state      source leg   means                                         next
// OPEN       reading      the sink takes all                            PAUSED, CLOSING, SHUT
// PAUSED     paused       the sink is slow, bytes wait in it            OPEN, CLOSING, SHUT
// CLOSING    reading      our Close goes out at the next frame's end    SHUT
// SHUT       discarding   the sink has got its last byte                -
//
// What waits for a slow sink is in that leg (DRAINING), what ran out of buffers is the source leg's
// business (STARVED), and a dead leg ends both flows (DEAD): none of them is a state here.
//
// The relay ends when both flows are SHUT and everything has been sent, or when a leg is lost.
#include "ws/conn.h"

#include "core/address.h"
#include "core/clock.h"
#include "core/log.h"
#include "ws/run.h"
#include "ws/splice.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// What both sides get to end, once all has been sent to them.
#define CLOSE_MS 3000
// What one side gets after the other has sent FIN, a running frame after our wish to close, and
// the last bytes on a slow way, as long as nothing moves.
#define HALF_CLOSED_MS 30000
// A frame that goes in a run may be so many times smaller than what goes alone: there is no call
// of its own for it but the look at its header.
#define RUN_FRAME_SHARE 2

enum flow_state { FLOW_OPEN, FLOW_PAUSED, FLOW_CLOSING, FLOW_SHUT };

struct flow {
    struct frame_walker walker;
    struct run *run; // of frames that the splice from the source is passing; NULL: of one at most
    uint64_t bytes;
    uint8_t state; // enum flow_state
};

struct relay {
    struct flow up, down;
    const struct conf_site *site;
    const struct upstream_address *address;
    char *names; // host and target for the access log, one after the other; NULL: not wanted
    uint32_t host_size, target_size;
    int64_t opened_us;
    uint64_t shut_ms;    // when both flows were shut, later when all was sent; 0 = not yet
    uint16_t close_code; // of our own Close; 0 = we have not closed
    uint8_t closed_by;   // enum access_closer
    bool ending;         // `closed_by` and `reason` are settled
    const char *reason;  // static
};

static struct flow *flow_from(struct conn *conn, const struct leg *source) {
    return source == conn->client ? &conn->relay->up : &conn->relay->down;
}

static struct leg *sink_of(struct conn *conn, const struct leg *source) {
    return source == conn->client ? conn->upstream : conn->client;
}

static enum access_closer closer_of(const struct conn *conn, const struct leg *leg) {
    return leg == conn->client ? ACCESS_BY_CLIENT : ACCESS_BY_UPSTREAM;
}

// --- begin ------------------------------------------------------------------------------------

// Keeps what the access log's last line will need.
static void keep_names(struct conn *conn, struct relay *relay) {
    const struct head *request = &conn->exchange->request;
    if (!log_sink_wanted(&conn->proxy->access))
        return;
    relay->names = malloc(request->authority.len + request->target.len);
    if (!relay->names)
        return;
    relay->host_size = (uint32_t)request->authority.len;
    relay->target_size = (uint32_t)request->target.len;
    memcpy(relay->names, request->authority.ptr, relay->host_size);
    memcpy(relay->names + relay->host_size, request->target.ptr, relay->target_size);
}

void relay_start(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return conn_end(conn);
    relay->opened_us = clock_unix_us();
    relay->site = exchange->site;
    relay->address = exchange->address;
    frame_walker_init(&relay->up.walker, FRAME_FROM_CLIENT);
    frame_walker_init(&relay->down.walker, FRAME_FROM_SERVER);
    if (!upgrade_has_extension(&exchange->response)) {
        frame_walker_reserve_bits(&relay->up.walker);
        frame_walker_reserve_bits(&relay->down.walker);
    }
    keep_names(conn, relay);

    exchange_account(conn, ACCESS_OPEN);
    exchange_put(conn->proxy, exchange);
    conn->exchange = NULL;
    free(conn->server_name);
    conn->server_name = NULL;
    conn->relay = relay;
    counter_add(&conn->proxy->counters.websockets_opened, 1);
    conn_enter(conn, CONN_RELAY);
    leg_allow_messages(conn->client);
    leg_allow_messages(conn->upstream);
    leg_resume(conn->client);
    leg_resume(conn->upstream);
    if (conn->proxy->state != PROXY_RUNNING)
        relay_close(conn, 1001, "the gateway is stopping");
}

// --- frames -----------------------------------------------------------------------------------

static void note_end(struct conn *conn, enum access_closer by, const char *reason) {
    struct relay *relay = conn->relay;
    if (relay->ending)
        return;
    relay->ending = true;
    relay->closed_by = (uint8_t)by;
    relay->reason = reason;
}

enum walk_verdict {
    WALK_ON,       // pass on everything
    WALK_STOP,     // `strict`, and the offending frame began in these bytes: pass on what is before
    WALK_STOP_LATE // `strict`, but the start of the offending frame has been passed on already
};

// Walks the frames in these bytes and counts what breaks RFC 6455. `good` is how many bytes may be
// passed on.
static enum walk_verdict walk(struct conn *conn, struct flow *flow, const uint8_t *bytes, size_t n,
                              size_t *good) {
    size_t done = 0, used;
    while (frame_walk(&flow->walker, bytes + done, n - done, FRAME_STOP_NEVER, &used) ==
           FRAME_VIOLATION) {
        done += used;
        counter_add(&conn->proxy->counters.frame_violations, 1);
        if (!conn->relay->site->strict)
            continue;
        size_t back = flow->walker.violation_back;
        *good = back <= done ? done - back : 0;
        return back <= done ? WALK_STOP : WALK_STOP_LATE;
    }
    *good = n;
    return WALK_ON;
}

static void send_close(struct conn *conn, struct leg *sink) {
    uint8_t frame[FRAME_CONTROL_BYTES_MAX];
    uint32_t key = 0;
    bool masked = sink == conn->upstream;
    if (masked && getrandom(&key, sizeof key, GRND_NONBLOCK) < 0)
        key = 0; // the mask protects caches from scripts (RFC 6455 §10.3); we chose the payload
    size_t size = frame_close_write(conn->relay->close_code, conn->relay->reason,
                                    masked ? FRAME_MASKED : FRAME_UNMASKED, key, frame);
    leg_send(sink, frame, size);
}

// In a flow that is being closed: what still belongs to the current frame passes, then comes our
// Close, then nothing.
static void flow_close(struct conn *conn, struct leg *source, const uint8_t *bytes, size_t n) {
    struct flow *flow = flow_from(conn, source);
    struct leg *sink = sink_of(conn, source);
    size_t done = 0, used;
    while (frame_walk(&flow->walker, bytes + done, n - done, FRAME_STOP_BOUNDARY, &used) ==
           FRAME_VIOLATION)
        done += used; // what has begun is finished, good or bad
    done += used;
    if (done > 0)
        leg_send(sink, bytes, done);
    flow->bytes += done;
    if (!frame_at_boundary(&flow->walker) || source->splice)
        return;
    if (!frame_closed(&flow->walker))
        send_close(conn, sink);
    flow->state = FLOW_SHUT;
}

static bool all_sent(const struct conn *conn) {
    return leg_is_sent(conn->client) && leg_is_sent(conn->upstream);
}

// Both flows are shut: FIN to both sides, and the end as soon as they have sent theirs.
static void relay_finish_end(struct conn *conn) {
    const struct leg *client = conn->client, *upstream = conn->upstream;
    leg_finish(conn->client);
    leg_finish(conn->upstream);
    if (all_sent(conn) && (client->eof || client->lost) && (upstream->eof || upstream->lost))
        conn_end(conn);
}

static bool is_shut(const struct relay *relay) {
    return relay->up.state == FLOW_SHUT && relay->down.state == FLOW_SHUT;
}

// The last flow may just have been shut: from here on time is short.
static void note_shut(struct conn *conn) {
    struct relay *relay = conn->relay;
    if (!is_shut(relay) || relay->shut_ms)
        return;
    relay->shut_ms = conn->proxy->worker.now_ms;
    conn_set_deadline(conn);
}

// A side that has been sent our Close answers with its own (RFC 6455 §5.5.1); then it gets FIN.
static void discard(struct conn *conn, struct leg *source, const uint8_t *bytes, size_t n) {
    struct flow *flow = flow_from(conn, source);
    size_t done = 0, used;
    if (!conn->relay->close_code || frame_closed(&flow->walker))
        return;
    while (frame_walk(&flow->walker, bytes + done, n - done, FRAME_STOP_NEVER, &used) ==
           FRAME_VIOLATION)
        done += used;
    if (frame_closed(&flow->walker) && is_shut(conn->relay))
        leg_finish(source);
}

// The source broke the protocol and `strict` is set. The sink gets a Close too, if it stands
// between two frames.
static void violation_close(struct conn *conn, struct leg *source, enum walk_verdict verdict) {
    struct relay *relay = conn->relay;
    struct flow *flow = flow_from(conn, source);
    const char *phrase = frame_violation_phrase((enum frame_violation)flow->walker.violation);
    conn_log_kind(conn, LOG_INFO, phrase, "%s", phrase);
    relay->close_code = 1002;
    note_end(conn, closer_of(conn, source), phrase);
    if (verdict == WALK_STOP)
        send_close(conn, sink_of(conn, source));
    flow->state = FLOW_SHUT;
    relay_close(conn, 1002, phrase);
}

static void flow_end_run(struct flow *flow) {
    run_free(flow->run);
    flow->run = NULL;
}

// Lets the rest of a large frame go by itself, and with it the large ones behind.
static void flow_splice(struct conn *conn, struct flow *flow, struct leg *from, struct leg *sink) {
    uint64_t min_bytes = conn->use->snapshot->config->splice_min_bytes;
    uint64_t n = frame_in_payload(&flow->walker) ? flow->walker.payload_left : 0;
    if (min_bytes == 0 || !splice_is_possible(from, sink))
        return;
    if (flow->state == FLOW_OPEN)
        n = run_find(&flow->walker, from, min_bytes / RUN_FRAME_SHARE, &flow->run);
    if (!conn_splice(conn, from, sink, n))
        flow_end_run(flow);
}

// Pauses the source of a slow sink; otherwise lets go by themselves what bytes may.
static void flow_regulate(struct conn *conn, struct leg *from) {
    struct flow *flow = flow_from(conn, from);
    struct leg *sink = sink_of(conn, from);
    if (flow->state == FLOW_SHUT)
        return;
    if (!leg_is_backlogged(sink))
        return flow_splice(conn, flow, from, sink);
    if (!from->paused)
        counter_add(&conn->proxy->counters.relay_pauses, 1);
    if (flow->state == FLOW_OPEN)
        flow->state = FLOW_PAUSED;
    leg_pause(from);
}

// One side has sent its last byte: the other gets FIN, after all that came before it.
static void half_close(struct conn *conn, struct leg *from) {
    flow_from(conn, from)->state = FLOW_SHUT;
    leg_finish(sink_of(conn, from));
    conn->half_closed = true;
    conn_set_deadline(conn);
}

static bool both_closed(const struct relay *relay) {
    return frame_closed(&relay->up.walker) && frame_closed(&relay->down.walker);
}

// What arrives in an open flow passes on. Behind the second Close nothing may come (RFC 6455
// §5.5.1), and it is the server who ends the TCP connection (§7.1.1): for the client that is us.
static void flow_pass(struct conn *conn, struct leg *from, const uint8_t *bytes, size_t n) {
    struct flow *flow = flow_from(conn, from);
    struct leg *sink = sink_of(conn, from);
    size_t good;
    enum walk_verdict verdict = walk(conn, flow, bytes, n, &good);
    bool is_over = both_closed(conn->relay);
    flow->bytes += good;
    if (is_over)
        leg_send_later(sink, bytes, good); // in one segment with FIN
    else
        leg_send(sink, bytes, good);
    if (verdict != WALK_ON)
        return violation_close(conn, from, verdict);
    if (frame_closed(&flow->walker))
        note_end(conn, closer_of(conn, from), "Close frame");
    if (is_over) {
        half_close(conn, conn->upstream);
        leg_resume(conn->upstream); // to see its end, even if it had to wait before
    }
    flow_regulate(conn, from);
}

size_t relay_input(struct conn *conn, struct leg *from, const uint8_t *bytes, size_t n) {
    struct flow *flow = flow_from(conn, from);
    conn_touch(conn);
    flow_end_run(flow); // it was cut short
    if (flow->state == FLOW_SHUT) {
        discard(conn, from, bytes, n);
    } else if (flow->state == FLOW_CLOSING) {
        flow_close(conn, from, bytes, n);
        note_shut(conn);
        flow_regulate(conn, from);
    } else {
        flow_pass(conn, from, bytes, n);
    }
    return n;
}

void relay_spliced(struct conn *conn, struct leg *from, size_t n) {
    struct flow *flow = flow_from(conn, from);
    flow->bytes += n;
    run_pass(flow->run, &flow->walker, n);
    if (!from->splice)
        flow_end_run(flow);
    if (flow->state == FLOW_CLOSING) {
        flow_close(conn, from, (const uint8_t *)"", 0);
        note_shut(conn);
    }
    if (!from->splice || leg_is_backlogged(sink_of(conn, from)))
        flow_regulate(conn, from);
}

void relay_drained(struct conn *conn, struct leg *sink) {
    struct leg *source = sink_of(conn, sink);
    struct flow *flow = flow_from(conn, source);
    if (is_shut(conn->relay)) {
        conn->relay->shut_ms = conn->proxy->worker.now_ms; // now it is the peer's turn
        conn_set_deadline(conn);
        return relay_finish_end(conn);
    }
    if (flow->state == FLOW_PAUSED)
        flow->state = FLOW_OPEN;
    if (flow->state != FLOW_SHUT)
        leg_resume(source);
}

// --- end --------------------------------------------------------------------------------------

void relay_close(struct conn *conn, uint16_t code, const char *reason) {
    struct relay *relay = conn->relay;
    struct leg *sources[] = {conn->client, conn->upstream};
    if (!relay->close_code) // else we are closing already
        relay->close_code = code;
    note_end(conn, ACCESS_BY_GATEWAY, reason);
    for (int i = 0; i < 2; i++) {
        struct flow *flow = flow_from(conn, sources[i]);
        if (flow->state == FLOW_SHUT)
            continue;
        flow->state = FLOW_CLOSING;
        flow_close(conn, sources[i], (const uint8_t *)"", 0);
        // What still comes is thrown away, even if it had to wait before.
        if (flow->state == FLOW_SHUT)
            leg_resume(sources[i]);
    }
    note_shut(conn);
    conn_set_deadline(conn);
}

// The peer has changed its keys and the kernel cannot follow (before 6.14): what it sends from here
// on is lost, so both sides are told to come again while we still can.
static void unreadable_close(struct conn *conn, struct leg *from) {
    struct flow *flow = flow_from(conn, from);
    static const char reason[] = "TLS keys were changed";
    if (flow->state != FLOW_SHUT) {
        conn->relay->close_code = 1001;
        note_end(conn, ACCESS_BY_GATEWAY, reason);
        if (frame_at_boundary(&flow->walker) && !frame_closed(&flow->walker))
            send_close(conn, sink_of(conn, from));
        flow->state = FLOW_SHUT;
    }
    relay_close(conn, 1001, reason);
    if (is_shut(conn->relay))
        relay_finish_end(conn);
}

void relay_ended(struct conn *conn, struct leg *from, enum leg_end how) {
    struct relay *relay = conn->relay;
    if (how == LEG_UNREADABLE)
        return unreadable_close(conn, from);
    note_end(conn, closer_of(conn, from),
             how == LEG_LOST ? leg_error(from) : "connection closed without a Close frame");
    if (how == LEG_EOF) {
        half_close(conn, from);
    } else {
        splice_stop(conn->client->splice);
        splice_stop(conn->upstream->splice);
        relay->up.state = relay->down.state = FLOW_SHUT;
        leg_resume(sink_of(conn, from)); // to see its end
    }
    note_shut(conn);
    if (is_shut(relay))
        relay_finish_end(conn);
}

uint64_t relay_deadline(const struct conn *conn) {
    const struct relay *relay = conn->relay;
    if (relay->shut_ms) // who is slow to read still gets what waits
        return relay->shut_ms + (all_sent(conn) ? CLOSE_MS : HALF_CLOSED_MS);
    if (relay->close_code || conn->half_closed)
        return conn->active_ms + HALF_CLOSED_MS;
    return conn->active_ms + relay->site->idle_timeout_ms;
}

void relay_timed_out(struct conn *conn) {
    struct relay *relay = conn->relay;
    if (!relay->shut_ms && !relay->close_code && !conn->half_closed)
        return relay_close(conn, 1001, "idle timeout");
    leg_finish(conn->client); // a polite word if there is room for it
    leg_finish(conn->upstream);
    conn_end(conn);
}

static uint16_t first_close_code(const struct relay *relay) {
    if (relay->close_code)
        return relay->close_code;
    return relay->closed_by == ACCESS_BY_UPSTREAM ? relay->down.walker.close_code
                                                  : relay->up.walker.close_code;
}

static void relay_account(struct conn *conn) {
    const struct relay *relay = conn->relay;
    struct proxy *proxy = conn->proxy;
    if (!log_sink_wanted(&proxy->access))
        return;
    char line[LINE_SIZE_MAX], client[ADDRESS_TEXT_MAX];
    size_t host_size = relay->names ? relay->host_size : 0;
    struct access_record record = {
        .event = ACCESS_CLOSE,
        .time_us = relay->opened_us,
        .worker = proxy->index,
        .serial = conn->serial,
        .client = {client, address_format(&conn->peer.any, client)},
        .site = str_from(relay->site->name),
        .host = {relay->names, host_size},
        .method = STR("GET"),
        .target = {relay->names ? relay->names + host_size : NULL, relay->target_size},
        .http_minor = 1,
        .status = 101,
        .bytes_in = relay->up.bytes,
        .bytes_out = relay->down.bytes,
        .duration_us = clock_unix_since_us(relay->opened_us),
        .upstream = str_from(relay->address->text),
        .tls_version = conn_tls_version(conn),
        .tls_cipher = str_from(conn->suite),
        .frames_in = relay->up.walker.frames,
        .frames_out = relay->down.walker.frames,
        .messages_in = relay->up.walker.messages,
        .messages_out = relay->down.walker.messages,
        .close_code = first_close_code(relay),
        .closed_by = (enum access_closer)relay->closed_by,
        .reason = str_from(relay->reason),
    };
    log_sink_write(&proxy->access,
                   access_format(&record, conn->use->snapshot->config->access_log.format, line));
}

void relay_free(struct conn *conn) {
    struct relay *relay = conn->relay;
    struct counters *counters = &conn->proxy->counters;
    note_end(conn, ACCESS_BY_GATEWAY, "the gateway has stopped");
    counter_add(&counters->websockets_closed, 1);
    counter_add(&counters->frames_in, relay->up.walker.frames);
    counter_add(&counters->frames_out, relay->down.walker.frames);
    counter_add(&counters->received_bytes, relay->up.bytes);
    counter_add(&counters->sent_bytes, relay->down.bytes);
    relay_account(conn);
    flow_end_run(&relay->up);
    flow_end_run(&relay->down);
    free(relay->names);
    free(relay);
    conn->relay = NULL;
}
