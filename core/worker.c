// SPDX-License-Identifier: Apache-2.0
#include "core/worker.h"

#include "core/clock.h"
#include "core/container.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

static void housekeeping_fired(struct timer *timer) {
    struct worker *worker = container_of(timer, struct worker, housekeeping);
    worker->each_second(worker);
    timer_set(&worker->timers, timer, worker->now_ms + 1000);
}

int worker_open(struct worker *worker, int index, const struct ring_features *features,
                unsigned buffers) {
    *worker = (struct worker){.index = index, .housekeeping.fired = housekeeping_fired};
    worker->tasks_end = &worker->tasks;
    worker->now_ms = clock_monotonic_ms();
    wheel_init(&worker->timers, worker->now_ms);
    worker->read_scratch = malloc(WORKER_SCRATCH_BYTES);
    worker->open_scratch = malloc(WORKER_OPEN_BYTES);
    worker->seal_scratch = malloc(WORKER_SEAL_BYTES);
    if (worker->read_scratch && worker->open_scratch && worker->seal_scratch)
        worker->ring = ring_open(features, WORKER_RING_ENTRIES, buffers, &worker->ring_counters);
    else
        errno = ENOMEM;
    if (worker->ring)
        return 0;
    int error = errno;
    worker_close(worker);
    return -error;
}

void worker_close(struct worker *worker) {
    pipe_pool_clear(&worker->pipes, worker->ring);
    if (worker->ring)
        ring_close(worker->ring);
    free(worker->read_scratch);
    free(worker->open_scratch);
    free(worker->seal_scratch);
    chunk_pool_clear(&worker->chunks);
    worker->ring = NULL;
}

// Runs the tasks queued so far; those they queue wait for the next turn.
static void tasks_run(struct worker *worker) {
    struct task *task = worker->tasks;
    worker->tasks = NULL;
    worker->tasks_end = &worker->tasks;
    while (task) {
        struct task *next = task->next;
        task->queued = false;
        task->run(task);
        task = next;
    }
}

int worker_loop(struct worker *worker) {
    if (worker->each_second)
        timer_set(&worker->timers, &worker->housekeeping, worker->now_ms + 1000);
    while (!worker->stopping) {
        ring_alarm(worker->ring, wheel_next_ms(&worker->timers));
        int result = ring_run(worker->ring, worker->tasks ? RING_POLL : RING_WAIT);
        if (result < 0)
            return result;
        worker->now_ms = clock_monotonic_ms();
        wheel_run(&worker->timers, worker->now_ms);
        tasks_run(worker);
    }
    return 0;
}

void worker_stop(struct worker *worker) {
    worker->stopping = true;
}

void worker_defer(struct worker *worker, struct task *task) {
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *worker->tasks_end = task;
    worker->tasks_end = &task->next;
}

unsigned worker_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

int worker_pin(unsigned index) {
    cpu_set_t set, one;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -errno;
    unsigned skip = index % (unsigned)CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set) || skip-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0 ? cpu : -errno;
    }
    return -ENODEV;
}
