// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t payload_byte(unsigned id, unsigned way, size_t at) {
    return (uint8_t)(id * 37 + way * 101 + at * 7 + (at >> 8) * 13);
}

static bool payload_read(struct message *message, struct buffer *in) {
    size_t n = in->size < message->left ? in->size : (size_t)message->left;
    for (size_t i = 0; i < n && message->call >= 0; i++)
        if (in->bytes[i] !=
            payload_byte((unsigned)message->call, message->way, message->payload_bytes + i))
            fake_fail("call %d: byte %zu of the payload is wrong", message->call,
                      message->payload_bytes + i);
    message->payload_bytes += n;
    message->left -= n;
    buffer_drop(in, n);
    return n > 0;
}

// The first line of `in` with its end, as text; NULL when it is not whole.
static char *line_take(struct buffer *in) {
    uint8_t *end = memchr(in->bytes, '\n', in->size);
    if (!end)
        return NULL;
    size_t size = (size_t)(end - in->bytes) + 1;
    char *line = strndup((char *)in->bytes, size);
    buffer_drop(in, size);
    return line;
}

static const char *field(const char *head, const char *name) {
    char start[64];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *at = strcasestr(head, start);
    return at ? at + strlen(start) : NULL;
}

static bool has_body(const struct message *message) {
    if (message->kind == MESSAGE_REQUEST)
        return true;
    return !message->without_body && message->status >= 200 && message->status != 204 &&
           message->status != 304;
}

static void head_read(struct message *message, const char *head) {
    const char *length = field(head, "Content-Length"), *call = field(head, "X-Call");
    const char *coding = field(head, "Transfer-Encoding"), *close = field(head, "Connection");
    bool old = strncmp(head, "HTTP/1.0", 8) == 0;
    message->call = -1;
    if (message->kind == MESSAGE_REQUEST) {
        if (sscanf(head, "%*s /up/%d ", &message->call) != 1)
            fake_fail("a request that should have been refused got through: %s", head);
        if (!field(head, "Via") || !field(head, "X-Forwarded-For") || !field(head, "Host"))
            fake_fail("a request without the fields the gateway sets: %s", head);
    } else {
        if (strncmp(head, "HTTP/1.", 7) != 0)
            fake_fail("this is no response: %s", head);
        message->status = (unsigned)atoi(head + 9);
        message->call = call ? atoi(call) : -1;
    }
    message->says_close = close ? strncasecmp(close, "close", 5) == 0 : old;
    message->is_chunked = coding != NULL;
    message->left = length ? strtoull(length, NULL, 10) : 0;
    if (!has_body(message))
        message->place = AT_DONE;
    else if (coding)
        message->place = AT_CHUNK_SIZE;
    else if (length || message->kind == MESSAGE_REQUEST)
        message->place = message->left > 0 ? AT_LENGTH : AT_DONE;
    else
        message->place = AT_CLOSE;
    if (message->place == AT_CLOSE)
        message->left = UINT64_MAX;
}

static bool head_take(struct message *message, struct buffer *in) {
    uint8_t *end = in->size >= 4 ? memmem(in->bytes, in->size, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    size_t size = (size_t)(end - in->bytes) + 4;
    char *head = strndup((char *)in->bytes, size);
    buffer_drop(in, size);
    head_read(message, head);
    free(head);
    return true;
}

static bool chunk_size_take(struct message *message, struct buffer *in) {
    char *line = line_take(in);
    if (!line)
        return false;
    message->left = strtoull(line, NULL, 16);
    message->place = message->left > 0 ? AT_CHUNK : AT_TRAILER;
    free(line);
    return true;
}

static bool trailer_take(struct message *message, struct buffer *in) {
    char *line = line_take(in);
    if (!line)
        return false;
    if (strcmp(line, "\r\n") == 0)
        message->place = AT_DONE;
    free(line);
    return true;
}

bool message_read(struct message *message, struct buffer *in) {
    if (in->size == 0)
        return false;
    switch (message->place) {
    case AT_HEAD:
        return head_take(message, in);
    case AT_LENGTH:
        payload_read(message, in);
        if (message->left == 0)
            message->place = AT_DONE;
        return true;
    case AT_CHUNK_SIZE:
        return chunk_size_take(message, in);
    case AT_CHUNK:
        if (message->left > 0)
            return payload_read(message, in);
        if (in->size < 2)
            return false;
        if (memcmp(in->bytes, "\r\n", 2) != 0)
            fake_fail("call %d: a chunk does not end where it said", message->call);
        buffer_drop(in, 2);
        message->place = AT_CHUNK_SIZE;
        return true;
    case AT_TRAILER:
        return trailer_take(message, in);
    case AT_CLOSE:
        return payload_read(message, in);
    case AT_DONE:
        return false;
    }
    return false;
}
