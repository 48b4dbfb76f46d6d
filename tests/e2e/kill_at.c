// SPDX-License-Identifier: Apache-2.0
//
// A library for LD_PRELOAD: kills the process with SIGKILL at the KILL_AT-th operation on a file
// below KILL_BELOW, just before it is done, so that every moment of a crash can be tried. It says
// on stderr which one that was.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int operations;

static void count(const char *operation, const char *path) {
    const char *below = getenv("KILL_BELOW"), *at = getenv("KILL_AT");
    if (!below || !at || strncmp(path, below, strlen(below)) != 0 ||
        atomic_fetch_add(&operations, 1) + 1 != atoi(at))
        return;
    dprintf(STDERR_FILENO, "killed at %s %s\n", operation, path + strlen(below));
    kill(getpid(), SIGKILL);
}

static void count_fd(const char *operation, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return;
    path[size] = '\0';
    count(operation, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (flags & O_CREAT)
        count("open", path);
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (flags & O_CREAT)
        count("open", path);
    return REAL(open64)(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t n) {
    count_fd("write", fd);
    return REAL(write)(fd, bytes, n);
}

int fsync(int fd) {
    count_fd("fsync", fd);
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    count("rename", from);
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    count("unlink", path);
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    count("mkdir", path);
    return REAL(mkdir)(path, mode);
}
