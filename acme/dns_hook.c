// SPDX-License-Identifier: Apache-2.0
//
// A provider that is a program: HOOK set|remove RECORD-NAME VALUE. It is run without a shell, in a
// process group of its own, with none of the gateway's descriptors; all it inherits is the
// environment. It has to be done in time, and is ended with the gateway.
//
// Life of a run: spawn → read what it says until it ends → reap. Ended early: TERM to the group, a
// moment, KILL.
#include "acme/dns_provider.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "acme/wait.h"
#include "core/clock.h"

#define GRACE_MS 500
#define VARIABLES 5
// What it says last is kept for the log.
#define OUTPUT_BYTES 512
// More than a pipe holds: what is left running could write without end.
#define PIPE_READS 256

extern char **environ;

struct run {
    const char *hook;
    int stop_fd;
    pid_t pid;
    int pid_fd, output_fd;
    char output[OUTPUT_BYTES];
    size_t output_size;
};

static int run_start(struct run *run, const char *action, const struct acme_dns_record *record);
static int run_finish(struct run *run, unsigned timeout_ms, struct acme_error *error);

int acme_dns_hook_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                         const struct acme_dns_record *record, struct acme_error *error) {
    struct run run = {.hook = acme->hook, .stop_fd = stop_fd};
    const char *action = change == ACME_DNS_SET ? "set" : "remove";
    int result = run_start(&run, action, record);
    if (result < 0)
        acme_error_set(error, ACME_TROUBLE_LOCAL, result,
                       "the hook %s cannot be run: %s; it must be executable and name its "
                       "interpreter in the first line (#!/bin/sh)",
                       acme->hook, strerror(-result));
    else
        result = run_finish(&run, acme->hook_timeout_ms, error);
    if (result < 0)
        acme_error_while(error, "%s %s", action, record->name);
    return result;
}

// --- starting ---------------------------------------------------------------------------------

typedef char variables[VARIABLES][ACME_DNS_NAME_BYTES + 32];

// Ours for scripts made for us, certbot's for scripts made for its manual mode. They point to
// `texts`, the rest to the gateway's own environment.
static char **environment_make(variables texts, const char *action,
                               const struct acme_dns_record *record) {
    const char *const pairs[VARIABLES][2] = {{"RINGWAY_ACTION", action},
                                             {"RINGWAY_RECORD", record->name},
                                             {"RINGWAY_VALUE", record->value},
                                             {"CERTBOT_DOMAIN", record->domain},
                                             {"CERTBOT_VALIDATION", record->value}};
    size_t count = 0;
    while (environ[count])
        count++;
    char **list = calloc(VARIABLES + count + 1, sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < VARIABLES; i++) {
        snprintf(texts[i], sizeof texts[i], "%s=%s", pairs[i][0], pairs[i][1]);
        list[i] = texts[i];
    }
    memcpy(list + VARIABLES, environ, count * sizeof *list);
    return list;
}

// This thread has all signals blocked, which the program must not inherit.
static int spawn(struct run *run, char *const arguments[], char **environment, int output_fd) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&files);
    int failure = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    failure = failure ? failure : posix_spawn_file_actions_adddup2(&files, output_fd, 1);
    failure = failure ? failure : posix_spawn_file_actions_adddup2(&files, output_fd, 2);
    failure = failure ? failure : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (!failure)
        failure = posix_spawn(&run->pid, run->hook, &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return -failure;
}

static int run_start(struct run *run, const char *action, const struct acme_dns_record *record) {
    char *const arguments[] = {(char *)run->hook, (char *)action, (char *)record->name,
                               (char *)record->value, NULL};
    variables texts;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    char **environment = environment_make(texts, action, record);
    int result = environment ? spawn(run, arguments, environment, ends[1]) : -ENOMEM;
    free(environment);
    close(ends[1]);
    run->output_fd = ends[0];
    fcntl(run->output_fd, F_SETFL, O_NONBLOCK);
    if (result == 0 && (run->pid_fd = pidfd_open(run->pid, 0)) < 0) {
        result = -errno;
        kill(-run->pid, SIGKILL);
        waitpid(run->pid, NULL, 0);
    }
    if (result < 0)
        close(run->output_fd);
    return result;
}

// --- ending ----------------------------------------------------------------------------------

static int run_wait(struct run *run, unsigned timeout_ms);
static void run_kill(struct run *run);
static int run_status(struct run *run, struct acme_error *error);

static int run_finish(struct run *run, unsigned timeout_ms, struct acme_error *error) {
    int result = run_wait(run, timeout_ms);
    if (result < 0)
        run_kill(run);
    int status = run_status(run, error);
    close(run->pid_fd);
    close(run->output_fd);
    if (result == -ECANCELED)
        return acme_error_set(error, ACME_TROUBLE_STOPPED, result, "the gateway stops");
    if (result == -ETIMEDOUT)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, result,
                              "the hook %s was not done after %u s and has been killed "
                              "(acme.hook_timeout)%s%s",
                              run->hook, timeout_ms / 1000,
                              run->output_size > 0 ? "; it said: " : "", run->output);
    return result < 0 ? acme_error_set(error, ACME_TROUBLE_LOCAL, result, "the hook %s: %s",
                                       run->hook, strerror(-result))
                      : status;
}

// Keeps the end of what it says, and lets it say on however much it is. How many bytes there were;
// 0 at the end; -EAGAIN.
static ssize_t output_read(struct run *run) {
    char bytes[OUTPUT_BYTES - 1];
    ssize_t got = read(run->output_fd, bytes, sizeof bytes);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    size_t kept = sizeof run->output - 1 - (size_t)got;
    kept = kept < run->output_size ? kept : run->output_size;
    memmove(run->output, run->output + run->output_size - kept, kept);
    memcpy(run->output + kept, bytes, (size_t)got);
    run->output_size = kept + (size_t)got;
    run->output[run->output_size] = '\0';
    return got;
}

// Until the program itself has ended: what it has left running may keep the output open.
static int run_wait(struct run *run, unsigned timeout_ms) {
    uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms, now_ms;
    struct pollfd polled[] = {{.fd = run->pid_fd, .events = POLLIN},
                              {.fd = run->stop_fd, .events = POLLIN},
                              {.fd = run->output_fd, .events = POLLIN}};
    while ((now_ms = clock_monotonic_ms()) < deadline_ms) {
        int ready = poll(polled, 3, (int)(deadline_ms - now_ms));
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready <= 0)
            continue;
        if (polled[1].revents)
            return -ECANCELED;
        if (polled[2].revents && output_read(run) == 0)
            polled[2].fd = -1;
        if (polled[0].revents)
            return 0;
    }
    return -ETIMEDOUT;
}

// A stop does not wait for a grace that begins with it: the descriptor that says so is left out.
static void run_kill(struct run *run) {
    kill(-run->pid, SIGTERM);
    acme_wait_ready(-1, run->pid_fd, POLLIN, clock_monotonic_ms() + GRACE_MS);
    kill(-run->pid, SIGKILL);
}

// Reaps it. 0: it has ended with status 0.
static int run_status(struct run *run, struct acme_error *error) {
    int status = 0;
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    for (int i = 0; i < PIPE_READS && output_read(run) > 0; i++) {
    }
    while (run->output_size > 0 && strchr(" \t\r\n", run->output[run->output_size - 1]))
        run->output[--run->output_size] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    const char *how = WIFEXITED(status) ? "exit status" : "signal";
    int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO, "the hook %s ended with %s %d%s%s",
                          run->hook, how, number,
                          run->output_size > 0 ? " and said: " : " and said nothing", run->output);
}
