// SPDX-License-Identifier: Apache-2.0
//
// How `ringway reload` and `ringway status` talk to the running gateway: a Unix socket in the
// abstract namespace, named after the configuration file both were given, so that no path has to be
// agreed on. A command is one line; the answer is "ok" or "failed", then what there is to say, then
// the end. Only root and the gateway's own user are heard.
#ifndef RINGWAY_APP_CONTROL_H
#define RINGWAY_APP_CONTROL_H

#include "core/worker.h"

#include <stdbool.h>
#include <stdio.h>

// Carries out a command and writes what there is to say to `out`. Returns whether it succeeded.
typedef bool control_command(void *context, const char *name, FILE *out);

struct control_server {
    struct worker *worker;
    control_command *command;
    void *context;
    struct op accept;
    struct timer accept_timer; // set while accepting rests
    int fd;                    // -1: not listening
};

// Listens for commands to the gateway that runs `config_path` (NULL: none can come). A failure is
// logged, and the gateway goes on without. Main thread.
void control_open(struct control_server *server, struct worker *worker, const char *config_path,
                  control_command *command, void *context);
// Listens no more; harmless when it never did. Its accept ends with the ring, so the worker must be
// about to close. Main thread.
void control_close(struct control_server *server);

// The other side: sends `command` to the gateway that runs `config_path` and copies the answer to
// `out`. Returns the exit status: 0 when the command succeeded. Blocking.
int control_send(const char *config_path, const char *command, FILE *out);

#endif
