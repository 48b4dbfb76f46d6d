// SPDX-License-Identifier: Apache-2.0
//
// A handshake has two phases: gathering the ClientHello, which decides on a certificate, and the
// wolfSSL session made from that certificate's context, which is given the same bytes again and
// then one record at a time. So nothing behind the handshake's last record is ever taken from the
// caller.
#include "tls/handshake.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "tls/challenge.h"
#include "tls/suite.h"
#include "tls/wire.h"

#define RECORD_HEADER_BYTES 5
#define RECORD_ALERT 21
#define RECORD_MAX_BYTES (RECORD_HEADER_BYTES + 16384 + 256)

// All a client may say before the handshake is over.
#define INPUT_MAX_BYTES (64 * 1024)

enum phase { PHASE_HELLO, PHASE_SESSION, PHASE_DONE, PHASE_FAILED };

struct tls_handshake {
    const struct tls_store *store;
    enum phase phase;
    size_t taken;                    // input so far
    size_t record_have, record_size; // of the record being received; size 0: header not whole
    struct tls_wire wire;
    WOLFSSL *session; // from PHASE_SESSION on
    const struct tls_suite *suite;
    struct tls_handshake_info info;
    char error[200];
};

struct tls_handshake *tls_handshake_new(const struct tls_store *store) {
    struct tls_handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake != NULL)
        handshake->store = store;
    return handshake;
}

void tls_handshake_free(struct tls_handshake *handshake) {
    if (handshake == NULL)
        return;
    wolfSSL_free(handshake->session);
    tls_wire_end(&handshake->wire);
    free(handshake);
}

// --- failing -----------------------------------------------------------------------------------

static enum tls_handshake_verdict fail(struct tls_handshake *handshake, const char *doing,
                                       const char *error) {
    handshake->phase = PHASE_FAILED;
    snprintf(handshake->error, sizeof handshake->error, "%s: %s", doing, error);
    return TLS_HANDSHAKE_FAILED;
}

// Fails with an alert in the clear, which is right as long as we have said nothing else.
static enum tls_handshake_verdict fail_alert(struct tls_handshake *handshake, enum tls_alert alert,
                                             const char *doing, const char *error) {
    const uint8_t record[] = {RECORD_ALERT, 3, 3, 0, 2, TLS_ALERT_FATAL, (uint8_t)alert};
    tls_wire_append(&handshake->wire.out, record, sizeof record);
    return fail(handshake, doing, error);
}

// --- feeding -----------------------------------------------------------------------------------

static enum tls_handshake_verdict hello_step(struct tls_handshake *handshake);
static enum tls_handshake_verdict session_step(struct tls_handshake *handshake);

static enum tls_handshake_verdict step(struct tls_handshake *handshake) {
    return handshake->phase == PHASE_HELLO ? hello_step(handshake) : session_step(handshake);
}

// Counts `n` more bytes of the current record, whose header is known to the wire.
static void record_count(struct tls_handshake *handshake, size_t n) {
    const struct tls_wire_buffer *in = &handshake->wire.in;
    handshake->record_have += n;
    if (handshake->record_size != 0 || handshake->record_have < RECORD_HEADER_BYTES)
        return;
    const uint8_t *header = in->bytes + in->len - RECORD_HEADER_BYTES;
    handshake->record_size = RECORD_HEADER_BYTES + ((size_t)header[3] << 8 | header[4]);
}

// Whether what has come is worth a look: a whole record, or a header that may be no TLS at all.
static bool record_is_ready(const struct tls_handshake *handshake) {
    return handshake->record_have == handshake->record_size ||
           (handshake->record_have == RECORD_HEADER_BYTES &&
            (handshake->phase == PHASE_HELLO || handshake->record_size > RECORD_MAX_BYTES));
}

enum tls_handshake_verdict tls_handshake_feed(struct tls_handshake *handshake, const uint8_t *bytes,
                                              size_t n, size_t *used) {
    assert(handshake->phase == PHASE_HELLO || handshake->phase == PHASE_SESSION);
    *used = 0;
    while (*used < n) {
        size_t want = tls_handshake_want(handshake);
        size_t take = want < n - *used ? want : n - *used;
        if (handshake->taken + take > INPUT_MAX_BYTES)
            return fail(handshake, "agreeing on TLS", "the client says too much");
        if (!tls_wire_append(&handshake->wire.in, bytes + *used, take))
            return fail(handshake, "agreeing on TLS", "out of memory");
        *used += take;
        handshake->taken += take;
        record_count(handshake, take);
        if (!record_is_ready(handshake))
            continue;
        enum tls_handshake_verdict verdict = step(handshake);
        if (verdict != TLS_HANDSHAKE_WANT_READ)
            return verdict;
        if (handshake->record_have == handshake->record_size)
            handshake->record_have = handshake->record_size = 0;
    }
    return TLS_HANDSHAKE_WANT_READ;
}

size_t tls_handshake_want(const struct tls_handshake *handshake) {
    if (handshake->record_size == 0)
        return RECORD_HEADER_BYTES - handshake->record_have;
    return handshake->record_size - handshake->record_have;
}

size_t tls_handshake_output(const struct tls_handshake *handshake, const uint8_t **bytes) {
    const struct tls_wire_buffer *out = &handshake->wire.out;
    size_t n = out->len - out->done;
    *bytes = n > 0 ? out->bytes + out->done : NULL;
    return n;
}

void tls_handshake_sent(struct tls_handshake *handshake, size_t n) {
    struct tls_wire_buffer *out = &handshake->wire.out;
    assert(n <= out->len - out->done);
    out->done += n;
}

// --- the ClientHello ---------------------------------------------------------------------------

static enum tls_handshake_verdict session_begin(struct tls_handshake *handshake,
                                                const struct tls_hello *hello);

static enum tls_handshake_verdict hello_step(struct tls_handshake *handshake) {
    struct tls_hello hello;
    const struct tls_wire_buffer *in = &handshake->wire.in;
    switch (tls_hello_parse(in->bytes, in->len, &hello)) {
    case TLS_HELLO_MORE:
        return TLS_HANDSHAKE_WANT_READ;
    case TLS_HELLO_PLAIN_HTTP:
        fail(handshake, "reading the ClientHello", "plain HTTP on a TLS port");
        return TLS_HANDSHAKE_PLAIN_HTTP;
    case TLS_HELLO_BAD:
        return fail_alert(handshake, hello.alert, "reading the ClientHello", hello.error);
    case TLS_HELLO_DONE:
        break;
    }
    memcpy(handshake->info.server_name, hello.server_name, sizeof hello.server_name);
    return session_begin(handshake, &hello);
}

static bool session_open(struct tls_handshake *handshake, const struct tls_pick *pick,
                         const struct tls_hello *hello);
static bool challenge_open(struct tls_handshake *handshake, const struct tls_hello *hello);

static enum tls_handshake_verdict session_begin(struct tls_handshake *handshake,
                                                const struct tls_hello *hello) {
    struct tls_pick pick;
    if (hello->alpn & TLS_ALPN_ACME && challenge_open(handshake, hello)) {
        handshake->phase = PHASE_SESSION;
        return session_step(handshake);
    }
    if (hello->alpn != 0 && !(hello->alpn & (TLS_ALPN_HTTP_1_1 | TLS_ALPN_HTTP_1_0)))
        return fail_alert(handshake, TLS_ALERT_NO_APPLICATION_PROTOCOL, "agreeing on a protocol",
                          "the client does not offer http/1.1");
    switch (tls_store_pick(handshake->store, hello, &pick)) {
    case TLS_PICK_UNKNOWN_NAME:
        return fail_alert(handshake, TLS_ALERT_UNRECOGNIZED_NAME, "picking a certificate",
                          "no site has the server name");
    case TLS_PICK_NO_CERTIFICATE:
        return fail_alert(handshake, TLS_ALERT_HANDSHAKE_FAILURE, "picking a certificate",
                          "none that the client accepts");
    case TLS_PICK_FOUND:
        break;
    }
    if (pick.host->min_version == TLS_VERSION_1_3 && !hello->offers_tls13)
        return fail_alert(handshake, TLS_ALERT_PROTOCOL_VERSION, "agreeing on a version",
                          "the site wants TLS 1.3, which the client does not offer");
    handshake->info.site = pick.site;
    handshake->info.alpn = hello->alpn != 0;
    if (!session_open(handshake, &pick, hello))
        return fail_alert(handshake, TLS_ALERT_INTERNAL_ERROR, "starting a TLS session",
                          "the library refuses");
    handshake->phase = PHASE_SESSION;
    return session_step(handshake);
}

// A ticket is good for one name at one site under one policy.
static bool ticket_bind(struct tls_handshake *handshake, const struct tls_host *host) {
    char text[2 * TLS_HOST_BYTES + 8];
    int size = snprintf(text, sizeof text, "%d %.*s %s", (int)host->min_version, TLS_HOST_BYTES,
                        host->pattern, handshake->info.server_name);
    _Static_assert(TLS_TICKET_BINDING_BYTES == WC_SHA256_DIGEST_SIZE + 1, "digest, generation");
    return wc_Sha256Hash((const byte *)text, (word32)size, handshake->wire.ticket_binding) == 0;
}

static bool session_configure(struct tls_handshake *handshake, const struct tls_hello *hello,
                              const char *protocol);

static bool session_open(struct tls_handshake *handshake, const struct tls_pick *pick,
                         const struct tls_hello *hello) {
    const char *protocol = NULL;
    if (hello->alpn != 0) // our preference counts, not the client's order
        protocol = hello->alpn & TLS_ALPN_HTTP_1_1 ? "http/1.1" : "http/1.0";
    handshake->session =
        wolfSSL_new(tls_certificate_context(pick->certificate, pick->host->min_version));
    return session_configure(handshake, hello, protocol) && ticket_bind(handshake, pick->host);
}

static bool session_configure(struct tls_handshake *handshake, const struct tls_hello *hello,
                              const char *protocol) {
    WOLFSSL *session = handshake->session;
    const char *name = hello->server_name;
    char list[16];
    if (session == NULL || !tls_wire_attach(&handshake->wire, session))
        return false;
    if (protocol != NULL &&
        wolfSSL_UseALPN(session, strcpy(list, protocol), (unsigned)strlen(protocol),
                        WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS)
        return false;
    // The name is decided; wolfSSL is only to acknowledge it, in whatever case it was written.
    if (name[0] != '\0') {
        if (wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, name, (unsigned short)strlen(name)) !=
            WOLFSSL_SUCCESS)
            return false;
        wolfSSL_SNI_SetOptions(session, WOLFSSL_SNI_HOST_NAME, WOLFSSL_SNI_ANSWER_ON_MISMATCH);
    }
    return true;
}

// A session with the certificate that answers an ACME server, if it has asked for this name (RFC
// 8737 §3). The site's own rules do not hold for it.
static bool challenge_open(struct tls_handshake *handshake, const struct tls_hello *hello) {
    handshake->session = tls_challenge_session(hello->server_name);
    if (handshake->session == NULL)
        return false;
    handshake->info.challenge = session_configure(handshake, hello, "acme-tls/1");
    if (handshake->info.challenge)
        return true;
    wolfSSL_free(handshake->session);
    handshake->session = NULL;
    return false;
}

// --- the session -------------------------------------------------------------------------------

static enum tls_handshake_verdict session_failed(struct tls_handshake *handshake, int error);
static enum tls_handshake_verdict session_done(struct tls_handshake *handshake);

static enum tls_handshake_verdict session_step(struct tls_handshake *handshake) {
    const struct tls_wire_buffer *in = &handshake->wire.in;
    int result = wolfSSL_accept(handshake->session);
    if (result == WOLFSSL_SUCCESS)
        return session_done(handshake);
    int error = wolfSSL_get_error(handshake->session, result);
    if (error != WOLFSSL_ERROR_WANT_READ || in->done != in->len ||
        handshake->record_size > RECORD_MAX_BYTES)
        return session_failed(handshake, error);
    return TLS_HANDSHAKE_WANT_READ;
}

// The fatal alert that made it fail, -1 for none. Clients may send it in the clear before they have
// changed keys, which wolfSSL before 5.8 takes for a malformed record.
static int alert_received(const struct tls_handshake *handshake) {
    WOLFSSL_ALERT_HISTORY alerts = {{-1, -1}, {-1, -1}};
    const struct tls_wire_buffer *in = &handshake->wire.in;
    const uint8_t *record = in->bytes + in->len - handshake->record_have;
    if (handshake->record_have == RECORD_HEADER_BYTES + 2 && record[0] == RECORD_ALERT)
        return record[RECORD_HEADER_BYTES + 1];
    wolfSSL_get_alert_history(handshake->session, &alerts);
    return alerts.last_rx.level == TLS_ALERT_FATAL ? alerts.last_rx.code : -1;
}

static enum tls_handshake_verdict session_failed(struct tls_handshake *handshake, int error) {
    int alert = alert_received(handshake);
    const char *doing = "agreeing on keys";
    const char *reason = wolfSSL_ERR_reason_error_string((unsigned long)error);
    if (alert >= 0)
        return fail(handshake, doing, tls_alert_received_text((uint8_t)alert));
    if (!handshake->wire.sent)
        return fail_alert(handshake, TLS_ALERT_HANDSHAKE_FAILURE, doing, reason);
    return fail(handshake, doing, reason);
}

static enum tls_handshake_verdict session_done(struct tls_handshake *handshake) {
    WOLFSSL *session = handshake->session;
    struct tls_handshake_info *info = &handshake->info;
    const char *group = wolfSSL_get_curve_name(session);
    handshake->suite = tls_suite_find(wolfSSL_get_cipher_name(session));
    if (handshake->suite == NULL || handshake->wire.in.done != handshake->wire.in.len)
        return fail(handshake, "agreeing on keys", "the library agreed to what it was not offered");
    info->version = handshake->suite->version;
    info->suite = handshake->suite->name;
    info->group = group != NULL ? group : "";
    info->resumed = wolfSSL_session_reused(session) != 0;
    handshake->phase = PHASE_DONE;
    return TLS_HANDSHAKE_DONE;
}

// --- what came of it ---------------------------------------------------------------------------

const char *tls_handshake_error(const struct tls_handshake *handshake) {
    return handshake->error;
}

const struct tls_handshake_info *tls_handshake_info(const struct tls_handshake *handshake) {
    return &handshake->info;
}

static void traffic_keys_copy(struct tls_traffic_keys *to, const struct tls_suite *suite,
                              const unsigned char *key, size_t key_size, const unsigned char *iv) {
    bool salted = suite->version == TLS_VERSION_1_2 && suite->cipher != TLS_CHACHA20_POLY1305;
    memcpy(to->key, key, key_size);
    memcpy(to->iv, iv, salted ? 4 : TLS_IV_BYTES);
}

int tls_handshake_keys(struct tls_handshake *handshake, struct tls_keys *keys) {
    assert(handshake->phase == PHASE_DONE);
    WOLFSSL *session = handshake->session;
    const struct tls_suite *suite = handshake->suite;
    const struct tls_wire *wire = &handshake->wire;
    word64 rx_sequence = 0, tx_sequence = 0;
    int key_size = wolfSSL_GetKeySize(session);
    memset(keys, 0, sizeof *keys);
    if (key_size != (suite->cipher == TLS_AES_128_GCM ? 16 : 32))
        return -ENOTSUP;
    // Both return 1 for a sequence number of zero, which is no error.
    wolfSSL_GetPeerSequenceNumber(session, &rx_sequence);
    wolfSSL_GetSequenceNumber(session, &tx_sequence);
    keys->version = suite->version;
    keys->cipher = suite->cipher;
    keys->key_size_bytes = (size_t)key_size;
    keys->rx.sequence = rx_sequence;
    keys->tx.sequence = tx_sequence;
    keys->tx.explicit_nonce = wire->explicit_nonce + 1;
    traffic_keys_copy(&keys->rx, suite, wolfSSL_GetClientWriteKey(session), (size_t)key_size,
                      wolfSSL_GetClientWriteIV(session));
    traffic_keys_copy(&keys->tx, suite, wolfSSL_GetServerWriteKey(session), (size_t)key_size,
                      wolfSSL_GetServerWriteIV(session));
    if (suite->version == TLS_VERSION_1_3 && wire->rx_secret_size == wire->tx_secret_size) {
        keys->secret_size_bytes = wire->rx_secret_size;
        memcpy(keys->rx.secret, wire->rx_secret, wire->rx_secret_size);
        memcpy(keys->tx.secret, wire->tx_secret, wire->tx_secret_size);
    }
    return 0;
}
