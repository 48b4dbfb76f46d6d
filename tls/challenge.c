// SPDX-License-Identifier: Apache-2.0
//
// A short list: it holds the challenges of the orders under way. A session keeps the context it was
// made from alive by itself, so an answer may be removed in the middle of a handshake.
#include "tls/challenge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "tls/context.h"

// Of an address as a reversed name, "ip6.arpa" with its nibbles (RFC 8738 §6).
#define NAME_BYTES 256

struct answer {
    char *name; // token or server name
    char *text;
    WOLFSSL_CTX *context; // NULL for a text
    struct answer *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer *answers;

static void answer_free(struct answer *answer) {
    wolfSSL_CTX_free(answer->context);
    free(answer->name);
    free(answer->text);
    free(answer);
}

// With the lock held.
static struct answer *answer_find(struct str name, bool is_text) {
    struct answer *answer;
    LL_FOREACH(answers, answer) {
        if (str_eq(str_from(answer->name), name) && (answer->text != NULL) == is_text)
            return answer;
    }
    return NULL;
}

static int answer_add(const char *name, const char *text, WOLFSSL_CTX *context) {
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        wolfSSL_CTX_free(context);
        return -ENOMEM;
    }
    answer->context = context;
    answer->name = strdup(name);
    answer->text = text != NULL ? strdup(text) : NULL;
    if (answer->name == NULL || (text != NULL && answer->text == NULL)) {
        answer_free(answer);
        return -ENOMEM;
    }
    pthread_mutex_lock(&lock);
    LL_PREPEND(answers, answer);
    pthread_mutex_unlock(&lock);
    return 0;
}

int tls_challenge_add_text(const char *token, const char *text) {
    return strlen(text) < TLS_CHALLENGE_TEXT_BYTES ? answer_add(token, text, NULL) : -EINVAL;
}

// The name in the handshake: an address comes as the name that DNS looks it up by (RFC 8738 §6).
static void server_name_of(const char *name, char out[NAME_BYTES]) {
    uint8_t address[16];
    size_t size = 0;
    if (inet_pton(AF_INET, name, address) == 1) {
        snprintf(out, NAME_BYTES, "%u.%u.%u.%u.in-addr.arpa", address[3], address[2], address[1],
                 address[0]);
    } else if (inet_pton(AF_INET6, name, address) == 1) {
        for (size_t i = sizeof address; i-- > 0;)
            size += (size_t)snprintf(out + size, NAME_BYTES - size, "%x.%x.", address[i] & 15,
                                     address[i] >> 4);
        snprintf(out + size, NAME_BYTES - size, "ip6.arpa");
    } else {
        snprintf(out, NAME_BYTES, "%s", name);
    }
}

int tls_challenge_add_certificate(const char *name,
                                  const uint8_t digest[TLS_CHALLENGE_DIGEST_BYTES]) {
    char server_name[NAME_BYTES];
    struct tls_selfsigned made;
    WOLFSSL_CTX *context = NULL;
    int error = tls_selfsigned_challenge(name, digest, &made);
    if (error == 0 &&
        tls_context_make(str_from(made.certificate), str_from(made.key), TLS_CONTEXT_TRUST_KEY,
                         TLS_VERSION_1_2, NULL, &context) != TLS_CONTEXT_MADE)
        error = -EIO;
    explicit_bzero(&made, sizeof made);
    if (error != 0)
        return error;
    server_name_of(name, server_name);
    return answer_add(server_name, NULL, context);
}

void tls_challenge_remove(const char *token_or_name) {
    char server_name[NAME_BYTES];
    server_name_of(token_or_name, server_name);
    pthread_mutex_lock(&lock);
    struct answer *answer, *next;
    LL_FOREACH_SAFE(answers, answer, next) {
        if (strcmp(answer->name, server_name) != 0)
            continue;
        LL_DELETE(answers, answer);
        answer_free(answer);
    }
    pthread_mutex_unlock(&lock);
}

bool tls_challenge_text(struct str token, char text[TLS_CHALLENGE_TEXT_BYTES]) {
    pthread_mutex_lock(&lock);
    const struct answer *answer = answer_find(token, true);
    if (answer != NULL)
        strcpy(text, answer->text); // its length was checked
    pthread_mutex_unlock(&lock);
    return answer != NULL;
}

struct WOLFSSL *tls_challenge_session(const char *server_name) {
    pthread_mutex_lock(&lock);
    const struct answer *answer = answer_find(str_from(server_name), false);
    WOLFSSL *session = answer != NULL ? wolfSSL_new(answer->context) : NULL;
    pthread_mutex_unlock(&lock);
    return session;
}
