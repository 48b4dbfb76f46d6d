// SPDX-License-Identifier: Apache-2.0
//
// Where connections arrive that another thread has accepted, with what they have said so far. A
// pipe of pointers: it is there before the threads are and after they have ended, whichever of them
// is first.
#ifndef RINGWAY_BENCH_INBOX_H
#define RINGWAY_BENCH_INBOX_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

struct inbox {
    int read_fd, write_fd;
};

// A connection on its way: freed with free(3) by who takes it; the descriptor is its as well.
struct visitor {
    int fd;
    size_t n;
    char said[];
};

// 0 or a negative errno.
int inbox_open(struct inbox *inbox);

// Closes it, with all who still wait in it. Zeroed memory has nothing to close.
void inbox_close(struct inbox *inbox);

// Sends a second descriptor of `fd` there, with the bytes of `first` and `then`. Any thread. False
// when the inbox is full or something else is out.
bool inbox_send(const struct inbox *inbox, int fd, struct str first, struct str then);

// The next visitor, or NULL. Only the inbox's thread.
struct visitor *inbox_take(const struct inbox *inbox);

#endif
