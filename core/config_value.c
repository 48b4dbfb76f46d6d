// SPDX-License-Identifier: Apache-2.0
//
// The sentences for what can be wrong with a value, and lists of words.
#include "core/config_value.h"

#include <assert.h>
#include <stddef.h>

static const char *const advice[VALUE_VERDICT_COUNT] = {
    [VALUE_NEGATIVE] = "is negative",
    [VALUE_FRACTION] = "is no whole number; use a smaller unit instead of a fraction",
    [VALUE_TOO_LARGE] = "is too large for any use",
    [VALUE_UNIT_MISSING] = "has no unit; write 250ms, 5s, 10m, 1h or 180d",
    [VALUE_UNIT_UNKNOWN] = "has an unknown unit; sizes take K, M or G, durations ms, s, m, h or d",
    [VALUE_HOST_UNICODE] = "is not ASCII; write internationalised names in their A-label form "
                           "(xn--...)",
    [VALUE_HOST_URL] = "is a URL; write the host alone, as in www.example.com",
    [VALUE_HOST_PORT] = "has a port; a site is chosen by its host alone, so leave the port out",
    [VALUE_HOST_WILDCARD] = "has a '*' in a wrong place; it stands for one first label, as in "
                            "\"*.example.com\", or alone for every other host",
    [VALUE_HOST_LABEL] = "is no host name; between the dots stand 1 to 63 letters, digits and '-', "
                         "which is neither first nor last",
    [VALUE_HOST_LONG] = "is longer than the 253 characters of a host name",
    [VALUE_HOST_ADDRESS] = "looks like an IPv4 address and is none",
    [VALUE_HOST_BRACKETS] = "is no IPv6 address in brackets, as in \"[2001:db8::1]\"",
    [VALUE_PORT_MISSING] = "has no port; write it after a ':', as in \"127.0.0.1:3000\"",
    [VALUE_PORT_RANGE] = "has no port from 1 to 65535 after its last ':'",
    [VALUE_ADDRESS_NAME] = "is no IP address; listen on one as in \"192.0.2.1:443\", "
                           "\"[2001:db8::1]:443\", or on all of them as in \":443\"",
    [VALUE_CIDR_PREFIX] = "has a prefix length that is not from 0 to 32 (IPv4) or 128 (IPv6)",
    [VALUE_CIDR_HOST_BITS] = "has bits set behind its prefix; write the first address of the "
                             "block, as in 10.0.0.0/8",
    [VALUE_PREFIX_START] = "does not start with '/'",
    [VALUE_PREFIX_QUERY] = "has a '?' or '#'; routes are chosen by the path alone",
    [VALUE_PREFIX_ESCAPE] = "has a '%' without two hexadecimal digits, or an escaped NUL",
    [VALUE_PREFIX_SEGMENT] = "has an empty, '.' or '..' segment, which no request path keeps",
    [VALUE_PREFIX_LONG] = "has more than 32 segments",
    [VALUE_CONTROL] = "has a control character in it",
    [VALUE_SPACE] = "has a space in it",
    [VALUE_TEMPLATE_OPEN] = "has a \"${\" without its \"}\"",
    [VALUE_TEMPLATE_VARIABLE] = "has an unknown variable",
    [VALUE_REDIRECT_START] = "does not start with https://, http://, ${scheme}:// or /",
};

const char *value_verdict_advice(enum value_verdict verdict) {
    assert(verdict < VALUE_VERDICT_COUNT);
    return advice[verdict];
}

bool value_word_next(struct str *words, struct str *word) {
    if (words->len == 0)
        return false;
    const char *bar = memchr(words->ptr, '|', words->len);
    *word = (struct str){words->ptr, bar ? (size_t)(bar - words->ptr) : words->len};
    *words = str_skip(*words, word->len + 1);
    return true;
}

bool value_word_find(const char *words, struct str word, int *place) {
    struct str rest = str_from(words), candidate;
    for (int i = 0; value_word_next(&rest, &candidate); i++) {
        if (!str_eq(candidate, word))
            continue;
        *place = i;
        return true;
    }
    return false;
}
