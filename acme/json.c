// SPDX-License-Identifier: Apache-2.0
#include "acme/json.h"

json_t *acme_json_read(const char *text, size_t size) {
    json_error_t error;
    if (size > ACME_JSON_BYTES_MAX)
        return NULL;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

const char *acme_json_text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key)); // jansson refuses \u0000 when reading
}

const json_t *acme_json_array(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}

long long acme_json_number(const json_t *object, const char *key, long long fallback) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

char *acme_json_write(json_t *object) {
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}
