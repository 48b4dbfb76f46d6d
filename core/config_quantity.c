// SPDX-License-Identifier: Apache-2.0
//
// Every quantity is digits and a unit out of a table; what differs is the table.
#include "core/config_quantity.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

// Smallest first; the printers go through them from the end.
static const struct unit size_units[] = {
    {"", 1}, {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}};
static const struct unit duration_units[] = {{"ms", 1},
                                             {"s", QUANTITY_SECOND_MS},
                                             {"m", QUANTITY_MINUTE_MS},
                                             {"h", QUANTITY_HOUR_MS},
                                             {"d", QUANTITY_DAY_MS}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum value_verdict digits_parse(struct str text, uint64_t *number, struct str *rest);
static enum value_verdict units_apply(uint64_t number, struct str name, const struct unit *units,
                                      size_t unit_count, uint64_t *result);
static struct phrase units_text(uint64_t value, const struct unit *units, size_t unit_count);

enum value_verdict quantity_number_parse(struct str text, uint64_t *number) {
    struct str rest;
    uint64_t value;
    enum value_verdict verdict = digits_parse(text, &value, &rest);
    if (verdict != VALUE_OK)
        return verdict;
    if (rest.len > 0)
        return VALUE_MALFORMED;
    *number = value;
    return VALUE_OK;
}

enum value_verdict quantity_size_parse(struct str text, uint64_t *size_bytes) {
    struct str unit;
    uint64_t number;
    enum value_verdict verdict = digits_parse(text, &number, &unit);
    if (verdict != VALUE_OK)
        return verdict;
    return units_apply(number, unit, size_units, COUNT(size_units), size_bytes);
}

enum value_verdict quantity_duration_parse(struct str text, uint64_t *duration_ms) {
    struct str unit;
    uint64_t number;
    enum value_verdict verdict = digits_parse(text, &number, &unit);
    if (verdict != VALUE_OK)
        return verdict;
    if (unit.len == 0) {
        if (number != 0)
            return VALUE_UNIT_MISSING;
        *duration_ms = 0;
        return VALUE_OK;
    }
    return units_apply(number, unit, duration_units, COUNT(duration_units), duration_ms);
}

enum value_verdict quantity_rate_parse(struct str text, uint64_t *events) {
    struct str unit;
    uint64_t number;
    enum value_verdict verdict = digits_parse(text, &number, &unit);
    if (verdict != VALUE_OK)
        return verdict;
    if (!str_eq(unit, STR("/s")) && !str_eq(unit, STR("/m")) && !str_eq(unit, STR("/h")))
        return VALUE_MALFORMED;
    *events = number;
    return VALUE_OK;
}

static enum value_verdict digits_parse(struct str text, uint64_t *number, struct str *rest) {
    bool negative = text.len > 1 && text.ptr[0] == '-';
    size_t start = negative ? 1 : 0, i = start;
    uint64_t value = 0;
    bool overflow = false;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value);
    }
    if (i == start)
        return VALUE_MALFORMED;
    if (negative)
        return VALUE_NEGATIVE;
    if (i < text.len && text.ptr[i] == '.')
        return VALUE_FRACTION;
    if (overflow)
        return VALUE_TOO_LARGE;
    *number = value;
    *rest = str_skip(text, i);
    return VALUE_OK;
}

static enum value_verdict units_apply(uint64_t number, struct str name, const struct unit *units,
                                      size_t unit_count, uint64_t *result) {
    for (size_t i = 0; i < unit_count; i++) {
        if (!str_eq(name, str_from(units[i].name)))
            continue;
        uint64_t value;
        if (__builtin_mul_overflow(number, units[i].factor, &value))
            return VALUE_TOO_LARGE;
        *result = value;
        return VALUE_OK;
    }
    return VALUE_UNIT_UNKNOWN;
}

struct phrase quantity_size_text(uint64_t size_bytes) {
    return units_text(size_bytes, size_units, COUNT(size_units));
}

struct phrase quantity_duration_text(uint64_t duration_ms) {
    return duration_ms ? units_text(duration_ms, duration_units, COUNT(duration_units))
                       : (struct phrase){"0"};
}

static struct phrase units_text(uint64_t value, const struct unit *units, size_t unit_count) {
    size_t i = unit_count - 1;
    while (i > 0 && (value < units[i].factor || value % units[i].factor != 0))
        i--;
    struct phrase phrase;
    snprintf(phrase.text, sizeof(phrase.text), "%" PRIu64 "%s", value / units[i].factor,
             units[i].name);
    return phrase;
}
