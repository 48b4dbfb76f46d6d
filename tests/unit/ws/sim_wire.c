// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_add(struct buffer *buffer, const void *bytes, size_t n) {
    if (n == 0)
        return;
    if (buffer->size + n > buffer->capacity) {
        buffer->capacity = 2 * (buffer->size + n);
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        if (!buffer->bytes)
            abort();
    }
    memcpy(buffer->bytes + buffer->size, bytes, n);
    buffer->size += n;
}

void buffer_text(struct buffer *buffer, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_add(buffer, text, (size_t)size);
}

void buffer_drop(struct buffer *buffer, size_t n) {
    buffer->size -= n;
    if (buffer->size > 0)
        memmove(buffer->bytes, buffer->bytes + n, buffer->size);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

bool wire_flush(struct wire *wire) {
    while (wire->sealed.size > 0) {
        size_t taken = fake_peer_send(wire->peer, wire->sealed.bytes, wire->sealed.size);
        if (taken == 0)
            return false;
        buffer_drop(&wire->sealed, taken);
    }
    if (wire->finishing)
        fake_peer_finish(wire->peer);
    wire->finishing = false;
    return true;
}

// Adds a record for the fake kernel to open.
static void kernel_record(struct wire *wire, uint8_t content, const void *bytes, size_t n) {
    uint8_t header[FAKE_RECORD_HEADER_BYTES];
    fake_record_write(header, (struct fake_record){content, wire->out_key, (uint16_t)n});
    buffer_add(&wire->sealed, header, sizeof header);
    buffer_add(&wire->sealed, bytes, n);
}

// What may come between data: new keys, an empty record, an alert that is no end.
static void kernel_extra(struct wire *wire) {
    static const uint8_t user_canceled[] = {TLS_ALERT_WARNING, 90};
    uint8_t update[TLS_KEY_UPDATE_BYTES];
    switch (fake_random(60)) {
    case 0:
        if (!wire->rekeys)
            break;
        tls_control_key_update(fake_random(2), update);
        kernel_record(wire, TLS_CONTENT_HANDSHAKE, update, sizeof update);
        wire->out_key++;
        break;
    case 1:
        kernel_record(wire, TLS_CONTENT_APPLICATION_DATA, "", 0);
        break;
    case 2:
        kernel_record(wire, TLS_CONTENT_ALERT, user_canceled, sizeof user_canceled);
        break;
    }
}

static void kernel_seal(struct wire *wire, const uint8_t *bytes, size_t n) {
    for (size_t done = 0, part; done < n; done += part) {
        part = 1 + fake_random(fake_random(2) ? 100 : FAKE_RECORD_MAX_BYTES);
        part = part < n - done ? part : n - done;
        kernel_extra(wire);
        kernel_record(wire, TLS_CONTENT_APPLICATION_DATA, bytes + done, part);
    }
}

static void records_seal(struct wire *wire, const uint8_t *bytes, size_t n) {
    if (wire->rekeys && fake_random(30) == 0) {
        uint8_t update[TLS_REPLY_MAX_BYTES];
        buffer_add(&wire->sealed, update,
                   tls_records_key_update(wire->records, fake_random(2), update));
    }
    size_t size = tls_records_sealed_size(wire->records, n);
    uint8_t *sealed = malloc(size);
    ssize_t written = tls_records_seal(wire->records, bytes, n, sealed);
    if (written < 0)
        fake_fail("the test's own TLS records failed");
    buffer_add(&wire->sealed, sealed, (size_t)written);
    free(sealed);
}

size_t wire_send(struct wire *wire, const uint8_t *bytes, size_t n) {
    if (wire->out == WIRE_PLAIN)
        return fake_peer_send(wire->peer, bytes, n);
    if (!wire_flush(wire))
        return 0;
    if (wire->out == WIRE_KERNEL)
        kernel_seal(wire, bytes, n);
    else
        records_seal(wire, bytes, n);
    wire_flush(wire);
    return n;
}

// Opens what is whole of the records received.
static void records_open(struct wire *wire, struct buffer *in) {
    static uint8_t plain[TLS_OPEN_MIN_BYTES];
    enum tls_open_verdict verdict = TLS_OPEN_FULL;
    while (verdict == TLS_OPEN_FULL || verdict == TLS_OPEN_REPLY) {
        size_t used, n;
        verdict = tls_records_open(wire->records, wire->unopened.bytes, wire->unopened.size, &used,
                                   plain, sizeof plain, &n);
        buffer_drop(&wire->unopened, used);
        buffer_add(in, plain, n);
        if (verdict == TLS_OPEN_REPLY) {
            uint8_t reply[TLS_REPLY_MAX_BYTES];
            buffer_add(&wire->sealed, reply, tls_records_reply(wire->records, reply));
        }
    }
    if (verdict == TLS_OPEN_CLOSE_NOTIFY)
        wire->notified = true;
    else if (verdict != TLS_OPEN_MORE)
        fake_fail("the gateway's TLS records are broken: %s", tls_records_error(wire->records));
}

// Acts on one record that the fake kernel has made.
static void kernel_judge(struct wire *wire, struct fake_record record, const uint8_t *bytes,
                         struct buffer *in) {
    static const uint8_t update[] = {24, 0, 0, 1, 0}, close_notify[] = {1, 0};
    if (record.key != wire->in_key)
        fake_fail("a record under key %u instead of %u", record.key, wire->in_key);
    if (record.content == TLS_CONTENT_APPLICATION_DATA)
        buffer_add(in, bytes, record.size_bytes);
    else if (record.content == TLS_CONTENT_HANDSHAKE && record.size_bytes == sizeof update &&
             memcmp(bytes, update, sizeof update) == 0)
        wire->in_key++;
    else if (record.content == TLS_CONTENT_ALERT && record.size_bytes == sizeof close_notify &&
             memcmp(bytes, close_notify, sizeof close_notify) == 0)
        wire->notified = true;
    else
        fake_fail("a record of kind %u that nobody asked for", record.content);
}

static void kernel_open(struct wire *wire, struct buffer *in) {
    while (wire->unopened.size >= FAKE_RECORD_HEADER_BYTES) {
        struct fake_record record = fake_record_read(wire->unopened.bytes);
        size_t size = FAKE_RECORD_HEADER_BYTES + (size_t)record.size_bytes;
        if (wire->unopened.size < size)
            return;
        if (wire->notified)
            fake_fail("the gateway sends after close_notify");
        kernel_judge(wire, record, wire->unopened.bytes + FAKE_RECORD_HEADER_BYTES, in);
        buffer_drop(&wire->unopened, size);
    }
}

bool wire_recv(struct wire *wire, struct buffer *in) {
    uint8_t bytes[8192];
    size_t n = fake_peer_recv(wire->peer, bytes, sizeof bytes);
    if (n == 0)
        return false;
    if (wire->in == WIRE_PLAIN) {
        buffer_add(in, bytes, n);
        return true;
    }
    if (wire->notified)
        fake_fail("the gateway sends after close_notify");
    buffer_add(&wire->unopened, bytes, n);
    if (wire->in == WIRE_KERNEL)
        kernel_open(wire, in);
    else
        records_open(wire, in);
    return true;
}

void wire_finish(struct wire *wire) {
    static const uint8_t close_notify[] = {TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY};
    if (wire->out == WIRE_KERNEL) {
        kernel_record(wire, TLS_CONTENT_ALERT, close_notify, sizeof close_notify);
    } else if (wire->out == WIRE_RECORDS) {
        uint8_t notice[TLS_REPLY_MAX_BYTES];
        buffer_add(&wire->sealed, notice, tls_records_close_notify(wire->records, notice));
    }
    wire->finishing = true;
    wire_flush(wire);
}

void wire_garbage(struct wire *wire) {
    uint8_t garbage[100];
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)fake_random(256);
    buffer_add(&wire->sealed, garbage, 1 + fake_random(sizeof garbage));
    wire_flush(wire);
}

void wire_free(struct wire *wire) {
    tls_records_free(wire->records);
    buffer_free(&wire->sealed);
    buffer_free(&wire->unopened);
}
