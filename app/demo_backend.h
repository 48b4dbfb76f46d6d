// SPDX-License-Identifier: Apache-2.0
//
// The demo's application: a page at "/" and a WebSocket echo at "/echo", on a thread of its own
// with poll(2), plain, for a few dozen clients. Written as simply as a backend can be; the gateway
// in front is what is shown.
#ifndef RINGWAY_APP_DEMO_BACKEND_H
#define RINGWAY_APP_DEMO_BACKEND_H

#include <stdint.h>

struct demo_backend;

// Listens on 127.0.0.1 on a port the kernel chooses and starts the thread. Negative errno.
int demo_backend_start(struct demo_backend **out);

// The port it listens on.
uint16_t demo_backend_port(const struct demo_backend *backend);

// Closes every connection and ends the thread. NULL is allowed.
void demo_backend_stop(struct demo_backend *backend);

#endif
