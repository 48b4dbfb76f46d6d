// SPDX-License-Identifier: Apache-2.0
//
// The issuer's key identifier in certificates that are well-formed, and in some that are not.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include "acme/issuer_key_id.h"

#define DER_BYTES 1024

// RFC 9773, appendix A.
static const char example[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
                              "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
                              "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
                              "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
                              "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
                              "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
                              "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
                              "-----END CERTIFICATE-----\n";

static struct str example_der(uint8_t der[DER_BYTES]) {
    int size =
        wc_CertPemToDer((const uint8_t *)example, (int)strlen(example), der, DER_BYTES, CERT_TYPE);
    ck_assert_int_gt(size, 0);
    return (struct str){(const char *)der, (size_t)size};
}

// Puts a tag and a length in front of the `size` bytes at the end of `buffer`; the new size.
static size_t wrap(uint8_t buffer[DER_BYTES], size_t size, uint8_t tag) {
    uint8_t *at = buffer + DER_BYTES - size;
    *--at = (uint8_t)size;
    if (size >= 128)
        *--at = size < 256 ? 0x81 : (uint8_t)(size >> 8);
    if (size >= 256)
        *--at = 0x82;
    *--at = tag;
    return (size_t)(buffer + DER_BYTES - at);
}

// What there is of a certificate around an identifier of so many bytes.
static struct str around(uint8_t buffer[DER_BYTES], size_t id_size, uint8_t id_tag) {
    static const uint8_t object[] = {0x06, 0x03, 0x55, 0x1d, 0x23}, serial[] = {0x02, 0x01, 0x07};
    memset(buffer, 0x5a, DER_BYTES);
    size_t size = wrap(buffer, wrap(buffer, wrap(buffer, id_size, id_tag), 0x30), 0x04);
    memcpy(buffer + DER_BYTES - size - sizeof object, object, sizeof object);
    size = wrap(buffer, wrap(buffer, wrap(buffer, size + sizeof object, 0x30), 0x30), 0xa3);
    memcpy(buffer + DER_BYTES - size - sizeof serial, serial, sizeof serial);
    size = wrap(buffer, wrap(buffer, size + sizeof serial, 0x30), 0x30);
    return (struct str){(const char *)buffer + DER_BYTES - size, size};
}

START_TEST(the_example_of_the_rfc) {
    static const char wanted[] = "\x69\x88\x5b\x6b\x87\x46\x40\x41\xe1\xb3"
                                 "\x7b\x84\x7b\xa0\xae\x2c\xde\x01\xc8\xd4";
    uint8_t der[DER_BYTES];
    ck_assert(str_eq(acme_issuer_key_id(example_der(der)), STR(wanted)));
}
END_TEST

START_TEST(it_may_have_any_length) {
    static const size_t sizes[] = {1, 8, 20, 32, 64, 127, 128, 200, 255, 256, 300};
    uint8_t buffer[DER_BYTES];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct str id = acme_issuer_key_id(around(buffer, sizes[i], 0x80));
        ck_assert_uint_eq(id.len, sizes[i]);
        ck_assert_ptr_eq(id.ptr, (const char *)buffer + DER_BYTES - sizes[i]);
    }
}
END_TEST

START_TEST(none_is_none) {
    uint8_t buffer[DER_BYTES];
    ck_assert_uint_eq(acme_issuer_key_id(around(buffer, 0, 0x80)).len, 0);
    ck_assert_uint_eq(acme_issuer_key_id(around(buffer, 20, 0x82)).len, 0); // serial number alone
    ck_assert_uint_eq(acme_issuer_key_id(STR("")).len, 0);
    ck_assert_uint_eq(acme_issuer_key_id(STR("0")).len, 0);
}
END_TEST

// Each copy is as large as what is in it, so that a sanitizer sees a byte read behind it.
static void check_copy(struct str der, size_t size, size_t place, uint8_t byte) {
    char *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, der.ptr, size);
    if (place < size)
        copy[place] = (char)byte;
    struct str id = acme_issuer_key_id((struct str){copy, size});
    if (id.len > 0)
        ck_assert(id.ptr >= copy && id.ptr + id.len <= copy + size);
    free(copy);
}

START_TEST(hostile_lengths_stay_inside) {
    static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0xff};
    uint8_t der[DER_BYTES];
    struct str whole = example_der(der);
    for (size_t size = 0; size <= whole.len; size++)
        check_copy(whole, size, size, 0);
    for (size_t place = 0; place < whole.len; place++)
        for (size_t i = 0; i < sizeof bytes; i++)
            check_copy(whole, whole.len, place, bytes[i]);
    ck_assert_uint_eq(acme_issuer_key_id((struct str){whole.ptr, whole.len - 1}).len, 0);
    // A length of the size of memory, of no bytes, and without an end (BER, X.690 §8.1.3.6).
    ck_assert_uint_eq(acme_issuer_key_id(STR("\x30\x84\xff\xff\xff\xff\x30")).len, 0);
    ck_assert_uint_eq(acme_issuer_key_id(STR("\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff")).len, 0);
    ck_assert_uint_eq(acme_issuer_key_id(STR("\x30\x80\x30\x80\xa3\x80")).len, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("acme: issuer key id");
    TCase *tcase = tcase_create("certificates");
    tcase_add_test(tcase, the_example_of_the_rfc);
    tcase_add_test(tcase, it_may_have_any_length);
    tcase_add_test(tcase, none_is_none);
    tcase_add_test(tcase, hostile_lengths_stay_inside);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
