// SPDX-License-Identifier: Apache-2.0
//
// What this kernel offers, found by trying: a scratch ring, one operation of each kind whose flag
// an older kernel refuses. Set-up alone does not tell (receive flags fail only when used), and a
// version number says nothing about distributions that carry features back.
#include "core/ring.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

// Why setting up a ring failed, in one sentence with the way out.
static void explain(int error, char *why, size_t size);
static bool try_ring(unsigned flags, struct io_uring *uring, int *error);
static bool try_buffer_ring(struct io_uring *uring);
static bool try_recv_multishot(struct io_uring *uring);
static bool try_accept_multishot(struct io_uring *uring);
static bool has_msg_ring(struct io_uring *uring);
static bool can_peek_at(int family);

int ring_probe(struct ring_features *features, char *why, size_t why_size) {
    *features = (struct ring_features){0};
    struct io_uring uring;
    int error = 0;
    if (try_ring(IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, &uring, &error))
        features->defer_taskrun = features->coop_taskrun = true;
    else if (try_ring(IORING_SETUP_COOP_TASKRUN, &uring, &error))
        features->coop_taskrun = true;
    else if (!try_ring(0, &uring, &error)) {
        explain(error, why, why_size);
        return error;
    }
    features->msg_ring = has_msg_ring(&uring);
    features->accept_multishot = try_accept_multishot(&uring);
    features->buffer_ring = try_buffer_ring(&uring);
    if (features->buffer_ring)
        features->recv_multishot = try_recv_multishot(&uring);
    features->peek_offset = can_peek_at(AF_INET) && can_peek_at(AF_INET6);
    io_uring_queue_exit(&uring);

    if (!features->buffer_ring || !features->accept_multishot || !features->msg_ring) {
        snprintf(why, why_size, "this kernel's io_uring lacks %s: Linux 5.19 or newer is needed",
                 !features->buffer_ring        ? "provided-buffer rings"
                 : !features->accept_multishot ? "multishot accept"
                                               : "messages between rings");
        return -ENOTSUP;
    }
    return 0;
}

bool ring_imitate(struct ring_features *features, const char *kernel) {
    unsigned major, minor;
    char rest;
    if (sscanf(kernel, "%u.%u%c", &major, &minor, &rest) != 2 || major > 1000 || minor > 1000)
        return false;
    unsigned version = major * 1000 + minor;
    if (version < 5019)
        return false;
    features->recv_multishot &= version >= 6000;
    features->defer_taskrun &= version >= 6001;
    features->peek_offset &= version >= 6011; // over IPv6 as well
    return true;
}

// The value of a small file in /proc that holds one number; -1 when it cannot be read.
static long proc_number(const char *path, const char *label) {
    char line[256];
    long value = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, label, strlen(label)) == 0) {
            value = strtol(line + strlen(label), NULL, 10);
            break;
        }
    }
    fclose(file);
    return value;
}

static void explain(int error, char *why, size_t size) {
    long disabled = proc_number("/proc/sys/kernel/io_uring_disabled", "");
    bool seccomp = proc_number("/proc/self/status", "Seccomp:") > 0;
    if (error == -EPERM && disabled > 0)
        snprintf(why, size,
                 "io_uring is switched off by kernel.io_uring_disabled = %ld: allow it with "
                 "'sysctl kernel.io_uring_disabled=0'",
                 disabled);
    else if ((error == -EPERM || error == -ENOSYS) && seccomp)
        snprintf(why, size,
                 "io_uring is forbidden by this process's seccomp filter (%s): allow "
                 "io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp "
                 "profile",
                 strerror(-error));
    else if (error == -ENOSYS)
        snprintf(why, size,
                 "this kernel was built without io_uring: use Linux 5.19 or newer with "
                 "CONFIG_IO_URING");
    else if (error == -ENOMEM)
        snprintf(
            why, size,
            "io_uring got no memory: raise the locked-memory limit (ulimit -l) or free memory");
    else
        snprintf(why, size, "io_uring could not be set up: %s", strerror(-error));
}

static bool try_ring(unsigned flags, struct io_uring *uring, int *error) {
    struct io_uring_params params = {.flags = flags};
    *error = io_uring_queue_init_params(8, uring, &params);
    return *error == 0;
}

static bool has_msg_ring(struct io_uring *uring) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
    bool has = probe && io_uring_opcode_supported(probe, IORING_OP_MSG_RING);
    io_uring_free_probe(probe);
    return has;
}

static bool try_buffer_ring(struct io_uring *uring) {
    int error;
    struct io_uring_buf_ring *buffers = io_uring_setup_buf_ring(uring, 8, 0, 0, &error);
    if (!buffers)
        return false;
    io_uring_free_buf_ring(uring, buffers, 8, 0);
    return true;
}

// Submits what is prepared and returns the first completion's result; `flags` gets its flags.
static int first_result(struct io_uring *uring, unsigned *flags) {
    struct __kernel_timespec timeout = {.tv_nsec = 1000000};
    struct io_uring_cqe *cqe;
    int error = io_uring_submit_and_wait_timeout(uring, &cqe, 1, &timeout, NULL);
    if (error < 0 || io_uring_peek_cqe(uring, &cqe) != 0)
        return -ETIME;
    int result = cqe->res;
    *flags = cqe->flags;
    io_uring_cqe_seen(uring, cqe);
    return result;
}

static bool try_recv_multishot(struct io_uring *uring) {
    static uint8_t bytes[8][16];
    int pair[2], error;
    unsigned flags = 0;
    struct io_uring_buf_ring *buffers = io_uring_setup_buf_ring(uring, 8, 0, 0, &error);
    if (!buffers)
        return false;
    for (unsigned short id = 0; id < 8; id++)
        io_uring_buf_ring_add(buffers, bytes[id], sizeof bytes[id], id, 7, id);
    io_uring_buf_ring_advance(buffers, 8);

    bool works = false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
        io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        works = write(pair[1], "x", 1) == 1 && first_result(uring, &flags) == 1 &&
                (flags & IORING_CQE_F_MORE);
        shutdown(pair[0], SHUT_RDWR); // ends the operation
        close(pair[1]);
        first_result(uring, &flags);
        close(pair[0]);
    }
    io_uring_free_buf_ring(uring, buffers, 8, 0);
    return works;
}

static bool try_accept_multishot(struct io_uring *uring) {
    unsigned flags;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // An address of the family alone: the kernel picks an abstract name (unix(7), autobind).
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (fd < 0)
        return false;
    bool works = false;
    if (bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) == 0 &&
        listen(fd, 1) == 0) {
        io_uring_prep_multishot_accept(io_uring_get_sqe(uring), fd, NULL, NULL, 0);
        works = first_result(uring, &flags) == -ETIME; // waiting, not refused
        struct io_uring_sqe *sqe = io_uring_get_sqe(uring);
        io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
        first_result(uring, &flags);
        first_result(uring, &flags);
    }
    close(fd);
    return works;
}

// Also true where there is no such family: then there are no such sockets.
static bool can_peek_at(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), at = 0;
    if (fd < 0)
        return true;
    bool can = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at) == 0;
    close(fd);
    return can;
}
