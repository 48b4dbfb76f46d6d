// SPDX-License-Identifier: Apache-2.0
//
// Everything the gateway says about itself, gathered at one moment: `ringway status`, the metrics
// and the status page differ only in how they write it.
//
// Life: `report_take` → written → `report_free`. It shares nothing with the gateway that may change
// meanwhile: whoever reads it slowly holds nobody up.
#ifndef RINGWAY_APP_REPORT_H
#define RINGWAY_APP_REPORT_H

#include <stdio.h>
#include <time.h>

#include "acme/acme.h"
#include "app/process.h"
#include "core/ring.h"
#include "route/resolve.h"
#include "tls/kernel.h"
#include "ws/counters.h"

struct gateway;

enum report_kind {
    REPORT_GAUGE,   // may fall
    REPORT_COUNTER, // grows from the start of the process on
};

struct report_value {
    enum report_kind kind;
    const char *name;
    const char *help; // half a sentence
    uint64_t value;
};

#define REPORT_ONE(name, help) +1
enum { REPORT_VALUES = 3 COUNTERS(REPORT_ONE) RING_COUNTERS(REPORT_ONE) };
#undef REPORT_ONE

// A certificate as it is served now.
struct report_certificate {
    const void *identity; // tells it from others; not to be followed
    const char **names;
    size_t name_count;
    const char *issuer;
    const char *key; // "ecdsa-p256", "ecdsa-p384", "rsa"
    time_t not_after;
    bool self_signed;
    struct report_certificate *next;
};

// How ACME gets on with one.
struct report_acme {
    const char *key; // "ecdsa", "rsa"
    enum acme_progress progress;
    bool has_certificate;
    unsigned failures;               // in a row
    const char *error;               // the last one, with what to do about it; "": none
    time_t next_at;                  // the next attempt; 0: as soon as possible
    time_t window_start, window_end; // suggested by the authority (RFC 9773); 0: nothing is
    struct report_acme *next;
};

struct report_site {
    const struct conf_site *conf;
    uint64_t connections;
    struct report_certificate *certificates;
    struct report_acme *acme; // NULL: it has its certificates from elsewhere
};

// What the process is doing, as far as whoever sends it clients is concerned.
enum report_state {
    REPORT_STARTING, // there is nothing to report yet
    REPORT_SERVING,
    REPORT_DRAINING,
};

struct report {
    struct conf_arena *arena;       // of what is copied
    struct config *config;          // a reference
    struct resolve_table *resolved; // a reference
    enum report_state state;
    time_t taken_at, started_at;
    unsigned workers;
    const struct tls_kernel *kernel; // the gateway's
    struct process_usage process;
    struct report_value values[REPORT_VALUES];
    struct report_site *sites; // by index in config->sites
};

// Only the values. Any thread.
void report_values(const struct gateway *gateway, struct report_value values[REPORT_VALUES]);

// Writes them one a line, "name value".
void report_values_print(const struct report_value values[REPORT_VALUES], FILE *out);

// Gathers everything; reads no file but those of /proc/self, and waits for nobody. Any thread, once
// the gateway serves. The caller owes report_free.
void report_take(struct gateway *gateway, struct report *report);
void report_free(struct report *report);

// Whether a direction of TLS connections is left to the kernel where it takes their suite.
bool report_kernel_tls(const struct report *report, enum tls_direction direction);

// A value by its name, of which there must be one.
uint64_t report_value_of(const struct report *report, const char *name);

// "serving", for instance.
const char *report_state_text(enum report_state state);

#endif
