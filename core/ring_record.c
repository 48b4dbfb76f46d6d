// SPDX-License-Identifier: Apache-2.0
#include "core/ring_record.h"

#include <errno.h>
#include <linux/tls.h>
#include <string.h>

#ifndef SOL_TLS // <sys/socket.h> has it since glibc 2.36
#define SOL_TLS 282
#endif

// Room for one control message with a record type, aligned as cmsg(3) wants it.
union record_type {
    char space[CMSG_SPACE(sizeof(uint8_t))];
    struct cmsghdr align;
};

int ring_set_option(struct ring *ring, int fd, int level, int name, const void *value,
                    socklen_t size_bytes) {
    (void)ring;
    return setsockopt(fd, level, name, value, size_bytes) < 0 ? -errno : 0;
}

ssize_t ring_recv_record_now(struct ring *ring, int fd, void *buffer, size_t size_bytes,
                             uint8_t *content) {
    (void)ring;
    union record_type type;
    struct iovec whole = {buffer, size_bytes};
    struct msghdr message = {.msg_iov = &whole,
                             .msg_iovlen = 1,
                             .msg_control = &type,
                             .msg_controllen = sizeof type.space};
    ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
    if (received < 0)
        return -errno;
    *content = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_TLS && head->cmsg_type == TLS_GET_RECORD_TYPE)
        memcpy(content, CMSG_DATA(head), sizeof *content);
    return received;
}

ssize_t ring_send_record_now(struct ring *ring, int fd, uint8_t content, const void *bytes,
                             size_t n) {
    (void)ring;
    union record_type type = {0};
    struct iovec whole = {(void *)bytes, n};
    struct msghdr message = {.msg_iov = &whole,
                             .msg_iovlen = 1,
                             .msg_control = &type,
                             .msg_controllen = sizeof type.space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_TLS;
    head->cmsg_type = TLS_SET_RECORD_TYPE;
    head->cmsg_len = CMSG_LEN(sizeof content);
    memcpy(CMSG_DATA(head), &content, sizeof content);
    message.msg_controllen = head->cmsg_len;
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
