// SPDX-License-Identifier: Apache-2.0
//
// Prepares `ringway demo`; see the header.
#include "app/demo.h"

#include "app/demo_backend.h"
#include "tls/selfsigned.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CERTIFICATE_DAYS 30
#define CERTIFICATE_FILE "cert.pem"
#define KEY_FILE "key.pem"

static int folder_make(struct demo *demo);
static int certificate_make(const char *folder);
static int config_write(struct demo *demo, unsigned port);

int demo_prepare(unsigned port, struct demo **out) {
    struct demo *demo = calloc(1, sizeof(*demo));
    if (!demo)
        return -ENOMEM;
    int result = folder_make(demo);
    if (result == 0)
        result = certificate_make(demo->folder);
    if (result == 0)
        result = demo_backend_start(&demo->backend);
    if (result == 0)
        result = config_write(demo, port);
    if (result < 0) {
        demo_end(demo);
        return result;
    }
    *out = demo;
    return 0;
}

// mkdtemp(3) makes it 0700.
static int folder_make(struct demo *demo) {
    const char *parent = getenv("TMPDIR");
    if (asprintf(&demo->folder, "%s/ringway-demo-XXXXXX", parent ? parent : "/tmp") < 0) {
        demo->folder = NULL;
        return -ENOMEM;
    }
    if (mkdtemp(demo->folder))
        return 0;
    int result = -errno;
    free(demo->folder);
    demo->folder = NULL;
    return result;
}

static char *file_path(const char *folder, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int certificate_make(const char *folder) {
    static const char *const names[] = {"localhost", "*.localhost", "127.0.0.1", "::1"};
    char *certificate = file_path(folder, CERTIFICATE_FILE);
    char *key = file_path(folder, KEY_FILE);
    int result = -ENOMEM;
    if (certificate && key)
        result = tls_selfsigned_write(names, sizeof(names) / sizeof(names[0]), CERTIFICATE_DAYS,
                                      certificate, key);
    free(certificate);
    free(key);
    return result;
}

static bool ipv6_works(void);

static int config_write(struct demo *demo, unsigned port) {
    char listen_ipv6[64] = "";
    if (ipv6_works())
        snprintf(listen_ipv6, sizeof(listen_ipv6), ", {address: \"[::1]:%u\", tls: true}", port);
    int size_bytes = asprintf(&demo->config_text,
                              "listen: [{address: \"127.0.0.1:%u\", tls: true}%s]\n"
                              "sites:\n"
                              "  localhost:\n"
                              "    aliases: [\"127.0.0.1\", \"[::1]\"]\n"
                              "    tls: {certificate: " CERTIFICATE_FILE ", key: " KEY_FILE "}\n"
                              "    routes: {/: {upstream: demo}}\n"
                              "upstreams: {demo: {servers: [\"127.0.0.1:%u\"]}}\n",
                              port, listen_ipv6, demo_backend_port(demo->backend));
    if (size_bytes < 0) {
        demo->config_text = NULL;
        return -ENOMEM;
    }
    demo->config_size_bytes = (size_t)size_bytes;
    return 0;
}

// Browsers try [::1] first for localhost, but containers often have no IPv6 at all.
static bool ipv6_works(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool works = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return works;
}

static void folder_remove(const char *folder);

void demo_end(struct demo *demo) {
    if (!demo)
        return;
    demo_backend_stop(demo->backend);
    if (demo->folder)
        folder_remove(demo->folder);
    free(demo->folder);
    free(demo->config_text);
    free(demo);
}

static void folder_remove(const char *folder) {
    static const char *const names[] = {CERTIFICATE_FILE, KEY_FILE};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_path(folder, names[i]);
        if (path)
            unlink(path);
        free(path);
    }
    rmdir(folder);
}
