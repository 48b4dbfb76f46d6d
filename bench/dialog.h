// SPDX-License-Identifier: Apache-2.0
//
// What one end says on an open WebSocket, and what it makes of the answers: messages out, those
// that come compared with what they must be, pings answered, the closing handshake. Bytes in, event
// out; bytes to send on demand. Knows no socket.
#ifndef RINGWAY_BENCH_DIALOG_H
#define RINGWAY_BENCH_DIALOG_H

#include "bench/frame.h"
#include "bench/random.h"
#include "bench/size_mix.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOSE_NORMAL 1000 // RFC 6455 §7.4.1
#define CLOSE_GOING_AWAY 1001
#define CLOSE_NO_STATUS 1005 // stands for a Close frame without a code

// What this end does.
enum dialog_part {
    PART_ECHOED,   // a client that sends, and gets back what it sent
    PART_ANSWERED, // a client that sends, and gets one message for each, whatever it says
    PART_SPEAKER,  // a client that sends, and lets pass what comes
    PART_SENDER,   // a client that sends, and gets nothing
    PART_RECEIVER, // a client that sends nothing, and gets what a source sends
    PART_SOURCE,   // a server that sends; what comes is thrown away
    PART_PEER,     // a client that sends, and gets what the others send
};

// A message between peers begins with who sent it and its number, in hexadecimal; the others know
// the rest of it from that.
#define DIALOG_STAMP_BYTES 24

enum dialog_event {
    DIALOG_WANTS_MORE, // the input is used up
    DIALOG_MESSAGE,    // one message has come as it must be
    DIALOG_PING,       // answered by the next `dialog_fill`
    DIALOG_CLOSE,      // the peer's Close, with `close_code`; answered by the next `dialog_fill`
    DIALOG_WRONG,      // not what was sent; `why`
    DIALOG_BROKEN,     // against RFC 6455; `why`
};

// A message on its way, out or back.
struct dialog_message {
    uint64_t start;    // in the pattern
    uint64_t length;   // of its payload
    uint64_t position; // payload bytes done
};

// A control frame that is being put together or waits to be sent.
struct dialog_control {
    uint8_t opcode; // 0: none
    uint8_t length;
    uint8_t payload[FRAME_CONTROL_MAX];
};

// Messages and their payload, of all dialogs of a thread; others may read it (bench/counter.h).
struct traffic {
    uint64_t sent, sent_bytes, received, received_bytes;
};

// What the dialogs of a thread share. Borrowed for their life.
struct dialog_setup {
    enum dialog_part part;
    uint8_t opcode;      // of messages: OPCODE_TEXT or OPCODE_BINARY
    struct str message;  // every message, of the one size in `sizes`; {0}: made of the pattern
    uint64_t peer_count; // PART_PEER: connections are numbered below it
    const struct size_mix *sizes;
    struct random *random; // for masking keys
    struct traffic *traffic;
};

struct dialog {
    uint64_t connection; // names the messages
    const struct dialog_setup *setup;
    uint64_t due;           // messages asked for
    uint64_t sent;          // of them, given out in full
    uint64_t received;      // messages come that were waited for
    struct frame out_frame; // of the message being given out
    struct dialog_message out, back;
    uint64_t from, number; // who sent what comes, or what it answers, and which message that is
    char stamp_out[DIALOG_STAMP_BYTES + 1], stamp_in[DIALOG_STAMP_BYTES + 1]; // PART_PEER
    struct frame_reader in;
    struct dialog_control control_in, control_out;
    bool out_begun;      // the head of `out_frame` has been given out
    bool back_begun;     // the first frame of the message that comes has come
    bool close_sent;     // nothing may be sent any more
    bool close_received; // nothing comes any more
    unsigned close_code; // DIALOG_CLOSE
    const char *why;
};

// Starts anew, in any memory.
void dialog_start(struct dialog *dialog, uint64_t connection, const struct dialog_setup *setup);

// Asks for one more message.
static inline void dialog_send(struct dialog *dialog) {
    dialog->due++;
}

// Asks for messages without end, until `dialog_stop`, after which the one begun is the last.
static inline void dialog_stream(struct dialog *dialog) {
    dialog->due = UINT64_MAX;
}

static inline void dialog_stop(struct dialog *dialog) {
    dialog->due = dialog->sent + (dialog->out_begun ? 1 : 0);
}

// Asks for a Close frame, to be sent as soon as what is due has been.
void dialog_close(struct dialog *dialog, unsigned code);

// Whether a message is done when one has come for it, and not already when it has been sent.
static inline bool dialog_is_answered(const struct dialog *dialog) {
    enum dialog_part part = dialog->setup->part;
    return part == PART_ECHOED || part == PART_ANSWERED;
}

// How many messages were asked for and are not done.
static inline uint64_t dialog_outstanding(const struct dialog *dialog) {
    return dialog->due - (dialog_is_answered(dialog) ? dialog->received : dialog->sent);
}

// Writes the next bytes to be sent to `out`, at least 256 of room, and returns their number; 0 when
// there is nothing to send.
size_t dialog_fill(struct dialog *dialog, uint8_t *out, size_t size);

// Takes bytes off the front of `input` up to the next event.
enum dialog_event dialog_take(struct dialog *dialog, struct str *input);

// After DIALOG_CLOSE: the words that came with the code, as they came, terminated; "" for none.
void dialog_close_reason(const struct dialog *dialog, char out[FRAME_CONTROL_MAX]);

#endif
