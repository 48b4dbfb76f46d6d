// SPDX-License-Identifier: Apache-2.0
//
// What the library can do is known from its build options, which its headers carry.
#include "tls/library.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "tls/suite.h"

int tls_library_init(void) {
    return wolfSSL_Init() == WOLFSSL_SUCCESS ? 0 : -EIO;
}

void tls_library_cleanup(void) {
    wolfSSL_Cleanup();
}

struct tls_library tls_library_info(void) {
    return (struct tls_library) {
        .version = wolfSSL_lib_version(),
#if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM)
        .assembly = true,
#endif
#if defined(WOLFSSL_HAVE_MLKEM) && defined(WOLFSSL_PQC_HYBRIDS)
        .post_quantum = true,
#endif
#if defined(HAVE_SECRET_CALLBACK)
        .key_update = true,
#endif
        .suites = tls_suite_names(), .groups = tls_group_names(),
    };
}
