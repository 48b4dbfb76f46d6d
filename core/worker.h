// SPDX-License-Identifier: Apache-2.0
//
// A thread with a ring: what everything that runs on it shares (time, timers, memory for waiting
// bytes, scratch space) and its loop. Data-path workers have a core each; the main thread runs the
// same loop unpinned.
//
// One turn of the loop: wait for completions and run them, run due timers, run deferred tasks. Only
// these three run code of the layers above, one at a time, so nothing here needs a lock.
//
// Life: `worker_open` on the thread itself, `worker_loop` until `worker_stop`, `worker_close`.
#ifndef RINGWAY_CORE_WORKER_H
#define RINGWAY_CORE_WORKER_H

#include "core/chunk.h"
#include "core/pipe_pool.h"
#include "core/ring.h"
#include "core/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One read's worth: a message of 64 KB with its frame's header, or the records it came in, is taken
// at once. What is opened of it may have a record begun earlier in front; the sealed form
// of it is longer by the TLS records' headers and tags.
#define WORKER_SCRATCH_BYTES (68 * 1024)
#define WORKER_OPEN_BYTES (WORKER_SCRATCH_BYTES + 16 * 1024)
#define WORKER_SEAL_BYTES (WORKER_SCRATCH_BYTES + 4096)

// A thing to do in this turn or the next, once the event that asked for it has been dealt with.
struct task {
    void (*run)(struct task *task);
    struct task *next;
    bool queued;
};

struct worker {
    int index; // 0..; LOG_NO_WORKER on the main thread
    struct ring *ring;
    struct ring_counters ring_counters;
    struct wheel timers;
    struct chunk_pool chunks;
    struct pipe_pool pipes;
    uint64_t now_ms;       // monotonic, as of this turn
    uint8_t *read_scratch; // WORKER_SCRATCH_BYTES: what was just received; dies with the event
    uint8_t *open_scratch; // WORKER_OPEN_BYTES: the same, decrypted
    uint8_t *seal_scratch; // WORKER_SEAL_BYTES: what is just being sent, encrypted
    struct task *tasks, **tasks_end;
    struct timer housekeeping;
    void (*each_second)(struct worker *worker); // may be NULL
    unsigned ring_users; // things the ring may still point at: it must not be closed before
    bool stopping;
};

enum { WORKER_RING_ENTRIES = 1024, WORKER_RING_BUFFERS = 512 };

// Makes the ring and memory for the calling thread. `buffers` is a power of two. Returns 0 or a
// negative errno.
int worker_open(struct worker *worker, int index, const struct ring_features *features,
                unsigned buffers);
// Frees what `worker_open` made. Nothing may be submitted any more (`ring_users` is 0), or its
// memory must outlive the ring. On the worker's thread.
void worker_close(struct worker *worker);

// Runs until `worker_stop`. Returns 0, or the negative errno with which the ring failed.
int worker_loop(struct worker *worker);
// Lets the loop end after this turn. On the worker's thread.
void worker_stop(struct worker *worker);

// Runs the task in this turn, after the completions, or in the next when called from a task.
// Queued already: nothing changes. A queued task's memory must stay.
void worker_defer(struct worker *worker, struct task *task);

// Binds the calling thread to the `index`-th of the cores the process may use, counted round.
// Returns the core, or a negative errno.
int worker_pin(unsigned index);

// How many cores the process may use.
unsigned worker_cores(void);

#endif
