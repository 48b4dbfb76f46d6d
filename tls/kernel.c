// SPDX-License-Identifier: Apache-2.0
#include "tls/kernel.h"

#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/secret.h"

#ifndef SOL_TLS // <sys/socket.h> has it since glibc 2.36
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

// RFC 8446 §5.5 allows 2^24.5 full records under one AES-GCM key; in bytes, so that small records
// count for what they are. A record adds its nonce, type and tag, in whole blocks of the cipher.
#define GCM_LOAD_MAX_BYTES (UINT64_C(1) << 38)
#define RECORD_LOAD_BYTES 48
#define RECORD_PLAINTEXT_BYTES 16384

// What the kernel wants to know of one direction; which of the three the first member tells.
union crypto_info {
    struct tls_crypto_info head;
    struct tls12_crypto_info_aes_gcm_128 aes_128_gcm;
    struct tls12_crypto_info_aes_gcm_256 aes_256_gcm;
    struct tls12_crypto_info_chacha20_poly1305 chacha20_poly1305;
};

_Static_assert(TLS_VERSION_1_2 == 0 && TLS_VERSION_1_3 == 1, "they index struct tls_kernel.takes");

static const uint16_t kernel_versions[TLS_VERSIONS] = {
    [TLS_VERSION_1_2] = TLS_1_2_VERSION,
    [TLS_VERSION_1_3] = TLS_1_3_VERSION,
};

static void put_u64(uint8_t to[8], uint64_t value) {
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

// The eight bytes that the kernel calls the IV of a GCM cipher: in TLS 1.3 the rest of the IV
// behind the salt, in TLS 1.2 the first explicit nonce to send (RFC 5288 §3).
static void gcm_iv_put(uint8_t to[8], enum tls_version version,
                       const struct tls_traffic_keys *keys) {
    if (version == TLS_VERSION_1_3)
        memcpy(to, keys->iv + 4, 8);
    else
        put_u64(to, keys->explicit_nonce);
}

// Returns the size of what it has filled in.
static socklen_t crypto_info_make(union crypto_info *info, enum tls_version version,
                                  enum tls_cipher cipher, const struct tls_traffic_keys *keys) {
    memset(info, 0, sizeof *info);
    info->head.version = kernel_versions[version];
    switch (cipher) {
    case TLS_AES_128_GCM:
        info->head.cipher_type = TLS_CIPHER_AES_GCM_128;
        memcpy(info->aes_128_gcm.salt, keys->iv, 4);
        gcm_iv_put(info->aes_128_gcm.iv, version, keys);
        memcpy(info->aes_128_gcm.key, keys->key, sizeof info->aes_128_gcm.key);
        put_u64(info->aes_128_gcm.rec_seq, keys->sequence);
        return sizeof info->aes_128_gcm;
    case TLS_AES_256_GCM:
        info->head.cipher_type = TLS_CIPHER_AES_GCM_256;
        memcpy(info->aes_256_gcm.salt, keys->iv, 4);
        gcm_iv_put(info->aes_256_gcm.iv, version, keys);
        memcpy(info->aes_256_gcm.key, keys->key, sizeof info->aes_256_gcm.key);
        put_u64(info->aes_256_gcm.rec_seq, keys->sequence);
        return sizeof info->aes_256_gcm;
    case TLS_CHACHA20_POLY1305:
        info->head.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
        memcpy(info->chacha20_poly1305.iv, keys->iv, TLS_IV_BYTES);
        memcpy(info->chacha20_poly1305.key, keys->key, sizeof info->chacha20_poly1305.key);
        put_u64(info->chacha20_poly1305.rec_seq, keys->sequence);
        return sizeof info->chacha20_poly1305;
    }
    return 0;
}

// Gives the kernel one direction's keys: 0 or negative errno.
static int keys_give(struct ring *ring, int fd, enum tls_direction direction,
                     enum tls_version version, enum tls_cipher cipher,
                     const struct tls_traffic_keys *keys) {
    union crypto_info info;
    socklen_t size = crypto_info_make(&info, version, cipher, keys);
    int error =
        ring_set_option(ring, fd, SOL_TLS, direction == TLS_SEND ? TLS_TX : TLS_RX, &info, size);
    explicit_bzero(&info, sizeof info);
    return error;
}

static int protocol_attach(struct ring *ring, int fd) {
    return ring_set_option(ring, fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
}

// --- what the kernel takes --------------------------------------------------------------------

// A connected pair of TCP sockets through `listener`. Returns ours, and the other in `peer`; or -1.
static int pair_open(int listener, int *peer) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        connect(fd, (struct sockaddr *)&address, size) == 0 &&
        (*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        return fd;
    close(fd);
    return -1;
}

// Tries one suite on a connection of its own. Returns the errno of the protocol, 0 if it is there.
static int suite_try(struct tls_kernel *kernel, int listener, enum tls_version version,
                     enum tls_cipher cipher) {
    static const struct tls_traffic_keys keys; // zeros will do: nothing is sent
    int peer, fd = pair_open(listener, &peer);
    if (fd < 0)
        return -errno;
    int error = protocol_attach(NULL, fd);
    if (error == 0) {
        for (int direction = TLS_SEND; direction <= TLS_RECEIVE; direction++)
            kernel->takes[direction][version][cipher] =
                keys_give(NULL, fd, direction, version, cipher, &keys) == 0;
        if (version == TLS_VERSION_1_3 && kernel->takes[TLS_SEND][version][cipher])
            kernel->rekeys |= keys_give(NULL, fd, TLS_SEND, version, cipher, &keys) == 0;
    }
    close(peer);
    close(fd);
    return error;
}

void tls_kernel_probe(struct tls_kernel *kernel) {
    *kernel = (struct tls_kernel){.why = "its TLS takes no suite of ours"};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int error = 0, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&any, sizeof any) < 0 ||
        listen(listener, 1) < 0)
        error = -errno;
    for (int version = 0; version < TLS_VERSIONS; version++)
        for (int cipher = 0; cipher < TLS_CIPHERS && error == 0; cipher++) {
            error = suite_try(kernel, listener, version, cipher);
            if (kernel->takes[TLS_SEND][version][cipher] ||
                kernel->takes[TLS_RECEIVE][version][cipher])
                kernel->why = NULL;
        }
    if (listener >= 0)
        close(listener);
    if (error == -ENOENT)
        kernel->why = "it has no TLS, or the module is not loaded (modprobe tls)";
    else if (error < 0)
        kernel->why = "it could not be tried on the loopback device";
}

const char *tls_kernel_describe(const struct tls_kernel *kernel, enum tls_direction direction,
                                char text[TLS_KERNEL_TEXT_BYTES]) {
    static const char *const names[TLS_CIPHERS] = {
        [TLS_AES_128_GCM] = "AES-128-GCM",
        [TLS_AES_256_GCM] = "AES-256-GCM",
        [TLS_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };
    size_t size = 0;
    for (int cipher = 0; cipher < TLS_CIPHERS; cipher++) {
        bool old = kernel->takes[direction][TLS_VERSION_1_2][cipher];
        bool new = kernel->takes[direction][TLS_VERSION_1_3][cipher];
        if (!old && !new)
            continue;
        size += (size_t)snprintf(text + size, TLS_KERNEL_TEXT_BYTES - size, "%s%s%s",
                                 size > 0 ? ", " : "", names[cipher],
                                 old && new ? ""
                                 : new      ? " (TLS 1.3 only)"
                                            : " (TLS 1.2 only)");
    }
    if (size == 0)
        snprintf(text, TLS_KERNEL_TEXT_BYTES, "nothing");
    return text;
}

// --- handing over -----------------------------------------------------------------------------

struct tls_offload *tls_offload_new(struct ring *ring, int fd, const struct tls_kernel *kernel,
                                    const struct tls_keys *keys, struct tls_offload_wish wish) {
    bool tx = wish.tx && kernel->takes[TLS_SEND][keys->version][keys->cipher];
    bool rx = wish.rx && kernel->takes[TLS_RECEIVE][keys->version][keys->cipher];
    bool rekeys = kernel->rekeys && keys->version == TLS_VERSION_1_3 && keys->secret_size_bytes > 0;
    size_t secret_size = rekeys ? keys->secret_size_bytes : 0;
    if (!tx)
        return NULL;
    struct tls_offload *offload = calloc(1, sizeof *offload + 2 * secret_size);
    if (!offload)
        return NULL;
    offload->control.version = keys->version;
    offload->cipher = (uint8_t)keys->cipher;
    offload->key_size = (uint8_t)keys->key_size_bytes;
    offload->secret_size = (uint8_t)secret_size;
    offload->rekeys = rekeys;
    memcpy(offload->secrets, keys->tx.secret, secret_size);
    memcpy(offload->secrets + secret_size, keys->rx.secret, secret_size);
    if (protocol_attach(ring, fd) == 0 &&
        keys_give(ring, fd, TLS_SEND, keys->version, keys->cipher, &keys->tx) == 0) {
        offload->rx =
            rx && keys_give(ring, fd, TLS_RECEIVE, keys->version, keys->cipher, &keys->rx) == 0;
        return offload;
    }
    tls_offload_free(offload);
    return NULL;
}

void tls_offload_free(struct tls_offload *offload) {
    if (!offload)
        return;
    explicit_bzero(offload->secrets, 2 * (size_t)offload->secret_size);
    free(offload);
}

// --- control records --------------------------------------------------------------------------

int tls_offload_send(struct tls_offload *offload, struct ring *ring, int fd, uint8_t content,
                     const uint8_t *bytes, size_t n) {
    assert(n > 0 && n <= sizeof offload->waiting);
    int error = tls_offload_flush(offload, ring, fd);
    if (error == -EAGAIN) // what was kept is an answer to the peer; it may go without this one
        return error;
    if (error == 0)
        error = (int)ring_send_record_now(ring, fd, content, bytes, n);
    if (error == -EAGAIN) {
        offload->waiting_content = content;
        offload->waiting_size = (uint8_t)n;
        memcpy(offload->waiting, bytes, n);
    }
    return error < 0 ? error : 0;
}

int tls_offload_flush(struct tls_offload *offload, struct ring *ring, int fd) {
    if (offload->waiting_size == 0)
        return 0;
    ssize_t sent = ring_send_record_now(ring, fd, offload->waiting_content, offload->waiting,
                                        offload->waiting_size);
    if (sent < 0)
        return (int)sent;
    offload->waiting_size = 0;
    return 0;
}

int tls_offload_close_notify(struct tls_offload *offload, struct ring *ring, int fd) {
    static const uint8_t alert[] = {TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY};
    int error = tls_offload_flush(offload, ring, fd);
    if (error < 0 || offload->tx_closed)
        return error;
    offload->tx_closed = true;
    return tls_offload_send(offload, ring, fd, TLS_CONTENT_ALERT, alert, sizeof alert);
}

// --- the next keys ----------------------------------------------------------------------------

static int next_key_give(struct tls_offload *offload, struct ring *ring, int fd,
                         enum tls_direction direction) {
    struct tls_traffic_keys next = {0};
    uint8_t *secret = offload->secrets + (direction == TLS_SEND ? 0 : offload->secret_size);
    int error = -EIO;
    if (tls_secret_next(secret, offload->secret_size, next.key, offload->key_size, next.iv))
        error = keys_give(ring, fd, direction, TLS_VERSION_1_3, offload->cipher, &next);
    explicit_bzero(&next, sizeof next);
    return error;
}

int tls_offload_next_rx_key(struct tls_offload *offload, struct ring *ring, int fd) {
    assert(offload->rx);
    return offload->rekeys ? next_key_give(offload, ring, fd, TLS_RECEIVE) : -ENOTSUP;
}

int tls_offload_next_tx_key(struct tls_offload *offload, struct ring *ring, int fd) {
    uint8_t message[TLS_KEY_UPDATE_BYTES];
    if (!offload->rekeys)
        return -ENOTSUP;
    int error = tls_offload_flush(offload, ring, fd);
    if (error < 0)
        return error;
    tls_control_key_update(false, message);
    ssize_t sent = ring_send_record_now(ring, fd, TLS_CONTENT_HANDSHAKE, message, sizeof message);
    if (sent < 0)
        return (int)sent;
    offload->tx_load_bytes = 0;
    return next_key_give(offload, ring, fd, TLS_SEND);
}

bool tls_offload_count(struct tls_offload *offload, size_t n) {
    offload->tx_load_bytes += n + (n / RECORD_PLAINTEXT_BYTES + 1) * RECORD_LOAD_BYTES;
    return offload->tx_load_bytes < GCM_LOAD_MAX_BYTES ||
           offload->cipher == TLS_CHACHA20_POLY1305 || offload->control.version == TLS_VERSION_1_2;
}
