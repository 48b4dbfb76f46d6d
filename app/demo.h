// SPDX-License-Identifier: Apache-2.0
//
// What `ringway demo` needs around the gateway: a folder with a self-signed certificate, a backend
// with a page and a WebSocket echo, and the configuration that joins them, shown to the newcomer.
#ifndef RINGWAY_APP_DEMO_H
#define RINGWAY_APP_DEMO_H

#include <stddef.h>

struct demo {
    char *folder;      // temporary, 0700; relative file names of `config_text` start here
    char *config_text; // YAML for config_parse
    size_t config_size_bytes;
    struct demo_backend *backend;
};

// Makes the folder with cert.pem and key.pem, starts the backend on 127.0.0.1 and writes the
// configuration for `https://localhost:port`. Negative errno. On success `demo_end` is owed.
int demo_prepare(unsigned port, struct demo **out);

// Stops the backend and removes the folder with what demo_prepare put there. NULL is allowed.
void demo_end(struct demo *demo);

#endif
