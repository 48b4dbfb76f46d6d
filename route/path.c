// SPDX-License-Identifier: Apache-2.0
//
// Path → route; see the header. The path is not rewritten to be compared: it is cut into segments
// that point into the client's bytes, with "." and ".." already applied to the list. So the place
// where a matched prefix ends in the original bytes is simply where its last segment ends.
#include "route/path.h"

#include <stdint.h>

// Segments kept; more are only counted, and a route's prefix does not have as many.
#define SEGMENTS_MAX 32

struct segments {
    struct str items[SEGMENTS_MAX];
    size_t count; // may exceed SEGMENTS_MAX
};

static bool path_split(struct str path, struct segments *segments);
static bool prefix_matches(struct str prefix, const struct segments *path, size_t *used);
static void strip_set(struct path_match *match, struct str target, struct str last);

enum path_verdict path_match(const struct conf_site *site, struct str target,
                             struct path_match *out) {
    struct segments segments = {.count = 0};
    const char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    struct str path = {target.ptr, query ? (size_t)(query - target.ptr) : target.len};
    if (!path_split(path, &segments))
        return PATH_REFUSED;
    for (size_t i = 0; i < site->route_count; i++) {
        const struct conf_route *route = &site->routes[i];
        size_t used;
        if (!prefix_matches(str_from(route->prefix), &segments, &used))
            continue;
        *out = (struct path_match){.route = route};
        if (route->strip_prefix && used > 0)
            strip_set(out, target, segments.items[used - 1]);
        return PATH_MATCHED;
    }
    return PATH_UNKNOWN;
}

// Of slashes in a row only the last stays: a target "//host" could be taken for an authority
// (RFC 3986 §4.2).
static void strip_set(struct path_match *match, struct str target, struct str last) {
    match->strip_bytes = (size_t)(last.ptr + last.len - target.ptr);
    while (str_starts(str_skip(target, match->strip_bytes), STR("//")))
        match->strip_bytes++;
    match->slash_missing = !str_starts(str_skip(target, match->strip_bytes), STR("/"));
}

static bool segment_next(struct str *path, struct str *segment);
static bool segment_is_sound(struct str segment);
static bool segment_equal(struct str a, struct str b);

// Cuts the path at its slashes and resolves dot segments (RFC 3986 §5.2.4). False when it is
// refused.
static bool path_split(struct str path, struct segments *segments) {
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    struct str segment;
    while (segment_next(&path, &segment)) {
        if (!segment_is_sound(segment))
            return false;
        if (segment_equal(segment, STR(".")))
            continue;
        if (segment_equal(segment, STR(".."))) {
            if (segments->count == 0)
                return false;
            segments->count--;
            continue;
        }
        if (segments->count < SEGMENTS_MAX)
            segments->items[segments->count] = segment;
        segments->count++;
    }
    return true;
}

// Takes the next segment that is not empty off the front.
static bool segment_next(struct str *path, struct str *segment) {
    while (path->len > 0 && path->ptr[0] == '/')
        *path = str_skip(*path, 1);
    if (path->len == 0)
        return false;
    const char *slash = memchr(path->ptr, '/', path->len);
    segment->ptr = path->ptr;
    segment->len = slash ? (size_t)(slash - path->ptr) : path->len;
    *path = str_skip(*path, segment->len);
    return true;
}

// `used` is the number of path segments the prefix takes.
static bool prefix_matches(struct str prefix, const struct segments *path, size_t *used) {
    size_t count = 0;
    struct str segment;
    while (segment_next(&prefix, &segment)) {
        if (count >= path->count || count >= SEGMENTS_MAX ||
            !segment_equal(segment, path->items[count]))
            return false;
        count++;
    }
    *used = count;
    return true;
}

// What a decoded character can be besides 0–255.
#define CHARACTER_ENCODED_SLASH 0x100
#define CHARACTER_BROKEN (-1)

static int character_next(struct str *s);

static bool segment_is_sound(struct str segment) {
    while (segment.len > 0) {
        int character = character_next(&segment);
        if (character == CHARACTER_BROKEN || character == '\0')
            return false;
    }
    return true;
}

static bool segment_equal(struct str a, struct str b) {
    while (a.len > 0 && b.len > 0) {
        if (character_next(&a) != character_next(&b))
            return false;
    }
    return a.len == 0 && b.len == 0;
}

static int hex_value(char digit);

// Takes one character off the front, percent-decoded. A fragment's '#' has no place in a request
// target (RFC 9112 §3.2) and counts as broken.
static int character_next(struct str *s) {
    char first = s->ptr[0];
    if (first != '%') {
        *s = str_skip(*s, 1);
        return first == '#' ? CHARACTER_BROKEN : (unsigned char)first;
    }
    int high = s->len >= 3 ? hex_value(s->ptr[1]) : -1;
    int low = s->len >= 3 ? hex_value(s->ptr[2]) : -1;
    *s = str_skip(*s, high < 0 || low < 0 ? 1 : 3);
    if (high < 0 || low < 0)
        return CHARACTER_BROKEN;
    int value = high * 16 + low;
    return value == '/' ? CHARACTER_ENCODED_SLASH : value;
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}
