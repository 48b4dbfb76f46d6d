// SPDX-License-Identifier: Apache-2.0
//
// The files of certificates as far as their names go: that each is a file this process may read.
// What is in them is for the layer that loads them. A folder stands for its files named *.pem, in
// the order of their names.
#include "core/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config_entry.h"

#define FOLDER_FILES_MAX 10000

static void folder_read(struct config_reader *reader, struct conf_pos pos, const char *path);
static void certificate_add(struct config_reader *reader, struct conf_pos pos, const char *path);

void entry_certificates_read(struct config_reader *reader, const struct option *option,
                             const struct yaml_node *value, void *base) {
    (void)base; // the configuration, which the reader knows as well
    if (!config_list_check(reader, option, value))
        return;
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next) {
        const char *path;
        struct stat status;
        if (!config_value_read(reader, option, entry, &path))
            continue;
        if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
            folder_read(reader, entry->pos, path);
        else
            certificate_add(reader, entry->pos, path);
    }
}

static int is_pem(const struct dirent *entry) {
    size_t bytes = strlen(entry->d_name);
    return entry->d_name[0] != '.' && bytes > 4 && strcmp(entry->d_name + bytes - 4, ".pem") == 0;
}

// Not alphasort(3), which depends on the locale.
static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void folder_read(struct config_reader *reader, struct conf_pos pos, const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, is_pem, compare_names);
    if (count < 0) {
        problems_add(reader->problems, PROBLEM_ERROR, pos, "cannot read the folder %s: %s", path,
                     strerror(errno));
        return;
    }
    if (count == 0)
        problems_add(reader->problems, PROBLEM_WARNING, pos, "no file named *.pem in the folder %s",
                     path);
    if (count > FOLDER_FILES_MAX)
        problems_add(reader->problems, PROBLEM_ERROR, pos,
                     "more than %d files named *.pem in the folder %s", FOLDER_FILES_MAX, path);
    bool has_slash = path[strlen(path) - 1] == '/';
    for (int i = 0; i < count; i++) {
        if (i < FOLDER_FILES_MAX)
            certificate_add(reader, pos,
                            arena_printf(reader->arena, "%s%s%s", path, has_slash ? "" : "/",
                                         entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
}

// The array doubles whenever its size is a power of two.
static void certificate_add(struct config_reader *reader, struct conf_pos pos, const char *path) {
    struct config *config = reader->config;
    size_t count = config->certificate_count;
    if ((count & (count - 1)) == 0) {
        struct conf_certificate *grown =
            arena_alloc(reader->arena, count ? 2 * count : 1, sizeof(*grown));
        if (count)
            memcpy(grown, config->certificates, count * sizeof(*grown));
        config->certificates = grown;
    }
    config_file_check(reader, pos, path);
    config->certificates[config->certificate_count++] =
        (struct conf_certificate){pos, pos, path, path};
}

// Opened, not asked for with access(2), which may answer for another user; without blocking, should
// it be a pipe.
void config_file_check(struct config_reader *reader, struct conf_pos pos, const char *path) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        problems_add(reader->problems, PROBLEM_ERROR, pos, "cannot read %s: %s", path,
                     strerror(errno));
        return;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        problems_add(reader->problems, PROBLEM_ERROR, pos, "%s is no file, but %s", path,
                     S_ISDIR(status.st_mode) ? "a folder" : "a device or pipe");
    close(fd);
}
