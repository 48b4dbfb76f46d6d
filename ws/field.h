// SPDX-License-Identifier: Apache-2.0
//
// What header field names mean to a gateway: which frame the message, which belong to one hop,
// which tell where a request came from, and which must not come in a trailer.
#ifndef RINGWAY_WS_FIELD_H
#define RINGWAY_WS_FIELD_H

#include "core/str.h"

enum field_kind {
    FIELD_PLAIN, // nothing to us
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_UPGRADE,
    FIELD_HOP, // other fields for one hop only (RFC 9110 §7.6.1), never passed on
    FIELD_EXPECT,
    FIELD_DATE,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_OTHER, // any other X-Forwarded-*, and Forwarded (RFC 7239)
    FIELD_X_REAL_IP,
    FIELD_VIA,
    FIELD_CONTROL, // passed on in heads, refused in trailers (RFC 9110 §6.5.1)
};

// The kind of a field as a careless backend would read its name: without case, and '_' like '-',
// since CGI-style interfaces turn both into the same variable.
enum field_kind field_kind_folded(struct str name);

// The kind of a field by its true name: without case.
enum field_kind field_kind_exact(struct str name);

#endif
