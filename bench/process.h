// SPDX-License-Identifier: Apache-2.0
//
// What a process has used so far: this one, or the server under load when it runs on the same
// machine. Blocking reads of /proc, for the main thread.
#ifndef RINGWAY_BENCH_PROCESS_H
#define RINGWAY_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESSES_MAX 16

// Several processes that are one server: a master and its workers.
struct process_set {
    pid_t pids[PROCESSES_MAX];
    size_t count;
};

// Memory that only these processes hold (Private_Dirty), and their share of all they hold (Pss).
struct process_memory {
    uint64_t private_bytes, pss_bytes;
};

// Reads "123" or "123,124". False when it is no such list or a process does not exist.
bool process_set_parse(struct process_set *set, const char *text);

// CPU time used so far, user and system, of all threads, kernel workers of io_uring included. By
// the process's clock: exact to nanoseconds. Processes that are gone count nothing.
uint64_t process_cpu_ns(const struct process_set *set);

// From smaps_rollup; 0 when that may not be read. Takes milliseconds for a large process.
struct process_memory process_memory_take(const struct process_set *set);

// How long a thread of this process has been ready to run so far, and had no CPU: others had it, or
// a limit (of its cgroup) allowed no more. 0 where the kernel does not say (CONFIG_SCHED_INFO).
uint64_t process_thread_waited_ns(pid_t thread);

// Raises this process's limit of open files to `wanted`, or as far towards it as it may: to the
// hard limit, with CAP_SYS_RESOURCE beyond it. Returns the limit that holds from now on.
uint64_t process_files_allow(uint64_t wanted);

// Time that the cores this process may use have been busy and idle, of all programs, in ticks.
struct core_sample {
    uint64_t busy_ticks, idle_ticks;
};

struct core_sample core_sample_take(void);

// The busy share of the cores between two samples, 0..1.
double core_busy_share(const struct core_sample *before, const struct core_sample *after);

#endif
