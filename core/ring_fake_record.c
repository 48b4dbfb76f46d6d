// SPDX-License-Identifier: Apache-2.0
//
// The kernel TLS of the fake kernel, after Linux, but without a cipher: a record on the wire is a
// header and its plaintext. Keys are numbers that count up; a record under any other than the one
// at hand cannot be opened, and nothing can be sent between our KeyUpdate and its key.
#include "core/ring_record.h"

#include "core/ring_fake_peer.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef SOL_TLS // <sys/socket.h> has it since glibc 2.36
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define WHOLE_RECORD_BYTES (FAKE_RECORD_HEADER_BYTES + FAKE_RECORD_MAX_BYTES)

enum { CONTENT_HANDSHAKE = 22, CONTENT_DATA = 23 };

void fake_record_write(uint8_t header[FAKE_RECORD_HEADER_BYTES], struct fake_record record) {
    header[0] = record.content;
    header[1] = (uint8_t)(record.key >> 8);
    header[2] = (uint8_t)record.key;
    header[3] = (uint8_t)(record.size_bytes >> 8);
    header[4] = (uint8_t)record.size_bytes;
}

struct fake_record fake_record_read(const uint8_t header[FAKE_RECORD_HEADER_BYTES]) {
    return (struct fake_record){.content = header[0],
                                .key = (uint16_t)(header[1] << 8 | header[2]),
                                .size_bytes = (uint16_t)(header[3] << 8 | header[4])};
}

int ring_set_option(struct ring *ring, int fd, int level, int name, const void *value,
                    socklen_t size_bytes) {
    (void)ring, (void)value, (void)size_bytes;
    struct fake_peer *peer = fake_socket_get(fd)->peer;
    struct fake_tls *tls = &peer->tls;
    if (level == IPPROTO_TCP && name == TCP_ULP) {
        if (peer->finished_by_peer || peer->reset_to_us)
            return -ENOTCONN;
        return fake_happens(fake_chances()->socket_error) ? -ENOMEM : 0;
    }
    if (level != SOL_TLS || (name != TLS_TX && name != TLS_RX))
        fake_fail("option %d of level %d is set on descriptor %d", name, level, fd);
    if (name == TLS_TX) {
        tls->tx_key += tls->seals;
        tls->seals = true;
        tls->tx_key_due = false;
    } else {
        tls->rx_key += tls->opens;
        tls->opens = true;
        if (peer->to_us.max < WHOLE_RECORD_BYTES) // else one could not become whole
            peer->to_us.max = WHOLE_RECORD_BYTES;
        fake_wake(fd);
    }
    fake_trace("fd %d: %s key %u", fd, name == TLS_TX ? "sending" : "receiving",
               name == TLS_TX ? tls->tx_key : tls->rx_key);
    return 0;
}

// --- sending ----------------------------------------------------------------------------------

size_t fake_tls_seal(struct fake_peer *peer, size_t n) {
    uint8_t header[FAKE_RECORD_HEADER_BYTES];
    struct fake_tls *tls = &peer->tls;
    uint8_t content = tls->content ? tls->content : CONTENT_DATA;
    if (tls->tx_key_due)
        fake_fail("a record goes out under the old key behind a KeyUpdate");
    n = n < FAKE_RECORD_MAX_BYTES ? n : FAKE_RECORD_MAX_BYTES;
    fake_record_write(header, (struct fake_record){content, tls->tx_key, (uint16_t)n});
    fake_bytes_put(&peer->from_us, header, sizeof header);
    return n;
}

ssize_t ring_send_record_now(struct ring *ring, int fd, uint8_t content, const void *bytes,
                             size_t n) {
    (void)ring;
    struct fake_tls *tls = &fake_socket_get(fd)->peer->tls;
    struct fake_chances whole = *fake_chances();
    struct iovec part = {(void *)bytes, n};
    if (!tls->seals)
        fake_fail("a record is sent on descriptor %d, which has no key", fd);
    whole.short_io = 0;
    tls->content = content;
    ssize_t sent = fake_socket_send(fd, &part, 1, &whole);
    tls->content = 0;
    if (sent > 0 && content == CONTENT_HANDSHAKE)
        tls->tx_key_due = true;
    fake_trace("fd %d: sending a record of kind %u takes %zd", fd, content, sent);
    return sent;
}

// --- receiving --------------------------------------------------------------------------------

// Whether the first record has arrived whole, or has a header that says it cannot be opened.
static bool record_first(const struct fake_peer *peer, struct fake_record *record) {
    size_t length = fake_bytes_length(&peer->to_us);
    if (length < FAKE_RECORD_HEADER_BYTES)
        return false;
    *record = fake_record_read(peer->to_us.bytes + peer->to_us.start);
    return record->size_bytes > FAKE_RECORD_MAX_BYTES ||
           length >= FAKE_RECORD_HEADER_BYTES + (size_t)record->size_bytes;
}

bool fake_tls_is_ready(const struct fake_peer *peer) {
    struct fake_record record;
    return peer->tls.left_bytes > 0 || peer->tls.damaged ||
           (!peer->tls.too_long && record_first(peer, &record));
}

// Takes from the data record that has been begun, the rest of which a reset may have cut off.
static ssize_t data_take(struct fake_peer *peer, void *buffer, size_t size_bytes) {
    size_t n = peer->tls.left_bytes < size_bytes ? peer->tls.left_bytes : size_bytes;
    if (fake_bytes_length(&peer->to_us) < peer->tls.left_bytes) {
        peer->tls.left_bytes = 0;
        return fake_end_of_stream(peer);
    }
    if (n > 1 && fake_happens(fake_chances()->short_io))
        n = 1 + fake_random((uint32_t)n - 1);
    peer->tls.left_bytes -= n;
    return (ssize_t)fake_bytes_take(&peer->to_us, buffer, n);
}

ssize_t fake_tls_recv(struct fake_peer *peer, void *buffer, size_t size_bytes,
                      enum fake_tls_way way, uint8_t *content) {
    uint8_t header[FAKE_RECORD_HEADER_BYTES];
    struct fake_tls *tls = &peer->tls;
    struct fake_record record;
    while (tls->left_bytes == 0) {
        *content = 0;
        if (tls->damaged)
            return -EBADMSG;
        if (tls->too_long || !record_first(peer, &record))
            return fake_end_of_stream(peer);
        tls->too_long = record.size_bytes > FAKE_RECORD_MAX_BYTES;
        if (tls->too_long)
            return -EMSGSIZE;
        tls->damaged = record.key != tls->rx_key;
        if (tls->damaged)
            return -EBADMSG;
        if (record.content != CONTENT_DATA && way != FAKE_TLS_RECVMSG)
            return way == FAKE_TLS_SPLICE ? -EINVAL : -EIO;
        *content = record.content;
        fake_bytes_take(&peer->to_us, header, sizeof header);
        if (record.content != CONTENT_DATA) {
            if (size_bytes < record.size_bytes)
                fake_fail("no room for a control record of %u bytes", record.size_bytes);
            return (ssize_t)fake_bytes_take(&peer->to_us, buffer, record.size_bytes);
        }
        tls->left_bytes = record.size_bytes;
        if (tls->left_bytes == 0 && way != FAKE_TLS_RECV)
            return 0; // splice(2) gives it as it is, and recvmsg(2) the type with it
    }
    *content = CONTENT_DATA;
    return data_take(peer, buffer, size_bytes);
}

ssize_t ring_recv_record_now(struct ring *ring, int fd, void *buffer, size_t size_bytes,
                             uint8_t *content) {
    fake_recv_check(ring, fd);
    ssize_t n =
        fake_tls_recv(fake_socket_get(fd)->peer, buffer, size_bytes, FAKE_TLS_RECVMSG, content);
    fake_trace("fd %d: recvmsg gives %zd of kind %u", fd, n, *content);
    return n;
}
