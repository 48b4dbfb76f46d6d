// SPDX-License-Identifier: Apache-2.0
//
// What a client may say first: byte 0 says how the rest is cut.
//
// No prefix of an acceptable ClientHello is refused, and none of a refused one accepted; put into
// records of another size it reads the same. A whole handshake fed with the same bytes never ends
// well, accounts for every byte, and answers what it refuses.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls/handshake.h"
#include "tls/hello.h"
#include "tls/library.h"
#include "tls/selfsigned.h"

static struct tls_store *store;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const char *const names[] = {"a.example"};
    struct tls_selfsigned made;
    struct problems problems = {0};
    struct conf_certificate from = {.certificate_path = "x", .key_path = "x"};
    (void)argc;
    (void)argv;
    assert(tls_library_init() == 0);
    assert(tls_selfsigned_make(names, 1, 90, &made) == 0);
    struct tls_certificate *certificate = tls_certificate_parse(
        str_from(made.certificate), str_from(made.key), &from, NULL, time(NULL), &problems);
    assert(certificate != NULL);
    store = tls_store_new(UNKNOWN_SNI_DEFAULT);
    tls_store_own(store, certificate);
    tls_store_add_host(store, "a.example", NULL, TLS_VERSION_1_2, &certificate, 1);
    return 0;
}

static void prefixes_check(const uint8_t *bytes, size_t n, enum tls_hello_verdict whole,
                           size_t step) {
    struct tls_hello hello;
    for (size_t part = 0; part < n; part += step) {
        enum tls_hello_verdict verdict = tls_hello_parse(bytes, part, &hello);
        assert(verdict == TLS_HELLO_MORE || verdict == whole);
    }
}

// Puts the handshake bytes of `bytes` into records of `cut` bytes and compares.
static void recut_check(const uint8_t *bytes, size_t n, const struct tls_hello *expected,
                        size_t cut) {
    static uint8_t message[TLS_HELLO_MAX_BYTES], wire[2 * TLS_HELLO_MAX_BYTES];
    size_t size = 0, wire_size = 0;
    struct tls_hello hello;
    for (size_t at = 0, record; at + 5 <= n; at += 5 + record) {
        record = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
        if (size >= 4 &&
            size == 4 + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]))
            break;
        assert(at + 5 + record <= n && size + record <= sizeof message);
        memcpy(message + size, bytes + at + 5, record);
        size += record;
    }
    if ((size + cut - 1) / cut > TLS_HELLO_MAX_RECORDS)
        cut = (size + TLS_HELLO_MAX_RECORDS - 1) / TLS_HELLO_MAX_RECORDS;
    for (size_t at = 0, part; at < size; at += part) {
        part = size - at < cut ? size - at : cut;
        const uint8_t header[] = {22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        memcpy(wire + wire_size, header, sizeof header);
        memcpy(wire + wire_size + 5, message + at, part);
        wire_size += 5 + part;
    }
    assert(tls_hello_parse(wire, wire_size, &hello) == TLS_HELLO_DONE);
    assert(hello.accepts == expected->accepts && hello.alpn == expected->alpn);
    assert(hello.offers_tls12 == expected->offers_tls12);
    assert(hello.offers_tls13 == expected->offers_tls13);
    assert(strcmp(hello.server_name, expected->server_name) == 0);
}

static void handshake_check(const uint8_t *bytes, size_t n, size_t step) {
    enum tls_handshake_verdict verdict = TLS_HANDSHAKE_WANT_READ;
    struct tls_handshake *handshake = tls_handshake_new(store);
    const uint8_t *output;
    for (size_t at = 0; at < n && verdict == TLS_HANDSHAKE_WANT_READ;) {
        size_t used, part = n - at < step ? n - at : step;
        assert(tls_handshake_want(handshake) > 0);
        verdict = tls_handshake_feed(handshake, bytes + at, part, &used);
        assert(used <= part && (verdict != TLS_HANDSHAKE_WANT_READ || used == part));
        at += used;
    }
    assert(verdict != TLS_HANDSHAKE_DONE);
    if (verdict == TLS_HANDSHAKE_FAILED)
        assert(tls_handshake_error(handshake)[0] != '\0');
    if (verdict == TLS_HANDSHAKE_PLAIN_HTTP)
        assert(tls_handshake_output(handshake, &output) == 0);
    tls_handshake_free(handshake);
}

static void host_check(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    assert(strlen(name) <= 253 && name[strspn(name, allowed)] == '\0');
    assert(name[0] != '.' && strstr(name, "..") == NULL);
    assert(name[0] == '\0' || name[strlen(name) - 1] != '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tls_hello hello;
    if (size < 1)
        return 0;
    size_t step = 1 + data[0];
    data++;
    size--;
    enum tls_hello_verdict verdict = tls_hello_parse(data, size, &hello);
    prefixes_check(data, size, verdict, 1 + size / 64);
    if (verdict == TLS_HELLO_BAD)
        assert(hello.error != NULL);
    host_check(hello.server_name);
    if (verdict == TLS_HELLO_DONE)
        recut_check(data, size, &hello, step);
    handshake_check(data, size, step);
    return 0;
}
