// SPDX-License-Identifier: Apache-2.0
//
// From a file to a configuration: read the bytes, parse YAML into a tree, read the tree into the
// structs, check the whole. The tree has an arena of its own, which ends here; the configuration
// keeps the other.
#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config_check.h"
#include "core/config_read.h"

#define FILE_USUAL_BYTES ((size_t)64 * 1024)

static ssize_t file_read(int fd, char **bytes);
static const char *folder_of(struct conf_arena *arena, const char *path);
static void tree_parse(struct config_reader *reader, const char *text, size_t size_bytes,
                       struct conf_arena *tree_arena);

struct config *config_load(const char *path, struct problems *problems) {
    const struct conf_pos nowhere = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        problems_add(problems, PROBLEM_ERROR, nowhere, "cannot open it: %s", strerror(errno));
        return NULL;
    }
    struct conf_arena *arena = arena_new();
    char *text = NULL;
    ssize_t size_bytes = file_read(fd, &text);
    close(fd);
    struct config *config = NULL;
    if (size_bytes < 0)
        problems_add(problems, PROBLEM_ERROR, nowhere, "cannot read it: %s",
                     strerror((int)-size_bytes));
    else
        config = config_parse(text, (size_t)size_bytes, path, folder_of(arena, path), problems);
    arena_free(arena);
    free(text);
    return config;
}

// Makes room for more, at first for a usual file. False: it has grown too large, or memory is out.
static bool room_grow(char **bytes, size_t *capacity, int *error) {
    const size_t max = YAML_SIZE_MAX_BYTES + 1; // one more, to see that it is too large
    size_t wanted = *capacity ? 4 * *capacity : FILE_USUAL_BYTES;
    wanted = wanted < max ? wanted : max;
    char *grown = wanted > *capacity ? realloc(*bytes, wanted) : NULL;
    *error = wanted > *capacity && !grown ? -ENOMEM : 0;
    if (!grown)
        return false;
    *bytes = grown;
    *capacity = wanted;
    return true;
}

// All there is, up to one byte more than a file may have, or a negative errno; `*bytes` is the
// caller's to free in either case.
static ssize_t file_read(int fd, char **bytes) {
    size_t filled = 0, capacity = 0;
    int error = 0;
    while (filled < capacity || room_grow(bytes, &capacity, &error)) {
        ssize_t got = read(fd, *bytes + filled, capacity - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        filled += (size_t)got;
    }
    return error ? error : (ssize_t)filled;
}

static const char *folder_of(struct conf_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : arena_copy(arena, path, (size_t)(slash - path));
}

struct config *config_parse(const char *text, size_t size_bytes, const char *name,
                            const char *folder, struct problems *problems) {
    size_t errors_before = problems->errors, count_before = problems->count;
    struct conf_arena *arena = arena_new(), *tree_arena = arena_new();
    struct config *config = arena_alloc(arena, 1, sizeof(*config));
    config->arena = arena;
    atomic_init(&config->references, 1);
    config->path = arena_copy(arena, name, strlen(name));
    config->folder = arena_copy(arena, folder, strlen(folder));
    struct config_reader reader = {.config = config, .arena = arena, .problems = problems};
    tree_parse(&reader, text, size_bytes, tree_arena);
    arena_free(tree_arena);
    problems_sort(problems, count_before);
    if (problems->errors == errors_before)
        return config;
    config_free(config);
    return NULL;
}

static void tree_parse(struct config_reader *reader, const char *text, size_t size_bytes,
                       struct conf_arena *tree_arena) {
    size_t errors_before = reader->problems->errors;
    struct yaml_node *root = yaml_tree_parse(text, size_bytes, tree_arena, reader->problems);
    if ((!root && reader->problems->errors == errors_before) || (root && yaml_node_is_null(root))) {
        problems_add(reader->problems, PROBLEM_ERROR, (struct conf_pos){1, 1},
                     "nothing is configured: add sites, for example sites: {www.example.com: "
                     "{routes: {/: {upstream: app}}}}");
        return;
    }
    if (!root)
        return;
    reader->root = root;
    config_section_read(reader, SECTION_TOP, root, reader->config);
    if (root->kind == YAML_MAP)
        config_check(reader);
}

// What a fixed option holds, as bytes or as a text.
static bool value_differs(const struct option *option, const struct config *old,
                          const struct config *new) {
    const char *old_field = (const char *)old + option->field.offset;
    const char *new_field = (const char *)new + option->field.offset;
    if (option->type != OPTION_TEXT)
        return memcmp(old_field, new_field, option->field.size_bytes) != 0;
    const char *old_text = *(const char *const *)old_field;
    const char *new_text = *(const char *const *)new_field;
    return !str_eq(str_from(old_text), str_from(new_text));
}

bool config_reload_allowed(const struct config *old, const struct config *new,
                           struct problems *problems) {
    bool allowed = true;
    const struct option *row = option_first(SECTION_TOP);
    for (; row; row = option_next(row)) {
        if (row->reload != OPTION_FIXED || !value_differs(row, old, new))
            continue;
        problems_add(problems, PROBLEM_WARNING, (struct conf_pos){0},
                     "%s: the change takes effect at the next restart; until then the old value "
                     "stays",
                     row->key);
        allowed = false;
    }
    return allowed;
}

struct config *config_hold(struct config *config) {
    atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
    return config;
}

void config_free(struct config *config) {
    if (config && atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) == 1)
        arena_free(config->arena);
}
