// SPDX-License-Identifier: Apache-2.0
//
// The connection is a non-blocking socket below wolfSSL; llhttp reads the answer.
#include "acme/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include "acme/answer.h"
#include "acme/url.h"
#include "acme/wait.h"
#include "core/clock.h"

#define CONNECT_MS 10000
#define REQUEST_MS 60000
#define HEAD_BYTES (ACME_URL_BYTES + 1024)
#define CLOCK_ADVICE "is the clock of this machine right?"

struct acme_http {
    WOLFSSL_CTX *context;
    const char *ca_file;
    int stop_fd;
    // The connection; without one `session` is NULL.
    WOLFSSL *session;
    int fd;
    char host[256];
    uint16_t port;
    uint64_t deadline_ms;
};

static int roots_error(int failure, const char *ca_file, struct acme_error *error);

int acme_http_open(struct acme_http **out, const char *ca_file, int stop_fd,
                   struct acme_error *error) {
    struct acme_http *http = calloc(1, sizeof *http);
    if (!http || !(http->context = wolfSSL_CTX_new(wolfTLS_client_method()))) {
        free(http);
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    }
    http->ca_file = ca_file;
    http->stop_fd = stop_fd;
    wolfSSL_CTX_SetMinVersion(http->context, WOLFSSL_TLSV1_2);
    wolfSSL_CTX_set_verify(http->context, WOLFSSL_VERIFY_PEER, NULL);
    int loaded = ca_file ? wolfSSL_CTX_load_verify_locations(http->context, ca_file, NULL)
                         : wolfSSL_CTX_load_system_CA_certs(http->context);
    if (loaded == WOLFSSL_SUCCESS) {
        *out = http;
        return 0;
    }
    acme_http_close(http);
    return roots_error(loaded, ca_file, error);
}

static bool is_date_error(int failure) {
    return failure == ASN_BEFORE_DATE_E || failure == ASN_AFTER_DATE_E;
}

static int roots_error(int failure, const char *ca_file, struct acme_error *error) {
    if (!ca_file)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO,
                              "this system has no certificates of authorities to trust; install "
                              "the package ca-certificates, or set acme.ca_file");
    acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO,
                   "no certificates of authorities can be read from ca_file %s", ca_file);
    if (is_date_error(failure))
        acme_error_advise(error, CLOCK_ADVICE);
    return -EIO;
}

static void disconnect(struct acme_http *http) {
    if (!http->session)
        return;
    wolfSSL_free(http->session);
    close(http->fd);
    http->session = NULL;
}

void acme_http_close(struct acme_http *http) {
    if (!http)
        return;
    disconnect(http);
    wolfSSL_CTX_free(http->context);
    free(http);
}

// --- waiting ----------------------------------------------------------------------------------

int acme_http_sleep(const struct acme_http *http, unsigned ms) {
    return acme_wait_sleep(http->stop_fd, ms);
}

// After a TLS call that did not finish: waits for what it wants. 0: call it again. Negative errno;
// -EPROTO when it was no matter of waiting.
static int wait_tls(struct acme_http *http, int result) {
    switch (wolfSSL_get_error(http->session, result)) {
    case WOLFSSL_ERROR_WANT_READ:
        return acme_wait_ready(http->stop_fd, http->fd, POLLIN, http->deadline_ms);
    case WOLFSSL_ERROR_WANT_WRITE:
        return acme_wait_ready(http->stop_fd, http->fd, POLLOUT, http->deadline_ms);
    default:
        return -EPROTO;
    }
}

static int network_error(struct acme_error *error, int result, const char *doing) {
    enum acme_trouble trouble = result == -ECANCELED ? ACME_TROUBLE_STOPPED : ACME_TROUBLE_NETWORK;
    return acme_error_set(error, trouble, result, "%s: %s", doing,
                          result == -ECANCELED ? "the gateway stops" : strerror(-result));
}

// --- connecting -------------------------------------------------------------------------------

static int address_connect(struct acme_http *http, const struct addrinfo *address) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = connect(fd, address->ai_addr, address->ai_addrlen) < 0 ? -errno : 0;
    if (result == -EINPROGRESS)
        result = acme_wait_ready(http->stop_fd, fd, POLLOUT, clock_monotonic_ms() + CONNECT_MS);
    int failure = 0;
    socklen_t size = sizeof failure;
    if (result == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0)
        result = -failure;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

static int socket_connect(struct acme_http *http, const struct acme_url *url,
                          struct acme_error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *addresses;
    char port[8];
    int fd = -EHOSTUNREACH;
    snprintf(port, sizeof port, "%u", url->port);
    int failure = getaddrinfo(url->host, port, &hints, &addresses);
    if (failure == EAI_NONAME || failure == EAI_AGAIN) // AI_ADDRCONFIG wants more than loopback
        failure = (hints.ai_flags = 0, getaddrinfo(url->host, port, &hints, &addresses));
    if (failure)
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EHOSTUNREACH,
                              "looking up %s: %s; does DNS work on this machine?", url->host,
                              gai_strerror(failure));
    for (const struct addrinfo *at = addresses; at && fd < 0 && fd != -ECANCELED; at = at->ai_next)
        fd = address_connect(http, at);
    freeaddrinfo(addresses);
    if (fd >= 0)
        return fd;
    char doing[320];
    snprintf(doing, sizeof doing, "connecting to %s port %u", url->host, url->port);
    return network_error(error, fd, doing);
}

// The library's words for what users meet are for those who wrote it.
static const char *handshake_words(int failure) {
    switch (failure) {
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
        return "its certificate is not from an authority that is trusted here";
    case ASN_BEFORE_DATE_E:
        return "its certificate, or that of its authority, is not good yet";
    case ASN_AFTER_DATE_E:
        return "its certificate, or that of its authority, has expired";
    case DOMAIN_NAME_MISMATCH:
    case IPADDR_MISMATCH:
        return "its certificate is made out to other names";
    default:
        return wolfSSL_ERR_reason_error_string((unsigned long)failure);
    }
}

static int handshake_error(const struct acme_http *http, int failure, struct acme_error *error) {
    acme_error_set(error, ACME_TROUBLE_NETWORK, -EPROTO, "TLS with %s: %s", http->host,
                   handshake_words(failure));
    if (is_date_error(failure))
        acme_error_advise(error, CLOCK_ADVICE);
    else if ((failure == ASN_NO_SIGNER_E || failure == ASN_SELF_SIGNED_E) && http->ca_file)
        acme_error_advise(error, "is %s the root of this server's certificate?", http->ca_file);
    else if (failure == ASN_NO_SIGNER_E || failure == ASN_SELF_SIGNED_E)
        acme_error_advise(error, "if the server has a root of its own, name it with acme.ca_file");
    return -EPROTO;
}

static int tls_connect(struct acme_http *http, struct acme_error *error) {
    http->session = wolfSSL_new(http->context);
    if (!http->session) {
        close(http->fd);
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    }
    struct in6_addr literal;
    bool is_literal = inet_pton(AF_INET, http->host, &literal) == 1 ||
                      inet_pton(AF_INET6, http->host, &literal) == 1;
    if (!is_literal)
        wolfSSL_UseSNI(http->session, WOLFSSL_SNI_HOST_NAME, http->host,
                       (unsigned short)strlen(http->host));
    if (wolfSSL_check_domain_name(http->session, http->host) != WOLFSSL_SUCCESS ||
        wolfSSL_set_fd(http->session, http->fd) != WOLFSSL_SUCCESS)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "the TLS library refuses a session");
    int result;
    while ((result = wolfSSL_connect(http->session)) != WOLFSSL_SUCCESS) {
        int failure = wolfSSL_get_error(http->session, result);
        int waited = wait_tls(http, result);
        if (waited == -EPROTO)
            return handshake_error(http, failure, error);
        if (waited < 0)
            return network_error(error, waited, "TLS handshake");
    }
    return 0;
}

static bool is_connected(const struct acme_http *http, const struct acme_url *url) {
    return http->session && http->port == url->port && strcmp(http->host, url->host) == 0;
}

static int connect_to(struct acme_http *http, const struct acme_url *url,
                      struct acme_error *error) {
    disconnect(http);
    int fd = socket_connect(http, url, error);
    if (fd < 0)
        return fd;
    http->fd = fd;
    http->port = url->port;
    memcpy(http->host, url->host, sizeof http->host);
    int result = tls_connect(http, error);
    if (result < 0)
        disconnect(http);
    return result;
}

// --- a request and its answer -----------------------------------------------------------------

static int write_all(struct acme_http *http, struct str bytes) {
    while (bytes.len > 0) {
        int written = wolfSSL_write(http->session, bytes.ptr, (int)bytes.len);
        if (written > 0)
            bytes = str_skip(bytes, (size_t)written);
        int waited = written > 0 ? 0 : wait_tls(http, written);
        if (waited < 0)
            return waited;
    }
    return 0;
}

static int head_write(const struct acme_request *request, const struct acme_url *url,
                      char head[HEAD_BYTES]) {
    bool has_body = request->content_type != NULL;
    int size = snprintf(head, HEAD_BYTES,
                        "%s %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: ringway/" RINGWAY_VERSION
                        "\r\nAccept-Language: en\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n",
                        request->method, STR_ARG(url->target), STR_ARG(url->authority),
                        has_body ? "Content-Type: " : "", has_body ? request->content_type : "",
                        has_body ? "\r\n" : "", request->authorization ? "Authorization: " : "",
                        request->authorization ? request->authorization : "",
                        request->authorization ? "\r\n" : "", request->body.len);
    return size < HEAD_BYTES ? size : -E2BIG;
}

// Reads until the answer is whole. -ECONNRESET when the connection ended before its first byte, so
// that another one may be tried.
static int answer_read(struct acme_http *http, struct acme_answer *answer) {
    char bytes[8192];
    bool begun = false;
    for (;;) {
        int got = wolfSSL_read(http->session, bytes, sizeof bytes);
        if (got > 0) {
            begun = true;
            int read = acme_answer_feed(answer, bytes, (size_t)got);
            if (read != 0)
                return read < 0 ? read : 0;
            continue;
        }
        int waited = wait_tls(http, got);
        if (waited == -EPROTO)
            return begun ? acme_answer_end(answer) : -ECONNRESET;
        if (waited < 0)
            return waited;
    }
}

static int exchange(struct acme_http *http, const struct acme_request *request,
                    const struct acme_url *url, struct acme_response *response) {
    char head[HEAD_BYTES];
    struct acme_answer answer;
    int size = head_write(request, url, head);
    if (size < 0)
        return size;
    acme_answer_start(&answer, request, response);
    int result = write_all(http, (struct str){head, (size_t)size});
    if (result == 0)
        result = write_all(http, request->body);
    if (result == 0)
        result = answer_read(http, &answer);
    explicit_bzero(head, sizeof head); // it may hold a token
    if (result < 0 || !acme_answer_keeps(&answer))
        disconnect(http);
    return result == -EPROTO ? -ECONNRESET : result;
}

int acme_http_send(struct acme_http *http, const struct acme_request *request,
                   struct acme_response *response, struct acme_error *error) {
    struct acme_url url;
    *response = (struct acme_response){0};
    http->deadline_ms = clock_monotonic_ms() + REQUEST_MS;
    if (strlen(request->url) >= ACME_URL_BYTES || !acme_url_read(request->url, &url))
        return acme_error_set(error, ACME_TROUBLE_NETWORK, -EINVAL,
                              "the server names \"%.100s\", which is no https URL", request->url);
    bool kept = is_connected(http, &url);
    int result = kept ? 0 : connect_to(http, &url, error);
    if (result < 0)
        return result;
    result = exchange(http, request, &url, response);
    // A kept connection may have been closed by the server at any time (RFC 9110 §9.3.1).
    if (result == -ECONNRESET && kept) {
        acme_response_free(response);
        result = connect_to(http, &url, error);
        if (result < 0)
            return result;
        result = exchange(http, request, &url, response);
    }
    if (result == 0)
        return 0;
    acme_response_free(response);
    char doing[320];
    snprintf(doing, sizeof doing, "waiting for an answer from %s", url.host);
    if (result == -EBADMSG)
        return acme_error_set(error, ACME_TROUBLE_NETWORK, result,
                              "%s: what came is no HTTP, or cut short", doing);
    if (result == -EMSGSIZE)
        return acme_error_set(error, ACME_TROUBLE_NETWORK, result, "%s: it is too large", doing);
    return network_error(error, result, doing);
}
