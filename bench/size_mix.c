// SPDX-License-Identifier: Apache-2.0
#include "bench/size_mix.h"

#include "bench/random.h"
#include "core/config_quantity.h"

#include <string.h>

#define WEIGHT_MAX 1000000

// Apart from what pattern_start() draws from the same two numbers.
#define PICK_SALT UINT64_C(0x5bd1e9955bd1e995)

// Cuts off what stands before `stop`, and `stop` with it; all when it is not there.
static struct str cut(struct str *rest, char stop) {
    const char *at = memchr(rest->ptr, stop, rest->len);
    struct str part = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    *rest = str_skip(*rest, part.len + (at ? 1 : 0));
    return part;
}

static bool part_parse(struct size_mix *mix, struct str text) {
    uint64_t message_bytes, weight = 1;
    struct str rest = text, size = cut(&rest, ':');
    if (mix->count == SIZE_MIX_MAX || quantity_size_parse(size, &message_bytes) != VALUE_OK ||
        message_bytes > SIZE_MIX_MESSAGE_MAX)
        return false;
    if (size.len < text.len &&
        (quantity_number_parse(rest, &weight) != VALUE_OK || weight == 0 || weight > WEIGHT_MAX))
        return false;
    mix->weight += weight;
    mix->parts[mix->count].message_bytes = message_bytes;
    mix->parts[mix->count].below = mix->weight;
    mix->count++;
    return true;
}

bool size_mix_parse(struct size_mix *mix, struct str text) {
    *mix = (struct size_mix){0};
    if (text.len == 0 || text.len >= sizeof mix->text || text.ptr[text.len - 1] == ',')
        return false;
    memcpy(mix->text, text.ptr, text.len);
    while (text.len > 0)
        if (!part_parse(mix, cut(&text, ',')))
            return false;
    return true;
}

uint64_t size_mix_pick(const struct size_mix *mix, uint64_t connection, uint64_t sequence) {
    if (mix->count == 1)
        return mix->parts[0].message_bytes;
    struct random random = {.state = (connection << 32 ^ sequence) + PICK_SALT};
    uint64_t drawn = random_next(&random) % mix->weight;
    size_t i = 0;
    while (drawn >= mix->parts[i].below)
        i++;
    return mix->parts[i].message_bytes;
}
