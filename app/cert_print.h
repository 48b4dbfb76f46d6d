// SPDX-License-Identifier: Apache-2.0
//
// What is known of the certificates that ACME keeps, for people and programs to read, on the
// standard output. Read from the state folder: no gateway need run.
//
// Life: new → print … → end.
#ifndef RINGWAY_APP_CERT_PRINT_H
#define RINGWAY_APP_CERT_PRINT_H

#include "core/config.h"

enum cert_form {
    CERT_LINES,   // one for each
    CERT_DETAILS, // everything
    CERT_JSON,    // everything, a list of objects
};

struct cert_printer;

struct cert_printer *cert_printer_new(enum cert_form form);

void cert_print(struct cert_printer *printer, const struct conf_acme *acme,
                const struct conf_managed *managed);

// Prints what is left, and frees the printer.
void cert_printer_end(struct cert_printer *printer);

#endif
