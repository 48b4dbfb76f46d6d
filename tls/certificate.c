// SPDX-License-Identifier: Apache-2.0
//
// Loading a certificate: read, decode the leaf for what we must know ourselves (names, dates, kind
// of key), then let wolfSSL take chain and key into contexts, which proves that they fit.
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "tls/context.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define RSA_MIN_BITS 2048
#define WARN_AHEAD_S (14 * 24 * 3600)
#define VERSION_COUNT (TLS_VERSION_1_3 + 1)

struct tls_certificate {
    unsigned references;
    enum tls_key_kind key_kind;
    time_t not_before, not_after;
    char *issuer;
    bool self_signed;
    char **names;
    size_t name_count;
    WOLFSSL_CTX *contexts[VERSION_COUNT]; // by lowest version
};

// What the steps of loading share.
struct loading {
    struct tls_certificate *certificate;
    const struct conf_certificate *from;
    struct problems *problems;
    struct str chain, key;
    time_t now;
};

// --- files -------------------------------------------------------------------------------------

struct file {
    char *bytes;
    size_t size;
};

// 0 or negative errno; -EFBIG for what cannot be a certificate.
static int file_read(const char *path, struct file *file) {
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fstat(fd, &stat) < 0 ? -errno : 0;
    if (result == 0 && S_ISDIR(stat.st_mode))
        result = -EISDIR;
    if (result == 0)
        file->bytes = malloc(FILE_MAX_BYTES);
    if (result == 0 && file->bytes == NULL)
        result = -ENOMEM;
    while (result == 0) {
        ssize_t got = read(fd, file->bytes + file->size, FILE_MAX_BYTES - file->size);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            result = -errno;
        file->size += got > 0 ? (size_t)got : 0;
        if (file->size == FILE_MAX_BYTES)
            result = -EFBIG;
    }
    close(fd);
    return result;
}

static void file_wipe(struct file *file) {
    if (file->bytes != NULL)
        explicit_bzero(file->bytes, file->size);
    free(file->bytes);
}

static bool file_load(const char *path, struct conf_pos pos, struct file *file,
                      struct problems *problems) {
    int result = file_read(path, file);
    if (result < 0)
        problems_add(problems, PROBLEM_ERROR, pos, "cannot read \"%s\": %s", path,
                     strerror(-result));
    return result == 0;
}

struct tls_certificate *tls_certificate_load(const struct conf_certificate *from,
                                             struct tls_tickets *tickets, time_t now,
                                             struct problems *problems) {
    struct file chain = {0}, key = {0};
    struct tls_certificate *certificate = NULL;
    bool separate = strcmp(from->certificate_path, from->key_path) != 0;
    bool chain_read = file_load(from->certificate_path, from->pos, &chain, problems);
    bool key_read = !separate || file_load(from->key_path, from->key_pos, &key, problems);
    if (chain_read && key_read) {
        struct str chain_text = {chain.bytes, chain.size};
        struct str key_text = separate ? (struct str){key.bytes, key.size} : chain_text;
        certificate = tls_certificate_parse(chain_text, key_text, from, tickets, now, problems);
    }
    file_wipe(&chain);
    file_wipe(&key);
    return certificate;
}

// --- parsing -----------------------------------------------------------------------------------

static bool leaf_read(struct loading *loading);
static bool dates_check(const struct loading *loading);
static bool contexts_make(struct loading *loading, struct tls_tickets *tickets);

struct tls_certificate *tls_certificate_parse(struct str chain, struct str key,
                                              const struct conf_certificate *from,
                                              struct tls_tickets *tickets, time_t now,
                                              struct problems *problems) {
    struct tls_certificate *certificate = calloc(1, sizeof *certificate);
    struct loading loading = {certificate, from, problems, chain, key, now};
    if (certificate == NULL) {
        problems_add(problems, PROBLEM_ERROR, from->pos, "out of memory");
        return NULL;
    }
    certificate->references = 1;
    if (leaf_read(&loading) && dates_check(&loading) && contexts_make(&loading, tickets))
        return certificate;
    tls_certificate_free(certificate);
    return NULL;
}

struct tls_certificate *tls_certificate_hold(struct tls_certificate *certificate) {
    certificate->references++;
    return certificate;
}

void tls_certificate_free(struct tls_certificate *certificate) {
    if (certificate == NULL || --certificate->references > 0)
        return;
    for (size_t i = 0; i < VERSION_COUNT; i++)
        wolfSSL_CTX_free(certificate->contexts[i]); // wipes the key
    for (size_t i = 0; i < certificate->name_count; i++)
        free(certificate->names[i]);
    free(certificate->names);
    free(certificate->issuer);
    free(certificate);
}

// Records an error about the certificate (not its key) and returns false.
static bool chain_error(const struct loading *loading, const char *what) {
    problems_add(loading->problems, PROBLEM_ERROR, loading->from->pos, "\"%s\": %s",
                 loading->from->certificate_path, what);
    return false;
}

static bool decoded_read(struct loading *loading, const DecodedCert *decoded);

static bool leaf_read(struct loading *loading) {
    DecodedCert decoded;
    int capacity = (int)loading->chain.len; // DER is shorter than its PEM
    unsigned char *der = malloc(loading->chain.len + 1);
    if (der == NULL)
        return chain_error(loading, "out of memory");
    int size = wc_CertPemToDer((const unsigned char *)loading->chain.ptr, capacity, der, capacity,
                               CERT_TYPE);
    if (size <= 0) {
        free(der);
        return chain_error(loading, "no PEM certificate in it");
    }
    wc_InitDecodedCert(&decoded, der, (word32)size, NULL);
    bool read = wc_ParseCert(&decoded, CERT_TYPE, NO_VERIFY, NULL) == 0
                    ? decoded_read(loading, &decoded)
                    : chain_error(loading, "its first certificate cannot be decoded");
    wc_FreeDecodedCert(&decoded);
    free(der);
    return read;
}

static bool key_kind_read(struct loading *loading, const DecodedCert *decoded);
static bool issuer_read(struct loading *loading, const DecodedCert *decoded);
static bool names_read(struct loading *loading, const DecodedCert *decoded);
static time_t date_read(const byte *encoded, int size);

static bool decoded_read(struct loading *loading, const DecodedCert *decoded) {
    struct tls_certificate *certificate = loading->certificate;
    certificate->not_before = date_read(decoded->beforeDate, decoded->beforeDateLen);
    certificate->not_after = date_read(decoded->afterDate, decoded->afterDateLen);
    if (certificate->not_before < 0 || certificate->not_after < 0)
        return chain_error(loading, "its time of validity cannot be decoded");
    certificate->self_signed = decoded->selfSigned;
    return key_kind_read(loading, decoded) && issuer_read(loading, decoded) &&
           names_read(loading, decoded);
}

static int rsa_bits(const DecodedCert *decoded) {
    RsaKey key;
    word32 index = 0;
    int bits = 0;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return 0;
    if (wc_RsaPublicKeyDecode(decoded->publicKey, &index, &key, decoded->pubKeySize) == 0)
        bits = wc_RsaEncryptSize(&key) * 8;
    wc_FreeRsaKey(&key);
    return bits;
}

static bool key_kind_read(struct loading *loading, const DecodedCert *decoded) {
    struct tls_certificate *certificate = loading->certificate;
    if (decoded->keyOID == ECDSAk && decoded->pkCurveOID == ECC_SECP256R1_OID)
        certificate->key_kind = TLS_KEY_ECDSA_P256;
    else if (decoded->keyOID == ECDSAk && decoded->pkCurveOID == ECC_SECP384R1_OID)
        certificate->key_kind = TLS_KEY_ECDSA_P384;
    else if (decoded->keyOID == RSAk)
        certificate->key_kind = TLS_KEY_RSA;
    else
        return chain_error(loading, "its key is of a kind not supported here: use ECDSA with "
                                    "P-256 or P-384, or RSA");
    if (certificate->key_kind == TLS_KEY_RSA && rsa_bits(decoded) < RSA_MIN_BITS)
        return chain_error(loading, "its RSA key has less than 2048 bits");
    return true;
}

// Of "/C=US/O=Let's Encrypt/CN=R11", as wolfSSL writes names; empty when it has no such part.
static struct str name_part(const char *name, const char *key) {
    const char *at = strstr(name, key);
    if (at == NULL)
        return (struct str){"", 0};
    at += strlen(key);
    return (struct str){at, strcspn(at, "/")};
}

static bool issuer_read(struct loading *loading, const DecodedCert *decoded) {
    struct str organisation = name_part(decoded->issuer, "/O=");
    struct str common = name_part(decoded->issuer, "/CN=");
    const char *between = organisation.len > 0 && common.len > 0 ? ", " : "";
    if (asprintf(&loading->certificate->issuer, "%.*s%s%.*s", STR_ARG(organisation), between,
                 STR_ARG(common)) >= 0)
        return true;
    loading->certificate->issuer = NULL;
    return chain_error(loading, "out of memory");
}

// --- names -------------------------------------------------------------------------------------

// Appends a copy in lower case; false: no memory.
static bool name_append(struct tls_certificate *certificate, const char *text, size_t len) {
    char **grown = realloc(certificate->names, (certificate->name_count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    certificate->names = grown;
    char *name = strndup(text, len);
    if (name == NULL)
        return false;
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c |= 0x20;
    certificate->names[certificate->name_count++] = name;
    return true;
}

static bool address_append(struct tls_certificate *certificate, const char *bytes, int size) {
    char text[INET6_ADDRSTRLEN];
    if (size != 4 && size != 16)
        return true;
    inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
    return name_append(certificate, text, strlen(text));
}

static bool names_read(struct loading *loading, const DecodedCert *decoded) {
    struct tls_certificate *certificate = loading->certificate;
    bool room = true;
    for (const DNS_entry *entry = decoded->altNames; entry != NULL && room; entry = entry->next) {
        if (entry->type == ASN_DNS_TYPE)
            room = name_append(certificate, entry->name, (size_t)entry->len);
        else if (entry->type == ASN_IP_TYPE)
            room = address_append(certificate, entry->name, entry->len);
    }
    if (decoded->altNames == NULL && decoded->subjectCN != NULL)
        room = name_append(certificate, decoded->subjectCN, (size_t)decoded->subjectCNLen);
    return room || chain_error(loading, "out of memory");
}

// Whether a certificate's name stands for a host or is the same pattern.
static bool name_covers(const char *name, const char *host) {
    if (strcasecmp(name, host) == 0)
        return true;
    const char *dot = strchr(host, '.');
    return name[0] == '*' && name[1] == '.' && dot != NULL && dot != host && host[0] != '*' &&
           strcasecmp(name + 1, dot) == 0;
}

bool tls_certificate_covers(const struct tls_certificate *certificate, const char *host) {
    char address_text[INET6_ADDRSTRLEN], bare[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t size = strlen(host);
    if (host[0] == '[' && size > 2 && size - 2 < sizeof bare) { // as hosts are written
        memcpy(bare, host + 1, size - 2);
        bare[size - 2] = '\0';
        host = bare;
    }
    if (inet_pton(AF_INET6, host, &address) == 1) // the shortest of an address's many forms
        host = inet_ntop(AF_INET6, &address, address_text, sizeof address_text);
    for (size_t i = 0; i < certificate->name_count; i++)
        if (name_covers(certificate->names[i], host))
            return true;
    return false;
}

// --- dates -------------------------------------------------------------------------------------

// UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5); -1 when it is neither.
static time_t date_read(const byte *encoded, int size) {
    const byte *text;
    byte format;
    int length;
    char copy[32];
    struct tm tm = {0};
    if (wc_GetDateInfo(encoded, size, &text, &format, &length) != 0 || length < 0 ||
        (size_t)length >= sizeof copy)
        return -1;
    memcpy(copy, text, (size_t)length);
    copy[length] = '\0';
    const char *pattern = format == ASN_UTC_TIME ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ";
    return strptime(copy, pattern, &tm) == NULL ? -1 : timegm(&tm);
}

static void date_report(const struct loading *loading, enum problem_kind kind, const char *what,
                        time_t when) {
    char date[40];
    struct tm tm;
    gmtime_r(&when, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &tm);
    problems_add(loading->problems, kind, loading->from->pos, "\"%s\" %s %s",
                 loading->from->certificate_path, what, date);
}

static bool dates_check(const struct loading *loading) {
    const struct tls_certificate *certificate = loading->certificate;
    time_t tenth_s = (certificate->not_after - certificate->not_before) / 10;
    time_t ahead_s = tenth_s < WARN_AHEAD_S ? tenth_s : WARN_AHEAD_S;
    if (loading->now > certificate->not_after) {
        date_report(loading, PROBLEM_ERROR, "expired on", certificate->not_after);
        return false;
    }
    if (loading->now < certificate->not_before)
        date_report(loading, PROBLEM_WARNING, "is not valid before", certificate->not_before);
    else if (certificate->not_after - loading->now < ahead_s)
        date_report(loading, PROBLEM_WARNING, "expires soon, on", certificate->not_after);
    return true;
}

// --- contexts ----------------------------------------------------------------------------------

static bool key_error(const struct loading *loading, const char *what) {
    problems_add(loading->problems, PROBLEM_ERROR, loading->from->key_pos, "\"%s\": %s",
                 loading->from->key_path, what);
    return false;
}

static bool bad_key_error(const struct loading *loading) {
    struct str key = loading->key;
    if (memmem(key.ptr, key.len, "ENCRYPTED", strlen("ENCRYPTED")) != NULL)
        return key_error(loading, "the private key is encrypted; store it without a passphrase");
    if (memmem(key.ptr, key.len, "PRIVATE KEY-----", strlen("PRIVATE KEY-----")) == NULL)
        return key_error(loading, "no PEM private key in it");
    return key_error(loading, "its private key cannot be read");
}

static bool contexts_make(struct loading *loading, struct tls_tickets *tickets) {
    enum tls_context_verdict verdict = TLS_CONTEXT_MADE;
    for (int version = 0; version < VERSION_COUNT && verdict == TLS_CONTEXT_MADE; version++)
        verdict = tls_context_make(loading->chain, loading->key, TLS_CONTEXT_CHECK_KEY,
                                   (enum tls_version)version, tickets,
                                   &loading->certificate->contexts[version]);
    switch (verdict) {
    case TLS_CONTEXT_MADE:
        return true;
    case TLS_CONTEXT_BAD_CHAIN:
        return chain_error(loading, "its certificate chain cannot be read");
    case TLS_CONTEXT_BAD_KEY:
        return bad_key_error(loading);
    case TLS_CONTEXT_KEY_MISMATCH:
        problems_add(loading->problems, PROBLEM_ERROR, loading->from->key_pos,
                     "the private key in \"%s\" does not belong to the certificate in \"%s\"",
                     loading->from->key_path, loading->from->certificate_path);
        return false;
    case TLS_CONTEXT_FAILED:
        break;
    }
    return chain_error(loading, "the TLS library refuses a context for it");
}

// --- what it is --------------------------------------------------------------------------------

enum tls_key_kind tls_certificate_key_kind(const struct tls_certificate *certificate) {
    return certificate->key_kind;
}

size_t tls_certificate_name_count(const struct tls_certificate *certificate) {
    return certificate->name_count;
}

const char *tls_certificate_name(const struct tls_certificate *certificate, size_t index) {
    assert(index < certificate->name_count);
    return certificate->names[index];
}

const char *tls_certificate_issuer(const struct tls_certificate *certificate) {
    return certificate->issuer;
}

bool tls_certificate_is_self_signed(const struct tls_certificate *certificate) {
    return certificate->self_signed;
}

time_t tls_certificate_not_after(const struct tls_certificate *certificate) {
    return certificate->not_after;
}

struct WOLFSSL_CTX *tls_certificate_context(const struct tls_certificate *certificate,
                                            enum tls_version min_version) {
    return certificate->contexts[min_version];
}
