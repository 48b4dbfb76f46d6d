// SPDX-License-Identifier: Apache-2.0
#include "acme/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/json.h"

#define FILE_BYTES_MAX (1024 * 1024)

static const char *const shelves[] = {"accounts", "certificates", "orders", "dns"};

static int folder_make(const char *path, struct acme_error *error) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    int result = -errno;
    acme_error_set(error, ACME_TROUBLE_LOCAL, result, "making the folder %s: %s", path,
                   strerror(-result));
    acme_error_advise(error, "make it, and give it to the user that the gateway runs as, or choose "
                             "another place with acme.state_dir");
    return result;
}

int acme_storage_open(const char *state_dir, struct acme_error *error) {
    char path[PATH_MAX];
    int result = folder_make(state_dir, error);
    for (size_t i = 0; i < sizeof shelves / sizeof shelves[0] && result == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", state_dir, shelves[i]);
        result = folder_make(path, error);
    }
    return result;
}

// The descriptor stays with this process alone: a program that it runs must not hold the lock.
int acme_storage_lock(const char *state_dir) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int result = -errno;
    close(fd);
    return result;
}

void acme_storage_path(const char *state_dir, enum acme_shelf shelf, const char *name,
                       const char *suffix, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s/", state_dir, shelves[shelf]);
    size_t size = strlen(path);
    snprintf(path + size, PATH_MAX - size, "%s%s", name, suffix);
    for (char *at = path + size; *at; at++)
        if (*at == '/' || *at == '*' || (*at == '.' && at == path + size))
            *at = '_';
}

// --- writing ----------------------------------------------------------------------------------

static int bytes_write(int fd, struct str text) {
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno != EINTR)
            return -errno;
        text = str_skip(text, written > 0 ? (size_t)written : 0);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int file_make(const char *path, struct str text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int result = bytes_write(fd, text);
    if (close(fd) < 0 && result == 0)
        result = -errno;
    return result;
}

static int folder_sync(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int acme_storage_write(const char *path, struct str text, struct acme_error *error) {
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= PATH_MAX)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENAMETOOLONG, "%s: the name is too long",
                              path);
    int result = file_make(beside, text);
    if (result == 0 && rename(beside, path) < 0)
        result = -errno;
    if (result == 0)
        result = folder_sync(path);
    if (result < 0)
        acme_error_set(error, ACME_TROUBLE_LOCAL, result, "writing %s: %s", path,
                       strerror(-result));
    return result;
}

int acme_storage_write_json(const char *path, json_t *json, struct acme_error *error) {
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    if (!text)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    int result = acme_storage_write(path, str_from(text), error);
    explicit_bzero(text, strlen(text)); // it may hold a key
    free(text);
    return result;
}

void acme_storage_remove(const char *path) {
    unlink(path);
}

// --- reading ----------------------------------------------------------------------------------

static char *descriptor_read(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return NULL;
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX) {
        errno = EFBIG;
        return NULL;
    }
    size_t capacity = (size_t)status.st_size, size = 0;
    char *text = malloc(capacity + 1);
    while (text && size < capacity) {
        ssize_t got = read(fd, text + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    if (text)
        text[size] = '\0';
    return text;
}

char *acme_storage_read(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char *text = descriptor_read(fd);
    close(fd);
    return text;
}

json_t *acme_storage_read_json(const char *path) {
    char *text = acme_storage_read(path);
    json_t *json = text ? acme_json_read(text, strlen(text)) : NULL;
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return json;
}
