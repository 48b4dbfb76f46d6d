// SPDX-License-Identifier: Apache-2.0
#include "bench/room.h"

#include "bench/frame.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

struct room {
    UT_hash_handle hh;
    struct room_member *members;
    char path[];
};

static struct str without_query(struct str path) {
    const char *query = memchr(path.ptr, '?', path.len);
    return (struct str){path.ptr, query ? (size_t)(query - path.ptr) : path.len};
}

size_t room_home(struct str path, size_t count) {
    struct str name = without_query(path);
    unsigned hash;
    HASH_JEN(name.ptr, name.len, hash);
    return hash % count;
}

static struct room *room_make(struct room_table *table, struct str name) {
    struct room *room = calloc(1, sizeof *room + name.len);
    if (!room)
        return NULL;
    memcpy(room->path, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, table->rooms, room->path, name.len, room);
    return room;
}

bool room_enter(struct room_table *table, struct room_member *member, struct str path) {
    struct str name = without_query(path);
    struct room *room;
    HASH_FIND(hh, table->rooms, name.ptr, name.len, room);
    if (!room)
        room = room_make(table, name);
    if (!room)
        return false;
    member->room = room;
    DL_APPEND(room->members, member);
    return true;
}

void room_leave(struct room_table *table, struct room_member *member) {
    struct room *room = member->room;
    DL_DELETE(room->members, member);
    free(member->buffer);
    if (room->members)
        return;
    HASH_DEL(table->rooms, room);
    free(room);
}

void room_message_begin(struct room_member *member, uint8_t opcode) {
    member->opcode = opcode;
    member->length = 0;
}

uint8_t *room_message_extend(struct room_member *member, size_t n) {
    if (n > ROOM_MESSAGE_MAX - member->length)
        return NULL;
    size_t needed = FRAME_HEAD_MAX + member->length + n;
    if (needed > member->capacity) {
        size_t capacity = 2 * needed;
        uint8_t *buffer = realloc(member->buffer, capacity);
        if (!buffer)
            return NULL;
        member->buffer = buffer;
        member->capacity = capacity;
    }
    uint8_t *at = member->buffer + FRAME_HEAD_MAX + member->length;
    member->length += n;
    return at;
}

void room_message_say(struct room_member *member) {
    struct frame frame = {.opcode = member->opcode, .fin = true, .length = member->length};
    uint8_t head[FRAME_HEAD_MAX];
    size_t n = frame_head_write(head, &frame);
    if (!room_message_extend(member, 0)) // an empty message has no buffer yet
        return;
    uint8_t *start = member->buffer + FRAME_HEAD_MAX - n;
    memcpy(start, head, n);
    struct room_member *other;
    DL_FOREACH(member->room->members, other) {
        if (other != member)
            other->deliver(other, start, n + member->length);
    }
}
