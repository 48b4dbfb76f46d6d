// SPDX-License-Identifier: Apache-2.0
#include "bench/process.h"

#include "bench/counter.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

bool process_set_parse(struct process_set *set, const char *text) {
    *set = (struct process_set){0};
    for (const char *next = text; *next;) {
        char *end;
        clockid_t clock;
        errno = 0;
        long pid = strtol(next, &end, 10);
        bool ends_well = *end == '\0' || (*end == ',' && end[1] != '\0');
        if (errno || pid <= 0 || !ends_well || set->count == PROCESSES_MAX ||
            clock_getcpuclockid((pid_t)pid, &clock) != 0)
            return false;
        set->pids[set->count++] = (pid_t)pid;
        next = *end ? end + 1 : end;
    }
    return set->count > 0;
}

static void memory_add(struct process_memory *memory, pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        unsigned long kilobytes;
        if (sscanf(line, "Private_Dirty: %lu kB", &kilobytes) == 1)
            memory->private_bytes += kilobytes * 1024;
        else if (sscanf(line, "Pss: %lu kB", &kilobytes) == 1)
            memory->pss_bytes += kilobytes * 1024;
    }
    fclose(file);
}

struct process_memory process_memory_take(const struct process_set *set) {
    struct process_memory memory = {0};
    for (size_t i = 0; i < set->count; i++)
        memory_add(&memory, set->pids[i]);
    return memory;
}

uint64_t process_cpu_ns(const struct process_set *set) {
    uint64_t total_ns = 0;
    for (size_t i = 0; i < set->count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(set->pids[i], &clock) == 0)
            total_ns += clock_read_ns(clock);
    }
    return total_ns;
}

uint64_t process_thread_waited_ns(pid_t thread) {
    char path[64];
    unsigned long long waited_ns = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &waited_ns) != 1) // time run, time waited, turns
        waited_ns = 0;
    fclose(file);
    return waited_ns;
}

uint64_t process_files_allow(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = wanted};
    if (wanted > limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return wanted;
    raised = limit;
    raised.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

static void core_add(struct core_sample *sample, const char *line) {
    // user nice system idle iowait irq softirq steal (proc(5))
    unsigned long long ticks[8] = {0};
    sscanf(line, "%*s %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
           &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]);
    sample->idle_ticks += ticks[3] + ticks[4];
    sample->busy_ticks += ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7];
}

struct core_sample core_sample_take(void) {
    struct core_sample sample = {0};
    cpu_set_t allowed;
    char line[512];
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return sample;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        CPU_ZERO(&allowed);
    while (fgets(line, sizeof line, file)) {
        unsigned core;
        if (sscanf(line, "cpu%u ", &core) == 1 && core < CPU_SETSIZE && CPU_ISSET(core, &allowed))
            core_add(&sample, line);
    }
    fclose(file);
    return sample;
}

double core_busy_share(const struct core_sample *before, const struct core_sample *after) {
    uint64_t busy = after->busy_ticks - before->busy_ticks;
    uint64_t idle = after->idle_ticks - before->idle_ticks;
    return busy + idle ? (double)busy / (double)(busy + idle) : 0;
}
