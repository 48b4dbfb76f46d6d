// SPDX-License-Identifier: Apache-2.0
//
// A leg whose TLS records the kernel makes, or makes and opens. Application data passes as on a
// plain socket; here is everything else that a TLS peer may say, and our answers to it.
//
// What turns up while reading     what becomes of it
// close_notify                    the end of the stream
// a fatal alert                   LEG_LOST
// KeyUpdate                       the kernel gets the next key (6.14); before that LEG_UNREADABLE
// KeyUpdate that wants ours       the same, and one of ours goes out before the next data
// ClientHello on TLS 1.2          no_renegotiation, once; then LEG_LOST
// damaged, too long (kernel)      LEG_LOST: the socket can neither read nor write any more
// empty records                   nothing
#include "ws/leg_inside.h"

#include <errno.h>

void leg_offload(struct leg *leg, struct tls_offload *offload) {
    leg->offload = offload;
    leg->read_limit = 0;
}

// --- sending ----------------------------------------------------------------------------------

int leg_kernel_flush(struct leg *leg) {
    struct ring *ring = leg->worker->ring;
    if (!leg->owes_key_update)
        return tls_offload_flush(leg->offload, ring, leg->fd);
    int error = tls_offload_next_tx_key(leg->offload, ring, leg->fd);
    if (error == 0)
        leg->owes_key_update = false;
    return error;
}

// The peer has changed its keys, or ours are used up, and the kernel cannot follow: what comes can
// no longer be read, but a last word can be said.
static void cannot_follow(struct leg *leg) {
    leg->unreadable = true;
    leg->eof = true;
    worker_defer(leg->worker, &leg->task); // its owner is told from the loop
}

void leg_kernel_count_sent(struct leg *leg, size_t n) {
    if (tls_offload_count(leg->offload, n))
        return;
    if (leg->offload->rekeys)
        leg->owes_key_update = true;
    else if (!leg->eof)
        cannot_follow(leg);
}

// Acts on what sending a control record came to.
static void sent_control(struct leg *leg, int error) {
    if (error == -EAGAIN)
        leg_wait_writable(leg);
    else if (error < 0)
        leg_broken(leg, error);
}

static void send_alert(struct leg *leg, enum tls_alert_level level, enum tls_alert alert) {
    const uint8_t bytes[] = {(uint8_t)level, (uint8_t)alert};
    if (leg->offload->tx_closed)
        return;
    sent_control(leg, tls_offload_send(leg->offload, leg->worker->ring, leg->fd, TLS_CONTENT_ALERT,
                                       bytes, sizeof bytes));
}

static void send_key_update(struct leg *leg) {
    if (leg->offload->tx_closed)
        return;
    if (!leg->offload->rekeys)
        return cannot_follow(leg);
    leg->owes_key_update = true;
    sent_control(leg, leg_kernel_flush(leg));
}

void leg_kernel_reply(struct leg *leg) {
    uint8_t content, bytes[TLS_REPLY_MAX_BYTES];
    size_t n = tls_records_reply_plain(leg->records, &content, bytes);
    if (n == 0 || leg->offload->tx_closed)
        return;
    if (content == TLS_CONTENT_HANDSHAKE)
        return send_key_update(leg);
    sent_control(leg,
                 tls_offload_send(leg->offload, leg->worker->ring, leg->fd, content, bytes, n));
}

// --- receiving --------------------------------------------------------------------------------

// Gives the kernel the peer's next key. 0: read on.
static int follow_key(struct leg *leg) {
    int error = tls_offload_next_rx_key(leg->offload, leg->worker->ring, leg->fd);
    if (error == -ENOTSUP)
        cannot_follow(leg);
    return error;
}

// Acts on what a record is, unless it is data. 0: read on.
static int record_judge(struct leg *leg, uint8_t content, const uint8_t *bytes, size_t n) {
    struct tls_control *control = &leg->offload->control;
    int error;
    switch (tls_control_receive(control, content, bytes, n)) {
    case TLS_CONTROL_CONTINUE:
        return 0;
    case TLS_CONTROL_NEW_RX_KEY:
        return follow_key(leg);
    case TLS_CONTROL_NEW_KEYS:
        error = follow_key(leg);
        if (error == 0)
            send_key_update(leg);
        return error;
    case TLS_CONTROL_NO_RENEGOTIATION:
        send_alert(leg, TLS_ALERT_WARNING, TLS_ALERT_NO_RENEGOTIATION);
        return 0;
    case TLS_CONTROL_CLOSE_NOTIFY:
        leg->eof = true;
        return -ECONNABORTED;
    case TLS_CONTROL_FATAL:
        if (control->alert != TLS_ALERT_CLOSE_NOTIFY)
            send_alert(leg, TLS_ALERT_FATAL, control->alert);
        return -EPROTO;
    }
    return -EPROTO;
}

ssize_t leg_kernel_recv(struct leg *leg, void *buffer, size_t size_bytes) {
    for (;;) {
        uint8_t content;
        ssize_t n = ring_recv_record_now(leg->worker->ring, leg->fd, buffer, size_bytes, &content);
        if (n < 0 || content == 0)
            return n;
        int error = record_judge(leg, content, buffer, (size_t)n);
        if (leg->eof) // close_notify, or keys that cannot be followed
            return 0;
        if (error < 0)
            return error;
        if (content == TLS_CONTENT_APPLICATION_DATA && n > 0)
            return n;
    }
}
