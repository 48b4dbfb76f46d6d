// SPDX-License-Identifier: Apache-2.0
//
// One HTTP/1.x head, request or response, while it is read and until it has been acted on: it owns
// the bytes, and everything parsed points into them.
//
// Life: `head_request_init` or `head_response_init`; `head_feed` with whatever arrives until it
// says HEAD_DONE or HEAD_BAD; the result is read, written on (ws/head_write.h), and `head_free`
// ends it. For the next head on the same connection, free and init again. Each 1xx is a head of its
// own.
//
// Reading is strict (RFC 9112), because two parsers that disagree about one byte are how requests
// are smuggled: llhttp without any leniency, a line gate of our own before it (ws/head_check.h) and
// semantic checks after each line. The outcome never depends on how the bytes were cut into pieces.
//
// All functions are pure with respect to the process: any thread, one head at a time.
#ifndef RINGWAY_WS_HEAD_H
#define RINGWAY_WS_HEAD_H

#include <llhttp.h>
#include <stdint.h>

#include "core/str.h"
#include "ws/head_check.h"

enum {
    HEAD_FIELDS_MAX = 128,    // header fields in one head; more is 431
    HEAD_OPTIONS_MAX = 16,    // options named by Connection; more is 400
    HEAD_HOST_BYTES_MAX = 255 // longest host name, or address in brackets
};

enum head_verdict {
    HEAD_MORE, // everything given was taken, the head is not complete
    HEAD_DONE, // complete; what follows it was not taken
    HEAD_BAD,  // refused: `status` and `why` are set, the connection must be closed
};

enum head_kind { HEAD_REQUEST, HEAD_RESPONSE };

// The methods somebody here treats differently; all others that llhttp knows are METHOD_OTHER.
enum head_method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_POST };

// How the end of the message body is found (RFC 9112 §6.3).
enum body_framing { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct head_field {
    struct str name;  // as sent; a token
    struct str value; // as sent, without the white space around it; may be empty
};

// Must not be moved between init and free: it points into itself.
struct head {
    // Both kinds, from HEAD_DONE on. A str in here lives until head_free.
    enum head_kind kind;
    unsigned minor; // HTTP/1.minor, 0 or 1
    struct head_field fields[HEAD_FIELDS_MAX];
    unsigned field_count;
    struct str options[HEAD_OPTIONS_MAX]; // what Connection names
    unsigned option_count;
    enum body_framing framing;
    uint64_t content_length; // of BODY_LENGTH; also of a response to HEAD or a 304 that says one
    bool has_content_length;
    bool keep_alive;        // the sender wants to go on after this message
    bool upgrade_websocket; // Upgrade lists websocket (see ws/upgrade.h for the rest)

    // HEAD_DONE of a response: its status. HEAD_BAD: the status to answer the client with (502 for
    // every bad response), and why, a constant phrase for the log.
    unsigned status;
    const char *why;

    // Requests.
    enum head_method method;
    struct str method_name;
    struct str target;    // as sent
    struct str path;      // starts with '/', still percent-encoded; "*" in the asterisk-form
    struct str query;     // after the '?', which is not in it; empty also when there is none
    bool has_query;       // there was a '?'
    struct str authority; // as sent, from the target if it has one, else from Host; "" in HTTP/1.0
    struct str host;      // of authority: lower case, no port, no final dot, IPv6 in brackets
    uint16_t port;        // of authority; 0 = not given
    bool expect_continue;

    // Responses.
    struct str reason; // may be empty
    enum head_method request_method;

    // The reader's own.
    size_t max_bytes;
    char *buffer;
    size_t length, capacity;
    size_t line_start; // in buffer, of the line being read
    llhttp_t parser;
    struct head_gate gate;
    bool start_line_over, host_seen, coding_seen, complete;
    char host_text[HEAD_HOST_BYTES_MAX + 1];
};

// Prepares for one request head of at most `max_bytes` (over it: 414 within the request line, else
// 431). Allocates nothing yet.
void head_request_init(struct head *head, size_t max_bytes);

// Prepares for one response head, to a request with `request_method` (RFC 9112 §6.3 needs it).
void head_response_init(struct head *head, size_t max_bytes, enum head_method request_method);

// Frees the bytes; every str taken from the head dies. Allowed at any time after init, and twice.
void head_free(struct head *head);

// Takes the next `size` bytes; they are copied. `*used` is how many belong to this head: all of
// them on HEAD_MORE, up to the end of the empty line on HEAD_DONE, undefined on HEAD_BAD. A fault
// is reported at the first byte that shows it. Without memory: HEAD_BAD with 503. Must not be
// called again after HEAD_DONE or HEAD_BAD.
enum head_verdict head_feed(struct head *head, const char *bytes, size_t size, size_t *used);

// Whether nothing of a head has come yet (an empty line before it does not count, RFC 9112 §2.2):
// a peer that leaves now leaves politely.
bool head_is_empty(const struct head *head);

// The first field of that name, or NULL. Names compare without case.
const struct head_field *head_find(const struct head *head, struct str name);

// How many fields have that name.
unsigned head_count(const struct head *head, struct str name);

// Whether Connection names `option` (RFC 9110 §7.6.1).
bool head_has_option(const struct head *head, struct str option);

// Whether any field `name`, read as a comma-separated list, has the member `token` (no case).
bool head_lists(const struct head *head, struct str name, struct str token);

// Walks a comma-separated list (RFC 9110 §5.6.1): takes the next member, trimmed, off `*rest` into
// `*member`; empty members are skipped, commas in quoted strings do not separate. False at the end.
bool head_list_next(struct str *rest, struct str *member);

#endif
