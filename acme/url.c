// SPDX-License-Identifier: Apache-2.0
#include "acme/url.h"

#include <stdlib.h>

static bool host_copy(struct acme_url *url, struct str host) {
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct str){host.ptr + 1, host.len - 2};
    if (host.len == 0 || host.len >= sizeof url->host)
        return false;
    memcpy(url->host, host.ptr, host.len);
    url->host[host.len] = '\0';
    return true;
}

static bool port_read(struct acme_url *url, struct str digits) {
    unsigned long port = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || port > 65535)
            return false;
        port = port * 10 + (unsigned long)(digits.ptr[i] - '0');
    }
    url->port = (uint16_t)port;
    return port > 0 && port <= 65535;
}

bool acme_url_read(const char *text, struct acme_url *url) {
    struct str rest = str_from(text);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] <= ' ' || rest.ptr[i] >= 0x7f)
            return false;
    if (!str_starts(rest, STR("https://")))
        return false;
    rest = str_skip(rest, strlen("https://"));
    size_t authority = strcspn(rest.ptr, "/?#");
    url->authority = (struct str){rest.ptr, authority};
    url->target = str_skip(rest, authority);
    url->target.len = strcspn(url->target.ptr, "#");
    if (url->target.len == 0)
        url->target = STR("/");
    if (url->target.ptr[0] != '/' || memchr(rest.ptr, '@', authority))
        return false;
    const char *colon = memrchr(rest.ptr, ':', authority);
    url->port = 443;
    if (!colon || memchr(colon, ']', authority - (size_t)(colon - rest.ptr)))
        return host_copy(url, url->authority);
    size_t host_size = (size_t)(colon - rest.ptr);
    return host_copy(url, (struct str){rest.ptr, host_size}) &&
           port_read(url, (struct str){colon + 1, authority - host_size - 1});
}
