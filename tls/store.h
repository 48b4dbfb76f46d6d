// SPDX-License-Identifier: Apache-2.0
//
// Which certificate a ClientHello gets: host patterns of the sites with the certificates each of
// them brought, and the common certificates that serve the sites which brought none.
//
// Life: built and freed by the main thread, one per configuration snapshot; between the two it is
// immutable and every worker reads it.
#ifndef RINGWAY_TLS_STORE_H
#define RINGWAY_TLS_STORE_H

#include <time.h>

#include "core/config.h"
#include "tls/certificate.h"
#include "tls/hello.h"

struct tls_store;

// One host pattern of a site. `site` is the caller's.
struct tls_host {
    const char *pattern; // "a.example", "*.a.example" (one label), "*" (any)
    void *site;
    enum tls_version min_version;
};

enum tls_pick_verdict {
    TLS_PICK_FOUND,
    TLS_PICK_UNKNOWN_NAME,   // answer unrecognized_name (RFC 6066 §3)
    TLS_PICK_NO_CERTIFICATE, // none there that this client accepts: answer handshake_failure
};

struct tls_pick {
    const struct tls_host *host; // its rules hold: the one named, or the default
    const struct tls_certificate *certificate;
    void *site; // the site the client named; NULL when it named none, or an unknown one
};

// Builds the store of a configuration: the sites' own certificates, those that ACME keeps for them
// (a self-signed placeholder while there is none), then the files and folders (*.pem) under
// `certificates:`. `sites[i]` stands for config->sites[i] in picks. All problems are reported; NULL
// if one of them is an error. `tickets` (NULL: no resumption) must outlive it.
//
// `previous` (NULL: none) is a store of the same configuration, tickets included: only ACME's files
// that have changed since are read, everything else is shared with it. Blocking, main thread.
struct tls_store *tls_store_load(const struct config *config, void *const sites[],
                                 struct tls_tickets *tickets, const struct tls_store *previous,
                                 time_t now, struct problems *problems);

// An empty store, for filling by hand with the three functions below.
struct tls_store *tls_store_new(enum unknown_sni unknown_sni);

// Frees the store and its certificates. NULL is allowed. No worker may be using it.
void tls_store_free(struct tls_store *store);

// Adds a host pattern with the certificates of its site (none: the common ones serve it). The first
// host added is the default. The pattern is copied, the certificates stay the caller's to hand over
// once by tls_store_own. A pattern that is already there stays as it was.
void tls_store_add_host(struct tls_store *store, const char *pattern, void *site,
                        enum tls_version min_version, struct tls_certificate *const *certificates,
                        size_t certificate_count);

// Takes over a certificate that belongs to sites.
void tls_store_own(struct tls_store *store, struct tls_certificate *certificate);

// Keeps in mind where a certificate of the store came from. The text is copied.
void tls_store_remember(struct tls_store *store, const char *source,
                        struct tls_certificate *certificate);

// One more reference to the certificate that came from there; NULL when there is none.
struct tls_certificate *tls_store_recall(const struct tls_store *store, const char *source);

// Takes over a certificate that serves every host its names cover.
void tls_store_add_common(struct tls_store *store, struct tls_certificate *certificate);

// Picks by server name: exact, then wildcard, then "*", then what `unknown_sni` says; without a
// name the default. Of several certificates: one the client accepts, ECDSA before RSA. Any thread.
enum tls_pick_verdict tls_store_pick(const struct tls_store *store, const struct tls_hello *hello,
                                     struct tls_pick *pick);

// Called with a host pattern and one certificate that clients asking for it may get. Both are valid
// as long as the store.
typedef void tls_store_visit(void *context, const struct tls_host *host,
                             const struct tls_certificate *certificate);

// Visits each host pattern, in the order they were added, with each certificate it is served with,
// the default one included where that is what its clients get. Any thread.
void tls_store_each(const struct tls_store *store, tls_store_visit *visit, void *context);

#endif
