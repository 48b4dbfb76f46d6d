// SPDX-License-Identifier: Apache-2.0
#include "bench/dialog.h"

#include "bench/pattern.h"

#include <assert.h>
#include <string.h>

// Room for any head and a whole control frame.
#define FILL_MIN (FRAME_HEAD_MAX + FRAME_CONTROL_MAX)

void dialog_start(struct dialog *dialog, uint64_t connection, uint64_t message_bytes,
                  struct random *random) {
    *dialog =
        (struct dialog){.connection = connection, .message_bytes = message_bytes, .random = random};
}

void dialog_close(struct dialog *dialog, unsigned code) {
    dialog->control_out = (struct dialog_control){
        .opcode = OPCODE_CLOSE, .length = 2, .payload = {(uint8_t)(code >> 8), (uint8_t)code}};
}

// --- out --------------------------------------------------------------------------------------

static size_t control_fill(struct dialog *dialog, uint8_t *out) {
    struct dialog_control *control = &dialog->control_out;
    struct frame frame = {
        .opcode = control->opcode, .fin = true, .masked = true, .length = control->length};
    uint64_t key = random_next(dialog->random);
    memcpy(frame.key, &key, sizeof frame.key);
    size_t n = frame_head_write(out, &frame);
    frame_mask(out + n, control->payload, control->length, frame.key, 0);
    dialog->close_sent = control->opcode == OPCODE_CLOSE;
    control->opcode = 0;
    return n + control->length;
}

static size_t message_begin(struct dialog *dialog, uint8_t *out) {
    struct frame *frame = &dialog->out_frame;
    *frame = (struct frame){
        .opcode = OPCODE_BINARY, .fin = true, .masked = true, .length = dialog->message_bytes};
    uint64_t key = random_next(dialog->random);
    memcpy(frame->key, &key, sizeof frame->key);
    dialog->out = (struct dialog_message){pattern_start(dialog->connection, dialog->sent), 0};
    dialog->out_begun = true;
    return frame_head_write(out, frame);
}

static size_t message_fill(struct dialog *dialog, uint8_t *out, size_t size) {
    size_t n = dialog->out_begun ? 0 : message_begin(dialog, out);
    struct dialog_message *message = &dialog->out;
    uint64_t part = dialog->message_bytes - message->position;
    if (part > size - n)
        part = size - n;
    if (part > PATTERN_BYTES)
        part = PATTERN_BYTES;
    frame_mask(out + n, pattern_bytes(message->start, message->position), part,
               dialog->out_frame.key, message->position);
    message->position += part;
    if (message->position == dialog->message_bytes) {
        dialog->sent++;
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

static enum dialog_event head_taken(struct dialog *dialog) {
    const struct frame *frame = &dialog->in.frame;
    if (frame->masked)
        return trouble(dialog, DIALOG_BROKEN, "a server's frame is masked");
    if (frame_is_control(frame)) {
        dialog->control_in = (struct dialog_control){.opcode = frame->opcode};
        return DIALOG_WANTS_MORE;
    }
    if (!dialog->back_begun) {
        if (frame->opcode != OPCODE_BINARY)
            return trouble(dialog, DIALOG_WRONG, "text came back for binary");
        dialog->back =
            (struct dialog_message){pattern_start(dialog->connection, dialog->echoed), 0};
        dialog->back_begun = true;
    }
    if (dialog->echoed >= dialog->due)
        return trouble(dialog, DIALOG_WRONG, "a message came that was never sent");
    if (frame->length > dialog->message_bytes - dialog->back.position)
        return trouble(dialog, DIALOG_WRONG, "the echo is longer than the message");
    return DIALOG_WANTS_MORE;
}

static enum dialog_event payload_taken(struct dialog *dialog) {
    struct str payload = dialog->in.payload;
    if (frame_is_control(&dialog->in.frame)) {
        struct dialog_control *control = &dialog->control_in;
        memcpy(control->payload + control->length, payload.ptr, payload.len);
        control->length += (uint8_t)payload.len;
        return DIALOG_WANTS_MORE;
    }
    struct dialog_message *message = &dialog->back;
    while (payload.len > 0) {
        size_t part = payload.len < PATTERN_BYTES ? payload.len : PATTERN_BYTES;
        if (memcmp(payload.ptr, pattern_bytes(message->start, message->position), part) != 0)
            return trouble(dialog, DIALOG_WRONG, "the echo differs from the message");
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
    if (!frame->fin)
        return DIALOG_WANTS_MORE;
    if (dialog->back.position < dialog->message_bytes)
        return trouble(dialog, DIALOG_WRONG, "the echo is shorter than the message");
    dialog->back_begun = false;
    dialog->echoed++;
    return DIALOG_ECHO;
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
