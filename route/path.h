// SPDX-License-Identifier: Apache-2.0
//
// Request target → route: the longest prefix, on segment boundaries.
//
// The prefixes "/echo" and "/echo/" mean the same: they match "/echo", "/echo/" and "/echo/x", not
// "/echoes". "/" matches everything.
//
// Matching looks at the path as a backend will understand it (RFC 3986 §6.2.2): percent-encodings
// are decoded, "." and ".." segments resolved (also written %2e), runs of slashes taken as one. An
// encoded slash stays what it is, data in a segment. A path that climbs above the root, has a
// broken or zero percent-encoding or a fragment is refused: two readers of it could disagree. What
// is sent on are the client's own bytes, less a stripped prefix.
#ifndef RINGWAY_ROUTE_PATH_H
#define RINGWAY_ROUTE_PATH_H

#include "core/config.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>

enum path_verdict {
    PATH_MATCHED,
    PATH_UNKNOWN, // no route has it: 404
    PATH_REFUSED, // not a path one may route by: 400
};

struct path_match {
    const struct conf_route *route;
    size_t strip_bytes; // to leave out at the front of the target; 0 without `strip_prefix`
    bool slash_missing; // the rest does not start with '/': send one before it
};

// Finds the route of `target`, in origin form ("/path?query", RFC 9112 §3.2.1; anything else is
// refused). `out` is set only when the verdict is PATH_MATCHED, and borrows from `site`.
enum path_verdict path_match(const struct conf_site *site, struct str target,
                             struct path_match *out);

#endif
