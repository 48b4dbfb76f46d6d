// SPDX-License-Identifier: Apache-2.0
//
// Why something about a certificate did not work, as one text for the log, the command line and the
// state folder: what was being done, what went wrong, and what to do about it. Never a secret.
#ifndef RINGWAY_ACME_ERROR_H
#define RINGWAY_ACME_ERROR_H

#include <stddef.h>

#define ACME_ERROR_BYTES 1024

// What kind of trouble, as far as the next step depends on it.
enum acme_trouble {
    ACME_TROUBLE_LOCAL,      // here: files, memory, the TLS library, DNS
    ACME_TROUBLE_NETWORK,    // the authority cannot be reached, or talks no sense
    ACME_TROUBLE_REFUSED,    // it has said no
    ACME_TROUBLE_LIMITED,    // it has said: not now
    ACME_TROUBLE_HELD,       // it would say so, by our own count
    ACME_TROUBLE_PAUSED,     // the same: too many proofs have failed
    ACME_TROUBLE_BAD_NONCE,  // it wants the same again with another nonce
    ACME_TROUBLE_NO_ACCOUNT, // it does not know our account, or does not let it do this
    ACME_TROUBLE_REVOKED,    // the certificate is revoked already
    ACME_TROUBLE_VALIDATION, // it could not see that the names are ours: another challenge may do
    ACME_TROUBLE_STOPPED,    // we are to stop
};

struct acme_error {
    enum acme_trouble trouble;
    unsigned retry_after_s; // what the authority asks for; 0: nothing
    char text[ACME_ERROR_BYTES];
};

// Writes the error and returns `result`, a negative errno, for the caller to return.
int acme_error_set(struct acme_error *error, enum acme_trouble trouble, int result,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

// Puts what was being done in front: "DOING: TEXT".
void acme_error_while(struct acme_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Appends what to do: "TEXT; ADVICE".
void acme_error_advise(struct acme_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
