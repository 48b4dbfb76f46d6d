// SPDX-License-Identifier: Apache-2.0
//
// What an ACME server gets to see while it makes sure that a name is ours: texts for http-01 (RFC
// 8555 §8.3) and certificates for tls-alpn-01 (RFC 8737). One table for the process, empty most of
// the time. A mutex guards it; workers look at it only when a request or a ClientHello claims to
// come from such a server, so the data path never waits for it.
#ifndef RINGWAY_TLS_CHALLENGE_H
#define RINGWAY_TLS_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "tls/selfsigned.h"

// Where the answers to http-01 are looked for; the token follows.
#define TLS_CHALLENGE_PATH "/.well-known/acme-challenge/"
#define TLS_CHALLENGE_TEXT_BYTES 256

struct WOLFSSL;

// From now on `text` answers a request for `token`; both are copied. 0, -EINVAL for what is too
// long, or -ENOMEM. Any thread.
int tls_challenge_add_text(const char *token, const char *text);

// From now on a certificate with `digest` answers a handshake for `name` (a host name or literal
// address) with acme-tls/1. As above; -ENOTSUP when the TLS library cannot make one. Any thread.
int tls_challenge_add_certificate(const char *name,
                                  const uint8_t digest[TLS_CHALLENGE_DIGEST_BYTES]);

// No answer for this token or name any more. Any thread.
void tls_challenge_remove(const char *token_or_name);

// Copies the terminated answer for `token` to `text`; false when there is none. Any thread.
bool tls_challenge_text(struct str token, char text[TLS_CHALLENGE_TEXT_BYTES]);

// A new session with the certificate that answers for this server name; NULL when there is none.
// The caller frees it with wolfSSL_free. Any thread.
struct WOLFSSL *tls_challenge_session(const char *server_name);

#endif
