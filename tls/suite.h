// SPDX-License-Identifier: Apache-2.0
//
// The cipher suites we speak, AEAD only, and the key exchange groups, both in order of preference.
#ifndef RINGWAY_TLS_SUITE_H
#define RINGWAY_TLS_SUITE_H

#include <stddef.h>

#include "tls/keys.h"

struct tls_suite {
    const char *name;         // in the IANA registry
    const char *library_name; // what wolfSSL calls it
    enum tls_version version;
    enum tls_cipher cipher;
};

// By either name; NULL when it is none of ours.
const struct tls_suite *tls_suite_find(const char *name);

// IANA names of all suites, ending with NULL. Static.
const char *const *tls_suite_names(void);

// All suites in the form wolfSSL_CTX_set_cipher_list takes. Static.
const char *tls_suite_library_list(void);

// The groups as wolfSSL_CTX_set_groups takes them; returns how many. Static.
size_t tls_group_ids(const int **ids);

// Their names, ending with NULL. Static.
const char *const *tls_group_names(void);

#endif
