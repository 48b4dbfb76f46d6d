// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys: a ring of three under one mutex. A key is copied out under it and used outside, so
// that no thread waits for another's cipher. The key's name and the binding are authenticated with
// the ticket.
#include "tls/ticket.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

#define KEY_COUNT 3
#define KEY_BYTES 32
#define LIFETIME_MAX_S (7 * 24 * 3600)

struct key {
    uint8_t name[TLS_TICKET_NAME_BYTES];
    uint8_t secret[KEY_BYTES];
};

struct tls_tickets {
    pthread_mutex_t lock;       // guards `keys`
    struct key keys[KEY_COUNT]; // newest first; an unused one has random content nobody knows
    unsigned lifetime_s;
};

struct additional_data {
    uint8_t name[TLS_TICKET_NAME_BYTES];
    uint8_t binding[TLS_TICKET_BINDING_BYTES];
};

static int random_fill(void *bytes, size_t n) {
    ssize_t got = getrandom(bytes, n, 0); // up to 256 bytes are never cut short (getrandom(2))
    if (got < 0)
        return -errno;
    return (size_t)got == n ? 0 : -EIO;
}

struct tls_tickets *tls_tickets_new(unsigned rotation_s) {
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL)
        return NULL;
    uint64_t lifetime_s = (uint64_t)rotation_s * (KEY_COUNT - 1);
    tickets->lifetime_s = lifetime_s < LIFETIME_MAX_S ? (unsigned)lifetime_s : LIFETIME_MAX_S;
    if (random_fill(tickets->keys, sizeof tickets->keys) < 0) {
        free(tickets);
        return NULL;
    }
    pthread_mutex_init(&tickets->lock, NULL);
    return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets) {
    if (tickets == NULL)
        return;
    pthread_mutex_destroy(&tickets->lock);
    explicit_bzero(tickets, sizeof *tickets);
    free(tickets);
}

int tls_tickets_rotate(struct tls_tickets *tickets) {
    struct key fresh;
    int result = random_fill(&fresh, sizeof fresh);
    if (result < 0)
        return result;
    pthread_mutex_lock(&tickets->lock);
    memmove(&tickets->keys[1], &tickets->keys[0], sizeof *tickets->keys * (KEY_COUNT - 1));
    tickets->keys[0] = fresh;
    pthread_mutex_unlock(&tickets->lock);
    explicit_bzero(&fresh, sizeof fresh);
    return 0;
}

unsigned tls_tickets_lifetime_s(const struct tls_tickets *tickets) {
    return tickets->lifetime_s;
}

// --- sealing and opening -----------------------------------------------------------------------

static int cipher_init(Aes *aes, const struct key *key) {
    if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
        return -EIO;
    if (wc_AesGcmSetKey(aes, key->secret, KEY_BYTES) == 0)
        return 0;
    wc_AesFree(aes);
    return -EIO;
}

static void cipher_free(Aes *aes) {
    wc_AesFree(aes);
    explicit_bzero(aes, sizeof *aes);
}

static struct additional_data additional_data_make(const struct key *key, const uint8_t *binding) {
    struct additional_data data;
    memcpy(data.name, key->name, sizeof data.name);
    memcpy(data.binding, binding, sizeof data.binding);
    return data;
}

static int bytes_seal(const struct key *key, const uint8_t *binding, const uint8_t *nonce,
                      uint8_t *tag, uint8_t *bytes, size_t n) {
    Aes aes;
    struct additional_data data = additional_data_make(key, binding);
    if (cipher_init(&aes, key) < 0)
        return -EIO;
    int failed = wc_AesGcmEncrypt(&aes, bytes, bytes, (word32)n, nonce, TLS_TICKET_NONCE_BYTES, tag,
                                  TLS_TICKET_TAG_BYTES, (const byte *)&data, sizeof data);
    cipher_free(&aes);
    return failed ? -EIO : 0;
}

static bool bytes_open(const struct key *key, const uint8_t *binding, const uint8_t *nonce,
                       const uint8_t *tag, uint8_t *bytes, size_t n) {
    Aes aes;
    struct additional_data data = additional_data_make(key, binding);
    if (cipher_init(&aes, key) < 0)
        return false;
    int failed = wc_AesGcmDecrypt(&aes, bytes, bytes, (word32)n, nonce, TLS_TICKET_NONCE_BYTES, tag,
                                  TLS_TICKET_TAG_BYTES, (const byte *)&data, sizeof data);
    cipher_free(&aes);
    return !failed;
}

int tls_tickets_seal(struct tls_tickets *tickets, const uint8_t binding[TLS_TICKET_BINDING_BYTES],
                     uint8_t name[TLS_TICKET_NAME_BYTES], uint8_t nonce[TLS_TICKET_NONCE_BYTES],
                     uint8_t tag[TLS_TICKET_TAG_BYTES], uint8_t *bytes, size_t n) {
    pthread_mutex_lock(&tickets->lock);
    struct key key = tickets->keys[0];
    pthread_mutex_unlock(&tickets->lock);

    int result = random_fill(nonce, TLS_TICKET_NONCE_BYTES);
    if (result == 0)
        result = bytes_seal(&key, binding, nonce, tag, bytes, n);
    memcpy(name, key.name, sizeof key.name);
    explicit_bzero(&key, sizeof key);
    return result;
}

// Copies the key called `name` and returns its age in rotations, or -ENOENT.
static int key_find(struct tls_tickets *tickets, const uint8_t *name, struct key *key) {
    int age = -ENOENT;
    pthread_mutex_lock(&tickets->lock);
    for (int i = 0; i < KEY_COUNT && age < 0; i++) {
        if (memcmp(tickets->keys[i].name, name, TLS_TICKET_NAME_BYTES) != 0)
            continue;
        *key = tickets->keys[i];
        age = i;
    }
    pthread_mutex_unlock(&tickets->lock);
    return age;
}

enum tls_ticket_verdict tls_tickets_open(struct tls_tickets *tickets,
                                         const uint8_t binding[TLS_TICKET_BINDING_BYTES],
                                         const uint8_t name[TLS_TICKET_NAME_BYTES],
                                         const uint8_t nonce[TLS_TICKET_NONCE_BYTES],
                                         const uint8_t tag[TLS_TICKET_TAG_BYTES], uint8_t *bytes,
                                         size_t n) {
    struct key key;
    int age = key_find(tickets, name, &key);
    if (age < 0)
        return TLS_TICKET_REFUSED;
    bool opened = bytes_open(&key, binding, nonce, tag, bytes, n);
    explicit_bzero(&key, sizeof key);
    if (!opened)
        return TLS_TICKET_REFUSED;
    return age == 0 ? TLS_TICKET_OPENED : TLS_TICKET_OLD_KEY;
}
