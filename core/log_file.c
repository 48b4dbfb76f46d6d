// SPDX-License-Identifier: Apache-2.0
//
// Shared targets of log lines; see the header.
#include "core/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

static int target_open(const struct conf_log *conf);
static void kind_note(struct log_file *file, const struct conf_log *conf);

int log_file_open(struct log_file *file, const struct conf_log *conf) {
    int fd = target_open(conf);
    if (fd < 0)
        return fd;
    file->fd = fd;
    file->fails = false;
    kind_note(file, conf);
    return 0;
}

int log_file_reopen(struct log_file *file, const struct conf_log *conf) {
    int fd = target_open(conf);
    if (fd < 0)
        return fd;
    int result = dup3(fd, file->fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    if (result == 0)
        kind_note(file, conf);
    return result;
}

// O_NONBLOCK is for named pipes: opening one without a reader then fails instead of waiting.
static int target_open(const struct conf_log *conf) {
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = -1;
    switch (conf->target) {
    case LOG_TARGET_NONE:
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        break;
    case LOG_TARGET_STDERR:
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        break;
    case LOG_TARGET_STDOUT:
        fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        break;
    case LOG_TARGET_FILE:
        fd = open(conf->path, flags, 0640);
        break;
    }
    return fd < 0 ? -errno : fd;
}

static void kind_note(struct log_file *file, const struct conf_log *conf) {
    struct stat status;
    bool regular = fstat(file->fd, &status) == 0 && S_ISREG(status.st_mode);
    file->discards = conf->target == LOG_TARGET_NONE;
    file->streams = conf->target != LOG_TARGET_NONE && !regular;
}

void log_file_close(struct log_file *file) {
    close(file->fd);
    file->fd = -1;
}

ssize_t log_file_write(struct log_file *file, struct str bytes) {
    ssize_t taken;
    do
        taken = write(file->fd, bytes.ptr, bytes.len);
    while (taken < 0 && errno == EINTR);
    return taken < 0 ? -errno : taken;
}

// A pipe polls writable when PIPE_BUF bytes fit (pipe(7)), a unix socket when most of its buffer is
// free. Another thread may take the room first; what then blocks is one write of 4 KB.
bool log_file_ready(const struct log_file *file) {
    if (!file->streams)
        return true;
    struct pollfd target = {.fd = file->fd, .events = POLLOUT};
    return poll(&target, 1, 0) != 0;
}

bool log_file_note(struct log_file *file, enum log_file_health health) {
    bool fails = health == LOG_FILE_FAILS;
    if (file->fails == fails) // the common case without a locked instruction
        return false;
    return atomic_exchange(&file->fails, fails) != fails;
}
