// SPDX-License-Identifier: Apache-2.0
#include "bench/upgrade.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/sha.h>

#define ACCEPT_SALT "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3

// The fields of a head that decide about an upgrade.
struct head {
    struct str start_line;
    struct str upgrade, connection, key, accept, version, protocol, extensions, location;
};

static void base64(char *out, size_t size, const uint8_t *bytes, size_t n) {
    word32 length = (word32)size;
    Base64_Encode_NoNl(bytes, (word32)n, (byte *)out, &length);
    out[length] = '\0';
}

void upgrade_key_make(char key[UPGRADE_KEY_TEXT], const uint8_t random[16]) {
    base64(key, UPGRADE_KEY_TEXT, random, 16);
}

void upgrade_accept_make(char accept[UPGRADE_ACCEPT_TEXT], struct str key) {
    wc_Sha sha;
    uint8_t digest[WC_SHA_DIGEST_SIZE];
    wc_InitSha(&sha);
    wc_ShaUpdate(&sha, (const byte *)key.ptr, (word32)key.len);
    wc_ShaUpdate(&sha, (const byte *)ACCEPT_SALT, sizeof ACCEPT_SALT - 1);
    wc_ShaFinal(&sha, digest);
    wc_ShaFree(&sha);
    base64(accept, UPGRADE_ACCEPT_TEXT, digest, sizeof digest);
}

size_t upgrade_request_write(char *out, size_t size, const char *authority, const char *path,
                             const char *key, const char *fields) {
    int n = snprintf(out, size,
                     "GET %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: %s\r\n"
                     "%s\r\n",
                     path, authority, key, fields);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

bool upgrade_writes_field(struct str name) {
    // No extension is spoken here, so none can be asked for.
    static const char *const own[] = {"Host",
                                      "Upgrade",
                                      "Connection",
                                      "Sec-WebSocket-Version",
                                      "Sec-WebSocket-Key",
                                      "Sec-WebSocket-Extensions"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (str_ieq(name, str_from(own[i])))
            return true;
    return false;
}

static struct str line_cut(struct str *rest) {
    const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
    struct str line = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    *rest = str_skip(*rest, line.len + 2);
    return line;
}

static struct str trim(struct str text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = str_skip(text, 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static void field_take(struct head *head, struct str line) {
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return;
    struct str name = {line.ptr, (size_t)(colon - line.ptr)};
    struct str value = trim(str_skip(line, name.len + 1));
    if (str_ieq(name, STR("Upgrade")))
        head->upgrade = value;
    else if (str_ieq(name, STR("Connection")))
        head->connection = value;
    else if (str_ieq(name, STR("Sec-WebSocket-Key")))
        head->key = value;
    else if (str_ieq(name, STR("Sec-WebSocket-Accept")))
        head->accept = value;
    else if (str_ieq(name, STR("Sec-WebSocket-Version")))
        head->version = value;
    else if (str_ieq(name, STR("Sec-WebSocket-Protocol")))
        head->protocol = value;
    else if (str_ieq(name, STR("Sec-WebSocket-Extensions")))
        head->extensions = value;
    else if (str_ieq(name, STR("Location")))
        head->location = value;
}

// Splits the head off `input`. UPGRADE_DONE when it is complete.
static enum upgrade_verdict head_split(struct str input, struct head *head,
                                       struct upgrade_result *result) {
    *head = (struct head){0};
    *result = (struct upgrade_result){0};
    const char *end = memmem(input.ptr, input.len, "\r\n\r\n", 4);
    if (!end && input.len < UPGRADE_HEAD_MAX)
        return UPGRADE_WANTS_MORE;
    if (!end) {
        result->why = "the head is longer than 8 KB";
        return UPGRADE_BROKEN;
    }
    struct str rest = {input.ptr, (size_t)(end - input.ptr)};
    result->head_bytes = rest.len + 4;
    head->start_line = line_cut(&rest);
    while (rest.len > 0)
        field_take(head, line_cut(&rest));
    return UPGRADE_DONE;
}

static bool list_has(struct str list, struct str wanted) {
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        struct str item = {list.ptr, comma ? (size_t)(comma - list.ptr) : list.len};
        if (str_ieq(trim(item), wanted))
            return true;
        list = str_skip(list, item.len + 1);
    }
    return false;
}

static enum upgrade_verdict broken(struct upgrade_result *result, const char *why) {
    result->why = why;
    return UPGRADE_BROKEN;
}

// "HTTP/1.1 101 Switching Protocols" → 101; 0 when it is no such line. A refusal may be HTTP/1.0.
static unsigned status_parse(struct str line) {
    if (line.len < 12 ||
        !(str_starts(line, STR("HTTP/1.1 ")) || str_starts(line, STR("HTTP/1.0 "))))
        return 0;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)line.ptr[i]))
            return 0;
        status = status * 10 + (unsigned)(line.ptr[i] - '0');
    }
    return status;
}

// Whether the one protocol of the answer is among those of the request's `fields`.
static bool is_asked_for(struct str protocol, const char *fields) {
    struct str rest = str_from(fields);
    while (rest.len > 0) {
        struct head asked = {0};
        field_take(&asked, line_cut(&rest));
        if (list_has(asked.protocol, protocol))
            return true;
    }
    return false;
}

enum upgrade_verdict upgrade_response_check(struct str input, const char *key, const char *fields,
                                            struct upgrade_result *result) {
    struct head head;
    enum upgrade_verdict verdict = head_split(input, &head, result);
    if (verdict != UPGRADE_DONE)
        return verdict;
    result->status = status_parse(head.start_line);
    if (result->status == 0)
        return broken(result, "the answer is not HTTP/1.1");
    result->location = head.location;
    if (result->status != 101)
        return UPGRADE_REFUSED;
    if (!str_starts(head.start_line, STR("HTTP/1.1 ")))
        return broken(result, "101 in HTTP/1.0");
    if (!list_has(head.upgrade, STR("websocket")) || !list_has(head.connection, STR("upgrade")))
        return broken(result, "101 without Upgrade: websocket and Connection: Upgrade");
    char accept[UPGRADE_ACCEPT_TEXT];
    upgrade_accept_make(accept, str_from(key));
    if (!str_eq(head.accept, str_from(accept)))
        return broken(result, "Sec-WebSocket-Accept does not answer the key");
    if (head.extensions.len > 0) // RFC 6455 §4.1: what was not asked for ends the connection
        return broken(result, "101 with an extension that was not asked for");
    if (head.protocol.len > 0 && !is_asked_for(head.protocol, fields))
        return broken(result, "101 with a subprotocol that was not asked for");
    return UPGRADE_DONE;
}

// "GET /a?b HTTP/1.1" → "/a?b".
static struct str path_of(struct str line) {
    struct str rest = str_skip(line, 4);
    const char *space = memchr(rest.ptr, ' ', rest.len);
    return (struct str){rest.ptr, space ? (size_t)(space - rest.ptr) : rest.len};
}

enum upgrade_verdict upgrade_request_check(struct str input, char accept[UPGRADE_ACCEPT_TEXT],
                                           struct upgrade_result *result) {
    struct head head;
    enum upgrade_verdict verdict = head_split(input, &head, result);
    if (verdict != UPGRADE_DONE)
        return verdict;
    if (!str_starts(head.start_line, STR("GET ")) || !list_has(head.upgrade, STR("websocket")) ||
        !list_has(head.connection, STR("upgrade")) || !str_eq(head.version, STR("13")))
        return UPGRADE_REFUSED;
    result->path = path_of(head.start_line);
    if (head.key.len != UPGRADE_KEY_TEXT - 1)
        return broken(result, "Sec-WebSocket-Key is not 16 bytes of base64");
    upgrade_accept_make(accept, head.key);
    return UPGRADE_DONE;
}
