// SPDX-License-Identifier: Apache-2.0
//
// What a backend does on a connection, by the last part of the request's path: echo every message,
// take messages and say nothing ("/sink"), send messages without end ("/source?size=64K", with the
// sizes and connection number that ringway-bench load asks for and checks), or send each message to
// all others at the same path ("/broadcast").
#ifndef RINGWAY_BENCH_SOURCE_H
#define RINGWAY_BENCH_SOURCE_H

#include "bench/dialog.h"

enum backend_role { BACKEND_ECHO, BACKEND_SINK, BACKEND_SOURCE, BACKEND_BROADCAST };

// The role that a request's path, with its query, asks for.
enum backend_role backend_role_of(struct str path);

// The sending end of a source. Zero-initialised memory until `source_start`.
struct source {
    struct dialog dialog;
    struct dialog_setup setup;
    struct size_mix sizes;
    struct traffic traffic;
};

// Starts sending what the query of `path` asks for: size=128:90,4K:9 (64K), connection=3 (0). False
// when it is not understood.
bool source_start(struct source *source, struct str path);

#endif
