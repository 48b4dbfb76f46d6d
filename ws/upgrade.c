// SPDX-License-Identifier: Apache-2.0
#include "ws/upgrade.h"

#include <assert.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "ws/octet.h"

// RFC 6455 §1.3.
static const char accept_salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static bool is_key(struct str text);
static bool offers(const struct head *request, struct str name, struct str wanted);
static struct str extension_name(struct str extension);

static unsigned refuse(unsigned status, const char *reason, const char **why) {
    *why = reason;
    return status;
}

unsigned upgrade_request_check(const struct head *request, const char **why) {
    if (request->method != METHOD_GET)
        return refuse(405, "WebSocket handshake: not GET", why);
    if (request->minor == 0)
        return refuse(400, "WebSocket handshake: HTTP/1.0", why);
    if (!request->upgrade_websocket)
        return refuse(400, "WebSocket handshake: no Upgrade: websocket", why);
    if (!head_has_option(request, STR("upgrade")))
        return refuse(400, "WebSocket handshake: no Connection: upgrade", why);
    if (request->framing == BODY_CHUNKED || request->content_length > 0)
        return refuse(400, "WebSocket handshake: with a body", why);

    const struct head_field *version = head_find(request, STR("Sec-WebSocket-Version"));
    if (!version || !str_eq(version->value, STR("13")) ||
        head_count(request, STR("Sec-WebSocket-Version")) != 1)
        return refuse(426, "WebSocket handshake: version is not 13", why);
    if (head_count(request, STR("Sec-WebSocket-Key")) != 1 || !is_key(upgrade_key(request)))
        return refuse(400, "WebSocket handshake: not one key of 16 bytes", why);
    return UPGRADE_OK;
}

// 16 bytes in base64: 22 digits and the padding.
static bool is_key(struct str text) {
    enum { DIGITS = 22 };
    if (text.len != UPGRADE_KEY_BYTES || text.ptr[DIGITS] != '=' || text.ptr[DIGITS + 1] != '=')
        return false;
    for (size_t i = 0; i < DIGITS; i++) {
        char byte = text.ptr[i];
        if (!octet_is(byte, OCTET_ALPHA | OCTET_DIGIT) && byte != '+' && byte != '/')
            return false;
    }
    return true;
}

struct str upgrade_key(const struct head *request) {
    const struct head_field *key = head_find(request, STR("Sec-WebSocket-Key"));
    return key ? key->value : STR("");
}

void upgrade_accept(struct str key, char accept[UPGRADE_ACCEPT_BYTES + 1]) {
    wc_Sha sha;
    byte digest[WC_SHA_DIGEST_SIZE];
    word32 size = UPGRADE_ACCEPT_BYTES + 1;
    // SHA-1 in software fails only on bad arguments.
    int failed = wc_InitSha(&sha);
    failed |= wc_ShaUpdate(&sha, (const byte *)key.ptr, (word32)key.len);
    failed |= wc_ShaUpdate(&sha, (const byte *)accept_salt, sizeof accept_salt - 1);
    failed |= wc_ShaFinal(&sha, digest);
    wc_ShaFree(&sha);
    failed |= Base64_Encode_NoNl(digest, sizeof digest, (byte *)accept, &size);
    assert(!failed && size == UPGRADE_ACCEPT_BYTES);
    accept[UPGRADE_ACCEPT_BYTES] = '\0';
}

void upgrade_offer_init(struct upgrade_offer *offer, const struct head *request) {
    offer->request = request;
    upgrade_accept(upgrade_key(request), offer->accept);
}

unsigned upgrade_response_check(const struct head *response, const struct upgrade_offer *offer,
                                const char **why) {
    if (response->status != 101)
        return refuse(502, "upstream's handshake: not 101", why);
    if (response->minor == 0)
        return refuse(502, "upstream's handshake: HTTP/1.0", why);
    if (!response->upgrade_websocket)
        return refuse(502, "upstream's handshake: no Upgrade: websocket", why);
    if (!head_has_option(response, STR("upgrade")))
        return refuse(502, "upstream's handshake: no Connection: upgrade", why);
    if (response->coding_seen || response->has_content_length)
        return refuse(502, "upstream's handshake: with a body", why);

    struct str accept_name = STR("Sec-WebSocket-Accept");
    const struct head_field *accept = head_find(response, accept_name);
    if (!accept || head_count(response, accept_name) != 1 ||
        !str_eq(accept->value, str_from(offer->accept)))
        return refuse(502, "upstream's handshake: wrong Sec-WebSocket-Accept", why);

    struct str protocol_name = STR("Sec-WebSocket-Protocol");
    const struct head_field *protocol = head_find(response, protocol_name);
    if (protocol && (head_count(response, protocol_name) != 1 ||
                     !offers(offer->request, protocol_name, protocol->value)))
        return refuse(502, "upstream's handshake: subprotocol not offered", why);

    struct str extensions_name = STR("Sec-WebSocket-Extensions"), extension;
    for (unsigned i = 0; i < response->field_count; i++) {
        struct str rest = response->fields[i].value;
        if (!str_ieq(response->fields[i].name, extensions_name))
            continue;
        while (head_list_next(&rest, &extension)) {
            if (!offers(offer->request, extensions_name, extension_name(extension)))
                return refuse(502, "upstream's handshake: extension not offered", why);
        }
    }
    return UPGRADE_OK;
}

bool upgrade_has_extension(const struct head *response) {
    struct str rest, extension;
    for (unsigned i = 0; i < response->field_count; i++) {
        rest = response->fields[i].value;
        if (str_ieq(response->fields[i].name, STR("Sec-WebSocket-Extensions")) &&
            head_list_next(&rest, &extension))
            return true;
    }
    return false;
}

// Whether the lists in the request's fields `name` have `wanted`, parameters left out.
static bool offers(const struct head *request, struct str name, struct str wanted) {
    struct str rest, member;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (!str_ieq(request->fields[i].name, name))
            continue;
        rest = request->fields[i].value;
        while (head_list_next(&rest, &member)) {
            if (str_eq(extension_name(member), wanted))
                return true;
        }
    }
    return false;
}

// What stands before the parameters (RFC 6455 §9.1). A subprotocol is a token and has none.
static struct str extension_name(struct str extension) {
    const char *end = memchr(extension.ptr, ';', extension.len);
    return end ? head_trim((struct str){extension.ptr, (size_t)(end - extension.ptr)}) : extension;
}
