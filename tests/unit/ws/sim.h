// SPDX-License-Identifier: Apache-2.0
//
// A small world around one worker on the fake ring (core/ring_fake.h): clients that send requests,
// servers that answer them, reloads and a stop in between. One seed decides all of it.
//
//   sim.c           the world: configuration, reloads, the stop, what must be left at the end
//   sim_plan.c      what each client will send and each server answer, as bytes
//   sim_stream.c    WebSocket frames, and what may have become of them on the way
//   sim_message.c   reads requests and responses, in a few lines of its own
//   sim_wire.c      bytes to and from a peer's end, in TLS records where it speaks TLS
//   sim_client.c    plays a client and judges what it gets
//   sim_server.c    plays the servers and judges what reaches them
//   sim_stranger.c  plays those who come to the TLS port without a handshake
//
// A world is either clean, and then every byte must arrive and every request have exactly the
// planned answer, whatever the ring does; or peers fail and the gateway is stopped in the middle,
// and then what arrives must be a beginning of it, or an error of the gateway's own.
#ifndef RINGWAY_TESTS_WS_SIM_H
#define RINGWAY_TESTS_WS_SIM_H

#include "core/log_file.h"
#include "core/ring_fake.h"
#include "tls/record.h"
#include "ws/proxy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_CALLS_MAX = 24,
    SIM_CLIENTS_MAX = 6,
    SIM_SERVERS = 3,
    SIM_STRANGERS_MAX = 3,
    SIM_SNAPSHOTS_MAX = 8,
};

// Bytes that grow as needed.
struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t n);
void buffer_text(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_drop(struct buffer *buffer, size_t n); // from the front
void buffer_free(struct buffer *buffer);

// --- plans ------------------------------------------------------------------------------------

enum call_kind {
    CALL_GET,
    CALL_HEAD,
    CALL_POST,    // with Content-Length
    CALL_CHUNKED, // POST in chunks
    CALL_OLD,     // GET by HTTP/1.0
    CALL_WEBSOCKET,
    CALL_OWN,    // answered by the gateway itself
    CALL_BAD,    // refused
    CALL_BROKEN, // begins well, then its body is refused
    CALL_SPOILT, // the server's answer is refused
    CALL_KINDS,
};

// What a peer does instead of sending byte `at`.
enum fault { FAULT_NONE, FAULT_CLOSE, FAULT_RESET, FAULT_STALL, FAULT_GARBAGE };

struct mishap {
    enum fault fault;
    size_t at;
};

// The frames one side of a WebSocket sends.
struct stream {
    struct buffer bytes;
    bool masked;
    size_t violation_at; // start of a frame that breaks RFC 6455; SIZE_MAX: none does
};

// One request and its response.
struct call {
    unsigned id;
    enum call_kind kind;
    bool pipelined;  // sent without waiting for the answer before
    bool asks_close; // Connection: close in the request
    bool eager;      // frames follow the handshake at once
    struct buffer request;
    size_t body_size; // payload
    unsigned status;
    size_t response_size; // payload
    unsigned interims;    // 1xx before
    bool until_close, early, server_closes;
    struct buffer response;
    struct stream up, down;
    struct mishap client_mishap, server_mishap;
    // What has happened.
    unsigned arrivals;   // at a server, with a whole head
    size_t body_arrived; // payload, the last time
    bool body_whole;
    bool answered; // the client has the whole response
    bool started;  // the client has begun to send it
};

struct sim;

// Byte `at` of the payload of a call, `way` 0 up and 1 down.
uint8_t payload_byte(unsigned id, unsigned way, size_t at);

// Plans the calls [first, first + count) of one client.
void plan_calls(struct sim *sim, unsigned first, unsigned count);
void plan_free(struct call *call);

// Whether the gateway will close this WebSocket for what one side sends.
bool call_violates(const struct sim *sim, const struct call *call);

// Random frames of about `size` bytes.
void stream_plan(struct stream *stream, bool masked, size_t size, bool may_violate);

// Fails unless what arrived of `stream` is a beginning of it, or one up to a frame's end and then a
// Close of the gateway's own. Returns whether that Close is there, at least in part.
bool stream_judge(const struct stream *stream, const struct buffer *arrived, bool strict);

// --- messages ---------------------------------------------------------------------------------

enum message_kind { MESSAGE_REQUEST, MESSAGE_RESPONSE };

enum message_place { AT_HEAD, AT_LENGTH, AT_CHUNK_SIZE, AT_CHUNK, AT_TRAILER, AT_CLOSE, AT_DONE };

// One message while it is read. Zero-initialise but for the first three.
struct message {
    enum message_kind kind;
    unsigned way;      // of its payload
    bool without_body; // the answer to HEAD
    enum message_place place;
    unsigned status; // of a response
    int call;        // X-Call of a response, the path's number of a request; -1: none
    bool says_close;
    bool is_chunked;
    uint64_t left; // payload bytes of the length or chunk
    size_t payload_bytes;
};

// Takes what it can from the front of `in`. Payload is compared with that of `message->call`.
// Returns whether anything was taken.
bool message_read(struct message *message, struct buffer *in);

// --- wires ------------------------------------------------------------------------------------

// How a direction is protected.
enum wire_layer {
    WIRE_PLAIN,
    WIRE_RECORDS, // by TLS in user space
    WIRE_KERNEL,  // the gateway's end by the fake kernel
};

struct wire {
    struct fake_peer *peer;
    enum wire_layer out, in;
    struct tls_records *records; // for WIRE_RECORDS
    uint16_t out_key, in_key;    // for WIRE_KERNEL
    bool rekeys;                 // a KeyUpdate can be sent, in any layer
    struct buffer sealed;        // not taken by the network yet
    struct buffer unopened;      // part of a record
    bool notified;               // close_notify has come
    bool finishing;              // FIN once `sealed` is empty
};

// Takes up to `n` bytes to be sent; 0: not now.
size_t wire_send(struct wire *wire, const uint8_t *bytes, size_t n);
// Adds what has arrived to `in`. Returns whether anything has.
bool wire_recv(struct wire *wire, struct buffer *in);
void wire_finish(struct wire *wire);
void wire_garbage(struct wire *wire); // in place of a TLS record
bool wire_flush(struct wire *wire);   // whether all is out
void wire_free(struct wire *wire);

// --- peers ------------------------------------------------------------------------------------

enum peer_state { PEER_WAITING, PEER_TALKING, PEER_STALLED, PEER_LEFT };

struct client {
    struct sim *sim;
    enum peer_state state;
    struct sockaddr_in address;
    struct wire wire;
    bool tls, secured;
    bool lazy;  // waits for the gateway to close
    bool hasty; // sends FIN behind its last request
    unsigned first, count;
    unsigned sending; // place of the call that is being sent
    size_t sent;
    unsigned reading;
    bool upgraded, closing, finished, rested;
    struct buffer in, frames;
    struct message message;
    uint64_t wake_ms, pause_until_ms;
};

struct server { // one connection to one
    struct server *next;
    struct sim *sim;
    enum peer_state state;
    struct wire wire;
    struct buffer in, frames;
    struct message message;
    struct call *call;
    bool responding, answered, upgraded, finished;
    size_t sent;
    uint64_t wake_ms, close_ms;
};

struct stranger { // at the TLS port; has no handshake to offer
    enum peer_state state;
    struct fake_peer *peer;
    unsigned kind;
    size_t sent;
    bool leaves; // at some time
    bool queues; // may have to wait until somebody else goes
    struct buffer in;
    uint64_t wake_ms, came_ms;
};

// Comes to the listener when it is time, and does what is due.
void stranger_start(struct stranger *stranger, const struct sim *sim);
uint64_t stranger_act(struct stranger *stranger, int listener, bool clean);
void stranger_free(struct stranger *stranger);

void client_start(struct client *client);
// Does what is due. Returns when it wants to be called again.
uint64_t client_act(struct client *client);
void client_free(struct client *client);

struct server *server_new(struct sim *sim, struct fake_peer *peer);
uint64_t server_act(struct server *server);
void server_free(struct server *server);

// --- the world --------------------------------------------------------------------------------

struct sim {
    const char *folder;
    bool clean;       // nothing fails, nothing is stopped
    bool flaky;       // servers close kept connections
    bool strict;      // the site's `strict`
    bool full;        // few connections are allowed
    bool relisten;    // listeners come and go
    size_t max_bytes; // of a body or stream
    unsigned piece_max;
    struct call calls[SIM_CALLS_MAX];
    unsigned call_count;
    struct client clients[SIM_CLIENTS_MAX];
    unsigned client_count;
    struct server *servers;
    enum fake_dial server_fates[SIM_SERVERS];
    int listeners[2]; // without TLS
    unsigned listen_count;
    int tls_listener; // of a world with strangers
    struct stranger strangers[SIM_STRANGERS_MAX];
    unsigned stranger_count;
    // Reloads and the stop.
    struct settings *settings;
    struct site_count *counts;
    struct resolve_table *resolved;
    unsigned snapshots_made, snapshots_freed;
    uint64_t swap_ms, stop_ms;
    bool stopped, stopped_now;
    uint64_t started_ms, quiet_ms, end_ms;
    struct ring *main_ring;
    struct ring_counters main_counters;
    struct shared shared;
    struct log_file access_file;
    struct proxy proxy;
};

// Plays one world from beginning to end. Whatever is wrong ends the program with a sentence. The
// folder has the files cert.pem and key.pem.
void sim_run(uint64_t seed, const char *folder);

#endif
