// SPDX-License-Identifier: Apache-2.0
#include "bench/source.h"

#include "core/config_quantity.h"

#include <string.h>

// Cuts off what stands before `stop`, and `stop` with it; all when it is not there.
static struct str cut(struct str *rest, char stop) {
    const char *at = memchr(rest->ptr, stop, rest->len);
    struct str part = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    *rest = str_skip(*rest, part.len + (at ? 1 : 0));
    return part;
}

enum backend_role backend_role_of(struct str path) {
    struct str rest = cut(&path, '?'), last = {0};
    while (rest.len > 0)
        last = cut(&rest, '/');
    return str_eq(last, STR("sink"))        ? BACKEND_SINK
           : str_eq(last, STR("source"))    ? BACKEND_SOURCE
           : str_eq(last, STR("broadcast")) ? BACKEND_BROADCAST
                                            : BACKEND_ECHO;
}

bool source_start(struct source *source, struct str path) {
    uint64_t connection = 0;
    struct str query = path, size = STR("64K");
    cut(&query, '?');
    while (query.len > 0) {
        struct str value = cut(&query, '&'), name = cut(&value, '=');
        if (str_eq(name, STR("size")))
            size = value;
        else if (str_eq(name, STR("connection")) &&
                 quantity_number_parse(value, &connection) != VALUE_OK)
            return false;
    }
    if (!size_mix_parse(&source->sizes, size))
        return false;
    source->setup = (struct dialog_setup){.part = PART_SOURCE,
                                          .opcode = OPCODE_BINARY,
                                          .sizes = &source->sizes,
                                          .traffic = &source->traffic};
    dialog_start(&source->dialog, connection, &source->setup);
    dialog_stream(&source->dialog);
    return true;
}
