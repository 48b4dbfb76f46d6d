// SPDX-License-Identifier: Apache-2.0
//
// One line of the access log from one record. Pure: no file, no clock.
//
// A request gives one line at its end. A WebSocket gives two: "open" at the upgrade (status 101)
// and "close" when the connection is gone; `connection` joins them.
//
// Text, one line, "-" for what is not known:
//   TIME CLIENT SITE "METHOD TARGET HTTP/1.1" STATUS BYTES_OUT "REFERER" "USER-AGENT" DURATIONs
//     conn=1-42 host=H in=BYTES up=UPSTREAM tls=VERSION/CIPHER
//   and for an upgrade additionally: ws=open
//   and for an end: ws=close frames=IN/OUT messages=IN/OUT code=1000 by=client reason="..."
//
// JSON, one object a line, these keys in this order, null for what is not known:
//   time (start, RFC 3339 UTC ms), event (request|open|close), connection, client, site, host,
//   method, target, protocol, status, bytes_in, bytes_out, duration_ms (three decimals), upstream,
//   referer, user_agent, tls_version, tls_cipher,
//   and for "close": frames_in, frames_out, messages_in, messages_out, close_code, closed_by,
//   reason
//
// "in" is from the client, "out" to the client. Long values are cut and end in "…".
#ifndef RINGWAY_WS_ACCESS_H
#define RINGWAY_WS_ACCESS_H

#include "core/config.h"
#include "core/line.h"
#include "core/str.h"

#include <stddef.h>
#include <stdint.h>

enum access_event {
    ACCESS_REQUEST, // an HTTP exchange ended
    ACCESS_OPEN,    // the backend's 101 went to the client
    ACCESS_CLOSE,   // a relayed WebSocket ended
};

enum access_closer { ACCESS_BY_CLIENT, ACCESS_BY_UPSTREAM, ACCESS_BY_GATEWAY };

// Strings are borrowed for the call and may hold any bytes; empty means not known.
struct access_record {
    enum access_event event;
    int64_t time_us; // Unix time at the start of the request or, for close, of the WebSocket
    unsigned worker; // together with `serial` the connection's name
    uint64_t serial;
    struct str client;     // "203.0.113.9:5123"
    struct str site, host; // the matched site's name; the Host field
    struct str method, target;
    unsigned http_minor;          // HTTP/1.x
    unsigned status;              // sent to the client; 0 = none was
    uint64_t bytes_in, bytes_out; // heads and bodies or frames, without TLS
    uint64_t duration_us;
    struct str upstream; // address of the server used
    struct str referer, user_agent;
    struct str tls_version, tls_cipher; // both empty on plain connections

    // ACCESS_CLOSE only.
    uint64_t frames_in, frames_out, messages_in, messages_out;
    unsigned close_code; // first Close frame seen or sent; 0 = none (1005, 1006: RFC 6455 §7.1.5)
    enum access_closer closed_by;
    struct str reason; // why, in our words: "idle timeout", "connection reset"
};

// Writes the line with its newline into `out`, at least LINE_SIZE_MAX bytes; it lives there.
struct str access_format(const struct access_record *record, enum log_format format,
                         char out[LINE_SIZE_MAX]);

#endif
