// SPDX-License-Identifier: Apache-2.0
#include "bench/serve.h"

#include "bench/echo.h"
#include "bench/pattern.h"
#include "bench/process.h"
#include "bench/relay.h"
#include "core/address.h"
#include "core/container.h"
#include "core/thread.h"
#include "core/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    FILES_MAX = 1 << 20,  // connections; what the kernel allows a process at the most by default
    BEAT_MS = 64,         // how often a thread looks whether it is to end
    RING_BUFFERS_MIN = 8, // connections read into the worker's scratch memory
    // A listener outlives its process by some milliseconds, until the kernel has taken its ring
    // down.
    IN_USE_TRIES = 100,
    IN_USE_WAIT_US = 10000,
};

struct server_thread {
    const struct serve_settings *settings;
    pthread_t thread;
    int index;
    int result; // of the worker's loop
    struct worker worker;
    struct echo_server echo;
    struct relay_server relay; // with `settings->relays`, in the place of `echo`
    struct timer beat;
};

static bool stopping; // atomic; set by the main thread

static void beat_fired(struct timer *timer) {
    struct server_thread *thread = container_of(timer, struct server_thread, beat);
    if (__atomic_load_n(&stopping, __ATOMIC_RELAXED))
        worker_stop(&thread->worker);
    timer_set(&thread->worker.timers, timer, thread->worker.now_ms + BEAT_MS);
}

static void *thread_run(void *subject) {
    struct server_thread *thread = subject;
    struct worker *worker = &thread->worker;
    bool relays = thread->settings->relays;
    thread->result = worker_open(worker, thread->index, &thread->settings->features,
                                 relays ? WORKER_RING_BUFFERS : RING_BUFFERS_MIN);
    if (thread->result == 0) {
        thread->beat.fired = beat_fired;
        timer_set(&worker->timers, &thread->beat, worker->now_ms + BEAT_MS);
        if (relays)
            relay_server_start(&thread->relay, worker);
        else
            echo_server_start(&thread->echo, worker);
        thread->result = worker_loop(worker);
        worker_close(worker);
        if (relays)
            relay_server_clear(&thread->relay);
        else
            echo_server_clear(&thread->echo);
    }
    if (thread->result < 0)
        kill(getpid(), SIGTERM); // wakes the main thread, which says why
    return NULL;
}

enum sharing { SHARED, ALONE };

// A bound socket, or a negative errno.
static int bind_socket(const struct sockaddr *address, enum sharing sharing) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sharing == SHARED)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, address, address_size(address)) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

// 0 or a negative errno. Programs with SO_REUSEPORT would silently share an address: a first bind
// without it tells whether another listens there.
static int check_free(const struct sockaddr *address) {
    int fd, tries = 0;
    while ((fd = bind_socket(address, ALONE)) == -EADDRINUSE && tries++ < IN_USE_TRIES)
        usleep(IN_USE_WAIT_US);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

// A listener of one thread: each has its own, the kernel spreads connections over them.
static int listener_open(struct sockaddr_storage *address) {
    struct sockaddr *plain = (struct sockaddr *)address;
    int fd = bind_socket(plain, SHARED);
    if (fd < 0)
        return fd;
    socklen_t size = sizeof *address;
    // The name is read back: the next thread's listener wants the port the kernel chose.
    if (listen(fd, BACKLOG) == 0 && getsockname(fd, plain, &size) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

// Fills `threads`, which are zeroed, with what each needs from before its start.
static bool threads_prepare(struct server_thread *threads, struct inbox *inboxes,
                            const struct serve_settings *settings, char *why, size_t why_size) {
    struct sockaddr_storage address = settings->address;
    char text[ADDRESS_TEXT_MAX];
    for (uint64_t i = 0; i < settings->threads; i++) {
        int result = inbox_open(&inboxes[i]);
        if (result < 0) {
            snprintf(why, why_size, "cannot make a pipe: %s", strerror(-result));
            return false;
        }
    }
    int taken = check_free((struct sockaddr *)&address);
    for (uint64_t i = 0; i < settings->threads; i++) {
        int fd = taken < 0 ? taken : listener_open(&address);
        if (fd < 0) {
            address_format((struct sockaddr *)&address, text);
            snprintf(why, why_size, "cannot listen on %s: %s", text, strerror(-fd));
            return false;
        }
        threads[i] = (struct server_thread){
            .settings = settings,
            .index = (int)i,
            .echo = {.acceptor = {.listener = fd},
                     .inboxes = inboxes,
                     .inbox_count = settings->threads,
                     .index = i},
            .relay = {.acceptor = {.listener = fd}, .backend = settings->backend}};
    }
    address_format((struct sockaddr *)&address, text);
    printf("%s%s, %llu thread%s\n", settings->relays ? "relay on " : "echo backend on ws://", text,
           (unsigned long long)settings->threads, settings->threads == 1 ? "" : "s");
    fflush(stdout);
    return true;
}

static bool threads_run(struct server_thread *threads, uint64_t count, char *why, size_t why_size) {
    sigset_t signals;
    int ignored, result = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    uint64_t started = 0;
    while (started < count && result == 0) {
        struct server_thread *thread = &threads[started];
        result = thread_start(&thread->thread, "echo", thread_run, thread);
        started += result == 0;
    }
    if (result == 0)
        sigwait(&signals, &ignored);
    __atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
        result = threads[i].result < 0 ? threads[i].result : result;
    }
    if (result < 0)
        snprintf(why, why_size, "the backend failed: %s", strerror(-result));
    return result == 0;
}

bool serve_run(const struct serve_settings *settings, char *why, size_t why_size) {
    struct server_thread *threads = calloc(settings->threads, sizeof *threads);
    struct inbox *inboxes = calloc(settings->threads, sizeof *inboxes);
    bool is_good = threads && inboxes;
    if (!is_good)
        snprintf(why, why_size, "out of memory");
    process_files_allow(FILES_MAX);
    pattern_init();
    is_good = is_good && threads_prepare(threads, inboxes, settings, why, why_size) &&
              threads_run(threads, settings->threads, why, why_size);
    for (uint64_t i = 0; threads && inboxes && i < settings->threads; i++) {
        if (threads[i].settings)
            close(threads[i].echo.acceptor.listener);
        inbox_close(&inboxes[i]);
    }
    free(threads);
    free(inboxes);
    return is_good;
}
