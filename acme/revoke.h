// SPDX-License-Identifier: Apache-2.0
//
// Taking a certificate back (RFC 8555 §7.6), by the account that got it.
#ifndef RINGWAY_ACME_REVOKE_H
#define RINGWAY_ACME_REVOKE_H

#include "acme/session.h"

// The code of a reason by its name in RFC 5280 §5.3.1 ("keyCompromise"); -EINVAL for those that the
// owner of a certificate cannot give.
int acme_revoke_reason(const char *name);

// The names, as "a, b or c".
#define ACME_REVOKE_REASONS                                                                        \
    "unspecified, keyCompromise, affiliationChanged, superseded or cessationOfOperation"

// Has the certificate revoked and remembers that, so that another one is due, with another key. One
// that is revoked already is no error. 0 or negative errno. Blocking.
int acme_revoke(struct acme_session *session, const struct conf_managed *managed, int reason,
                struct acme_error *error);

#endif
