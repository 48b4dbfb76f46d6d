// SPDX-License-Identifier: Apache-2.0
//
// A walk along the values of DER (X.690 §8.1), each a tag, a length, and contents, to
//   Certificate / tbsCertificate / [3] / Extensions / an Extension / its extnValue / [0]
#include "acme/issuer_key_id.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum der_tag {
    DER_OCTETS = 0x04,
    DER_OBJECT = 0x06,
    DER_SEQUENCE = 0x30,
    DER_KEY_IDENTIFIER = 0x80, // [0] of AuthorityKeyIdentifier
    DER_EXTENSIONS = 0xa3,     // [3] of TBSCertificate
};

// Takes the first value off `rest`. False: there is none, or it does not end within.
static bool value_take(struct str *rest, uint8_t *tag, struct str *contents) {
    const uint8_t *bytes = (const uint8_t *)rest->ptr;
    size_t head = 2, length;
    if (rest->len < head)
        return false;
    *tag = bytes[0];
    length = bytes[1];
    if (length & 0x80) { // so many bytes of length follow; four are more than we would read
        size_t count = length & 0x7f;
        if (count == 0 || count > 4 || rest->len < head + count)
            return false;
        for (length = 0; count > 0; count--)
            length = length << 8 | bytes[head++];
    }
    if (length > rest->len - head)
        return false;
    *contents = (struct str){rest->ptr + head, length};
    *rest = str_skip(*rest, head + length);
    return true;
}

// The contents of the first value with this tag, past which `rest` then is. False: there is none.
static bool value_find(struct str *rest, enum der_tag wanted, struct str *contents) {
    uint8_t tag;
    while (value_take(rest, &tag, contents))
        if (tag == wanted)
            return true;
    return false;
}

// The same when nothing else may come before.
static bool value_enter(struct str in, enum der_tag wanted, struct str *contents) {
    uint8_t tag;
    return value_take(&in, &tag, contents) && tag == wanted;
}

struct str acme_issuer_key_id(struct str der) {
    static const char authority_key_identifier[] = {0x55, 0x1d, 0x23}; // 2.5.29.35
    struct str certificate, fields, explicit, extensions, extension, object, value, identifier;
    if (!value_enter(der, DER_SEQUENCE, &certificate) ||
        !value_enter(certificate, DER_SEQUENCE, &fields) ||
        !value_find(&fields, DER_EXTENSIONS, &explicit) ||
        !value_enter(explicit, DER_SEQUENCE, &extensions))
        return STR("");
    while (value_find(&extensions, DER_SEQUENCE, &extension)) {
        if (!value_find(&extension, DER_OBJECT, &object) ||
            !str_eq(object, (struct str){authority_key_identifier, 3}))
            continue;
        if (value_find(&extension, DER_OCTETS, &value) &&
            value_enter(value, DER_SEQUENCE, &identifier) &&
            value_enter(identifier, DER_KEY_IDENTIFIER, &value))
            return value;
        break;
    }
    return STR("");
}
