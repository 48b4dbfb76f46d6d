// SPDX-License-Identifier: Apache-2.0
//
// Signatures and names for keys: the examples of the RFCs, and what we sign checked by wolfCrypt's
// verifier.
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "acme/jose.h"
#include "acme/json.h"
#include "tls/library.h"

// The key of RFC 7515 §A.3, as openssl writes it.
static const char rfc_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
                              "MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49\n"
                              "AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"
                              "focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                              "-----END EC PRIVATE KEY-----\n";

START_TEST(bytes_become_base64url) {
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""},           {"f", "Zg"},         {"fo", "Zm8"},           {"foo", "Zm9v"},
                 {"foob", "Zm9vYg"}, {"\xff\xef", "_-8"}, {"\xfb\xff\xbf", "-_-_"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = acme_base64url(cases[i].bytes, strlen(cases[i].bytes));
        ck_assert_str_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

START_TEST(base64url_becomes_bytes) {
    static const struct {
        const char *text, *bytes;
    } cases[] = {
        {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},       {"Zm9v", "foo"},
        {"Zm9vYg", "foob"}, {"Zm9vYg==", "foob"}, {"_-8", "\xff\xef"}, {"-_-_", "\xfb\xff\xbf"}};
    static const char *const bad[] = {"Z",    "Zm9vY", "Zm 9v",     "Zm9v\n",
                                      "Zm+v", "Zg=Zg", "Z\xc3\xa9g"};
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ssize_t size = acme_base64url_read(cases[i].text, bytes, sizeof bytes);
        ck_assert_int_eq(size, (ssize_t)strlen(cases[i].bytes));
        ck_assert_mem_eq(bytes, cases[i].bytes, (size_t)size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(acme_base64url_read(bad[i], bytes, sizeof bytes), -EINVAL);
    ck_assert_int_eq(acme_base64url_read("Zm9vYg", bytes, 4), 4);
    ck_assert_int_eq(acme_base64url_read("Zm9vYg", bytes, 3), -EINVAL);
}
END_TEST

START_TEST(an_rsa_key_survives_being_written) {
    struct acme_key *key, *again;
    ck_assert_int_eq(acme_key_make(ACME_KEY_RSA, &key), 0);
    char *pem = acme_key_write(key);
    ck_assert_int_eq(acme_key_read(pem, &again), 0);
    ck_assert_int_eq(acme_key_kind(again), ACME_KEY_RSA);
    char *twice = acme_key_write(again);
    ck_assert_str_eq(pem, twice);
    free(pem);
    free(twice);
    acme_key_free(key);
    acme_key_free(again);
}
END_TEST

START_TEST(a_key_has_the_jwk_of_the_rfc) {
    struct acme_key *key;
    ck_assert_int_eq(acme_key_read(rfc_key, &key), 0);
    char *jwk = acme_json_write(acme_key_jwk(key));
    ck_assert_str_eq(jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\","
                          "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                          "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    free(jwk);
    char thumbprint[ACME_THUMBPRINT_BYTES];
    ck_assert_int_eq(acme_key_thumbprint(key, thumbprint), 0);
    ck_assert_str_eq(thumbprint, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    acme_key_free(key);
}
END_TEST

START_TEST(a_key_survives_being_written) {
    struct acme_key *key, *again;
    char one[ACME_THUMBPRINT_BYTES], two[ACME_THUMBPRINT_BYTES];
    ck_assert_int_eq(acme_key_make(ACME_KEY_ECDSA, &key), 0);
    char *pem = acme_key_write(key);
    ck_assert_int_eq(acme_key_read(pem, &again), 0);
    ck_assert_int_eq(acme_key_thumbprint(key, one), 0);
    ck_assert_int_eq(acme_key_thumbprint(again, two), 0);
    ck_assert_str_eq(one, two);
    free(pem);
    acme_key_free(key);
    acme_key_free(again);
}
END_TEST

START_TEST(what_is_no_key_is_refused) {
    static const char cut[] = "-----BEGIN EC PRIVATE KEY-----\n";
    static const char hollow[] = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"
                                 "-----END EC PRIVATE KEY-----\n";
    const char *const texts[] = {"", "nonsense", cut, hollow};
    struct acme_key *key;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_int_eq(acme_key_read(texts[i], &key), -EINVAL);
}
END_TEST

static size_t base64url_read(const char *text, byte *out, size_t capacity) {
    char padded[2048];
    word32 size = (word32)capacity;
    snprintf(padded, sizeof padded, "%s", text);
    for (char *at = padded; *at; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
    while (strlen(padded) % 4)
        strcat(padded, "=");
    ck_assert_int_eq(Base64_Decode((byte *)padded, (word32)strlen(padded), out, &size), 0);
    return size;
}

// 200 signatures: r or s begins with a zero byte in some of them.
START_TEST(signatures_verify) {
    struct acme_key *key;
    ck_assert_int_eq(acme_key_make(ACME_KEY_ECDSA, &key), 0);
    for (int i = 0; i < 200; i++) {
        char *text = acme_sign(key, json_pack("{s:i}", "turn", i), STR("{\"a\":1}"));
        json_t *jws = acme_json_read(text, strlen(text));
        char input[1024];
        byte header[512], signature[128], der[80];
        uint8_t digest[ACME_DIGEST_BYTES];
        word32 der_size = sizeof der;
        int verified = 0;
        snprintf(input, sizeof input, "%s.%s", acme_json_text(jws, "protected"),
                 acme_json_text(jws, "payload"));
        ck_assert_str_eq(acme_json_text(jws, "payload"), "eyJhIjoxfQ");
        size_t header_size =
            base64url_read(acme_json_text(jws, "protected"), header, sizeof header);
        ck_assert_ptr_nonnull(memmem(header, header_size, "\"alg\":\"ES256\"", 13));
        ck_assert_uint_eq(
            base64url_read(acme_json_text(jws, "signature"), signature, sizeof signature), 64);
        ck_assert_int_eq(wc_ecc_rs_raw_to_sig(signature, 32, signature + 32, 32, der, &der_size),
                         0);
        ck_assert_int_eq(acme_digest(str_from(input), digest), 0);
        ck_assert_int_eq(
            wc_ecc_verify_hash(der, der_size, digest, sizeof digest, &verified, acme_key_ecc(key)),
            0);
        ck_assert_int_eq(verified, 1);
        json_decref(jws);
        free(text);
    }
    acme_key_free(key);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: jose");
    TCase *tcase = tcase_create("keys");
    tls_library_init();
    tcase_add_test(tcase, bytes_become_base64url);
    tcase_add_test(tcase, base64url_becomes_bytes);
    tcase_add_test(tcase, an_rsa_key_survives_being_written);
    tcase_add_test(tcase, a_key_has_the_jwk_of_the_rfc);
    tcase_add_test(tcase, a_key_survives_being_written);
    tcase_add_test(tcase, what_is_no_key_is_refused);
    tcase_add_test(tcase, signatures_verify);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tls_library_cleanup();
    return failed;
}
