// SPDX-License-Identifier: Apache-2.0
//
// The ClientHello: first its bytes out of the records they are spread over, then its fields, then
// the extensions that decide on a certificate. What concerns only the key exchange is left to
// wolfSSL, which parses the same bytes again.
#include "tls/hello.h"

#include <string.h>

#include "core/str.h"
#include "tls/suite.h"

#define RECORD_HEADER_BYTES 5
#define RECORD_HANDSHAKE 22
#define MESSAGE_HEADER_BYTES 4
#define MESSAGE_CLIENT_HELLO 1
#define FRAGMENT_MAX_BYTES 16384

enum extension_type {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_SUPPORTED_GROUPS = 10,
    EXTENSION_SIGNATURE_ALGORITHMS = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_SUPPORTED_VERSIONS = 43,
};

// The bytes of one structure. A read past its end clears `ok` and gives zeros from then on, so that
// a sequence of reads needs one check at its end.
struct cursor {
    const uint8_t *at;
    size_t left;
    bool ok;
};

// The handshake message, gathered from its records as far as they have come.
struct message {
    uint8_t bytes[TLS_HELLO_MAX_BYTES];
    size_t len;
};

// What is known while the fields are read.
struct fields {
    struct tls_hello *out;
    uint16_t legacy_version;
    struct cursor suites;
    unsigned signers12, signers13; // by signature_algorithms, per version
    unsigned curves;               // keys on curves among supported_groups
    bool has_signature_algorithms, has_supported_groups, has_supported_versions;
    bool has_common_group;
    uint64_t seen; // extension types below 64
};

static enum tls_hello_verdict first_bytes_check(const uint8_t *bytes, size_t n,
                                                struct tls_hello *out);
static enum tls_hello_verdict message_gather(struct message *message, const uint8_t *bytes,
                                             size_t n, struct tls_hello *out);
static enum tls_hello_verdict message_parse(const struct message *message, struct tls_hello *out);

static enum tls_hello_verdict bad(struct tls_hello *out, enum tls_alert alert, const char *error) {
    out->alert = alert;
    out->error = error;
    return TLS_HELLO_BAD;
}

enum tls_hello_verdict tls_hello_parse(const uint8_t *bytes, size_t n, struct tls_hello *out) {
    struct message message;
    message.len = 0;
    memset(out, 0, sizeof *out);
    enum tls_hello_verdict verdict = first_bytes_check(bytes, n, out);
    if (verdict == TLS_HELLO_DONE)
        verdict = message_gather(&message, bytes, n, out);
    if (verdict == TLS_HELLO_DONE)
        verdict = message_parse(&message, out);
    return verdict;
}

// --- records -----------------------------------------------------------------------------------

// DONE: a handshake record begins here.
static enum tls_hello_verdict first_bytes_check(const uint8_t *bytes, size_t n,
                                                struct tls_hello *out) {
    static const char methods[][4] = {"GET ", "POST", "HEAD", "PUT ", "DELE",
                                      "OPTI", "PATC", "CONN", "TRAC", "PRI "};
    size_t known = n < sizeof *methods ? n : sizeof *methods;
    if (n == 0)
        return TLS_HELLO_MORE;
    if (bytes[0] == RECORD_HANDSHAKE)
        return TLS_HELLO_DONE;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (memcmp(methods[i], bytes, known) == 0)
            return known == sizeof *methods ? TLS_HELLO_PLAIN_HTTP : TLS_HELLO_MORE;
    return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "not a TLS handshake");
}

// The length of the whole message with its header, or 0 while that is not known.
static size_t message_size(const struct message *message) {
    const uint8_t *bytes = message->bytes;
    if (message->len < MESSAGE_HEADER_BYTES)
        return 0;
    return MESSAGE_HEADER_BYTES + ((size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3]);
}

// Checks what can be told from the first bytes of the message. DONE: all of it is here.
static enum tls_hello_verdict message_check(const struct message *message, struct tls_hello *out) {
    size_t size = message_size(message);
    if (message->len > 0 && message->bytes[0] != MESSAGE_CLIENT_HELLO)
        return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "the first message is no ClientHello");
    if (size > TLS_HELLO_MAX_BYTES)
        return bad(out, TLS_ALERT_ILLEGAL_PARAMETER, "the ClientHello is too long");
    if (size == 0 || message->len < size)
        return TLS_HELLO_MORE;
    if (message->len > size)
        return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "data behind the ClientHello");
    return TLS_HELLO_DONE;
}

// DONE: a whole record header is here and in order; its fragment has `size` bytes.
static enum tls_hello_verdict record_check(const uint8_t *header, size_t n, size_t *size,
                                           struct tls_hello *out) {
    if (n > 0 && header[0] != RECORD_HANDSHAKE)
        return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "another record inside the ClientHello");
    if (n > 1 && header[1] != 3)
        return bad(out, TLS_ALERT_PROTOCOL_VERSION, "not a TLS record");
    if (n < RECORD_HEADER_BYTES)
        return TLS_HELLO_MORE;
    *size = (size_t)header[3] << 8 | header[4];
    if (*size == 0)
        return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "an empty handshake record");
    if (*size > FRAGMENT_MAX_BYTES)
        return bad(out, TLS_ALERT_RECORD_OVERFLOW, "a record of more than 16384 bytes");
    return TLS_HELLO_DONE;
}

static enum tls_hello_verdict message_gather(struct message *message, const uint8_t *bytes,
                                             size_t n, struct tls_hello *out) {
    for (int records = 0; records < TLS_HELLO_MAX_RECORDS; records++) {
        size_t size;
        enum tls_hello_verdict verdict = record_check(bytes, n, &size, out);
        if (verdict != TLS_HELLO_DONE)
            return verdict;
        bytes += RECORD_HEADER_BYTES;
        n -= RECORD_HEADER_BYTES;
        size_t here = size < n ? size : n;
        size_t room = sizeof message->bytes - message->len;
        size_t copied = here < room ? here : room;
        memcpy(message->bytes + message->len, bytes, copied);
        message->len += copied;
        verdict = message_check(message, out);
        if (verdict == TLS_HELLO_BAD)
            return verdict;
        if (copied < here)
            return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "data behind the ClientHello");
        if (here < size)
            return TLS_HELLO_MORE;
        if (verdict == TLS_HELLO_DONE)
            return verdict;
        bytes += here;
        n -= here;
    }
    return bad(out, TLS_ALERT_UNEXPECTED_MESSAGE, "the ClientHello is cut into too many records");
}

// --- reading structures ------------------------------------------------------------------------

static struct cursor take_bytes(struct cursor *from, size_t n) {
    if (n > from->left) {
        *from = (struct cursor){from->at, 0, false};
        return *from;
    }
    struct cursor taken = {from->at, n, true};
    from->at += n;
    from->left -= n;
    return taken;
}

static unsigned take_u8(struct cursor *from) {
    struct cursor byte = take_bytes(from, 1);
    return byte.ok ? byte.at[0] : 0;
}

static unsigned take_u16(struct cursor *from) {
    struct cursor bytes = take_bytes(from, 2);
    return bytes.ok ? (unsigned)bytes.at[0] << 8 | bytes.at[1] : 0;
}

// A vector with a length prefix (RFC 8446 §3.4).
static struct cursor take_vector8(struct cursor *from) {
    return take_bytes(from, take_u8(from));
}

static struct cursor take_vector16(struct cursor *from) {
    return take_bytes(from, take_u16(from));
}

// Whether the cursor was read to its end without going past it.
static bool read_whole(const struct cursor *cursor) {
    return cursor->ok && cursor->left == 0;
}

// --- fields ------------------------------------------------------------------------------------

static enum tls_hello_verdict extensions_parse(struct cursor body, struct fields *fields);
static enum tls_hello_verdict fields_conclude(const struct fields *fields);

static enum tls_hello_verdict message_parse(const struct message *message, struct tls_hello *out) {
    struct fields fields = {.out = out};
    struct cursor body = {message->bytes, message->len, true};
    take_bytes(&body, MESSAGE_HEADER_BYTES);
    fields.legacy_version = (uint16_t)take_u16(&body);
    take_bytes(&body, 32); // random
    struct cursor session_id = take_vector8(&body);
    fields.suites = take_vector16(&body);
    struct cursor compressions = take_vector8(&body);
    if (!body.ok || session_id.left > 32 || compressions.left == 0 || fields.suites.left < 2 ||
        fields.suites.left % 2 != 0)
        return bad(out, TLS_ALERT_DECODE_ERROR, "a malformed ClientHello");
    if (body.left > 0) {
        struct cursor extensions = take_vector16(&body);
        if (!read_whole(&body))
            return bad(out, TLS_ALERT_DECODE_ERROR, "a malformed ClientHello");
        enum tls_hello_verdict verdict = extensions_parse(extensions, &fields);
        if (verdict != TLS_HELLO_DONE)
            return verdict;
    }
    return fields_conclude(&fields);
}

static bool server_name_parse(struct cursor body, struct tls_hello *out);
static bool supported_groups_parse(struct cursor body, struct fields *fields);
static bool signature_algorithms_parse(struct cursor body, struct fields *fields);
static bool alpn_parse(struct cursor body, struct tls_hello *out);
static bool supported_versions_parse(struct cursor body, struct fields *fields);

static bool extension_parse(unsigned type, struct cursor body, struct fields *fields) {
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return server_name_parse(body, fields->out);
    case EXTENSION_SUPPORTED_GROUPS:
        return supported_groups_parse(body, fields);
    case EXTENSION_SIGNATURE_ALGORITHMS:
        return signature_algorithms_parse(body, fields);
    case EXTENSION_ALPN:
        return alpn_parse(body, fields->out);
    case EXTENSION_SUPPORTED_VERSIONS:
        return supported_versions_parse(body, fields);
    default:
        return true;
    }
}

static enum tls_hello_verdict extensions_parse(struct cursor body, struct fields *fields) {
    while (body.ok && body.left > 0) {
        unsigned type = take_u16(&body);
        struct cursor content = take_vector16(&body);
        uint64_t bit = type < 64 ? UINT64_C(1) << type : 0;
        if (!body.ok)
            break;
        if (fields->seen & bit)
            return bad(fields->out, TLS_ALERT_ILLEGAL_PARAMETER, "an extension sent twice");
        fields->seen |= bit;
        if (extension_parse(type, content, fields))
            continue;
        if (fields->out->error == NULL)
            bad(fields->out, TLS_ALERT_DECODE_ERROR, "a malformed extension in the ClientHello");
        return TLS_HELLO_BAD;
    }
    if (!read_whole(&body))
        return bad(fields->out, TLS_ALERT_DECODE_ERROR, "malformed extensions in the ClientHello");
    return TLS_HELLO_DONE;
}

// Copies a host name in lower case; false when it is none: labels of letters, digits, hyphens and
// underscores, 1 to 63 of them, no empty label and so no dot at the end (RFC 6066 §3).
static bool host_copy(char out[TLS_HOST_BYTES], struct cursor name) {
    size_t label_len = 0;
    if (name.left > 253)
        return false;
    for (size_t i = 0; i < name.left; i++) {
        uint8_t c = name.at[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!letter && (c != '.' || label_len == 0))
            return false;
        label_len = letter ? label_len + 1 : 0;
        if (label_len > 63)
            return false;
        out[i] = (char)c;
    }
    out[name.left] = '\0';
    return label_len > 0;
}

static bool server_name_parse(struct cursor body, struct tls_hello *out) {
    struct cursor list = take_vector16(&body);
    if (!read_whole(&body) || list.left == 0)
        return false;
    while (list.ok && list.left > 0) {
        unsigned type = take_u8(&list);
        struct cursor name = take_vector16(&list);
        if (!list.ok || name.left == 0)
            return false;
        if (type != 0)
            continue;
        if (out->server_name[0] != '\0' || !host_copy(out->server_name, name)) {
            out->server_name[0] = '\0';
            bad(out, TLS_ALERT_ILLEGAL_PARAMETER, "a malformed server name");
            return false;
        }
    }
    return list.ok;
}

static bool alpn_parse(struct cursor body, struct tls_hello *out) {
    struct cursor list = take_vector16(&body);
    if (!read_whole(&body) || list.left == 0)
        return false;
    while (list.ok && list.left > 0) {
        struct cursor name = take_vector8(&list);
        if (!list.ok || name.left == 0)
            return false;
        struct str protocol = {(const char *)name.at, name.left};
        out->alpn |= str_eq(protocol, STR("http/1.1"))     ? TLS_ALPN_HTTP_1_1
                     : str_eq(protocol, STR("http/1.0"))   ? TLS_ALPN_HTTP_1_0
                     : str_eq(protocol, STR("acme-tls/1")) ? TLS_ALPN_ACME
                                                           : TLS_ALPN_OTHER;
    }
    return list.ok;
}

static bool supported_versions_parse(struct cursor body, struct fields *fields) {
    struct cursor list = take_vector8(&body);
    if (!read_whole(&body) || list.left == 0 || list.left % 2 != 0)
        return false;
    fields->has_supported_versions = true;
    while (list.left > 0) {
        unsigned version = take_u16(&list);
        fields->out->offers_tls12 |= version == 0x0303;
        fields->out->offers_tls13 |= version == 0x0304;
    }
    return true;
}

// --- which certificates ------------------------------------------------------------------------

// The keys that a signature scheme goes with. In TLS 1.3 an ECDSA scheme names the curve (RFC 8446
// §4.2.3), before that only the hash (RFC 5246 §7.4.1.4.1).
static void signature_scheme_note(unsigned scheme, struct fields *fields) {
    if (scheme == 0x0403)
        fields->signers13 |= TLS_KEY_ECDSA_P256;
    if (scheme == 0x0503)
        fields->signers13 |= TLS_KEY_ECDSA_P384;
    if (scheme >= 0x0804 && scheme <= 0x0806) // rsa_pss_rsae_*
        fields->signers13 |= TLS_KEY_RSA, fields->signers12 |= TLS_KEY_RSA;
    if (scheme >> 8 >= 4 && scheme >> 8 <= 6 && (scheme & 0xff) == 3) // SHA-256 and up
        fields->signers12 |= TLS_KEY_ECDSA_P256 | TLS_KEY_ECDSA_P384;
    if (scheme >> 8 >= 4 && scheme >> 8 <= 6 && (scheme & 0xff) == 1)
        fields->signers12 |= TLS_KEY_RSA;
}

static bool signature_algorithms_parse(struct cursor body, struct fields *fields) {
    struct cursor list = take_vector16(&body);
    if (!read_whole(&body) || list.left == 0 || list.left % 2 != 0)
        return false;
    fields->has_signature_algorithms = true;
    while (list.left > 0)
        signature_scheme_note(take_u16(&list), fields);
    return true;
}

static bool is_our_group(unsigned group) {
    const int *ids;
    size_t count = tls_group_ids(&ids);
    for (size_t i = 0; i < count; i++)
        if (group == (unsigned)ids[i])
            return true;
    return false;
}

static bool supported_groups_parse(struct cursor body, struct fields *fields) {
    struct cursor list = take_vector16(&body);
    if (!read_whole(&body) || list.left == 0 || list.left % 2 != 0)
        return false;
    fields->has_supported_groups = true;
    while (list.left > 0) {
        unsigned group = take_u16(&list);
        fields->has_common_group |= is_our_group(group);
        fields->curves |= group == 23 ? TLS_KEY_ECDSA_P256 : group == 24 ? TLS_KEY_ECDSA_P384 : 0;
    }
    return true;
}

// TLS 1.2 suites name the kind of key.
static unsigned suites_signers(struct cursor suites) {
    unsigned kinds = 0;
    while (suites.left > 0) {
        switch (take_u16(&suites)) {
        case 0xc02b: // ECDHE-ECDSA with AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305
        case 0xc02c:
        case 0xcca9:
            kinds |= TLS_KEY_ECDSA_P256 | TLS_KEY_ECDSA_P384;
            break;
        case 0xc02f: // ECDHE-RSA with the same
        case 0xc030:
        case 0xcca8:
            kinds |= TLS_KEY_RSA;
            break;
        }
    }
    return kinds;
}

// In TLS 1.2 a client's list of groups holds for certificates too (RFC 8422 §5.1).
static unsigned accepted12(const struct fields *fields) {
    unsigned kinds = suites_signers(fields->suites);
    if (fields->has_signature_algorithms)
        kinds &= fields->signers12;
    if (fields->has_supported_groups)
        kinds &= fields->curves | TLS_KEY_RSA;
    return kinds;
}

static enum tls_hello_verdict fields_conclude(const struct fields *fields) {
    const unsigned all = TLS_KEY_ECDSA_P256 | TLS_KEY_ECDSA_P384 | TLS_KEY_RSA;
    struct tls_hello *out = fields->out;
    if (!fields->has_supported_versions)
        out->offers_tls12 = fields->legacy_version >= 0x0303;
    if (!out->offers_tls12 && !out->offers_tls13)
        return bad(out, TLS_ALERT_PROTOCOL_VERSION, "the client offers neither TLS 1.2 nor 1.3");
    // wolfSSL would ask for a group the client has not (a HelloRetryRequest against RFC 8446
    // §4.2.8).
    if (fields->has_supported_groups && !fields->has_common_group)
        return bad(out, TLS_ALERT_HANDSHAKE_FAILURE, "no common key exchange group");
    if (!out->offers_tls13)
        out->accepts = accepted12(fields);
    else
        out->accepts = fields->has_signature_algorithms ? fields->signers13 : all;
    return TLS_HELLO_DONE;
}
