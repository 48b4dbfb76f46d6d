// SPDX-License-Identifier: Apache-2.0
//
// What a socket needs whose TLS records the kernel makes and opens
// (Documentation/networking/tls.rst of the kernel): options, and records of other kinds than
// application data, which plain send(2) and recv(2) cannot carry. Part of the door to the kernel
// that core/ring.h is.
#ifndef RINGWAY_CORE_RING_RECORD_H
#define RINGWAY_CORE_RING_RECORD_H

#include "core/ring.h"

// setsockopt(2): 0 or negative errno.
int ring_set_option(struct ring *ring, int fd, int level, int name, const void *value,
                    socklen_t size_bytes);

// recvmsg(2) on a socket whose records the kernel opens, never blocking: bytes of one kind of
// record, whose type (RFC 8446 §5.1) is put into `content`; 0 for an empty record. At the end of
// the stream 0, and `content` is 0 as well. Negative errno as recv(2); -EBADMSG is a record that
// was damaged, -EMSGSIZE one that is too long, -EKEYEXPIRED that a new key is due (6.14).
ssize_t ring_recv_record_now(struct ring *ring, int fd, void *buffer, size_t size_bytes,
                             uint8_t *content);

// sendmsg(2) of one record of that type, never blocking: `n`, or negative errno (-EAGAIN: full).
ssize_t ring_send_record_now(struct ring *ring, int fd, uint8_t content, const void *bytes,
                             size_t n);

#endif
