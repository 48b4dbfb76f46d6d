// SPDX-License-Identifier: Apache-2.0
#include "bench/dialog.h"

#include "bench/counter.h"
#include "bench/pattern.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Room for any head and a whole control frame.
#define FILL_MIN (FRAME_HEAD_MAX + FRAME_CONTROL_MAX)

void dialog_start(struct dialog *dialog, uint64_t connection, const struct dialog_setup *setup) {
    *dialog = (struct dialog){.connection = connection, .setup = setup};
}

void dialog_close(struct dialog *dialog, unsigned code) {
    dialog->control_out = (struct dialog_control){
        .opcode = OPCODE_CLOSE, .length = 2, .payload = {(uint8_t)(code >> 8), (uint8_t)code}};
}

// --- out --------------------------------------------------------------------------------------

// A whole frame, masked when a client sends it (RFC 6455 §5.3). A key of zeros changes nothing.
static struct frame frame_make(struct dialog *dialog, uint8_t opcode, uint64_t length) {
    struct frame frame = {.opcode = opcode, .fin = true, .length = length};
    frame.masked = dialog->setup->part != PART_SOURCE;
    if (frame.masked) {
        uint64_t key = random_next(dialog->setup->random);
        memcpy(frame.key, &key, sizeof frame.key);
    }
    return frame;
}

static size_t control_fill(struct dialog *dialog, uint8_t *out) {
    struct dialog_control *control = &dialog->control_out;
    struct frame frame = frame_make(dialog, control->opcode, control->length);
    size_t n = frame_head_write(out, &frame);
    frame_mask(out + n, control->payload, control->length, frame.key, 0);
    dialog->close_sent = control->opcode == OPCODE_CLOSE;
    control->opcode = 0;
    return n + control->length;
}

static struct dialog_message message_make(const struct dialog *dialog, uint64_t connection,
                                          uint64_t sequence) {
    return (struct dialog_message){.start = pattern_start(connection, sequence),
                                   .length =
                                       size_mix_pick(dialog->setup->sizes, connection, sequence)};
}

static bool is_stamped(const struct dialog *dialog) {
    return dialog->setup->part == PART_PEER;
}

static size_t message_begin(struct dialog *dialog, uint8_t *out) {
    dialog->out = message_make(dialog, dialog->connection, dialog->sent);
    dialog->out_frame = frame_make(dialog, dialog->setup->opcode, dialog->out.length);
    dialog->out_begun = true;
    if (is_stamped(dialog))
        snprintf(dialog->stamp_out, sizeof dialog->stamp_out, "%08" PRIx32 "%016" PRIx64,
                 (uint32_t)dialog->connection, dialog->sent);
    return frame_head_write(out, &dialog->out_frame);
}

// The bytes of a message from where it has come to, and how many of them there are at once.
static const uint8_t *message_bytes(const struct dialog *dialog,
                                    const struct dialog_message *message, const char *stamp,
                                    uint64_t *n) {
    uint64_t position = message->position;
    *n = message->length - position;
    if (dialog->setup->message.ptr)
        return (const uint8_t *)dialog->setup->message.ptr + position;
    if (is_stamped(dialog) && position < DIALOG_STAMP_BYTES) {
        *n = DIALOG_STAMP_BYTES - position;
        return (const uint8_t *)stamp + position;
    }
    if (*n > PATTERN_BYTES)
        *n = PATTERN_BYTES;
    return pattern_bytes(message->start, position);
}

static size_t message_fill(struct dialog *dialog, uint8_t *out, size_t size) {
    size_t n = dialog->out_begun ? 0 : message_begin(dialog, out);
    struct dialog_message *message = &dialog->out;
    uint64_t part;
    const uint8_t *bytes = message_bytes(dialog, message, dialog->stamp_out, &part);
    if (part > size - n)
        part = size - n;
    frame_mask(out + n, bytes, part, dialog->out_frame.key, message->position);
    message->position += part;
    counter_add(&dialog->setup->traffic->sent_bytes, part);
    if (message->position == message->length) {
        dialog->sent++;
        counter_add(&dialog->setup->traffic->sent, 1);
        dialog->out_begun = false;
    }
    return n + part;
}

size_t dialog_fill(struct dialog *dialog, uint8_t *out, size_t size) {
    assert(size >= FILL_MIN);
    size_t n = 0;
    while (size - n >= FILL_MIN && !dialog->close_sent) {
        bool may_interrupt = dialog->control_out.opcode && !dialog->out_begun;
        bool is_close = dialog->control_out.opcode == OPCODE_CLOSE;
        bool has_message = dialog->sent < dialog->due && !dialog->close_received;
        if (may_interrupt && !(is_close && has_message))
            n += control_fill(dialog, out + n);
        else if (has_message || dialog->out_begun)
            n += message_fill(dialog, out + n, size - n);
        else
            break;
    }
    return n;
}

// --- in ---------------------------------------------------------------------------------------

static enum dialog_event trouble(struct dialog *dialog, enum dialog_event event, const char *why) {
    dialog->why = why;
    return event;
}

// Whether messages that come are compared with what they must be.
static bool is_compared(const struct dialog *dialog) {
    enum dialog_part part = dialog->setup->part;
    return part != PART_SOURCE && part != PART_ANSWERED && part != PART_SPEAKER;
}

// Whether a message may come now.
static bool may_come(const struct dialog *dialog) {
    enum dialog_part part = dialog->setup->part;
    return part == PART_RECEIVER || part == PART_PEER ||
           (part == PART_ECHOED && dialog_outstanding(dialog) > 0);
}

static void message_expect(struct dialog *dialog) {
    dialog->back_begun = true;
    if (is_stamped(dialog)) { // its length is known once the stamp has come
        dialog->back = (struct dialog_message){.length = UINT64_MAX};
        return;
    }
    dialog->from = dialog->connection;
    dialog->number = dialog->received;
    dialog->back = message_make(dialog, dialog->from, dialog->number);
}

static enum dialog_event head_taken(struct dialog *dialog) {
    const struct frame *frame = &dialog->in.frame;
    bool is_server = dialog->setup->part == PART_SOURCE;
    if (frame->masked != is_server) // RFC 6455 §5.1
        return trouble(dialog, DIALOG_BROKEN,
                       is_server ? "a client's frame is not masked" : "a server's frame is masked");
    if (frame_is_control(frame)) {
        dialog->control_in = (struct dialog_control){.opcode = frame->opcode};
        return DIALOG_WANTS_MORE;
    }
    if (!is_compared(dialog))
        return DIALOG_WANTS_MORE;
    if (!dialog->back_begun) {
        if (frame->opcode != dialog->setup->opcode)
            return trouble(dialog, DIALOG_WRONG, "text came for binary, or binary for text");
        message_expect(dialog);
    }
    if (!may_come(dialog))
        return trouble(dialog, DIALOG_WRONG, "a message came that was never sent");
    if (frame->length > dialog->back.length - dialog->back.position)
        return trouble(dialog, DIALOG_WRONG, "a message is longer than it was sent");
    return DIALOG_WANTS_MORE;
}

static void control_collect(struct dialog *dialog) {
    struct dialog_control *control = &dialog->control_in;
    const struct frame *frame = &dialog->in.frame;
    struct str payload = dialog->in.payload;
    static const uint8_t no_key[4];
    frame_mask(control->payload + control->length, (const uint8_t *)payload.ptr, payload.len,
               frame->masked ? frame->key : no_key, control->length);
    control->length += (uint8_t)payload.len;
}

// What the complete stamp says. False when no other client of this run can have sent it.
static bool stamp_read(struct dialog *dialog) {
    char from[9] = "";
    memcpy(from, dialog->stamp_in, 8);
    if (strspn(dialog->stamp_in, "0123456789abcdef") != DIALOG_STAMP_BYTES)
        return false;
    dialog->from = strtoul(from, NULL, 16);
    dialog->number = strtoull(dialog->stamp_in + 8, NULL, 16);
    if (dialog->from >= dialog->setup->peer_count || dialog->from == dialog->connection)
        return false;
    dialog->back = message_make(dialog, dialog->from, dialog->number);
    dialog->back.position = DIALOG_STAMP_BYTES;
    return true;
}

// Takes what belongs to the stamp off the front of `payload`. False when the stamp is wrong.
static bool stamp_take(struct dialog *dialog, struct str *payload) {
    uint64_t position = dialog->back.position;
    size_t n = DIALOG_STAMP_BYTES - position;
    if (n > payload->len)
        n = payload->len;
    memcpy(dialog->stamp_in + position, payload->ptr, n);
    dialog->back.position += n;
    *payload = str_skip(*payload, n);
    return dialog->back.position < DIALOG_STAMP_BYTES || stamp_read(dialog);
}

static enum dialog_event payload_taken(struct dialog *dialog) {
    struct str payload = dialog->in.payload;
    if (frame_is_control(&dialog->in.frame)) {
        control_collect(dialog);
        return DIALOG_WANTS_MORE;
    }
    counter_add(&dialog->setup->traffic->received_bytes, payload.len);
    if (!is_compared(dialog))
        return DIALOG_WANTS_MORE;
    struct dialog_message *message = &dialog->back;
    if (is_stamped(dialog) && message->position < DIALOG_STAMP_BYTES &&
        !stamp_take(dialog, &payload))
        return trouble(dialog, DIALOG_WRONG, "a message that no other client of this run sent");
    if (payload.len > message->length - message->position)
        return trouble(dialog, DIALOG_WRONG, "a message is longer than it was sent");
    while (payload.len > 0) {
        uint64_t part;
        const uint8_t *bytes = message_bytes(dialog, message, dialog->stamp_in, &part);
        if (part > payload.len)
            part = payload.len;
        if (memcmp(payload.ptr, bytes, part) != 0)
            return trouble(dialog, DIALOG_WRONG, "a message differs from what was sent");
        message->position += part;
        payload = str_skip(payload, part);
    }
    return DIALOG_WANTS_MORE;
}

static enum dialog_event close_taken(struct dialog *dialog) {
    const struct dialog_control *control = &dialog->control_in;
    dialog->close_received = true;
    if (control->length == 1)
        return trouble(dialog, DIALOG_BROKEN, "a Close frame with half a code");
    dialog->close_code = control->length == 0
                             ? CLOSE_NO_STATUS
                             : (unsigned)(control->payload[0] << 8 | control->payload[1]);
    if (!dialog->close_sent)
        dialog->control_out = *control;
    return DIALOG_CLOSE;
}

static enum dialog_event message_taken(struct dialog *dialog) {
    if (is_compared(dialog) && dialog->back.position < dialog->back.length)
        return trouble(dialog, DIALOG_WRONG, "a message is shorter than it was sent");
    counter_add(&dialog->setup->traffic->received, 1);
    if (!is_compared(dialog)) {
        if (dialog->setup->part == PART_SPEAKER || dialog->received == dialog->sent)
            return DIALOG_WANTS_MORE; // it answers nothing: the server's own word
        dialog->from = dialog->connection;
        dialog->number = dialog->received;
    }
    dialog->back_begun = false;
    dialog->received++;
    return DIALOG_MESSAGE;
}

static enum dialog_event frame_taken(struct dialog *dialog) {
    const struct frame *frame = &dialog->in.frame;
    switch (frame->opcode) {
    case OPCODE_CLOSE:
        return close_taken(dialog);
    case OPCODE_PING:
        // Only the latest ping need be answered (§5.5.3), and a Close that waits goes first.
        if (dialog->control_out.opcode != OPCODE_CLOSE) {
            dialog->control_out = dialog->control_in;
            dialog->control_out.opcode = OPCODE_PONG;
        }
        return DIALOG_PING;
    case OPCODE_PONG:
        return DIALOG_WANTS_MORE;
    default:
        break;
    }
    if (!frame->fin || dialog->setup->part == PART_SOURCE)
        return DIALOG_WANTS_MORE;
    return message_taken(dialog);
}

enum dialog_event dialog_take(struct dialog *dialog, struct str *input) {
    enum dialog_event event = DIALOG_WANTS_MORE;
    while (event == DIALOG_WANTS_MORE) {
        if (dialog->close_received) // §5.5.1: what follows a Close is not looked at
            return DIALOG_WANTS_MORE;
        switch (frame_next(&dialog->in, input)) {
        case FRAME_WANTS_MORE:
            return DIALOG_WANTS_MORE;
        case FRAME_HEAD:
            event = head_taken(dialog);
            break;
        case FRAME_PAYLOAD:
            event = payload_taken(dialog);
            break;
        case FRAME_END:
            event = frame_taken(dialog);
            break;
        case FRAME_BROKEN:
            return trouble(dialog, DIALOG_BROKEN, dialog->in.why);
        }
    }
    return event;
}

void dialog_close_reason(const struct dialog *dialog, char out[FRAME_CONTROL_MAX]) {
    const struct dialog_control *control = &dialog->control_in;
    assert(dialog->close_received);
    size_t n = control->length > 2 ? control->length - 2 : 0;
    memcpy(out, control->payload + 2, n);
    out[n] = '\0';
}
