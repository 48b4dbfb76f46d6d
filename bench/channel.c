// SPDX-License-Identifier: Apache-2.0
#include "bench/channel.h"

#include "tls/alert.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#define FLUSH_PARTS 16

struct tls_context {
    WOLFSSL_CTX *ctx;
    int group;
    bool verifies, resumes;
    WOLFSSL_SESSION *session; // the latest that a connection left behind
};

static const struct {
    const char *name;
    int id;
} groups[] = {
    {"X25519", WOLFSSL_ECC_X25519},
    {"P-256", WOLFSSL_ECC_SECP256R1},
    {"P-384", WOLFSSL_ECC_SECP384R1},
#ifdef WOLFSSL_HAVE_MLKEM
    {"X25519MLKEM768", WOLFSSL_X25519MLKEM768},
#endif
};

// --- context ----------------------------------------------------------------------------------

static int on_receive(WOLFSSL *ssl, char *buffer, int size, void *subject);
static int on_send(WOLFSSL *ssl, char *bytes, int size, void *subject);

static int group_find(const char *name) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strcasecmp(groups[i].name, name) == 0)
            return groups[i].id;
    return 0;
}

static const char *cipher_of(const struct tls_options *options) {
    if (options->cipher)
        return options->cipher;
    return strcmp(options->version, "1.3") == 0
               ? "TLS13-AES128-GCM-SHA256"
               : "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
}

// Whether one of the suites, "A:B", is of the version that is spoken.
static bool has_suite_of(const struct tls_options *options) {
    bool wants_1_3 = strcmp(options->version, "1.3") == 0;
    struct str rest = str_from(cipher_of(options));
    while (rest.len > 0) {
        // TLS 1.3 by wolfSSL's name, and by the registered one.
        if ((str_starts(rest, STR("TLS13-")) || str_starts(rest, STR("TLS_"))) == wants_1_3)
            return true;
        const char *colon = memchr(rest.ptr, ':', rest.len);
        rest = str_skip(rest, colon ? (size_t)(colon + 1 - rest.ptr) : rest.len);
    }
    return false;
}

// Lets certificates be verified. False with a sentence in `why`.
static bool authorities_load(WOLFSSL_CTX *ctx, const char *path, char *why, size_t why_size) {
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
    if (access(path, R_OK) < 0)
        snprintf(why, why_size, "--ca %s: %s", path, strerror(errno));
    else if (wolfSSL_CTX_load_verify_locations(ctx, path, NULL) != WOLFSSL_SUCCESS)
        snprintf(why, why_size, "--ca %s: has no certificate of an authority in PEM", path);
    else
        return true;
    return false;
}

// Lets this end show a certificate. False with a sentence in `why`.
static bool identity_load(WOLFSSL_CTX *ctx, const struct tls_options *options, char *why,
                          size_t why_size) {
    const char *certificate = options->certificate_path;
    const char *key = options->key_path ? options->key_path : certificate;
    const char *key_option = options->key_path ? "key" : "cert";
    if (access(certificate, R_OK) < 0)
        snprintf(why, why_size, "--cert %s: %s", certificate, strerror(errno));
    else if (access(key, R_OK) < 0)
        snprintf(why, why_size, "--key %s: %s", key, strerror(errno));
    else if (wolfSSL_CTX_use_certificate_chain_file(ctx, certificate) != WOLFSSL_SUCCESS)
        snprintf(why, why_size, "--cert %s: has no certificate in PEM", certificate);
    else if (wolfSSL_CTX_use_PrivateKey_file(ctx, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        snprintf(why, why_size, "--%s %s: has no private key in PEM without a passphrase",
                 key_option, key);
    else if (wolfSSL_CTX_check_private_key(ctx) != WOLFSSL_SUCCESS)
        snprintf(why, why_size, "--%s %s: the key is not that of the certificate", key_option, key);
    else
        return true;
    return false;
}

// False with a sentence in `why` when the library does not accept the options.
static bool context_configure(struct tls_context *context, const struct tls_options *options,
                              char *why, size_t why_size) {
    WOLFSSL_CTX *ctx = context->ctx;
    context->group = group_find(options->group);
    // In TLS 1.2 the list also says which curves a certificate may use (RFC 8422 §5.1.1).
    int offered[] = {context->group, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
    int count = strcmp(options->version, "1.2") == 0 ? 3 : 1;
    if (context->group == 0 || wolfSSL_CTX_set_groups(ctx, offered, count) != WOLFSSL_SUCCESS) {
        snprintf(why, why_size, "--group %s: not with TLS %s and this wolfSSL", options->group,
                 options->version);
        return false;
    }
    if (!has_suite_of(options) ||
        wolfSSL_CTX_set_cipher_list(ctx, cipher_of(options)) != WOLFSSL_SUCCESS) {
        snprintf(why, why_size, "--cipher %s: no suite of TLS %s in this wolfSSL",
                 cipher_of(options), options->version);
        return false;
    }
    // The cache is one for the process, behind a lock.
    wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_SetIORecv(ctx, on_receive);
    wolfSSL_CTX_SetIOSend(ctx, on_send);
    context->resumes = options->resumes;
    if (context->resumes && wolfSSL_CTX_UseSessionTicket(ctx) != WOLFSSL_SUCCESS) {
        snprintf(why, why_size, "--resume: not with this wolfSSL");
        return false;
    }
    if (options->certificate_path && !identity_load(ctx, options, why, why_size))
        return false;
    context->verifies = options->ca_path != NULL;
    return !context->verifies || authorities_load(ctx, options->ca_path, why, why_size);
}

struct tls_context *tls_context_new(const struct tls_options *options, char *why, size_t why_size) {
    struct tls_context *context = calloc(1, sizeof *context);
    bool is_1_3 = strcmp(options->version, "1.3") == 0;
    if (context)
        context->ctx =
            wolfSSL_CTX_new(is_1_3 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    if (!context || !context->ctx) {
        free(context);
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    if (context_configure(context, options, why, why_size))
        return context;
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context) {
    if (!context)
        return;
    wolfSSL_SESSION_free(context->session);
    wolfSSL_CTX_free(context->ctx);
    free(context);
}

// --- life -------------------------------------------------------------------------------------

void channel_open(struct channel *channel, struct worker *worker, int fd) {
    *channel = (struct channel){.worker = worker, .fd = fd, .allowed_bytes = SIZE_MAX};
}

// Takes the session over for the next connection: in TLS 1.3 its ticket comes with the first data.
static void session_keep(struct channel *channel) {
    struct tls_context *context = channel->context;
    if (!context->resumes || !wolfSSL_is_init_finished(channel->ssl))
        return;
    WOLFSSL_SESSION *session = wolfSSL_get1_session(channel->ssl);
    if (!session)
        return;
    wolfSSL_SESSION_free(context->session);
    context->session = session;
}

static int wire_flush(struct channel *channel);

// close_notify (RFC 8446 §6.1), where the connection still works and nothing lies before it.
static void farewell(struct channel *channel) {
    if (!wolfSSL_is_init_finished(channel->ssl) || channel->error < 0 || channel->why[0] ||
        channel_is_backlogged(channel))
        return;
    wolfSSL_shutdown(channel->ssl);
    wire_flush(channel);
}

void channel_close(struct channel *channel) {
    if (channel->ssl) {
        session_keep(channel);
        farewell(channel);
    }
    wolfSSL_free(channel->ssl);
    channel->ssl = NULL;
    chain_clear(&channel->worker->chunks, &channel->out);
    if (channel->fd >= 0)
        ring_close_socket(channel->worker->ring, channel->fd);
    channel->fd = -1;
}

int channel_secure(struct channel *channel, struct tls_context *context,
                   const struct target *target) {
    WOLFSSL *ssl = wolfSSL_new(context->ctx);
    if (!ssl)
        return -ENOMEM;
    channel->ssl = ssl;
    channel->context = context;
    wolfSSL_SetIOReadCtx(ssl, channel);
    wolfSSL_SetIOWriteCtx(ssl, channel);
    char alpn[] = "http/1.1";
    wolfSSL_UseALPN(ssl, alpn, sizeof alpn - 1, WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
    if (!target_is_literal(target))
        wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, target->host,
                       (unsigned short)strlen(target->host));
    if (context->verifies)
        wolfSSL_check_domain_name(ssl, target->host);
    if (wolfSSL_version(ssl) == TLS1_3_VERSION)
        wolfSSL_UseKeyShare(ssl, (word16)context->group);
    if (context->session)
        wolfSSL_set_session(ssl, context->session);
    return 0;
}

bool channel_is_resumed(const struct channel *channel) {
    return channel->ssl && wolfSSL_session_reused(channel->ssl);
}

// --- receiving --------------------------------------------------------------------------------

void channel_wake(struct channel *channel, enum channel_hangup hangup) {
    channel->dry = false;
    channel->hung_up = channel->hung_up || hangup == CHANNEL_HUNG_UP;
}

// Reads what the socket has into the worker's scratch memory.
static ssize_t socket_receive(struct channel *channel, struct str *bytes) {
    struct worker *worker = channel->worker;
    size_t size = channel->allowed_bytes < WORKER_SCRATCH_BYTES ? channel->allowed_bytes
                                                                : WORKER_SCRATCH_BYTES;
    if (channel->dry || size == 0)
        return -EAGAIN;
    ssize_t n = ring_recv_now(worker->ring, channel->fd, worker->read_scratch, size);
    // A short read has emptied the socket; if more comes, the poll tells again.
    channel->dry = n == -EAGAIN || (n < (ssize_t)size && !channel->hung_up);
    if (n <= 0)
        return n;
    if (channel->allowed_bytes != SIZE_MAX)
        channel->allowed_bytes -= (size_t)n;
    *bytes = (struct str){(const char *)worker->read_scratch, (size_t)n};
    return n;
}

// wolfSSL asks for a record's head, then for the rest of it.
static int on_receive(WOLFSSL *ssl, char *buffer, int size, void *subject) {
    (void)ssl;
    struct channel *channel = subject;
    if (channel->raw.len == 0) {
        ssize_t n = socket_receive(channel, &channel->raw);
        if (n == -EAGAIN)
            return WOLFSSL_CBIO_ERR_WANT_READ;
        if (n <= 0) {
            channel->error = (int)n;
            return n == 0 ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_GENERAL;
        }
    }
    size_t n = (size_t)size < channel->raw.len ? (size_t)size : channel->raw.len;
    memcpy(buffer, channel->raw.ptr, n);
    channel->raw = str_skip(channel->raw, n);
    return (int)n;
}

// What a wolfSSL call that did not succeed means: -EAGAIN, 0 for the end of the stream, or an
// error.
static int tls_result(struct channel *channel, int result) {
    int code = wolfSSL_get_error(channel->ssl, result);
    if (code == WOLFSSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (code == WOLFSSL_ERROR_ZERO_RETURN)
        return 0;
    if (channel->error < 0)
        return channel->error;
    if (code == SOCKET_PEER_CLOSED_E)
        return 0;
    WOLFSSL_ALERT_HISTORY alerts;
    if (code == FATAL_ERROR &&
        wolfSSL_get_alert_history(channel->ssl, &alerts) == WOLFSSL_SUCCESS &&
        alerts.last_rx.level == TLS_ALERT_FATAL) {
        snprintf(channel->why, sizeof channel->why, "%s",
                 tls_alert_received_text((uint8_t)alerts.last_rx.code));
        return -EPROTO;
    }
    char text[WOLFSSL_MAX_ERROR_SZ];
    wolfSSL_ERR_error_string_n((unsigned long)code, text, sizeof text);
    snprintf(channel->why, sizeof channel->why, "%.*s", CHANNEL_WHY_MAX - 1, text);
    return -EPROTO;
}

static ssize_t tls_receive(struct channel *channel, struct str *bytes) {
    struct worker *worker = channel->worker;
    int n = wolfSSL_read(channel->ssl, worker->open_scratch, WORKER_SCRATCH_BYTES);
    // Reading may have to write: an alert, a key update.
    int flushed = wire_flush(channel);
    if (n <= 0)
        return tls_result(channel, n);
    *bytes = (struct str){(const char *)worker->open_scratch, (size_t)n};
    return flushed < 0 ? flushed : n;
}

ssize_t channel_receive(struct channel *channel, struct str *bytes) {
    return channel->ssl ? tls_receive(channel, bytes) : socket_receive(channel, bytes);
}

int channel_handshake(struct channel *channel) {
    int result = wolfSSL_connect(channel->ssl);
    int flushed = wire_flush(channel);
    if (flushed < 0)
        return flushed;
    if (result == WOLFSSL_SUCCESS)
        return 0;
    int verdict = tls_result(channel, result);
    return verdict == 0 ? -ECONNRESET : verdict; // the end of the stream is too early here
}

// --- sending ----------------------------------------------------------------------------------

// Sends what it can at once and keeps the rest.
static int socket_send(struct channel *channel, const void *bytes, size_t n) {
    struct worker *worker = channel->worker;
    ssize_t sent = 0;
    if (!channel_is_backlogged(channel)) {
        struct iovec part = {(void *)bytes, n};
        sent = ring_send_now(worker->ring, channel->fd, &part, 1, RING_LAST);
        if (sent < 0 && sent != -EAGAIN)
            return (int)sent;
        if (sent < 0)
            sent = 0;
    }
    if ((size_t)sent == n)
        return 0;
    return chain_append(&worker->chunks, &channel->out, (const uint8_t *)bytes + sent,
                        n - (size_t)sent);
}

static int wire_flush(struct channel *channel) {
    size_t n = channel->wire_bytes;
    channel->wire_bytes = 0;
    return n == 0 ? 0 : socket_send(channel, channel->worker->seal_scratch, n);
}

static int on_send(WOLFSSL *ssl, char *bytes, int size, void *subject) {
    (void)ssl;
    struct channel *channel = subject;
    if ((size_t)size > WORKER_SEAL_BYTES - channel->wire_bytes)
        return WOLFSSL_CBIO_ERR_GENERAL;
    memcpy(channel->worker->seal_scratch + channel->wire_bytes, bytes, (size_t)size);
    channel->wire_bytes += (size_t)size;
    return size;
}

int channel_send(struct channel *channel, const void *bytes, size_t n) {
    assert(n <= CHANNEL_WRITE_MAX && !channel_is_backlogged(channel));
    if (!channel->ssl)
        return socket_send(channel, bytes, n);
    int written = wolfSSL_write(channel->ssl, bytes, (int)n);
    int flushed = wire_flush(channel);
    if (written > 0)
        return flushed;
    int verdict = tls_result(channel, written);
    return verdict == 0 ? -ECONNRESET : verdict;
}

int channel_flush(struct channel *channel) {
    struct worker *worker = channel->worker;
    while (channel_is_backlogged(channel)) {
        struct iovec parts[FLUSH_PARTS];
        int count = chain_parts(&channel->out, parts, FLUSH_PARTS);
        ssize_t sent = ring_send_now(worker->ring, channel->fd, parts, count, RING_LAST);
        if (sent == -EAGAIN)
            return 0;
        if (sent < 0)
            return (int)sent;
        chain_consume(&worker->chunks, &channel->out, (size_t)sent);
    }
    return 0;
}
