// SPDX-License-Identifier: Apache-2.0
//
// One thread of load: a worker with its share of the clients, and the scenario they play.
//
// All threads follow one schedule, which the main thread writes: RAMP (connections are opened, a
// bounded number at a time) → RUN (the scenario plays; what falls between `start_ns` and `end_ns`
// counts) → in a broadcast, DRAIN (what was sent still comes in) → STOP (echoes that are due are
// waited for, connections close) → the threads end, which each of them says (ENDED).
#ifndef RINGWAY_BENCH_LOADER_H
#define RINGWAY_BENCH_LOADER_H

#include "bench/channel.h"
#include "bench/client.h"
#include "bench/failure.h"
#include "bench/histogram.h"
#include "bench/target.h"
#include "core/worker.h"

#include <pthread.h>
#include <stdint.h>

enum load_mode {
    LOAD_PING_PONG, // one message under way on each connection
    LOAD_OPEN_LOOP, // messages at a fixed rate, whatever comes back
    LOAD_HOLD,      // one message each, then silence
    LOAD_STORM,     // connect, upgrade, close, and again
    LOAD_UPLOAD,    // messages without end to a sink
    LOAD_DOWNLOAD,  // messages without end from a source
    LOAD_SLOW,      // the same, read slowly or not at all
    LOAD_BROADCAST, // messages at a fixed rate, each of which all others get
};

// What the server does with a message, where the mode leaves it open.
enum load_answer {
    ANSWER_ECHO, // sends it back, which is verified
    ANSWER_ANY,  // sends one message, whatever it says
    ANSWER_NONE, // nothing that is waited for
};

// The names of the modes and of the answers, in their order; NULL ends it.
extern const char *const load_mode_names[], *const load_answer_names[];

enum load_phase { PHASE_RAMP, PHASE_RUN, PHASE_DRAIN, PHASE_STOP, PHASE_ENDED };

// Written by the main thread: the times first, then the phase that gives them out.
struct schedule {
    enum load_phase phase; // through schedule_phase() and schedule_enter()
    uint64_t run_ns;       // when RUN began: where the open loop counts from
    uint64_t start_ns, end_ns;
};

static inline enum load_phase schedule_phase(const struct schedule *schedule) {
    return __atomic_load_n(&schedule->phase, __ATOMIC_ACQUIRE);
}

static inline void schedule_enter(struct schedule *schedule, enum load_phase phase) {
    __atomic_store_n(&schedule->phase, phase, __ATOMIC_RELEASE);
}

// What every thread is told. Borrowed for the run.
struct load_plan {
    struct target target;
    enum load_mode mode;
    enum load_answer answer;
    uint64_t connections, threads;
    struct size_mix sizes;
    struct str message;  // every message; {0}: they are made for each (bench/pattern.h)
    uint8_t opcode;      // of messages: OPCODE_TEXT or OPCODE_BINARY
    uint64_t rate;       // messages a second, of all connections together; 0 = unpaced
    uint64_t read_bytes; // LOAD_SLOW: read by each connection in a second
    uint64_t ramp_ms;    // connections are opened over this time; 0 = as fast as they open
    uint64_t timeout_ms;
    const char *fields; // more request header lines
    struct tls_options tls;
    struct ring_features features;
};

// Written by the loader's thread. Others read counters at any time through counter_read(), the
// histograms once the thread has ended.
struct load_stats {
    uint64_t phase;   // enum load_phase, as acted upon
    uint64_t asked;   // messages at a rate that were asked for
    uint64_t opened;  // upgrades done
    uint64_t resumed; // of them, with a TLS session resumed
    uint64_t settled; // first attempts that ended either way
    uint64_t closed;  // closed as agreed
    uint64_t open;    // now
    uint64_t echoes;
    uint64_t unanswered; // messages asked for whose echo never came, or that were not sent
    struct traffic traffic;
    struct failures failures;
    struct histogram latency; // echoes of messages asked for between start and end
    struct histogram opening; // from connecting to the upgrade's answer; in a storm, as above
};

struct loader;

// Starts a thread that plays `plan` with the clients `index`, `index` + threads, ... NULL with a
// sentence in `why`.
struct loader *loader_start(const struct load_plan *plan, const struct schedule *schedule,
                            unsigned index, char *why, size_t why_size);

const struct load_stats *loader_stats(const struct loader *loader);

// The thread's CPU time so far.
uint64_t loader_cpu_ns(const struct loader *loader);

// How long the thread has been ready to run so far, and had no CPU.
uint64_t loader_waited_ns(const struct loader *loader);

// Waits for the thread to end, which it does after PHASE_STOP, and stops measuring it. 0 or the
// negative errno its ring failed with.
int loader_join(struct loader *loader);

void loader_free(struct loader *loader);

#endif
