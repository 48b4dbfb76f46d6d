// SPDX-License-Identifier: Apache-2.0
//
// Records from a peer that has the keys and says whatever it likes: byte 0 picks suite and cut,
// then come moves of the peer: (kind, size low, size high) and, for what is forged, the content.
//
// What it sends as application data before the first mistake arrives, in order and nothing else;
// every answer fits; an end stays an end.
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tls/aead.h"
#include "tls/record.h"

static const struct {
    enum tls_version version;
    enum tls_cipher cipher;
    size_t key_size, secret_size;
} suites[] = {
    {TLS_VERSION_1_3, TLS_AES_128_GCM, 16, 32},
    {TLS_VERSION_1_3, TLS_AES_256_GCM, 32, 48},
    {TLS_VERSION_1_3, TLS_CHACHA20_POLY1305, 32, 32},
    {TLS_VERSION_1_2, TLS_AES_128_GCM, 16, 0},
    {TLS_VERSION_1_2, TLS_CHACHA20_POLY1305, 32, 0},
    {TLS_VERSION_1_3, TLS_AES_128_GCM, 16, 0}, // a library without traffic secrets
};
#define SUITE_COUNT (sizeof suites / sizeof *suites)

// What the peer's moves have made.
static uint8_t wire[1 << 20], sent[1 << 20];
static size_t wire_len, sent_len;

static struct tls_keys keys_make(unsigned suite) {
    struct tls_keys keys = {.version = suites[suite].version,
                            .cipher = suites[suite].cipher,
                            .key_size_bytes = suites[suite].key_size,
                            .secret_size_bytes = suites[suite].secret_size};
    bool salted = keys.version == TLS_VERSION_1_2 && keys.cipher != TLS_CHACHA20_POLY1305;
    memset(keys.rx.key, 1, keys.key_size_bytes);
    memset(keys.tx.key, 1, keys.key_size_bytes);
    memset(keys.rx.iv, 3, salted ? 4 : TLS_IV_BYTES);
    memset(keys.tx.iv, 3, salted ? 4 : TLS_IV_BYTES);
    memset(keys.rx.secret, 5, keys.secret_size_bytes);
    memset(keys.tx.secret, 5, keys.secret_size_bytes);
    return keys;
}

// A TLS 1.3 record with any inner type and content; returns its size.
static size_t forge(const struct tls_keys *keys, uint64_t sequence, uint8_t content,
                    const uint8_t *bytes, size_t n, uint8_t *out) {
    _Alignas(16) static uint8_t state[2048];
    uint8_t nonce[TLS_IV_BYTES];
    size_t size = n + 1 + TLS_AEAD_TAG_BYTES;
    const uint8_t header[] = {23, 3, 3, (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(out, header, sizeof header);
    memcpy(nonce, keys->rx.iv, sizeof nonce);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(sequence >> (56 - 8 * i));
    memcpy(out + 5, bytes, n);
    out[5 + n] = content;
    memset(state, 0, sizeof state);
    assert(tls_aead_key(state, keys->cipher, keys->rx.key, keys->key_size_bytes));
    struct tls_aead_job job = {nonce, header, sizeof header, out + 5, n + 1, out + 5};
    tls_aead_seal(state, keys->cipher, &job, out + 5 + n + 1);
    tls_aead_end(state, keys->cipher);
    return 5 + size;
}

// Forged content, all in TLS 1.3 and without a change of keys.
static void moves_forged(const struct tls_keys *keys, const uint8_t *data, size_t size) {
    for (uint64_t sequence = 0; size >= 2 && sequence < 200; sequence++) {
        uint8_t content = data[0] < 128 ? data[0] % 6 + 19 : data[0];
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        wire_len += forge(keys, sequence, content, data + 2, n, wire + wire_len);
        if (content == 23)
            memcpy(sent + sent_len, data + 2, n), sent_len += n;
        data += 2 + n;
        size -= 2 + n;
    }
}

// Whatever the record layer itself makes, and noise.
static void moves_honest(struct tls_records *peer, const uint8_t *data, size_t size) {
    bool closed = false;
    for (; size >= 3 && wire_len < sizeof wire / 2; data += 3, size -= 3) {
        size_t n = ((size_t)data[2] << 8 | data[1]) % 40000;
        if (closed || data[0] % 16 == 15) { // noise
            memcpy(wire + wire_len, data, 3);
            wire_len += 3;
        } else if (data[0] % 16 == 14) {
            wire_len += tls_records_close_notify(peer, wire + wire_len);
            closed = true;
        } else if (data[0] % 16 >= 12) {
            wire_len += tls_records_key_update(peer, (enum tls_update_request)(data[0] & 1),
                                               wire + wire_len);
        } else {
            memset(sent + sent_len, data[0], n);
            ssize_t sealed = tls_records_seal(peer, sent + sent_len, n, wire + wire_len);
            assert(sealed == (ssize_t)tls_records_sealed_size(peer, n));
            wire_len += (size_t)sealed;
            sent_len += n;
        }
    }
}

static void answer(struct tls_records *ours, enum tls_open_verdict verdict) {
    uint8_t reply[TLS_REPLY_MAX_BYTES];
    size_t size = tls_records_reply(ours, reply);
    assert(size <= sizeof reply);
    assert(verdict != TLS_OPEN_REPLY || size > 0);
    assert(tls_records_reply(ours, reply) == 0);
    if (verdict == TLS_OPEN_FATAL)
        assert(tls_records_error(ours)[0] != '\0');
}

// Opens the wire in pieces of up to `step` bytes; what comes out must be a beginning of `sent`.
static void receive(struct tls_records *ours, size_t step, bool in_place) {
    static uint8_t plain[TLS_OPEN_MIN_BYTES], window[2 * TLS_RECORD_MAX_BYTES];
    size_t at = 0, have = 0, got = 0;
    enum tls_open_verdict verdict = TLS_OPEN_MORE;
    while (verdict == TLS_OPEN_MORE || verdict == TLS_OPEN_FULL || verdict == TLS_OPEN_REPLY) {
        size_t used, opened, part = step < wire_len - at ? step : wire_len - at;
        part = part < sizeof window - have ? part : sizeof window - have;
        memcpy(window + have, wire + at, part);
        at += part;
        have += part;
        uint8_t *out = in_place ? window : plain;
        verdict = tls_records_open(ours, window, have, &used, out,
                                   in_place ? sizeof window : sizeof plain, &opened);
        assert(used <= have && opened <= sent_len - got);
        assert(memcmp(out, sent + got, opened) == 0);
        got += opened;
        memmove(window, window + used, have - used);
        have -= used;
        if (verdict == TLS_OPEN_REPLY || verdict == TLS_OPEN_FATAL)
            answer(ours, verdict);
        if (part == 0 && used == 0 && verdict == TLS_OPEN_MORE)
            return;
    }
    size_t used, opened;
    assert(tls_records_open(ours, window, have, &used, plain, sizeof plain, &opened) == verdict);
    assert(used == 0 && opened == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    unsigned suite = data[0] % SUITE_COUNT;
    bool forged = data[0] >= 128, in_place = data[0] & 64;
    size_t step = 1 + (size_t)data[1] * 97;
    struct tls_keys keys = keys_make(forged ? suite % 3 : suite);
    struct tls_records *ours = tls_records_new(&keys), *peer = tls_records_new(&keys);
    wire_len = sent_len = 0;
    if (forged)
        moves_forged(&keys, data + 2, size - 2);
    else
        moves_honest(peer, data + 2, size - 2);
    receive(ours, step + wire_len / 1024, in_place); // many bytes come in larger pieces
    tls_records_free(ours);
    tls_records_free(peer);
    return 0;
}
