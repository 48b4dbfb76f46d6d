// SPDX-License-Identifier: Apache-2.0
#include "ws/field.h"

#include "ws/octet.h"

static const struct known_field {
    struct str name;
    enum field_kind kind;
} known_fields[] = {
    {{"host", 4}, FIELD_HOST},
    {{"content-length", 14}, FIELD_CONTENT_LENGTH},
    {{"transfer-encoding", 17}, FIELD_TRANSFER_ENCODING},
    {{"connection", 10}, FIELD_CONNECTION},
    {{"upgrade", 7}, FIELD_UPGRADE},
    {{"keep-alive", 10}, FIELD_HOP},
    {{"te", 2}, FIELD_HOP},
    {{"proxy-connection", 16}, FIELD_HOP},
    {{"proxy-authorization", 19}, FIELD_HOP},
    {{"proxy-authenticate", 18}, FIELD_HOP},
    {{"proxy-authentication-info", 25}, FIELD_HOP},
    {{"http2-settings", 14}, FIELD_HOP},
    // CGI makes it HTTP_PROXY, which HTTP clients in the backend obey ("httpoxy").
    {{"proxy", 5}, FIELD_HOP},
    {{"expect", 6}, FIELD_EXPECT},
    {{"date", 4}, FIELD_DATE},
    {{"x-forwarded-for", 15}, FIELD_X_FORWARDED_FOR},
    {{"x-forwarded-proto", 17}, FIELD_X_FORWARDED_PROTO},
    {{"x-forwarded-host", 16}, FIELD_X_FORWARDED_HOST},
    {{"forwarded", 9}, FIELD_X_FORWARDED_OTHER},
    {{"x-real-ip", 9}, FIELD_X_REAL_IP},
    {{"via", 3}, FIELD_VIA},
    {{"age", 3}, FIELD_CONTROL},
    {{"authorization", 13}, FIELD_CONTROL},
    {{"cache-control", 13}, FIELD_CONTROL},
    {{"content-encoding", 16}, FIELD_CONTROL},
    {{"content-range", 13}, FIELD_CONTROL},
    {{"content-type", 12}, FIELD_CONTROL},
    {{"cookie", 6}, FIELD_CONTROL},
    {{"expires", 7}, FIELD_CONTROL},
    {{"location", 8}, FIELD_CONTROL},
    {{"max-forwards", 12}, FIELD_CONTROL},
    {{"pragma", 6}, FIELD_CONTROL},
    {{"range", 5}, FIELD_CONTROL},
    {{"retry-after", 11}, FIELD_CONTROL},
    {{"set-cookie", 10}, FIELD_CONTROL},
    {{"trailer", 7}, FIELD_CONTROL},
    {{"vary", 4}, FIELD_CONTROL},
    {{"warning", 7}, FIELD_CONTROL},
    {{"www-authenticate", 16}, FIELD_CONTROL},
};

static const struct str x_forwarded = {"x-forwarded-", 12};

static bool equals_folded(const char *name, struct str known);

enum field_kind field_kind_folded(struct str name) {
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++) {
        const struct known_field *field = &known_fields[i];
        if (field->name.len == name.len && equals_folded(name.ptr, field->name))
            return field->kind;
    }
    if (name.len > x_forwarded.len && equals_folded(name.ptr, x_forwarded))
        return FIELD_X_FORWARDED_OTHER;
    return FIELD_PLAIN;
}

enum field_kind field_kind_exact(struct str name) {
    enum field_kind kind = field_kind_folded(name);
    // No known name has a '_' of its own.
    return kind != FIELD_PLAIN && memchr(name.ptr, '_', name.len) ? FIELD_PLAIN : kind;
}

static bool equals_folded(const char *name, struct str known) {
    for (size_t i = 0; i < known.len; i++) {
        char byte = name[i] == '_' ? '-' : octet_lower(name[i]);
        if (byte != known.ptr[i])
            return false;
    }
    return true;
}
