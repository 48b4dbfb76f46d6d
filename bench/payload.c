// SPDX-License-Identifier: Apache-2.0
#include "bench/payload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t payload_max_bytes = (size_t)PAYLOAD_MAX_MB << 20;

// Reads up to one byte more than there may be. False with errno.
static bool file_read(FILE *file, char **bytes, size_t *n) {
    *bytes = malloc(payload_max_bytes + 1);
    if (!*bytes)
        return false;
    *n = fread(*bytes, 1, payload_max_bytes + 1, file);
    return !ferror(file);
}

bool payload_read(struct str *payload, const char *path, char *why, size_t why_size) {
    char *bytes = NULL;
    size_t n = 0;
    FILE *file = fopen(path, "re");
    bool is_read = file && file_read(file, &bytes, &n);
    if (!is_read)
        snprintf(why, why_size, "--message %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    if (is_read && n > payload_max_bytes)
        snprintf(why, why_size, "--message %s: longer than %d MB", path, PAYLOAD_MAX_MB);
    if (is_read && n <= payload_max_bytes) {
        *payload = (struct str){bytes, n};
        return true;
    }
    free(bytes);
    return false;
}
