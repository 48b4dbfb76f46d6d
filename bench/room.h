// SPDX-License-Identifier: Apache-2.0
//
// Rooms of a backend that broadcasts: what one member says, all others in the room get. A room is a
// path; it is there while somebody is in it. Messages are collected before they are passed on, as
// frames of several speakers may not mix within one message (RFC 6455 §5.4).
//
// All members of a room are on one thread: `room_home` tells which.
#ifndef RINGWAY_BENCH_ROOM_H
#define RINGWAY_BENCH_ROOM_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_MESSAGE_MAX (4u << 20)

struct room;

// The rooms of one thread. Zero-initialised memory has none.
struct room_table {
    struct room *rooms;
};

struct room_member {
    // Told of each message of another member: a whole frame, which dies with the call. May not
    // change who is in the room.
    void (*deliver)(struct room_member *member, const uint8_t *frame, size_t n);
    void *owner;
    struct room *room;
    struct room_member *prev, *next;
    // The message being collected, with room for a frame's head before it.
    uint8_t *buffer;
    size_t capacity, length;
    uint8_t opcode;
};

// Which of `count` threads the room of this path, without its query, belongs to.
size_t room_home(struct str path, size_t count);

// Makes a member of the room of this path, on whose thread this must be. `member` is zeroed memory
// but for `deliver` and `owner`, and must stay until `room_leave`. False: out of memory.
bool room_enter(struct room_table *table, struct room_member *member, struct str path);
void room_leave(struct room_table *table, struct room_member *member);

// Begins to collect a message.
void room_message_begin(struct room_member *member, uint8_t opcode);

// Where the next `n` bytes of it are to be written. NULL when it becomes longer than
// ROOM_MESSAGE_MAX or memory is out.
uint8_t *room_message_extend(struct room_member *member, size_t n);

// Passes the message on to all others.
void room_message_say(struct room_member *member);

#endif
