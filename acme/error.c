// SPDX-License-Identifier: Apache-2.0
//
// Texts that are too long are cut; control characters, which a server may have sent, become spaces.
#include "acme/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void clean(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
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
