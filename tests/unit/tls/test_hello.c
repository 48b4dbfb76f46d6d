// SPDX-License-Identifier: Apache-2.0
//
// ClientHellos built byte by byte: what is read from a good one, however its records are cut, and
// the answer to every malformed one.
#include <check.h>
#include <string.h>

#include "tls/hello.h"

// A message under construction.
struct bytes {
    uint8_t at[40000];
    size_t n;
};

static struct tls_hello hello;

static void put(struct bytes *to, const void *bytes, size_t n) {
    memcpy(to->at + to->n, bytes, n);
    to->n += n;
}

static void put_u8(struct bytes *to, unsigned value) {
    to->at[to->n++] = (uint8_t)value;
}

static void put_u16(struct bytes *to, unsigned value) {
    put_u8(to, value >> 8);
    put_u8(to, value);
}

static void put_extension(struct bytes *to, unsigned type, const void *content, size_t n) {
    put_u16(to, type);
    put_u16(to, (unsigned)n);
    put(to, content, n);
}

#define PUT_EXTENSION(to, type, ...)                                                               \
    put_extension(to, type, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_server_name(struct bytes *to, const char *name) {
    struct bytes list = {.n = 0};
    put_u16(&list, (unsigned)strlen(name) + 3);
    put_u8(&list, 0);
    put_u16(&list, (unsigned)strlen(name));
    put(&list, name, strlen(name));
    put_extension(to, 0, list.at, list.n);
}

// A handshake message around extensions.
static struct bytes message(const struct bytes *extensions, unsigned version, unsigned suite) {
    struct bytes body = {.n = 0}, out = {.n = 0};
    put_u16(&body, version);
    for (int i = 0; i < 32; i++)
        put_u8(&body, (unsigned)i);
    put_u8(&body, 0);
    put_u16(&body, 2);
    put_u16(&body, suite);
    put_u16(&body, 0x0100);
    if (extensions != NULL) {
        put_u16(&body, (unsigned)extensions->n);
        put(&body, extensions->at, extensions->n);
    }
    put_u8(&out, 1);
    put_u8(&out, 0);
    put_u16(&out, (unsigned)body.n);
    put(&out, body.at, body.n);
    return out;
}

// The message in records of at most `cut` bytes.
static struct bytes records(const struct bytes *message, size_t cut) {
    struct bytes out = {.n = 0};
    for (size_t at = 0, part; at < message->n; at += part) {
        part = message->n - at < cut ? message->n - at : cut;
        put_u8(&out, 22);
        put_u16(&out, 0x0301);
        put_u16(&out, (unsigned)part);
        put(&out, message->at + at, part);
    }
    return out;
}

static enum tls_hello_verdict parse(const struct bytes *extensions) {
    struct bytes whole = message(extensions, 0x0303, 0x1301);
    struct bytes wire = records(&whole, 16384);
    return tls_hello_parse(wire.at, wire.n, &hello);
}

static struct bytes modern_extensions(void) {
    struct bytes out = {.n = 0};
    put_server_name(&out, "WWW.A.example");
    PUT_EXTENSION(&out, 43, 4, 3, 4, 3, 3);      // TLS 1.3, 1.2
    PUT_EXTENSION(&out, 10, 0, 4, 0, 29, 0, 23); // X25519, P-256
    PUT_EXTENSION(&out, 13, 0, 4, 4, 3, 8, 4);   // ECDSA P-256, RSA-PSS
    PUT_EXTENSION(&out, 16, 0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1');
    PUT_EXTENSION(&out, 0x7a7a, 0); // GREASE
    return out;
}

START_TEST(a_modern_hello_is_read) {
    struct bytes extensions = modern_extensions();
    ck_assert_int_eq(parse(&extensions), TLS_HELLO_DONE);
    ck_assert_str_eq(hello.server_name, "www.a.example");
    ck_assert(hello.offers_tls13 && hello.offers_tls12);
    ck_assert_uint_eq(hello.accepts, TLS_KEY_ECDSA_P256 | TLS_KEY_RSA);
    ck_assert_uint_eq(hello.alpn, TLS_ALPN_HTTP_1_1 | TLS_ALPN_OTHER);
}
END_TEST

START_TEST(an_old_hello_is_read) {
    struct bytes whole = message(NULL, 0x0303, 0xc02f);
    struct bytes wire = records(&whole, 16384);
    ck_assert_int_eq(tls_hello_parse(wire.at, wire.n, &hello), TLS_HELLO_DONE);
    ck_assert(hello.offers_tls12 && !hello.offers_tls13);
    ck_assert_uint_eq(hello.accepts, TLS_KEY_RSA);
    ck_assert_str_eq(hello.server_name, "");
    ck_assert_uint_eq(hello.alpn, 0);
}
END_TEST

START_TEST(in_tls_1_2_groups_hold_for_certificates) {
    struct bytes extensions = {.n = 0};
    PUT_EXTENSION(&extensions, 10, 0, 2, 0, 29);
    struct bytes whole = message(&extensions, 0x0303, 0xc02b);
    struct bytes wire = records(&whole, 16384);
    ck_assert_int_eq(tls_hello_parse(wire.at, wire.n, &hello), TLS_HELLO_DONE);
    ck_assert_uint_eq(hello.accepts, 0);
}
END_TEST

START_TEST(records_may_be_cut_anywhere_and_come_in_any_pieces) {
    struct bytes extensions = modern_extensions();
    struct bytes whole = message(&extensions, 0x0303, 0x1301);
    for (size_t cut = (whole.n + TLS_HELLO_MAX_RECORDS - 1) / TLS_HELLO_MAX_RECORDS; cut <= whole.n;
         cut++) {
        struct bytes wire = records(&whole, cut);
        for (size_t n = 0; n < wire.n; n++)
            ck_assert_int_eq(tls_hello_parse(wire.at, n, &hello), TLS_HELLO_MORE);
        ck_assert_int_eq(tls_hello_parse(wire.at, wire.n, &hello), TLS_HELLO_DONE);
        ck_assert_str_eq(hello.server_name, "www.a.example");
    }
}
END_TEST

static void is_bad(const struct bytes *wire, enum tls_alert alert) {
    ck_assert_int_eq(tls_hello_parse(wire->at, wire->n, &hello), TLS_HELLO_BAD);
    ck_assert_int_eq(hello.alert, alert);
    ck_assert_ptr_nonnull(hello.error);
}

START_TEST(hostile_records_are_refused) {
    struct bytes extensions = modern_extensions();
    struct bytes whole = message(&extensions, 0x0303, 0x1301);

    struct bytes wire = records(&whole, 1); // too many
    is_bad(&wire, TLS_ALERT_UNEXPECTED_MESSAGE);
    wire = (struct bytes){{22, 3, 1, 0, 0}, 5}; // empty
    is_bad(&wire, TLS_ALERT_UNEXPECTED_MESSAGE);
    wire = (struct bytes){{22, 3, 1, 0x40, 1}, 5}; // too long
    is_bad(&wire, TLS_ALERT_RECORD_OVERFLOW);
    wire = (struct bytes){{22, 2, 0, 0, 5}, 5}; // SSL 2
    is_bad(&wire, TLS_ALERT_PROTOCOL_VERSION);
    wire = (struct bytes){{22, 3, 1, 0, 5, 2}, 6}; // no ClientHello
    is_bad(&wire, TLS_ALERT_UNEXPECTED_MESSAGE);
    wire = (struct bytes){{22, 3, 1, 0, 5, 1, 0, 0x40, 0}, 9}; // announces too much
    is_bad(&wire, TLS_ALERT_ILLEGAL_PARAMETER);
    wire = records(&whole, 50); // another record between
    wire.at[55] = 23;
    is_bad(&wire, TLS_ALERT_UNEXPECTED_MESSAGE);
    put_u8(&whole, 0); // bytes behind it in its record
    wire = records(&whole, 16384);
    is_bad(&wire, TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(a_hello_cut_short_is_refused) {
    // Each length that ends the message early, with the message's own length to match.
    struct bytes extensions = modern_extensions();
    struct bytes whole = message(&extensions, 0x0303, 0x1301);
    size_t without_extensions = 4 + 2 + 32 + 1 + 4 + 2;
    for (size_t n = 4; n < whole.n; n++) {
        struct bytes part = whole;
        part.n = n;
        part.at[2] = (uint8_t)((n - 4) >> 8);
        part.at[3] = (uint8_t)(n - 4);
        struct bytes wire = records(&part, 16384);
        enum tls_hello_verdict verdict = tls_hello_parse(wire.at, wire.n, &hello);
        ck_assert_int_eq(verdict, n == without_extensions ? TLS_HELLO_DONE : TLS_HELLO_BAD);
    }
}
END_TEST

START_TEST(old_versions_are_refused) {
    struct bytes whole = message(NULL, 0x0302, 0xc02f);
    struct bytes wire = records(&whole, 16384);
    is_bad(&wire, TLS_ALERT_PROTOCOL_VERSION);
}
END_TEST

START_TEST(malformed_names_are_refused) {
    static const char *const names[] = {
        "a..example",
        ".example",
        "example.",
        "a b",
        "a\xc3\xa4.example",
        "[::1]",
        "a/b",
        "*.example",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"};
    struct bytes extensions = {.n = 0};
    put_server_name(&extensions, names[_i]);
    ck_assert_int_eq(parse(&extensions), TLS_HELLO_BAD);
    ck_assert_int_eq(hello.alert, TLS_ALERT_ILLEGAL_PARAMETER);
    ck_assert_str_eq(hello.server_name, "");
}
END_TEST

static const struct {
    const char *what;
    uint8_t bytes[16];
    size_t n;
} malformed[] = {
    {"server_name: empty", {0, 0, 0, 0}, 4},
    {"server_name: empty list", {0, 0, 0, 2, 0, 0}, 6},
    {"server_name: empty name", {0, 0, 0, 5, 0, 3, 0, 0, 0}, 9},
    {"server_name: list too long", {0, 0, 0, 6, 0, 5, 0, 0, 1, 'a'}, 10},
    {"server_name: two names", {0, 0, 0, 10, 0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b'}, 14},
    {"ALPN: empty list", {0, 16, 0, 2, 0, 0}, 6},
    {"ALPN: empty name", {0, 16, 0, 3, 0, 1, 0}, 7},
    {"ALPN: name too long", {0, 16, 0, 4, 0, 2, 2, 'h'}, 8},
    {"supported_versions: odd", {0, 43, 0, 4, 3, 3, 4, 3}, 8},
    {"supported_versions: empty", {0, 43, 0, 1, 0}, 5},
    {"signature_algorithms: odd", {0, 13, 0, 5, 0, 3, 4, 3, 4}, 9},
    {"supported_groups: odd", {0, 10, 0, 5, 0, 3, 0, 29, 0}, 9},
    {"twice", {0, 43, 0, 3, 2, 3, 4, 0, 43, 0, 3, 2, 3, 4}, 14},
    {"extension too long", {0, 99, 0, 3, 2, 3}, 6},
    {"half an extension", {0, 99, 0}, 3},
    {"no common group", {0, 10, 0, 4, 0, 2, 0, 25}, 8},
};

START_TEST(malformed_extensions_are_refused) {
    struct bytes extensions = {.n = 0};
    put(&extensions, malformed[_i].bytes, malformed[_i].n);
    ck_assert_msg(parse(&extensions) == TLS_HELLO_BAD, "%s", malformed[_i].what);
    ck_assert_ptr_nonnull(hello.error);
}
END_TEST

START_TEST(plain_http_is_told_apart) {
    static const struct {
        const char *bytes;
        enum tls_hello_verdict verdict;
    } cases[] = {
        {"", TLS_HELLO_MORE},
        {"G", TLS_HELLO_MORE},
        {"GET", TLS_HELLO_MORE},
        {"GET / HTTP/1.1\r\n", TLS_HELLO_PLAIN_HTTP},
        {"POST /x", TLS_HELLO_PLAIN_HTTP},
        {"PRI * HTTP/2.0\r\n", TLS_HELLO_PLAIN_HTTP},
        {"GEX", TLS_HELLO_BAD},
        {"SSH-2.0-", TLS_HELLO_BAD},
        {"\x80\x2e\x01", TLS_HELLO_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(
            tls_hello_parse((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes), &hello),
            cases[i].verdict);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: hello");
    TCase *tcase = tcase_create("parse");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_modern_hello_is_read);
    tcase_add_test(tcase, an_old_hello_is_read);
    tcase_add_test(tcase, in_tls_1_2_groups_hold_for_certificates);
    tcase_add_test(tcase, records_may_be_cut_anywhere_and_come_in_any_pieces);
    tcase_add_test(tcase, hostile_records_are_refused);
    tcase_add_test(tcase, a_hello_cut_short_is_refused);
    tcase_add_test(tcase, old_versions_are_refused);
    tcase_add_loop_test(tcase, malformed_names_are_refused, 0, 9);
    tcase_add_loop_test(tcase, malformed_extensions_are_refused, 0,
                        (int)(sizeof malformed / sizeof *malformed));
    tcase_add_test(tcase, plain_http_is_told_apart);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
