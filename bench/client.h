// SPDX-License-Identifier: Apache-2.0
//
// One WebSocket client under load, from connect to close:
//
//   IDLE → CONNECTING → SECURING (wss) → UPGRADING → OPEN → CLOSING → ENDING → IDLE
//
// It sends messages when told and reports to its owner: opened, received, ended. Whatever goes
// wrong in any state leads to ENDING, where it waits until the kernel has let go of its operations;
// `failure` then says what it was.
//
// One worker's thread. Events come from the worker's loop only, except that `ended` may come from
// inside `client_start` when not even a socket could be had.
#ifndef RINGWAY_BENCH_CLIENT_H
#define RINGWAY_BENCH_CLIENT_H

#include "bench/channel.h"
#include "bench/dialog.h"
#include "bench/failure.h"
#include "bench/random.h"
#include "bench/upgrade.h"
#include "core/worker.h"

#include <stdint.h>

struct client;

struct client_events {
    void (*opened)(struct client *client);   // the upgrade has been answered
    void (*received)(struct client *client); // one message has come, as it must be
    void (*ended)(struct client *client);    // may be started again
};

// What all clients of a thread share.
struct client_setup {
    struct worker *worker;
    const struct target *target;
    struct tls_context *tls; // NULL for ws://
    const struct client_events *events;
    const char *fields;    // more request header lines
    uint64_t timeout_ms;   // for opening, for a message that must come, for closing
    bool reads_when_told;  // once open: what `client_read` allows
    uint8_t *write_buffer; // CHANNEL_WRITE_MAX
    struct random random;
    struct dialog_setup dialog;
};

enum client_state {
    CLIENT_IDLE,
    CLIENT_CONNECTING,
    CLIENT_SECURING,
    CLIENT_UPGRADING,
    CLIENT_OPEN,
    CLIENT_CLOSING,
    CLIENT_ENDING,
};

struct client {
    struct client_setup *setup;
    void *owner;
    struct client *next; // in a list of the owner's
    uint32_t index;      // among all clients: also names its messages
    enum client_state state;
    struct sockaddr_storage source; // family 0: the kernel chooses
    struct channel channel;
    struct op rx, tx;  // tx: connecting first, then waiting to send more
    struct task again; // goes on in the next turn, so that others have theirs
    struct task asked; // sends what `client_ask` asked for
    struct timer deadline;
    uint64_t progress_ms; // when the peer last did what it was waited for
    uint64_t started_ns;  // when connecting began
    uint64_t sent_ns;     // when the last message was asked for
    struct chunk *head;   // UPGRADING: the answer so far
    struct dialog dialog;
    char key[UPGRADE_KEY_TEXT];
    bool opened; // since `client_start`
    bool closes; // no further message: Close once all echoes are back
    enum failure_kind failure;
    unsigned code; // of FAILURE_CLOSED and FAILURE_HTTP: the server's
    char why[FAILURE_TEXT_MAX];
};

// Makes an idle client in zeroed memory.
void client_init(struct client *client, struct client_setup *setup, uint32_t index, void *owner);

// Connects. Only when idle.
void client_start(struct client *client);

// Sends one more message, now or as soon as the socket takes it. Only in CLIENT_OPEN.
void client_send(struct client *client);

// The same at the end of this turn of the loop, with all that is asked for until then.
void client_ask(struct client *client);

// Sends messages without end, until `client_close`. Only in CLIENT_OPEN, as PART_SENDER.
void client_stream(struct client *client);

// Reads up to so many bytes more, as they come; SIZE_MAX ends the limit. Only with
// `reads_when_told`.
void client_read(struct client *client, size_t bytes);

// Closes politely (1000) once all echoes are back; at once when not open yet. Idle ones stay idle.
void client_close(struct client *client);

// Ends it as failed, by timeout, if it still waits for echoes or to send.
void client_abandon(struct client *client);

#endif
