// SPDX-License-Identifier: Apache-2.0
#include "bench/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int inbox_open(struct inbox *inbox) {
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return -errno;
    *inbox = (struct inbox){.read_fd = fds[0], .write_fd = fds[1]};
    return 0;
}

void inbox_close(struct inbox *inbox) {
    if (inbox->write_fd == 0)
        return;
    struct visitor *visitor;
    while ((visitor = inbox_take(inbox))) {
        close(visitor->fd);
        free(visitor);
    }
    close(inbox->read_fd);
    close(inbox->write_fd);
}

bool inbox_send(const struct inbox *inbox, int fd, struct str first, struct str then) {
    struct visitor *visitor = malloc(sizeof *visitor + first.len + then.len);
    if (!visitor)
        return false;
    *visitor = (struct visitor){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .n = first.len + then.len};
    memcpy(visitor->said, first.ptr, first.len);
    memcpy(visitor->said + first.len, then.ptr, then.len);
    // As small a write is taken as a whole or not at all (pipe(7)).
    if (visitor->fd >= 0 && write(inbox->write_fd, &visitor, sizeof visitor) == sizeof visitor)
        return true;
    if (visitor->fd >= 0)
        close(visitor->fd);
    free(visitor);
    return false;
}

struct visitor *inbox_take(const struct inbox *inbox) {
    struct visitor *visitor;
    return read(inbox->read_fd, &visitor, sizeof visitor) == sizeof visitor ? visitor : NULL;
}
