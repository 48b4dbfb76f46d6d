// SPDX-License-Identifier: Apache-2.0
//
// The record layer of an established connection in user space (RFC 8446 §5, RFC 5246 §6.2 with RFC
// 5288 and RFC 7905): seals what is sent, opens what is received, and knows the few messages that
// may come between: alerts, KeyUpdate, a client's wish to renegotiate.
//
// It holds the two cipher states and nothing else, in one block (tls_records_size); no call
// allocates. Partial records stay in the caller's buffers. Used by one thread at a time.
#ifndef RINGWAY_TLS_RECORD_H
#define RINGWAY_TLS_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls/keys.h"

struct tls_records;

// The most plaintext in a record, and the most bytes a whole record takes on the wire: a buffer of
// that size always lets tls_records_open make progress.
#define TLS_PLAINTEXT_MAX_BYTES 16384
#define TLS_RECORD_MAX_BYTES (5 + TLS_PLAINTEXT_MAX_BYTES + 256)

// Room that every tls_records_open and tls_records_reply can work with.
#define TLS_OPEN_MIN_BYTES (TLS_PLAINTEXT_MAX_BYTES + 1)
#define TLS_REPLY_MAX_BYTES 64

enum tls_open_verdict {
    TLS_OPEN_MORE,         // every whole record is opened; what is left is part of one
    TLS_OPEN_FULL,         // the next record does not fit into `out`
    TLS_OPEN_REPLY,        // send tls_records_reply's bytes, then open again
    TLS_OPEN_CLOSE_NOTIFY, // the peer sends no more; what follows is not looked at
    TLS_OPEN_FATAL,        // send tls_records_reply's bytes (there may be none) and close
};

// Starts from a handshake's keys, which the caller still wipes. NULL: no memory.
struct tls_records *tls_records_new(const struct tls_keys *keys);

// The same for a connection on which the kernel seals what is sent: takes half the memory, and must
// not be asked to seal.
struct tls_records *tls_records_new_receiving(const struct tls_keys *keys);

// Wipes and frees. NULL is allowed.
void tls_records_free(struct tls_records *records);

// What one of these occupies, for the memory account.
size_t tls_records_size(enum tls_cipher cipher);

// Opens as many whole records as there are in `in` and fit into `out`: `used` bytes of input are
// done with, `out_len` bytes of application data are in `out`, whatever the verdict. `out` may be
// `in` itself (then everything fits), else the two must not overlap; `in` is not preserved. Empty
// application records are skipped, bounded in a row.
enum tls_open_verdict tls_records_open(struct tls_records *records, uint8_t *in, size_t in_len,
                                       size_t *used, uint8_t *out, size_t out_cap, size_t *out_len);

// How many bytes the record that starts with these `n` has in all; 5 while the header is not whole.
size_t tls_record_size(const uint8_t *bytes, size_t n);

// How many bytes tls_records_seal makes of `n`.
size_t tls_records_sealed_size(const struct tls_records *records, size_t n);

// Seals application data into as many records as it takes (one, empty, for n = 0) and returns the
// bytes written to `out`, which has room for tls_records_sealed_size and does not overlap `in`.
// What is sealed must be sent, in order. -EKEYEXPIRED: the key has been used up and cannot be
// replaced (RFC 8446 §5.5); close. -EPIPE: after close_notify or a fatal alert of ours. On TLS 1.3
// it puts a KeyUpdate in front when one is due: the key is nearly used up, or the peer asked.
ssize_t tls_records_seal(struct tls_records *records, const uint8_t *in, size_t n, uint8_t *out);

// Seals the answer that tls_records_open asked for (an alert) into `out`, which has
// TLS_REPLY_MAX_BYTES; returns how many bytes, 0 when there is nothing to answer.
size_t tls_records_reply(struct tls_records *records, uint8_t *out);

// The same unsealed, for a connection whose sending the kernel seals, and there the answer to a
// KeyUpdate, too: the type of the record that carries it is put into `content`.
size_t tls_records_reply_plain(struct tls_records *records, uint8_t *content, uint8_t *out);

// Seals close_notify, the last thing to be sent. 0 when that, or a fatal alert, has been sealed
// already. `out` has TLS_REPLY_MAX_BYTES.
size_t tls_records_close_notify(struct tls_records *records, uint8_t *out);

// Seals a KeyUpdate of our own and changes the sending key; with TLS_UPDATE_REQUESTED the peer
// changes its own too (RFC 8446 §4.6.3). 0 on TLS 1.2, when the secrets are not known, and after
// close_notify or a fatal alert of ours.
enum tls_update_request { TLS_UPDATE_NOT_REQUESTED, TLS_UPDATE_REQUESTED };
size_t tls_records_key_update(struct tls_records *records, enum tls_update_request request,
                              uint8_t *out);

// After TLS_OPEN_FATAL: why, for the log. Static text or the records' own.
const char *tls_records_error(const struct tls_records *records);

#endif
