// SPDX-License-Identifier: Apache-2.0
//
// Texts that are too long are cut. What a server or a program of the user's has said becomes
// printable UTF-8: it goes into JSON, too.
#include "acme/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

// What cannot be shown becomes a space, what is no character a question mark.
static void clean(char *text) {
    struct str rest = str_from(text);
    char *to = text;
    while (rest.len > 0) {
        uint32_t code;
        size_t size = utf8_decode(rest, &code);
        if (size > 0 && utf8_is_printable(code)) {
            memmove(to, rest.ptr, size);
            to += size;
        } else {
            *to++ = size > 0 ? ' ' : '?';
        }
        rest = str_skip(rest, size > 0 ? size : 1);
    }
    *to = '\0';
}

int acme_error_set(struct acme_error *error, enum acme_trouble trouble, int result,
                   const char *format, ...) {
    va_list arguments;
    error->trouble = trouble;
    error->retry_after_s = 0;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    clean(error->text);
    return result;
}

void acme_error_while(struct acme_error *error, const char *format, ...) {
    char before[ACME_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(before, sizeof before - 2, format, arguments);
    va_end(arguments);
    strcat(before, ": ");
    size_t size = strlen(before), room = sizeof error->text - 1 - size;
    size_t kept = strnlen(error->text, room);
    memmove(error->text + size, error->text, kept);
    error->text[size + kept] = '\0';
    memcpy(error->text, before, size);
    clean(error->text);
}

void acme_error_advise(struct acme_error *error, const char *format, ...) {
    size_t size = strlen(error->text);
    va_list arguments;
    if (size + 3 >= sizeof error->text)
        return;
    memcpy(error->text + size, "; ", 3);
    va_start(arguments, format);
    vsnprintf(error->text + size + 2, sizeof error->text - size - 2, format, arguments);
    va_end(arguments);
    clean(error->text);
}
