// SPDX-License-Identifier: Apache-2.0
//
// A whole run of load, on the main thread: starts the loaders, leads them through the schedule with
// a live line of progress on stderr, measures the window, and gives back one result.
#ifndef RINGWAY_BENCH_LOAD_H
#define RINGWAY_BENCH_LOAD_H

#include "bench/loader.h"
#include "bench/process.h"

#include <stdbool.h>
#include <stdint.h>

enum load_progress {
    LOAD_QUIET,
    LOAD_LIVE,  // one line that changes: for a terminal
    LOAD_LINES, // a line now and then: for a log
};

struct load_settings {
    struct load_plan plan;
    uint64_t warmup_ms, duration_ms;
    struct process_set server; // of the program under load, when it is on this machine
    enum load_progress progress;
};

struct load_result {
    struct load_stats stats; // of the whole run, all threads together
    double server_cpu_s;     // of the whole run, opening and closing included
    // Within the window:
    double seconds; // 0: it ended before the window began, and nothing was measured
    uint64_t echoes, opened;
    struct traffic traffic;
    uint64_t open;         // connections at its end
    double own_cpu;        // of this process, in cores
    double busiest_thread; // the highest CPU share of one thread of load
    double busiest_wanted; // the highest share of time that one ran, or was ready to and could not
    double cores_busy;     // share of the cores this process may use, all programs together
    double server_cpu;     // of the program under load, in cores
    struct process_memory memory_idle; // of it, before the first connection
    struct process_memory memory_open; // at the window's end
    bool server_ended;                 // a process of it was gone at the end
    bool interrupted;                  // SIGINT ended it early
};

// Plays it. False with a sentence in `why` when it cannot even begin. Blocking.
bool load_run(const struct load_settings *settings, struct load_result *result, char *why,
              size_t why_size);

// Adds the result of another run that went on at the same time: counts add up, of the seconds and
// of what was busy the higher counts.
void load_result_merge(struct load_result *into, const struct load_result *from);

// Whether what limited the run was the load generator and not the target.
bool load_was_bottleneck(const struct load_result *result);

#endif
