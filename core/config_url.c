// SPDX-License-Identifier: Apache-2.0
//
// Paths are brought into one form with one pass over their bytes; segments are looked at
// afterwards, so that "/%2e%2e/" is seen for what it is.
#include "core/config_url.h"

#include "core/arena.h"

static enum value_verdict prefix_refuse(struct str text);
static bool prefix_byte_next(struct str text, size_t *i, unsigned char *byte, bool *escaped);
static bool segments_are_plain(const char *path);
static size_t segment_count(const char *path);

// What a path holds as it is: RFC 3986 §3.3, pchar and '/'.
static bool is_path_char(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@/", c));
}

enum value_verdict url_prefix_parse(struct str text, struct conf_arena *arena,
                                    const char **normal) {
    static const char digits[] = "0123456789ABCDEF";
    enum value_verdict verdict = prefix_refuse(text);
    if (verdict != VALUE_OK)
        return verdict;
    char *path = arena_alloc(arena, 3 * text.len + 1, 1), *end = path;
    for (size_t i = 0; i < text.len;) {
        unsigned char byte;
        bool escaped;
        if (!prefix_byte_next(text, &i, &byte, &escaped))
            return VALUE_PREFIX_ESCAPE;
        if (is_path_char(byte) && !(escaped && byte == '/')) {
            *end++ = (char)byte;
            continue;
        }
        *end++ = '%';
        *end++ = digits[byte >> 4];
        *end++ = digits[byte & 15];
    }
    if (!segments_are_plain(path))
        return VALUE_PREFIX_SEGMENT;
    if (segment_count(path) > URL_SEGMENTS_MAX)
        return VALUE_PREFIX_LONG;
    *normal = path;
    return VALUE_OK;
}

static enum value_verdict prefix_refuse(struct str text) {
    if (text.len == 0 || text.ptr[0] != '/')
        return VALUE_PREFIX_START;
    if (memchr(text.ptr, '?', text.len) || memchr(text.ptr, '#', text.len))
        return VALUE_PREFIX_QUERY;
    return url_line_check(text);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool prefix_byte_next(struct str text, size_t *i, unsigned char *byte, bool *escaped) {
    *byte = (unsigned char)text.ptr[(*i)++];
    *escaped = *byte == '%';
    if (!*escaped)
        return true;
    if (text.len - *i < 2)
        return false;
    int high = hex_digit(text.ptr[*i]), low = hex_digit(text.ptr[*i + 1]);
    if (high < 0 || low < 0)
        return false;
    *i += 2;
    *byte = (unsigned char)(high << 4 | low);
    return *byte != 0;
}

// Whether no segment is empty, "." or "..". The last one may be empty: "/echo/".
static bool segments_are_plain(const char *path) {
    while (*path == '/') {
        struct str segment = {path + 1, strcspn(path + 1, "/")};
        path += 1 + segment.len;
        bool is_last = *path == 0;
        if (segment.len == 0 && !is_last)
            return false;
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return false;
    }
    return true;
}

static size_t segment_count(const char *path) {
    size_t count = 0;
    for (; *path; path++)
        count += path[0] == '/' && path[1] != 0;
    return count;
}

enum value_verdict url_line_check(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return VALUE_CONTROL;
    return VALUE_OK;
}

enum value_verdict url_template_check(struct str text, const char *variables, struct str *unknown) {
    if (url_line_check(text) != VALUE_OK)
        return VALUE_CONTROL;
    for (size_t i = 0; i < text.len; i++) {
        if (!str_starts(str_skip(text, i), STR("${")))
            continue;
        struct str name = str_skip(text, i + 2);
        const char *end = memchr(name.ptr, '}', name.len);
        if (!end)
            return VALUE_TEMPLATE_OPEN;
        name.len = (size_t)(end - name.ptr);
        int place;
        if (!value_word_find(variables, name, &place)) {
            *unknown = name;
            return VALUE_TEMPLATE_VARIABLE;
        }
        i += name.len + 2;
    }
    return VALUE_OK;
}

enum value_verdict url_redirect_check(struct str text, const char *variables, struct str *unknown) {
    static const char *const starts[] = {"https://", "http://", "${scheme}://", "/"};
    enum value_verdict verdict = url_template_check(text, variables, unknown);
    if (verdict != VALUE_OK)
        return verdict;
    if (memchr(text.ptr, ' ', text.len))
        return VALUE_SPACE;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (str_starts(text, str_from(starts[i])))
            return VALUE_OK;
    return VALUE_REDIRECT_START;
}
