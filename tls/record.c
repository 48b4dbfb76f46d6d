// SPDX-License-Identifier: Apache-2.0
//
// A record is opened in four steps: header judged, nonce and additional data made, decrypted, and
// its content delivered or given to tls/control.h. Sealing is the same backwards. The sequence
// number of a direction counts records under its present key.
#include "tls/record.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tls/aead.h"
#include "tls/control.h"
#include "tls/secret.h"

#define HEADER_BYTES 5
#define EXPLICIT_NONCE_BYTES 8
#define ADDITIONAL_MAX_BYTES 13
#define COPY_BYTES 1024

// Records under one AES-GCM key; RFC 8446 §5.5 allows 2^24.5.
#define GCM_RECORDS_MAX (UINT64_C(1) << 24)

struct direction {
    uint64_t sequence;
    uint8_t iv[TLS_IV_BYTES];
    uint8_t secret[TLS_SECRET_MAX_BYTES];
};

// REPLY_KEY_UPDATE is for one that receives only.
enum reply { REPLY_NONE, REPLY_KEY_UPDATE, REPLY_ALERT };

struct tls_records {
    enum tls_version version;
    enum tls_cipher cipher;
    uint8_t key_size, secret_size;
    bool tx_closed;
    bool receives_only;               // there is no cipher state for tx
    bool owes_key_update;             // before the next data
    enum reply reply;                 // waits to be fetched
    enum tls_alert_level alert_level; // REPLY_ALERT
    enum tls_open_verdict ended; // CLOSE_NOTIFY or FATAL: nothing is opened any more; else MORE
    struct tls_control control;  // with the error and the alert of REPLY_ALERT
    struct direction rx, tx;
    uint64_t explicit_nonce;       // of the next record sent; TLS 1.2 with GCM only
    _Alignas(16) uint8_t states[]; // two ciphers, rx and tx
};

// --- life --------------------------------------------------------------------------------------

static void *rx_state(struct tls_records *records) {
    return records->states;
}

// sizeof(Aes) is a multiple of its alignment, and 32 of 16.
static void *tx_state(struct tls_records *records) {
    return records->states + tls_aead_size(records->cipher);
}

static void direction_start(struct direction *direction, const struct tls_traffic_keys *keys,
                            size_t secret_size) {
    direction->sequence = keys->sequence;
    memcpy(direction->iv, keys->iv, TLS_IV_BYTES);
    memcpy(direction->secret, keys->secret, secret_size);
}

// Starts the receiving direction in a block of this size. NULL: no memory.
static struct tls_records *records_start(const struct tls_keys *keys, size_t size) {
    struct tls_records *records = calloc(1, size);
    if (records == NULL)
        return NULL;
    records->version = records->control.version = keys->version;
    records->cipher = keys->cipher;
    records->key_size = (uint8_t)keys->key_size_bytes;
    records->secret_size = (uint8_t)keys->secret_size_bytes;
    records->ended = TLS_OPEN_MORE;
    records->receives_only = records->tx_closed = true;
    direction_start(&records->rx, &keys->rx, keys->secret_size_bytes);
    if (tls_aead_key(rx_state(records), keys->cipher, keys->rx.key, keys->key_size_bytes))
        return records;
    tls_records_free(records);
    return NULL;
}

struct tls_records *tls_records_new(const struct tls_keys *keys) {
    struct tls_records *records = records_start(keys, tls_records_size(keys->cipher));
    if (records == NULL)
        return NULL;
    records->explicit_nonce = keys->tx.explicit_nonce;
    direction_start(&records->tx, &keys->tx, keys->secret_size_bytes);
    if (tls_aead_key(tx_state(records), keys->cipher, keys->tx.key, keys->key_size_bytes)) {
        records->receives_only = records->tx_closed = false;
        return records;
    }
    tls_records_free(records);
    return NULL;
}

struct tls_records *tls_records_new_receiving(const struct tls_keys *keys) {
    return records_start(keys, tls_records_size(keys->cipher) - tls_aead_size(keys->cipher));
}

void tls_records_free(struct tls_records *records) {
    if (records == NULL)
        return;
    tls_aead_end(rx_state(records), records->cipher);
    if (!records->receives_only)
        tls_aead_end(tx_state(records), records->cipher);
    explicit_bzero(records, sizeof *records);
    free(records);
}

size_t tls_records_size(enum tls_cipher cipher) {
    return sizeof(struct tls_records) + 2 * tls_aead_size(cipher);
}

const char *tls_records_error(const struct tls_records *records) {
    return records->control.error != NULL ? records->control.error : "";
}

size_t tls_record_size(const uint8_t *bytes, size_t n) {
    return n < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + ((size_t)bytes[3] << 8 | bytes[4]);
}

// --- form --------------------------------------------------------------------------------------

// Whether each record carries eight bytes of its nonce (RFC 5288 §3).
static bool has_explicit_nonce(const struct tls_records *records) {
    return records->version == TLS_VERSION_1_2 && records->cipher != TLS_CHACHA20_POLY1305;
}

// What a record has before its ciphertext.
static size_t head_size(const struct tls_records *records) {
    return HEADER_BYTES + (has_explicit_nonce(records) ? EXPLICIT_NONCE_BYTES : 0);
}

// What encryption adds to the plaintext: the tag, and in TLS 1.3 the inner type.
static size_t tail_size(const struct tls_records *records) {
    return TLS_AEAD_TAG_BYTES + (records->version == TLS_VERSION_1_3 ? 1 : 0);
}

static void put_u64(uint8_t *to, uint64_t value) {
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

static void put_header(uint8_t *to, uint8_t content, size_t size) {
    const uint8_t header[HEADER_BYTES] = {content, 3, 3, (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(to, header, sizeof header);
}

// `record` is a record with its header. RFC 8446 §5.3, RFC 5288 §3, RFC 7905 §2.
static void nonce_make(const struct tls_records *records, const struct direction *direction,
                       const uint8_t *record, uint8_t nonce[TLS_IV_BYTES]) {
    uint8_t sequence[8];
    memcpy(nonce, direction->iv, TLS_IV_BYTES);
    if (has_explicit_nonce(records)) {
        memcpy(nonce + 4, record + HEADER_BYTES, EXPLICIT_NONCE_BYTES);
        return;
    }
    put_u64(sequence, direction->sequence);
    for (size_t i = 0; i < sizeof sequence; i++)
        nonce[4 + i] ^= sequence[i];
}

// The header in TLS 1.3 (RFC 8446 §5.2); in TLS 1.2 the sequence number and a header with the
// length of the plaintext (RFC 5246 §6.2.3.3). Returns how long it is.
static size_t additional_make(const struct tls_records *records, const struct direction *direction,
                              const uint8_t *record, size_t plain_size,
                              uint8_t additional[ADDITIONAL_MAX_BYTES]) {
    if (records->version == TLS_VERSION_1_3) {
        memcpy(additional, record, HEADER_BYTES);
        return HEADER_BYTES;
    }
    put_u64(additional, direction->sequence);
    put_header(additional + 8, record[0], plain_size);
    return ADDITIONAL_MAX_BYTES;
}

// --- keys --------------------------------------------------------------------------------------

// Replaces a direction's key by the next (RFC 8446 §7.2).
static bool key_advance(struct tls_records *records, struct direction *direction, void *state) {
    uint8_t key[TLS_KEY_MAX_BYTES];
    bool done = tls_secret_next(direction->secret, records->secret_size, key, records->key_size,
                                direction->iv);
    if (done) {
        tls_aead_end(state, records->cipher);
        done = tls_aead_key(state, records->cipher, key, records->key_size);
        direction->sequence = 0;
    }
    explicit_bzero(key, sizeof key);
    return done;
}

static bool can_update(const struct tls_records *records) {
    return records->version == TLS_VERSION_1_3 && records->secret_size > 0;
}

// --- sealing -----------------------------------------------------------------------------------

// memcpy, but never of so much at once that glibc takes `rep movsb`: on AMD Zen that is three times
// slower where the two places lie alike in their pages (glibc bug 30994), which buffers often do.
static void copy(uint8_t *to, const uint8_t *from, size_t n) {
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < COPY_BYTES ? n - at : COPY_BYTES;
        memcpy(to + at, from + at, part);
    }
}

static size_t record_seal(struct tls_records *records, uint8_t content, const uint8_t *in, size_t n,
                          uint8_t *out) {
    bool modern = records->version == TLS_VERSION_1_3;
    uint8_t nonce[TLS_IV_BYTES], additional[ADDITIONAL_MAX_BYTES];
    size_t head = head_size(records), inner = n;
    uint8_t *body = out + head;
    put_header(out, modern ? TLS_CONTENT_APPLICATION_DATA : content,
               head - HEADER_BYTES + n + tail_size(records));
    if (has_explicit_nonce(records))
        put_u64(out + HEADER_BYTES, records->explicit_nonce++);
    if (modern) { // the type is encrypted behind the content, so both must lie together
        copy(body, in, n);
        body[inner++] = content;
        in = body;
    }
    nonce_make(records, &records->tx, out, nonce);
    struct tls_aead_job job = {.nonce = nonce,
                               .additional = additional,
                               .additional_size =
                                   additional_make(records, &records->tx, out, n, additional),
                               .in = in,
                               .size = inner,
                               .out = body};
    tls_aead_seal(tx_state(records), records->cipher, &job, body + inner);
    records->tx.sequence++;
    return head + inner + TLS_AEAD_TAG_BYTES;
}

static size_t record_sealed_size(const struct tls_records *records, size_t n) {
    return head_size(records) + n + tail_size(records);
}

static size_t record_count(size_t n) {
    return n == 0 ? 1 : (n + TLS_PLAINTEXT_MAX_BYTES - 1) / TLS_PLAINTEXT_MAX_BYTES;
}

// Whether the sending key is used up once `more` records have been sent. TLS 1.2 has no way to
// change it, and ChaCha20-Poly1305 no need.
static bool key_is_used_up(const struct tls_records *records, uint64_t more) {
    return records->version == TLS_VERSION_1_3 && records->cipher != TLS_CHACHA20_POLY1305 &&
           records->tx.sequence + more >= GCM_RECORDS_MAX;
}

// Whether a KeyUpdate goes before the next `count` records of data.
static bool key_update_is_due(const struct tls_records *records, uint64_t count) {
    return records->owes_key_update || key_is_used_up(records, count);
}

size_t tls_records_sealed_size(const struct tls_records *records, size_t n) {
    size_t count = record_count(n);
    size_t update =
        key_update_is_due(records, count) ? record_sealed_size(records, TLS_KEY_UPDATE_BYTES) : 0;
    return update + n + count * record_sealed_size(records, 0);
}

ssize_t tls_records_seal(struct tls_records *records, const uint8_t *in, size_t n, uint8_t *out) {
    size_t written = 0;
    if (records->tx_closed)
        return -EPIPE;
    if (key_update_is_due(records, record_count(n))) {
        written = tls_records_key_update(records, TLS_UPDATE_NOT_REQUESTED, out);
        if (written == 0)
            return -EKEYEXPIRED;
    }
    do {
        size_t part = n < TLS_PLAINTEXT_MAX_BYTES ? n : TLS_PLAINTEXT_MAX_BYTES;
        written += record_seal(records, TLS_CONTENT_APPLICATION_DATA, in, part, out + written);
        n -= part;
        if (n > 0) // `in` may be NULL when there was nothing
            in += part;
    } while (n > 0);
    return (ssize_t)written;
}

size_t tls_records_key_update(struct tls_records *records, enum tls_update_request request,
                              uint8_t *out) {
    uint8_t message[TLS_KEY_UPDATE_BYTES];
    if (records->tx_closed || !can_update(records))
        return 0;
    tls_control_key_update(request == TLS_UPDATE_REQUESTED, message);
    size_t size = record_seal(records, TLS_CONTENT_HANDSHAKE, message, sizeof message, out);
    bool advanced = key_advance(records, &records->tx, tx_state(records));
    assert(advanced);
    records->owes_key_update = false;
    return size;
}

static size_t alert_seal(struct tls_records *records, enum tls_alert_level level,
                         enum tls_alert alert, uint8_t *out) {
    const uint8_t message[] = {(uint8_t)level, (uint8_t)alert};
    return record_seal(records, TLS_CONTENT_ALERT, message, sizeof message, out);
}

size_t tls_records_close_notify(struct tls_records *records, uint8_t *out) {
    if (records->tx_closed)
        return 0;
    records->tx_closed = true;
    return alert_seal(records, TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY, out);
}

size_t tls_records_reply_plain(struct tls_records *records, uint8_t *content, uint8_t *out) {
    enum reply reply = records->reply;
    records->reply = REPLY_NONE;
    if (reply == REPLY_KEY_UPDATE) {
        *content = TLS_CONTENT_HANDSHAKE;
        tls_control_key_update(TLS_UPDATE_NOT_REQUESTED, out);
        return TLS_KEY_UPDATE_BYTES;
    }
    if (reply != REPLY_ALERT)
        return 0;
    *content = TLS_CONTENT_ALERT;
    out[0] = (uint8_t)records->alert_level;
    out[1] = (uint8_t)records->control.alert;
    return 2;
}

size_t tls_records_reply(struct tls_records *records, uint8_t *out) {
    enum reply reply = records->reply;
    records->reply = REPLY_NONE;
    if (records->tx_closed || reply == REPLY_NONE)
        return 0;
    records->tx_closed = records->alert_level == TLS_ALERT_FATAL;
    return alert_seal(records, records->alert_level, records->control.alert, out);
}

// --- opening -----------------------------------------------------------------------------------

// A record on its way through tls_records_open.
struct opening {
    uint8_t *record;   // with its header
    size_t size;       // whole
    uint8_t *plain;    // where the content goes
    size_t plain_size; // of what was encrypted, then of the content
    uint8_t content;
};

static enum tls_open_verdict header_judge(struct tls_records *records, uint8_t *in, size_t in_len,
                                          struct opening *opening);
static bool record_open(struct tls_records *records, struct opening *opening);
static enum tls_open_verdict content_judge(struct tls_records *records,
                                           const struct opening *opening);

// Ends receiving with an alert to send; CLOSE_NOTIFY stands for none.
static enum tls_open_verdict fatal(struct tls_records *records, enum tls_alert alert,
                                   const char *error) {
    records->control.alert = alert;
    records->control.error = error;
    records->alert_level = TLS_ALERT_FATAL;
    records->reply = alert == TLS_ALERT_CLOSE_NOTIFY ? REPLY_NONE : REPLY_ALERT;
    return records->ended = TLS_OPEN_FATAL;
}

enum tls_open_verdict tls_records_open(struct tls_records *records, uint8_t *in, size_t in_len,
                                       size_t *used, uint8_t *out, size_t out_cap,
                                       size_t *out_len) {
    *used = *out_len = 0;
    while (records->ended == TLS_OPEN_MORE) {
        struct opening opening;
        if (records->reply != REPLY_NONE)
            return TLS_OPEN_REPLY;
        enum tls_open_verdict verdict = header_judge(records, in + *used, in_len - *used, &opening);
        if (verdict != TLS_OPEN_FULL)
            return verdict;
        if (out != in && opening.plain_size > out_cap - *out_len)
            return TLS_OPEN_FULL;
        opening.plain = out == in ? opening.record + head_size(records) : out + *out_len;
        *used += opening.size;
        if (!record_open(records, &opening))
            return TLS_OPEN_FATAL;
        verdict = content_judge(records, &opening);
        if (verdict == TLS_OPEN_FATAL || opening.content != TLS_CONTENT_APPLICATION_DATA)
            continue;
        if (out == in)
            memmove(out + *out_len, opening.plain, opening.plain_size);
        *out_len += opening.plain_size;
    }
    return records->ended;
}

// MORE: the record is not all here; FATAL; or FULL: it is, and waits to be opened.
static enum tls_open_verdict header_judge(struct tls_records *records, uint8_t *in, size_t in_len,
                                          struct opening *opening) {
    bool modern = records->version == TLS_VERSION_1_3;
    if (in_len < HEADER_BYTES)
        return TLS_OPEN_MORE;
    size_t size = tls_record_size(in, in_len);
    size_t overhead = head_size(records) + TLS_AEAD_TAG_BYTES;
    if (modern ? in[0] != TLS_CONTENT_APPLICATION_DATA
               : in[0] < TLS_CONTENT_CHANGE_CIPHER_SPEC || in[0] > TLS_CONTENT_APPLICATION_DATA)
        return fatal(records, TLS_ALERT_UNEXPECTED_MESSAGE, "a record out of place");
    if (in[1] != 3)
        return fatal(records, TLS_ALERT_PROTOCOL_VERSION, "a record of another protocol");
    if (size > overhead + TLS_PLAINTEXT_MAX_BYTES + (modern ? 1 : 0))
        return fatal(records, TLS_ALERT_RECORD_OVERFLOW, "a record of more than 16384 bytes");
    if (size < overhead + (modern ? 1 : 0))
        return fatal(records, TLS_ALERT_BAD_RECORD_MAC, "a record too short for its tag");
    if (size > in_len)
        return TLS_OPEN_MORE;
    *opening = (struct opening){
        .record = in, .size = size, .plain_size = size - overhead, .content = in[0]};
    return TLS_OPEN_FULL;
}

// Finds the inner type behind the content and its padding (RFC 8446 §5.4).
static bool padding_strip(struct tls_records *records, struct opening *opening) {
    size_t n = opening->plain_size;
    while (n > 0 && opening->plain[n - 1] == 0)
        n--;
    if (n == 0) {
        fatal(records, TLS_ALERT_UNEXPECTED_MESSAGE, "a record of nothing but padding");
        return false;
    }
    opening->content = opening->plain[n - 1];
    opening->plain_size = n - 1;
    return true;
}

static bool record_open(struct tls_records *records, struct opening *opening) {
    uint8_t nonce[TLS_IV_BYTES], additional[ADDITIONAL_MAX_BYTES];
    const uint8_t *body = opening->record + head_size(records);
    nonce_make(records, &records->rx, opening->record, nonce);
    struct tls_aead_job job = {.nonce = nonce,
                               .additional = additional,
                               .additional_size =
                                   additional_make(records, &records->rx, opening->record,
                                                   opening->plain_size, additional),
                               .in = body,
                               .size = opening->plain_size,
                               .out = opening->plain};
    if (!tls_aead_open(rx_state(records), records->cipher, &job, body + opening->plain_size)) {
        fatal(records, TLS_ALERT_BAD_RECORD_MAC, "a record that was damaged or forged");
        return false;
    }
    records->rx.sequence++;
    return records->version == TLS_VERSION_1_2 || padding_strip(records, opening);
}

static enum tls_open_verdict rx_key_advance(struct tls_records *records) {
    if (!can_update(records) || !key_advance(records, &records->rx, rx_state(records)))
        return fatal(records, TLS_ALERT_INTERNAL_ERROR,
                     "the peer changes keys, which this build of the TLS library cannot follow");
    return TLS_OPEN_MORE;
}

// The peer wants our key changed, too. Ours to seal: before the next data, once for however many
// wishes come while we have none (RFC 8446 §4.6.3), so that they cost no memory.
static void key_update_owe(struct tls_records *records) {
    if (records->receives_only)
        records->reply = REPLY_KEY_UPDATE;
    else
        records->owes_key_update = true;
}

static enum tls_open_verdict content_judge(struct tls_records *records,
                                           const struct opening *opening) {
    struct tls_control *control = &records->control;
    switch (tls_control_receive(control, opening->content, opening->plain, opening->plain_size)) {
    case TLS_CONTROL_CONTINUE:
        break;
    case TLS_CONTROL_NEW_KEYS:
        key_update_owe(records);
        return rx_key_advance(records);
    case TLS_CONTROL_NEW_RX_KEY:
        return rx_key_advance(records);
    case TLS_CONTROL_NO_RENEGOTIATION:
        control->alert = TLS_ALERT_NO_RENEGOTIATION;
        records->alert_level = TLS_ALERT_WARNING;
        records->reply = REPLY_ALERT;
        break;
    case TLS_CONTROL_CLOSE_NOTIFY:
        return records->ended = TLS_OPEN_CLOSE_NOTIFY;
    case TLS_CONTROL_FATAL:
        return fatal(records, control->alert, control->error);
    }
    return TLS_OPEN_MORE;
}
