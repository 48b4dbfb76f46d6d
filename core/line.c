// SPDX-License-Identifier: Apache-2.0
//
// Log lines; see the header. The only place where bytes of a peer become text of ours.
#include "core/line.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/utf8.h"

#define ELLIPSIS "\u2026"
#define REPLACEMENT "\uFFFD"

struct line line_start(char *buffer, size_t capacity_bytes) {
    assert(capacity_bytes > 0);
    return (struct line){buffer, 0, capacity_bytes};
}

static size_t room(const struct line *line) {
    return line->capacity_bytes - 1 - line->size_bytes;
}

void line_add(struct line *line, struct str s) {
    size_t size_bytes = s.len < room(line) ? s.len : room(line);
    if (size_bytes > 0)
        memcpy(line->ptr + line->size_bytes, s.ptr, size_bytes);
    line->size_bytes += size_bytes;
}

void line_printf(struct line *line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t room_bytes = room(line);
    int size_bytes = vsnprintf(line->ptr + line->size_bytes, room_bytes + 1, format, args);
    va_end(args);
    assert(size_bytes >= 0);
    line->size_bytes += (size_t)size_bytes < room_bytes ? (size_t)size_bytes : room_bytes;
}

static size_t character_escape(struct str s, enum line_escape escape, struct line *piece);

void line_add_escaped(struct line *line, struct str s, enum line_escape escape, size_t max_bytes) {
    size_t limit = max_bytes < room(line) ? max_bytes : room(line);
    size_t start = line->size_bytes;
    size_t cut = start; // the last place from where the ellipsis still fits
    while (s.len > 0) {
        char buffer[24];
        struct line piece = line_start(buffer, sizeof(buffer));
        s = str_skip(s, character_escape(s, escape, &piece));
        size_t used = line->size_bytes - start;
        if (used + strlen(ELLIPSIS) <= limit)
            cut = line->size_bytes;
        if (used + piece.size_bytes > limit) {
            line->size_bytes = cut;
            if (limit >= strlen(ELLIPSIS))
                line_add(line, STR(ELLIPSIS));
            return;
        }
        line_add(line, (struct str){piece.ptr, piece.size_bytes});
    }
}

static void unprintable_escape(struct str character, uint32_t code, enum line_escape escape,
                               struct line *piece);

// Puts the escaped form of the first character of `s` into `piece`; returns the bytes it took.
static size_t character_escape(struct str s, enum line_escape escape, struct line *piece) {
    uint32_t code;
    size_t size_bytes = utf8_decode(s, &code);
    if (size_bytes == 0) {
        if (escape == LINE_ESCAPE_JSON)
            line_add(piece, STR(REPLACEMENT));
        else
            line_printf(piece, "\\x%02X", (unsigned char)s.ptr[0]);
        return 1;
    }
    struct str character = {s.ptr, size_bytes};
    if (code == '\\' || (code == '"' && escape != LINE_ESCAPE_TEXT))
        line_printf(piece, "\\%c", (char)code);
    else if (utf8_is_printable(code))
        line_add(piece, character);
    else
        unprintable_escape(character, code, escape, piece);
    return size_bytes;
}

static void unprintable_escape(struct str character, uint32_t code, enum line_escape escape,
                               struct line *piece) {
    if (escape == LINE_ESCAPE_JSON) {
        line_printf(piece, "\\u%04x", code); // is_printable refuses nothing above U+FFFF
        return;
    }
    for (size_t i = 0; i < character.len; i++)
        line_printf(piece, "\\x%02X", (unsigned char)character.ptr[i]);
}

struct date {
    int64_t year;
    unsigned month, day;
};

static struct date date_from_days(int64_t days);

void line_add_time(struct line *line, int64_t unix_time_us) {
    const int64_t day_us = INT64_C(86400) * 1000 * 1000;
    int64_t days = unix_time_us / day_us;
    if (unix_time_us % day_us < 0)
        days--;
    unsigned of_day_ms = (unsigned)((unix_time_us - days * day_us) / 1000);
    struct date date = date_from_days(days);
    line_printf(line, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", (int)date.year, date.month, date.day,
                of_day_ms / 3600000, of_day_ms / 60000 % 60, of_day_ms / 1000 % 60,
                of_day_ms % 1000);
}

// The Gregorian date so many days after 1970-01-01: Howard Hinnant's civil_from_days
// (howardhinnant.github.io/date_algorithms.html), with years that start in March. gmtime_r(3) would
// take glibc's time zone lock, which all workers share.
static struct date date_from_days(int64_t days) {
    days += 719468; // from 0000-03-01
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * day_of_year + 2) / 153;
    unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct date){
        .year = era * 400 + year_of_era + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
}

struct str line_end(struct line *line) {
    line->ptr[line->size_bytes++] = '\n';
    return (struct str){line->ptr, line->size_bytes};
}
