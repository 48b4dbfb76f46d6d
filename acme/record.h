// SPDX-License-Identifier: Apache-2.0
//
// What the state folder knows about one of the certificates: the certificate itself, where it
// came from, and how the last attempt to get one went. Read anew whenever it is needed: another
// process may have changed it.
#ifndef RINGWAY_ACME_RECORD_H
#define RINGWAY_ACME_RECORD_H

#include <limits.h>
#include <stdbool.h>

#include "acme/error.h"
#include "acme/leaf.h"
#include "acme/window.h"
#include "core/config.h"

struct acme_record {
    bool has_leaf; // there is a certificate
    struct acme_leaf leaf;
    char directory[2048];      // of the server it came from; "": not known
    char revoked[64];          // serial number of one that has been revoked; "": none
    char profile[128];         // that was asked for; "": none
    struct acme_window window; // what the authority has suggested for this certificate
    unsigned failures;         // in a row, since it came
    time_t attempted_at;       // 0: never
    time_t next_at;            // after a failure, the next attempt
    char next_for[20];         // which names that is for; "": not known
    char error[ACME_ERROR_BYTES];
};

// The path of the record's file.
void acme_record_path(const struct conf_acme *acme, const struct conf_managed *managed,
                      char path[PATH_MAX]);

// Reads what there is about it; nothing is no error. The caller owes acme_record_free.
void acme_record_read(const struct conf_acme *acme, const struct conf_managed *managed,
                      struct acme_record *record);
void acme_record_free(struct acme_record *record);

// Writes the outcome of an attempt: the server it was made at, failures, error, next attempt. 0 or
// negative errno.
int acme_record_write(const struct conf_acme *acme, const struct conf_managed *managed,
                      const struct acme_record *record, struct acme_error *error);

// Sets when the next attempt is made, as long as the same names are wanted.
void acme_record_postpone(struct acme_record *record, const struct conf_managed *managed,
                          time_t next_at);

// Whether there is a certificate that will do for now: not expired, revoked, or for something else.
bool acme_record_is_good(const struct acme_record *record, const struct conf_managed *managed,
                         time_t now);

// Whether the certificate has been revoked.
bool acme_record_is_revoked(const struct acme_record *record);

// The authority that the certificate came from, among those of the configuration; NULL: another
// one.
const struct conf_authority *acme_record_authority(const struct acme_record *record,
                                                   const struct conf_acme *acme);

// When a certificate should be asked for, failures left aside: 0 when there is none that will do.
time_t acme_record_renewal(const struct acme_record *record, const struct conf_acme *acme,
                           const struct conf_managed *managed);

// When the next attempt is to be made, failures included.
time_t acme_record_due(const struct acme_record *record, const struct conf_acme *acme,
                       const struct conf_managed *managed);

#endif
