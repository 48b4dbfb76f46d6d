// SPDX-License-Identifier: Apache-2.0
//
// The ways to show an authority that a name is ours (RFC 8555 §8, RFC 8737): which can work here,
// which are offered, and the answer put where the authority will look for it.
#ifndef RINGWAY_ACME_CHALLENGE_H
#define RINGWAY_ACME_CHALLENGE_H

#include <jansson.h>
#include <stdbool.h>

#include "acme/client.h"
#include "acme/jose.h"
#include "core/config.h"

// "http-01" and so on.
const char *acme_challenge_name(enum acme_challenge kind);

// The value of the TXT record that answers dns-01 (RFC 8555 §8.4). 0 or negative errno.
int acme_challenge_dns_value(const struct acme_client *client, const char *token,
                             char value[ACME_THUMBPRINT_BYTES], struct acme_error *error);

// Fills `kinds` with those to try for a site, best first: the one it names, or for auto those that
// can work with the listeners there are. Returns how many, at most 3.
size_t acme_challenge_choose(const struct config *config, const struct conf_site *site,
                             enum acme_challenge kinds[3]);

// The challenge of this kind in an authorization; NULL when it is not offered. Lives as long.
const json_t *acme_challenge_find(const json_t *authorization, enum acme_challenge kind);

// Puts the answer for `name` in place: from now on the workers give it. What answers in DNS is
// there already; `token` may be NULL then. 0 or negative errno.
int acme_challenge_begin(const struct acme_client *client, enum acme_challenge kind,
                         const char *name, const char *token, struct acme_error *error);

// Takes the answer away again.
void acme_challenge_end(enum acme_challenge kind, const char *name, const char *token);

// Appends where the authority has looked, after it has not found what it wanted, and what is wrong
// with the name's addresses if it went there. Blocking.
void acme_challenge_advise(enum acme_challenge kind, const char *name, struct acme_error *error);

#endif
