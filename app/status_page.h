// SPDX-License-Identifier: Apache-2.0
//
// The report as one page for people: everything in it, nothing to be fetched, no scripts.
#ifndef RINGWAY_APP_STATUS_PAGE_H
#define RINGWAY_APP_STATUS_PAGE_H

#include "app/report.h"

// What its Content-Security-Policy says: nothing but the page's own style may be used.
#define STATUS_PAGE_POLICY                                                                         \
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "       \
    "base-uri 'none'; form-action 'none'"

// Writes the page. Any thread.
void status_page_write(const struct report *report, FILE *out);

#endif
