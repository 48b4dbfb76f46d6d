// SPDX-License-Identifier: Apache-2.0
#include "bench/loader.h"

#include "bench/counter.h"
#include "bench/pacer.h"
#include "bench/process.h"
#include "core/container.h"
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPENING_MAX = 64,     // connections of one thread that are being opened at a time
    BEAT_MS = 32,         // how often the schedule is looked at: the wheel's tick
    RING_BUFFERS_MIN = 8, // clients read into the worker's scratch memory
    PER_SOURCE = 16000,   // connections from one source address; the kernel has 28,000 ports
    STORM_SOURCES = 250,  // in a storm ports wait in TIME_WAIT for a minute
};

struct client_list {
    struct client *first, *last;
};

struct loader {
    const struct load_plan *plan;
    const struct schedule *schedule;
    const struct scenario *scenario;
    pthread_t thread;
    uint64_t thread_id; // of the kernel's, once the thread runs; a counter
    unsigned index;
    int result; // of the worker's loop
    struct worker worker;
    struct client_setup setup;
    struct client *clients;
    size_t client_count;
    size_t first_unstarted; // clients before it have been started in the ramp
    size_t opening;         // being opened now
    size_t active;          // not idle
    uint64_t starts;        // of a storm: chooses source addresses
    uint64_t began_ms;
    uint64_t read_ms; // LOAD_SLOW: when reading was last allowed
    uint64_t stop_ms; // when STOP began
    // Of a storm: clients to be started again, at once or, so that a target that refuses is not
    // asked in a busy loop, at the next beat.
    struct client_list again, resting;
    struct timer beat;
    struct task refill; // starts clients
    struct pacer pacer;
    enum load_phase phase; // as acted upon
    struct load_stats stats;
};

// What a mode does at the turns of a client's life. NULL: nothing.
struct scenario {
    void (*run)(struct loader *loader); // RUN begins
    void (*opened)(struct loader *loader, struct client *client);
    void (*echoed)(struct loader *loader, struct client *client); // in RUN
    void (*beat)(struct loader *loader);                          // now and then, in RUN
    // When the message whose echo has just come was to be sent. NULL: nothing is echoed.
    uint64_t (*asked_ns)(const struct loader *loader, const struct client *client);
};

static void client_opened(struct client *client);
static void client_received(struct client *client);
static void client_ended(struct client *client);
static void *thread_run(void *subject);
static void beat_fired(struct timer *timer);
static void refill_run(struct task *task);
static void pace(struct pacer *pacer, uint64_t sequence);

static const struct client_events client_events = {
    .opened = client_opened, .received = client_received, .ended = client_ended};

const char *const load_mode_names[] = {"ping-pong", "open-loop",   "hold",      "storm", "upload",
                                       "download",  "slow-reader", "broadcast", NULL};
const char *const load_answer_names[] = {"echo", "any", "none", NULL};

// --- scenarios --------------------------------------------------------------------------------

static void send_now(struct client *client) {
    client->sent_ns = clock_now_ns();
    client_send(client);
}

static uint64_t sent_ns(const struct loader *loader, const struct client *client) {
    (void)loader;
    return client->sent_ns;
}

static void send_first(struct loader *loader) {
    for (size_t i = 0; i < loader->client_count; i++)
        if (loader->clients[i].state == CLIENT_OPEN)
            send_now(&loader->clients[i]);
}

static void send_one(struct loader *loader, struct client *client) {
    (void)loader;
    send_now(client);
}

// A server that does not echo has no use for a message that was made up.
static void send_greeting(struct loader *loader, struct client *client) {
    if (loader->plan->answer != ANSWER_NONE || loader->plan->message.ptr)
        send_now(client);
}

// How many clients thread `index` has.
static size_t share_of(const struct load_plan *plan, uint64_t index) {
    return (plan->connections + plan->threads - 1 - index) / plan->threads;
}

static double interval_ns(const struct load_plan *plan) {
    return (double)NS_PER_S / (double)plan->rate;
}

static void pacer_begin(struct loader *loader) {
    // The threads take turns: each begins one message later than the one before it.
    double every_ns = interval_ns(loader->plan);
    uint64_t base_ns = loader->schedule->run_ns + (uint64_t)(every_ns * loader->index);
    int result = pacer_start(&loader->pacer, &loader->worker, base_ns,
                             every_ns * (double)loader->plan->threads, pace);
    if (result < 0)
        failure_add(&loader->stats.failures, FAILURE_LOCAL, strerror(-result));
}

static void pace(struct pacer *pacer, uint64_t sequence) {
    struct loader *loader = container_of(pacer, struct loader, pacer);
    struct client *client = &loader->clients[sequence % loader->client_count];
    if (client->state != CLIENT_OPEN) {
        counter_add(&loader->stats.unanswered, 1);
        return;
    }
    counter_add(&loader->stats.asked, 1);
    client_ask(client);
}

// The clients of a thread take turns, so when a message was due follows from who sent it, whoever
// that is, and its number there.
static uint64_t due_ns(const struct loader *loader, const struct client *client) {
    const struct load_plan *plan = loader->plan;
    uint64_t thread = client->dialog.from % plan->threads;
    uint64_t place = client->dialog.from / plan->threads;
    uint64_t turn = client->dialog.number * share_of(plan, thread) + place;
    return loader->schedule->run_ns +
           (uint64_t)(interval_ns(plan) * (double)(turn * plan->threads + thread));
}

static void close_at_once(struct loader *loader, struct client *client) {
    (void)loader;
    client_close(client);
}

static void stream_begin(struct loader *loader) {
    for (size_t i = 0; i < loader->client_count; i++)
        if (loader->clients[i].state == CLIENT_OPEN)
            client_stream(&loader->clients[i]);
}

// What the time since the last beat allows.
static void read_slowly(struct loader *loader) {
    uint64_t now_ms = loader->worker.now_ms;
    uint64_t passed_ms = now_ms - loader->read_ms;
    loader->read_ms = now_ms;
    uint64_t bytes = loader->plan->read_bytes * passed_ms / 1000;
    for (size_t i = 0; bytes > 0 && i < loader->client_count; i++)
        client_read(&loader->clients[i], bytes);
}

static const struct scenario scenarios[] = {
    [LOAD_PING_PONG] = {.run = send_first, .asked_ns = sent_ns, .echoed = send_one},
    [LOAD_OPEN_LOOP] = {.run = pacer_begin, .asked_ns = due_ns},
    [LOAD_HOLD] = {.opened = send_greeting, .asked_ns = sent_ns},
    [LOAD_STORM] = {.opened = close_at_once, .asked_ns = sent_ns},
    [LOAD_UPLOAD] = {.run = stream_begin},
    [LOAD_DOWNLOAD] = {0},
    [LOAD_SLOW] = {.beat = read_slowly},
    [LOAD_BROADCAST] = {.run = pacer_begin, .asked_ns = due_ns},
};

static enum dialog_part part_of(const struct load_plan *plan) {
    switch (plan->mode) {
    case LOAD_UPLOAD:
        return PART_SENDER;
    case LOAD_DOWNLOAD:
    case LOAD_SLOW:
        return PART_RECEIVER;
    case LOAD_BROADCAST:
        return PART_PEER;
    default:
        return plan->answer == ANSWER_ANY    ? PART_ANSWERED
               : plan->answer == ANSWER_NONE ? PART_SPEAKER
                                             : PART_ECHOED;
    }
}

// --- starting ---------------------------------------------------------------------------------

static void source_choose(struct client *client, const struct target *target, uint64_t number) {
    if (!target_is_loopback(target))
        return;
    struct sockaddr_in *source = (struct sockaddr_in *)&client->source;
    source->sin_family = AF_INET;
    source->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)number);
}

static int clients_make(struct loader *loader) {
    const struct load_plan *plan = loader->plan;
    size_t count = share_of(plan, loader->index);
    loader->clients = calloc(count, sizeof *loader->clients);
    loader->setup.write_buffer = malloc(CHANNEL_WRITE_MAX);
    if (!loader->clients || !loader->setup.write_buffer)
        return -ENOMEM;
    loader->client_count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)(i * plan->threads + loader->index);
        client_init(&loader->clients[i], &loader->setup, number, loader);
        if (plan->connections > PER_SOURCE)
            source_choose(&loader->clients[i], &plan->target, number / PER_SOURCE);
    }
    return 0;
}

struct loader *loader_start(const struct load_plan *plan, const struct schedule *schedule,
                            unsigned index, char *why, size_t why_size) {
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    *loader = (struct loader){.plan = plan,
                              .schedule = schedule,
                              .scenario = &scenarios[plan->mode],
                              .index = index,
                              .beat.fired = beat_fired,
                              .refill.run = refill_run};
    loader->setup = (struct client_setup){.worker = &loader->worker,
                                          .target = &plan->target,
                                          .events = &client_events,
                                          .fields = plan->fields,
                                          .timeout_ms = plan->timeout_ms,
                                          .reads_when_told = plan->mode == LOAD_SLOW,
                                          .random.state = clock_now_ns() + index};
    loader->setup.dialog = (struct dialog_setup){.part = part_of(plan),
                                                 .opcode = plan->opcode,
                                                 .message = plan->message,
                                                 .peer_count = plan->connections,
                                                 .sizes = &plan->sizes,
                                                 .random = &loader->setup.random,
                                                 .traffic = &loader->stats.traffic};
    int result = clients_make(loader);
    if (result == 0 && plan->target.security == TARGET_TLS) {
        loader->setup.tls = tls_context_new(&plan->tls, why, why_size);
        if (!loader->setup.tls) {
            loader_free(loader);
            return NULL;
        }
    }
    if (result == 0)
        result = thread_start(&loader->thread, "load", thread_run, loader);
    if (result == 0)
        return loader;
    snprintf(why, why_size, "cannot start a thread of load: %s", strerror(-result));
    loader_free(loader);
    return NULL;
}

static void *thread_run(void *subject) {
    struct loader *loader = subject;
    struct worker *worker = &loader->worker;
    counter_set(&loader->thread_id, (uint64_t)gettid());
    loader->result =
        worker_open(worker, (int)loader->index, &loader->plan->features, RING_BUFFERS_MIN);
    if (loader->result == 0) {
        loader->began_ms = loader->read_ms = worker->now_ms;
        timer_set(&worker->timers, &loader->beat, worker->now_ms + BEAT_MS);
        worker_defer(worker, &loader->refill);
        loader->result = worker_loop(worker);
        worker_close(worker);
    }
    // The main thread waits until every client has settled, and may not wait for ever.
    if (loader->result < 0)
        counter_add(&loader->stats.settled, loader->client_count - loader->stats.settled);
    counter_set(&loader->stats.phase, PHASE_ENDED);
    return NULL;
}

const struct load_stats *loader_stats(const struct loader *loader) {
    return &loader->stats;
}

uint64_t loader_cpu_ns(const struct loader *loader) {
    clockid_t clock;
    return pthread_getcpuclockid(loader->thread, &clock) == 0 ? clock_read_ns(clock) : 0;
}

uint64_t loader_waited_ns(const struct loader *loader) {
    return process_thread_waited_ns((pid_t)counter_read(&loader->thread_id));
}

int loader_join(struct loader *loader) {
    pthread_join(loader->thread, NULL);
    return loader->result;
}

void loader_free(struct loader *loader) {
    tls_context_free(loader->setup.tls);
    free(loader->setup.write_buffer);
    free(loader->clients);
    free(loader);
}

// --- opening ----------------------------------------------------------------------------------

static void list_push(struct client_list *list, struct client *client) {
    client->next = NULL;
    *(list->last ? &list->last->next : &list->first) = client;
    list->last = client;
}

static struct client *list_pop(struct client_list *list) {
    struct client *client = list->first;
    list->first = client->next;
    if (!list->first)
        list->last = NULL;
    return client;
}

// How many clients may have been started by now.
static size_t ramp_allows(const struct loader *loader) {
    uint64_t ramp_ms = loader->plan->ramp_ms;
    uint64_t passed_ms = loader->worker.now_ms - loader->began_ms;
    if (ramp_ms == 0 || passed_ms >= ramp_ms)
        return loader->client_count;
    return (size_t)(loader->client_count * passed_ms / ramp_ms);
}

static void start(struct loader *loader, struct client *client) {
    if (loader->plan->mode == LOAD_STORM)
        source_choose(client, &loader->plan->target, loader->starts++ % STORM_SOURCES);
    loader->opening++;
    loader->active++;
    client_start(client);
}

static void refill_run(struct task *task) {
    struct loader *loader = container_of(task, struct loader, refill);
    if (loader->phase == PHASE_STOP)
        return;
    size_t allowed = ramp_allows(loader);
    while (loader->first_unstarted < allowed && loader->opening < OPENING_MAX)
        start(loader, &loader->clients[loader->first_unstarted++]);
    while (loader->again.first && loader->opening < OPENING_MAX)
        start(loader, list_pop(&loader->again));
}

static bool is_counted(const struct loader *loader, uint64_t at_ns) {
    const struct schedule *schedule = loader->schedule;
    return loader->phase != PHASE_RAMP && at_ns >= schedule->start_ns && at_ns < schedule->end_ns;
}

static void settle(struct loader *loader) {
    loader->opening--;
    counter_add(&loader->stats.settled, 1);
    worker_defer(&loader->worker, &loader->refill);
}

static void client_opened(struct client *client) {
    struct loader *loader = client->owner;
    struct load_stats *stats = &loader->stats;
    settle(loader);
    counter_add(&stats->opened, 1);
    counter_add(&stats->resumed, channel_is_resumed(&client->channel));
    counter_set(&stats->open, stats->open + 1);
    if (loader->plan->mode != LOAD_STORM || is_counted(loader, client->started_ns))
        histogram_add(&stats->opening, clock_now_ns() - client->started_ns);
    if (loader->scenario->opened)
        loader->scenario->opened(loader, client);
}

static void client_ended(struct client *client) {
    struct loader *loader = client->owner;
    struct load_stats *stats = &loader->stats;
    loader->active--;
    if (client->opened)
        counter_set(&stats->open, stats->open - 1);
    else
        settle(loader);
    counter_add(&stats->unanswered, dialog_outstanding(&client->dialog));
    if (client->failure == FAILURE_NONE)
        counter_add(&stats->closed, 1);
    else
        failure_add(&stats->failures, client->failure, client->why);
    if (client->failure == FAILURE_CLOSED)
        failure_code_add(&stats->failures.closes, client->code, 1);
    if (client->failure == FAILURE_HTTP)
        failure_code_add(&stats->failures.statuses, client->code, 1);
    if (loader->plan->mode == LOAD_STORM) {
        list_push(client->failure == FAILURE_NONE ? &loader->again : &loader->resting, client);
        worker_defer(&loader->worker, &loader->refill);
    }
}

// --- running ----------------------------------------------------------------------------------

static void client_received(struct client *client) {
    struct loader *loader = client->owner;
    if (!loader->scenario->asked_ns)
        return;
    if (loader->plan->mode != LOAD_BROADCAST)
        counter_add(&loader->stats.echoes, 1);
    uint64_t asked_ns = loader->scenario->asked_ns(loader, client);
    if (is_counted(loader, asked_ns))
        histogram_add(&loader->stats.latency, clock_now_ns() - asked_ns);
    if (loader->phase == PHASE_RUN && loader->scenario->echoed)
        loader->scenario->echoed(loader, client);
}

// What was due and has not been sent, for want of CPU, is the slowest of all: it is sent now.
static void pacer_end(struct loader *loader) {
    uint64_t now_ns = clock_now_ns(), end_ns = loader->schedule->end_ns;
    pacer_finish(&loader->pacer, now_ns < end_ns ? now_ns : end_ns);
}

static void stop_client(struct loader *loader, struct client *client) {
    if (loader->plan->mode == LOAD_STORM)
        return; // it closes when it has opened; to leave out who waits would leave out the slowest
    client_close(client);
    if (loader->setup.reads_when_told) // what lies in the way of the Close has to be read
        client_read(client, SIZE_MAX);
}

static void phase_enter(struct loader *loader, enum load_phase phase) {
    loader->phase = phase;
    if (phase == PHASE_RUN && loader->scenario->run)
        loader->scenario->run(loader);
    if (phase >= PHASE_DRAIN)
        pacer_end(loader);
    counter_set(&loader->stats.phase, phase);
    if (phase != PHASE_STOP)
        return;
    loader->stop_ms = loader->worker.now_ms;
    for (size_t i = 0; i < loader->client_count; i++)
        stop_client(loader, &loader->clients[i]);
}

// Echoes that are due are waited for, but not for ever: a server that was asked for more than it
// can do may need many times the window for all of them.
static void abandon_late(struct loader *loader) {
    if (loader->worker.now_ms < loader->stop_ms + loader->plan->timeout_ms)
        return;
    for (size_t i = 0; i < loader->client_count; i++)
        client_abandon(&loader->clients[i]);
}

// Follows the schedule.
static void beat_fired(struct timer *timer) {
    struct loader *loader = container_of(timer, struct loader, beat);
    struct worker *worker = &loader->worker;
    enum load_phase phase = schedule_phase(loader->schedule);
    if (phase != loader->phase)
        phase_enter(loader, phase);
    if (loader->phase == PHASE_STOP && loader->active == 0 && pacer_is_idle(&loader->pacer)) {
        worker_stop(worker);
        return;
    }
    if (loader->phase == PHASE_STOP)
        abandon_late(loader);
    if (loader->phase == PHASE_RUN && loader->scenario->beat)
        loader->scenario->beat(loader);
    while (loader->resting.first)
        list_push(&loader->again, list_pop(&loader->resting));
    worker_defer(worker, &loader->refill);
    timer_set(&worker->timers, timer, worker->now_ms + BEAT_MS);
}
