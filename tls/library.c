// SPDX-License-Identifier: Apache-2.0
//
// What the library can do is known from its build options, which its headers carry.
#include "tls/library.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/random.h>

#include "tls/suite.h"

// The library seeds a generator for each session, and since 5.9 one on SHA-512, where SHA-256 gives
// the 128 bits that any key here is worth (NIST SP 800-90A) and the processor has instructions for
// it: seeding and five uses cost 7 µs instead of 13 to 16, of some 440 for a connection with
// handshake, upgrade and close.
static void prefer_sha256_generator(void) {
#if defined(WOLFSSL_DRBG_SHA512) && !defined(NO_SHA256)
    wc_Sha512Drbg_Disable();
#endif
}

int tls_library_init(void) {
    if (wolfSSL_Init() != WOLFSSL_SUCCESS)
        return -EIO;
    prefer_sha256_generator();
    return 0;
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
