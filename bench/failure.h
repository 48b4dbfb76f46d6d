// SPDX-License-Identifier: Apache-2.0
//
// What can go wrong with a connection under load, counted by kind, with the first case of each kind
// in words, close codes and HTTP statuses by number. A target that misbehaves is a finding, never a
// crash.
#ifndef RINGWAY_BENCH_FAILURE_H
#define RINGWAY_BENCH_FAILURE_H

#include <stddef.h>
#include <stdint.h>

enum failure_kind {
    FAILURE_NONE,
    FAILURE_REFUSED,     // connection refused
    FAILURE_UNREACHABLE, // no route, connect timed out in the kernel
    FAILURE_RESET,       // reset, broken pipe
    FAILURE_ENDED,       // end of stream without a Close frame
    FAILURE_TIMEOUT,     // no answer in time: connecting, handshaking, echoing, closing
    FAILURE_TLS,         // handshake or record failed
    FAILURE_HTTP,        // the upgrade was answered with another status
    FAILURE_UPGRADE,     // the upgrade's answer breaks RFC 6455 §4
    FAILURE_FRAME,       // a frame breaks RFC 6455 §5
    FAILURE_WRONG_BYTES, // an echo that is not what was sent
    FAILURE_CLOSED,      // the peer closed, with a code
    FAILURE_LOCAL,       // this machine: no file descriptor, port or memory left
    FAILURE_KINDS,
};

enum { FAILURE_TEXT_MAX = 120, FAILURE_CODES_MAX = 16 };

// How often which number was met, in the order met; the last one holds the rest.
struct failure_codes {
    struct {
        unsigned code;
        uint64_t count;
    } items[FAILURE_CODES_MAX];
};

struct failures {
    uint64_t counts[FAILURE_KINDS];
    char first[FAILURE_KINDS][FAILURE_TEXT_MAX];
    struct failure_codes closes;   // of FAILURE_CLOSED: RFC 6455 §7.4
    struct failure_codes statuses; // of FAILURE_HTTP
};

// "refused", "wrong_bytes": for tables and JSON. Static.
const char *failure_name(enum failure_kind kind);

// The kind a negative errno of a socket falls under.
enum failure_kind failure_of_errno(int error);

// Counts one; `text` may be empty. What is not printable ASCII becomes '?': a peer may have sent
// it, and a terminal may show it. Only for the thread that owns `failures`, while others may read
// its counts.
void failure_add(struct failures *failures, enum failure_kind kind, const char *text);

void failure_code_add(struct failure_codes *codes, unsigned code, uint64_t count);

void failure_merge(struct failures *into, const struct failures *from);

// All kinds together. Any thread.
uint64_t failure_total(const struct failures *failures);

#endif
