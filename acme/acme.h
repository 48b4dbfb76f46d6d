// SPDX-License-Identifier: Apache-2.0
//
// The thread that keeps the certificates of the sites fresh: it looks which are due, gets them one
// after the other, and tells main when a site's file has changed. Of several processes that share a
// state folder one does the work; the others see its files change.
//
// Life: start → watch (with each configuration) … → stop.
#ifndef RINGWAY_ACME_ACME_H
#define RINGWAY_ACME_ACME_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "acme/error.h"
#include "core/config.h"

struct acme;

// Called on the thread when the certificate file of some site has changed. Must be short and not
// call back.
typedef void acme_changed(void *context);

enum acme_ask {
    ACME_ASK_ISSUE, // those that are missing or due, without waiting for the next attempt
    ACME_ASK_RENEW, // now, whatever there is
};

// How a certificate that was asked for is doing.
enum acme_progress {
    ACME_UNKNOWN, // no such site, or its certificate does not come by ACME
    ACME_WORKING,
    ACME_DONE,
    ACME_FAILED, // the text says why
};

// What is known of a certificate. The texts live until the callback returns.
struct acme_report {
    const char *site;
    const char *key; // "ecdsa" or "rsa": a site may have one of each
    enum acme_progress progress;
    time_t not_after;                // 0: there is no certificate yet
    const char *issuer;              // "" if it is not known
    unsigned failures;               // in a row, since it came
    const char *error;               // the last one, with what to do about it; "": none
    time_t next_at;                  // the next attempt; 0: as soon as possible
    time_t window_start, window_end; // suggested by the authority (RFC 9773); 0: nothing is
};

typedef void acme_report_fn(void *context, const struct acme_report *report);

// Starts the thread, which idles until `acme_watch`. 0 or negative errno. Main thread.
int acme_start(struct acme **out, acme_changed *changed, void *context);

// From now on cares for the sites of `config`, of which it holds a reference. Any thread; does not
// wait.
void acme_watch(struct acme *acme, struct config *config);

// Asks for the certificate of a site (NULL: of all) now. False: no such site has its certificate by
// ACME. Any thread; does not wait.
bool acme_ask(struct acme *acme, const char *site, enum acme_ask what);

// Asks for the certificate of a site to be revoked for a reason (acme/revoke.h) and for another
// one. As acme_ask.
bool acme_ask_revoke(struct acme *acme, const char *site, int reason);

// Asks for new keys of the accounts; how that goes. Any thread; does not wait.
void acme_ask_rollover(struct acme *acme);
enum acme_progress acme_rollover_progress(struct acme *acme, char text[ACME_ERROR_BYTES]);

// How the last attempt for a site went, or goes. `text` is written when it has failed. Any thread.
enum acme_progress acme_progress(struct acme *acme, const char *site, char text[ACME_ERROR_BYTES]);

// Calls `each` for every certificate that is cared for, in the order of the configuration, with
// what the thread has seen last: no file is read and nobody is asked. Returns how many there are.
// `each` must be short and not call back. Any thread; does not wait.
size_t acme_report_each(struct acme *acme, acme_report_fn *each, void *context);

// Ends the thread, in the middle of an order if need be: the next start goes on with it. A look-up
// in DNS cannot be interrupted: a thread that takes longer than two seconds is left behind.
void acme_stop(struct acme *acme);

#endif
