// SPDX-License-Identifier: Apache-2.0
//
// JSON as an ACME server sends it and as the state folder keeps it, through jansson: bounded in
// size, objects only, and members that are missing or of another type are simply not there.
#ifndef RINGWAY_ACME_JSON_H
#define RINGWAY_ACME_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define ACME_JSON_BYTES_MAX (256 * 1024)

// Reads an object; the caller drops it with json_decref. NULL: it is no JSON object, or too large.
json_t *acme_json_read(const char *text, size_t size);

// A member that is a text without NUL; NULL if there is none. Lives as long as the object.
const char *acme_json_text(const json_t *object, const char *key);

// A member that is an array; NULL if there is none. json_array_size(NULL) is 0.
const json_t *acme_json_array(const json_t *object, const char *key);

// A member that is a whole number; `fallback` if there is none.
long long acme_json_number(const json_t *object, const char *key, long long fallback);

// The object as terminated text, which the caller frees; NULL: no memory. `object` is dropped.
char *acme_json_write(json_t *object);

#endif
