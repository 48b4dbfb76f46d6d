// SPDX-License-Identifier: Apache-2.0
//
// wolfSSL as a whole: started once, and what the build at hand can do, for `ringway version`.
#ifndef RINGWAY_TLS_LIBRARY_H
#define RINGWAY_TLS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct tls_library {
    const char *version;       // of the library that runs, "5.9.2"
    bool assembly;             // AES-NI, AVX and the like; without it AES-GCM is slow
    bool post_quantum;         // X25519MLKEM768
    bool key_update;           // traffic secrets are given out, so keys can be updated
    const char *const *suites; // IANA names, preferred first; ends with NULL
    const char *const *groups; // the same
};

// Before any other call into tls/, once, by the main thread. 0 or -EIO.
int tls_library_init(void);

// Undoes it, after everything else is freed.
void tls_library_cleanup(void);

// The texts in it are static.
struct tls_library tls_library_info(void);

#endif
