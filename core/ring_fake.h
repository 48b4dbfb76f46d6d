// SPDX-License-Identifier: Apache-2.0
//
// A kernel for tests: core/ring.h and core/clock.h once more, without any kernel. Sockets are pairs
// of byte queues between "us", the code under test, and peers that the test plays; completions come
// in any order and as late as chance will have it; time passes only in `ring_run`. Everything is
// decided by one seed, so what happened once can be made to happen again.
//
// It also watches: an operation submitted twice, a socket closed under an operation, a receive
// behind a submitted one's back, bytes sent after FIN, a buffer or descriptor left over end the
// program with a sentence on stderr. Buffers are allocated one by one, so that a sanitizer sees
// whoever keeps one.
//
// Life: `fake_start`, the code under test with its rings, `fake_end`. One at a time, one thread at
// a time.
#ifndef RINGWAY_CORE_RING_FAKE_H
#define RINGWAY_CORE_RING_FAKE_H

#include "core/clock.h"
#include "core/ring.h"

// The far end of a connection. Valid until `fake_end`.
struct fake_peer;

enum fake_dial { FAKE_DIAL_ACCEPT, FAKE_DIAL_REFUSE, FAKE_DIAL_SILENT };

// How often what may happen does, of a thousand times it could.
struct fake_chances {
    uint16_t late;         // something that is ready waits for another look
    uint16_t short_io;     // fewer bytes than could be moved
    uint16_t send_full;    // EAGAIN although there is room
    uint16_t no_buffers;   // ENOBUFS although there are buffers
    uint16_t lost_more;    // a multishot operation ends without cause
    uint16_t spurious;     // a poll event without cause
    uint16_t accept_error; // EMFILE, ENOMEM and their like
    uint16_t socket_error; // the same for a socket of our own
};

// What the test plays. Called from `ring_run`.
struct fake_script {
    void *context;
    // Peers do what is due. Called before completions are looked for, and at times between two.
    // Returns when it wants to be called again at the latest.
    uint64_t (*act)(void *context);
    // We connect to `to`; `peer` is the other side, should it accept.
    enum fake_dial (*dial)(void *context, const struct sockaddr *to, struct fake_peer *peer);
};

// How much a socket's queues hold: each draws its size anew.
struct fake_sizes {
    size_t min, max;
};

// Starts at an arbitrary time.
void fake_start(uint64_t seed, const struct fake_chances *chances, const struct fake_script *script,
                const struct fake_sizes *queues);

// Ends the program when a descriptor is open or a ring was not closed.
void fake_end(void);

// Other chances from here on.
void fake_set_chances(const struct fake_chances *chances);

// Says what happens, on stderr.
void fake_set_trace(void);
void fake_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Says what is wrong and aborts.
_Noreturn void fake_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// How often `ring_run` has been called.
unsigned fake_turns(void);

// Hands what has been submitted to the kernel, for a ring whose `ring_run` is not called.
void fake_submit(struct ring *ring);

// A random number below `n`, and whether something happens that does so `of_1000` times.
uint32_t fake_random(uint32_t n);
bool fake_happens(unsigned of_1000);

// --- peers ------------------------------------------------------------------------------------

// A listening socket, as one gets from socket, bind and listen.
int fake_listen(void);

// Someone at `from` (IPv4) connects to a listener. NULL: the listener is closed.
struct fake_peer *fake_connect(int listener_fd, const struct sockaddr_in *from);

// Bytes the network takes from the peer; 0: no room. Into a broken connection they vanish.
size_t fake_peer_send(struct fake_peer *peer, const void *bytes, size_t n);

// Bytes we have sent; 0: none for now, see the state.
size_t fake_peer_recv(struct fake_peer *peer, void *buffer, size_t size_bytes);

enum fake_peer_state {
    FAKE_PEER_OPEN,
    FAKE_PEER_ENDED, // all we sent has been read, then FIN
    FAKE_PEER_RESET, // the same, then RST
};
enum fake_peer_state fake_peer_state(const struct fake_peer *peer);

// Whether we have closed our end, read or not what there was.
bool fake_peer_is_left(const struct fake_peer *peer);

// shutdown(2) for sending; close(2), which resets when something is unread; RST.
void fake_peer_finish(struct fake_peer *peer);
void fake_peer_close(struct fake_peer *peer);
void fake_peer_reset(struct fake_peer *peer);

// --- kernel TLS (ring_fake_record.c) ----------------------------------------------------------

// Once we have given the kernel a key (core/ring_record.h), what goes that way is records: this
// header, then the plaintext. Each side's first key is 0, the next 1.
struct fake_record {
    uint8_t content;
    uint16_t key, size_bytes;
};

#define FAKE_RECORD_HEADER_BYTES 5
#define FAKE_RECORD_MAX_BYTES 16384

void fake_record_write(uint8_t header[FAKE_RECORD_HEADER_BYTES], struct fake_record record);
struct fake_record fake_record_read(const uint8_t header[FAKE_RECORD_HEADER_BYTES]);

#endif
