// SPDX-License-Identifier: Apache-2.0
//
// What reading one text of the configuration can come to. The functions that read texts
// (config_quantity.h, config_address.h, config_url.h) know no files and no options: they take a
// text and return a verdict, and whoever asked names the place.
#ifndef RINGWAY_CORE_CONFIG_VALUE_H
#define RINGWAY_CORE_CONFIG_VALUE_H

#include <stdbool.h>

#include "core/str.h"

enum value_verdict {
    VALUE_OK,
    VALUE_MALFORMED, // not of this kind at all
    VALUE_NEGATIVE,
    VALUE_FRACTION,
    VALUE_OUT_OF_RANGE, // of what the option allows
    VALUE_TOO_LARGE,    // more than 64 bits hold
    VALUE_UNIT_MISSING,
    VALUE_UNIT_UNKNOWN,
    VALUE_HOST_UNICODE,
    VALUE_HOST_URL,
    VALUE_HOST_PORT,
    VALUE_HOST_WILDCARD,
    VALUE_HOST_LABEL,
    VALUE_HOST_LONG,
    VALUE_HOST_ADDRESS,
    VALUE_HOST_BRACKETS,
    VALUE_PORT_MISSING,
    VALUE_PORT_RANGE,
    VALUE_ADDRESS_NAME,
    VALUE_CIDR_PREFIX,
    VALUE_CIDR_HOST_BITS,
    VALUE_PREFIX_START,
    VALUE_PREFIX_QUERY,
    VALUE_PREFIX_ESCAPE,
    VALUE_PREFIX_SEGMENT,
    VALUE_PREFIX_LONG,
    VALUE_CONTROL,
    VALUE_SPACE,
    VALUE_TEMPLATE_OPEN,
    VALUE_TEMPLATE_VARIABLE,
    VALUE_REDIRECT_START,
    VALUE_VERDICT_COUNT,
};

// What is wrong and what to do, as the end of a sentence that names the value. NULL for VALUE_OK,
// VALUE_MALFORMED and VALUE_OUT_OF_RANGE, where the caller says what it expects instead.
const char *value_verdict_advice(enum value_verdict verdict);

// Takes the first word off a list such as "text|json". False when the list is empty.
bool value_word_next(struct str *words, struct str *word);

// Whether `word` is in such a list, and its place there.
bool value_word_find(const char *words, struct str word, int *place);

// A short text returned by value, for messages.
struct phrase {
    char text[240];
};

#endif
