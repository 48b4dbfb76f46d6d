// SPDX-License-Identifier: Apache-2.0
//
// The sockets of the fake kernel. Inside ring_fake*.c only.
#ifndef RINGWAY_CORE_RING_FAKE_PEER_H
#define RINGWAY_CORE_RING_FAKE_PEER_H

#include "core/ring_fake.h"

// Bytes on their way, first in, first out.
struct fake_bytes {
    uint8_t *bytes;
    size_t start, end, capacity;
    size_t max; // the sender waits beyond
};

// Records made and opened by the kernel (ring_fake_record.c).
struct fake_tls {
    bool seals, opens; // it has keys for sending, for receiving
    bool tx_key_due;   // a KeyUpdate of ours has gone out
    uint8_t content;   // of the record that is being sent; 0: data
    uint16_t tx_key, rx_key;
    size_t left_bytes; // to be read of a data record
    bool damaged;      // a record could not be opened, and no other will be
    bool too_long;     // a record said so, which is told once: nothing comes any more
};

struct fake_peer {
    struct fake_peer *next;   // of all
    struct fake_peer *queued; // behind this one in the listener's queue
    int fd;                   // ours; -1: none yet, or closed
    struct sockaddr_in address;
    struct fake_bytes to_us, from_us;
    struct fake_tls tls;
    uint64_t connect_ms;         // when our connect is decided
    enum fake_dial connect_fate; // how
    int error;                   // told to us once, as SO_ERROR is
    bool connected;
    bool finished_by_peer, finished_by_us; // FIN
    bool closed_by_peer, closed_by_us;
    bool reset_to_us, reset_to_peer;
};

struct fake_socket {
    bool open;
    bool listener;
    struct fake_peer *peer;  // of a connection; NULL before the connect
    struct fake_peer *queue; // of a listener
};

// The socket behind an open descriptor; any other ends the program.
struct fake_socket *fake_socket_get(int fd);
int fake_socket_open(void);
struct fake_peer *fake_peer_new(void);
size_t fake_bytes_length(const struct fake_bytes *queue);
size_t fake_bytes_take(struct fake_bytes *queue, void *buffer, size_t n);
void fake_bytes_put(struct fake_bytes *queue, const void *bytes, size_t n);

// close(2) on our end: resets the peer when we had something unread from it.
void fake_socket_close(int fd);
ssize_t fake_socket_send(int fd, const struct iovec *parts, int count,
                         const struct fake_chances *chances);
ssize_t fake_socket_recv(int fd, void *buffer, size_t size_bytes,
                         const struct fake_chances *chances);
ssize_t fake_socket_peek(int fd, uint64_t offset, void *buffer, size_t size_bytes,
                         const struct fake_chances *chances);

// poll(2) bits of our end.
uint32_t fake_poll_events(const struct fake_peer *peer);

// What receiving gives when the queue is empty: 0 at the end, an error, or -EAGAIN.
int fake_end_of_stream(struct fake_peer *peer);

void fake_sockets_start(const struct fake_sizes *queues);
// Frees the peers. Fails when a descriptor is open.
void fake_sockets_end(void);

// What may happen, as of now (ring_fake.c).
const struct fake_chances *fake_chances(void);

// The header of a record of up to `n` bytes, which follow. Returns how many.
size_t fake_tls_seal(struct fake_peer *peer, size_t n);

// Whether there is something to be read of what the kernel opens.
bool fake_tls_is_ready(const struct fake_peer *peer);

// Reads what the kernel opens, in one of three ways, which differ in control records (-EIO, their
// type in `content`, -EINVAL) and in empty ones (skipped, 0, 0).
enum fake_tls_way { FAKE_TLS_RECV, FAKE_TLS_RECVMSG, FAKE_TLS_SPLICE };
ssize_t fake_tls_recv(struct fake_peer *peer, void *buffer, size_t size_bytes,
                      enum fake_tls_way way, uint8_t *content);

// Fails when a receive is submitted on the descriptor that is about to be read (ring_fake.c).
void fake_recv_check(struct ring *ring, int fd);

// Fails when a pipe is open (ring_fake_pipe.c).
void fake_pipes_end(void);

// Something has moved (ring_fake.c).
void fake_progress(void);

// Something has happened to the socket `fd`: whoever polls it is to be told (ring_fake.c).
void fake_wake(int fd);

#endif
