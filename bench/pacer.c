// SPDX-License-Identifier: Apache-2.0
#include "bench/pacer.h"

#include "bench/counter.h"
#include "core/container.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

// What is due within so short a time is called together: a wake-up for each would cost more than
// the message it sends.
#define TICK_MIN_NS UINT64_C(20000)

// At most so many calls at a time: at a rate beyond what the machine can do, each tick would make
// up for a longer one before it, and nothing else would ever run.
enum { CALLS_PER_TICK = 4096 };

static void tick_done(struct op *op, int result, uint8_t *buffer);
static void alarm_set(const struct pacer *pacer, uint64_t at_ns);

int pacer_start(struct pacer *pacer, struct worker *worker, uint64_t base_ns, double interval_ns,
                void (*call)(struct pacer *pacer, uint64_t number)) {
    *pacer = (struct pacer){.worker = worker,
                            .call = call,
                            .op.done = tick_done,
                            .base_ns = base_ns,
                            .interval_ns = interval_ns};
    pacer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (pacer->fd < 0)
        return -errno;
    alarm_set(pacer, base_ns);
    ring_poll_in(worker->ring, &pacer->op, pacer->fd);
    return 0;
}

static void alarm_set(const struct pacer *pacer, uint64_t at_ns) {
    struct itimerspec alarm = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};
    timerfd_settime(pacer->fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

static void tick_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct pacer *pacer = container_of(op, struct pacer, op);
    if (pacer->stopping || result < 0) {
        if (!op->submitted)
            close(pacer->fd);
        return;
    }
    uint64_t expirations;
    if (read(pacer->fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        return;
    if (!op->submitted)
        ring_poll_in(pacer->worker->ring, op, pacer->fd);
    uint64_t now_ns = clock_now_ns();
    for (int i = 0; i < CALLS_PER_TICK && pacer_due_ns(pacer, pacer->next) <= now_ns; i++)
        pacer->call(pacer, pacer->next++);
    uint64_t due_ns = pacer_due_ns(pacer, pacer->next);
    alarm_set(pacer, due_ns > now_ns + TICK_MIN_NS ? due_ns : now_ns + TICK_MIN_NS);
}

void pacer_finish(struct pacer *pacer, uint64_t until_ns) {
    if (!pacer->op.submitted || pacer->stopping)
        return;
    while (pacer_due_ns(pacer, pacer->next) < until_ns)
        pacer->call(pacer, pacer->next++);
    pacer->stopping = true;
    ring_cancel(pacer->worker->ring, &pacer->op);
}
