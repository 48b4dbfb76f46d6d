// SPDX-License-Identifier: Apache-2.0
//
// A certificate chain with its key, checked and ready for handshakes: each holds one wolfSSL
// context per lowest protocol version in use, so that a session parses nothing.
//
// Life: loaded by the main thread, put into a `struct tls_store`, which owns it from then on.
// Immutable while workers use it.
#ifndef RINGWAY_TLS_CERTIFICATE_H
#define RINGWAY_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/config.h"
#include "core/str.h"
#include "tls/hello.h"

struct tls_certificate;
struct tls_tickets;
struct WOLFSSL_CTX;

// Reads the PEM files of `from` and checks that they parse, that the key is the certificate's and
// strong enough, and that `now` is in the time of validity. Problems go to the list at the
// positions in `from`; NULL if one of them is an error. `tickets` (NULL: no resumption) must
// outlive the certificate. Blocking.
struct tls_certificate *tls_certificate_load(const struct conf_certificate *from,
                                             struct tls_tickets *tickets, time_t now,
                                             struct problems *problems);

// The same from memory. `key` may be the same slice as `chain`. The paths in `from` stand for the
// two in messages.
struct tls_certificate *tls_certificate_parse(struct str chain, struct str key,
                                              const struct conf_certificate *from,
                                              struct tls_tickets *tickets, time_t now,
                                              struct problems *problems);

// One reference more; each is dropped by tls_certificate_free. Main thread. Returns `certificate`.
struct tls_certificate *tls_certificate_hold(struct tls_certificate *certificate);

// Drops one reference; with the last one the key is wiped, and no session may be using it. NULL is
// allowed. Main thread.
void tls_certificate_free(struct tls_certificate *certificate);

// What its key is, one of the set. Any thread.
enum tls_key_kind tls_certificate_key_kind(const struct tls_certificate *certificate);

// The names it is for, lower case: dNSName and iPAddress entries of the subject alternative name,
// or the common name when there is no such extension. Valid as long as the certificate.
size_t tls_certificate_name_count(const struct tls_certificate *certificate);
const char *tls_certificate_name(const struct tls_certificate *certificate, size_t index);

// Whether one of its names covers `host`, a name, a pattern "*.a.example" or an address (IPv6 with
// or without brackets); a wildcard stands for one label (RFC 6125 §6.4.3).
bool tls_certificate_covers(const struct tls_certificate *certificate, const char *host);

// Who issued it: organisation and common name, as far as it has them; "" when neither. Valid as
// long as the certificate.
const char *tls_certificate_issuer(const struct tls_certificate *certificate);

// Whether it is its own issuer, as a placeholder is.
bool tls_certificate_is_self_signed(const struct tls_certificate *certificate);

// When it expires.
time_t tls_certificate_not_after(const struct tls_certificate *certificate);

// The context to make sessions from, for tls/handshake.c. Any thread.
struct WOLFSSL_CTX *tls_certificate_context(const struct tls_certificate *certificate,
                                            enum tls_version min_version);

#endif
