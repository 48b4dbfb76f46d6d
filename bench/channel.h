// SPDX-License-Identifier: Apache-2.0
//
// The client's end of one connection as a stream of bytes: a socket, with wolfSSL over it for
// wss://. What the socket does not take is kept here; the caller holds back until it is gone.
//
// TLS goes through wolfSSL's own read and write, not through the gateway's record code, so that the
// two check each other. All records of one write leave in one send.
//
// One worker's thread. Bytes received live in the worker's scratch memory and die with the event.
#ifndef RINGWAY_BENCH_CHANNEL_H
#define RINGWAY_BENCH_CHANNEL_H

#include "bench/target.h"
#include "core/chunk.h"
#include "core/str.h"
#include "core/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHANNEL_WRITE_MAX WORKER_SCRATCH_BYTES
#define CHANNEL_WHY_MAX 96

// How TLS is spoken. Strings are borrowed for the context's life.
struct tls_options {
    const char *version; // "1.3" or "1.2"
    const char *cipher;  // wolfSSL's or OpenSSL's name, or NULL: AES-128-GCM of the version
    const char *group;   // "X25519", "P-256", "P-384", "X25519MLKEM768"
    const char *ca_path; // PEM file that certificates are verified with; NULL = not verified
    const char *certificate_path; // PEM file that this end shows when it is asked; NULL = none
    const char *key_path;         // PEM file of its key; NULL: it is in that of the certificate
    bool resumes;                 // offers the latest session of the same context
};

// What the sessions of one thread share.
struct tls_context;

// NULL with a sentence in `why` when the library does not know what is asked for.
struct tls_context *tls_context_new(const struct tls_options *options, char *why, size_t why_size);
void tls_context_free(struct tls_context *context);

struct channel {
    struct worker *worker;
    int fd;              // -1: closed
    struct WOLFSSL *ssl; // NULL: plain
    struct tls_context *context;
    struct chain out;
    struct str raw;            // TLS: received, not decrypted
    size_t wire_bytes;         // TLS: in the worker's seal scratch, to be sent after this call
    size_t allowed_bytes;      // that may still be read from the socket
    bool dry;                  // the socket has nothing more for now
    bool hung_up;              // read to the end, short reads or not
    int error;                 // negative errno of the socket
    char why[CHANNEL_WHY_MAX]; // what TLS failed with
};

// Starts a channel over a non-blocking socket, which it owns from here on.
void channel_open(struct channel *channel, struct worker *worker, int fd);

// Ends TLS with close_notify, frees the session and closes the socket. No operation may be
// submitted on it.
void channel_close(struct channel *channel);

// Puts TLS over the connected socket. 0 or -ENOMEM.
int channel_secure(struct channel *channel, struct tls_context *context,
                   const struct target *target);

// Goes on with the TLS handshake: 0 when done, -EAGAIN when it waits for the peer, another negative
// errno (-EPROTO with `why`) when it failed.
int channel_handshake(struct channel *channel);

enum channel_hangup { CHANNEL_ALIVE, CHANNEL_HUNG_UP };

// How much may be read from the socket from now on; at first, SIZE_MAX: anything.
static inline void channel_allow(struct channel *channel, size_t bytes) {
    channel->allowed_bytes = bytes;
}

// Whether nothing of what was received lies in the worker's scratch memory, so that another channel
// may be read from before this one is again.
static inline bool channel_may_rest(const struct channel *channel) {
    return channel->raw.len == 0;
}

// Whether the handshake, which must be over, resumed a session. False without TLS.
bool channel_is_resumed(const struct channel *channel);

// Says that the socket has become readable, before `channel_receive`.
void channel_wake(struct channel *channel, enum channel_hangup hangup);

// Gives the next bytes. To be called until it returns -EAGAIN: its number of bytes, 0 at the end of
// the stream, or a negative errno.
ssize_t channel_receive(struct channel *channel, struct str *bytes);

// Sends up to CHANNEL_WRITE_MAX bytes, all of which are taken. Not while backlogged. 0 or a
// negative errno.
int channel_send(struct channel *channel, const void *bytes, size_t n);

static inline bool channel_is_backlogged(const struct channel *channel) {
    return !chain_is_empty(&channel->out);
}

// Sends what was kept, once the socket is writable. 0 (look at `channel_is_backlogged`) or a
// negative errno.
int channel_flush(struct channel *channel);

#endif
