// SPDX-License-Identifier: Apache-2.0
#include "bench/load.h"

#include "bench/counter.h"
#include "bench/pattern.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    THREADS_MAX = 256,
    POLL_MS = 5,     // how often the main thread looks while it waits
    LIVE_MS = 500,   // how often the live line changes
    LINES_MS = 1000, // how often a log gets one
    SETTLE_MS = 100, // from RUN to the first message: by then every thread has noticed
    // Descriptors of this program that are no connections: of each thread, and of all, with room
    // for a few that it was started with. In a storm some more are not quite closed yet.
    FILES_EACH_THREAD = 4,
    FILES_OF_ALL = 16,
    FILES_SPARE = 128,
};

// Counters of all threads at one moment.
struct snapshot {
    uint64_t at_ns, echoes, opened, settled, open, failed, asked;
    size_t drained; // threads that send nothing any more
    size_t ended;   // threads
    struct traffic traffic;
    uint64_t cpu_ns, server_cpu_ns;
    uint64_t thread_cpu_ns[THREADS_MAX];
};

struct load {
    const struct load_settings *settings;
    struct schedule schedule;
    struct loader *loaders[THREADS_MAX];
    size_t loader_count;
    struct snapshot shown; // by the live line
    const char *stage;     // what is done now
    uint64_t stage_began_ns;
    uint64_t stage_ms; // how long it is to last; 0: as long as it takes
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static bool files_suffice(const struct load_plan *plan, char *why, size_t why_size);
static bool loaders_start(struct load *load, char *why, size_t why_size);
static void ramp(struct load *load);
static bool is_pointless(const struct load *load);
static void window(struct load *load, struct load_result *result);
static void stop(struct load *load, struct load_result *result);

bool load_run(const struct load_settings *settings, struct load_result *result, char *why,
              size_t why_size) {
    struct load *load = calloc(1, sizeof *load);
    if (!load) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    load->settings = settings;
    load->shown.at_ns = clock_now_ns();
    *result = (struct load_result){.memory_idle = process_memory_take(&settings->server)};
    uint64_t server_before_ns = process_cpu_ns(&settings->server);
    pattern_init();
    // A second one ends the program at once, whatever the first is still waiting for.
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    bool has_begun =
        files_suffice(&settings->plan, why, why_size) && loaders_start(load, why, why_size);
    if (has_begun)
        ramp(load);
    if (has_begun && !interrupted && !is_pointless(load))
        window(load, result);
    result->interrupted = interrupted;
    stop(load, result);
    uint64_t server_after_ns = process_cpu_ns(&settings->server);
    if (server_after_ns >= server_before_ns)
        result->server_cpu_s = (double)(server_after_ns - server_before_ns) / (double)NS_PER_S;
    free(load);
    return has_begun;
}

// A run that fails for want of descriptors says nothing about the server, so it does not begin.
static bool files_suffice(const struct load_plan *plan, char *why, size_t why_size) {
    uint64_t own = FILES_OF_ALL + FILES_EACH_THREAD * plan->threads;
    uint64_t needed = plan->connections + own;
    uint64_t limit = process_files_allow(needed + FILES_SPARE);
    if (limit >= needed)
        return true;
    snprintf(why, why_size,
             "%llu connections need %llu open files, and the limit (ulimit -n) is %llu, which is "
             "enough for %llu",
             (unsigned long long)plan->connections, (unsigned long long)needed,
             (unsigned long long)limit, (unsigned long long)(limit > own ? limit - own : 0));
    return false;
}

static bool loaders_start(struct load *load, char *why, size_t why_size) {
    const struct load_plan *plan = &load->settings->plan;
    for (unsigned i = 0; i < plan->threads; i++) {
        struct loader *loader = loader_start(plan, &load->schedule, i, why, why_size);
        if (!loader)
            return false;
        load->loaders[load->loader_count++] = loader;
    }
    return true;
}

// --- waiting and showing ----------------------------------------------------------------------

static void traffic_add(struct traffic *sum, const struct traffic *more) {
    sum->sent += counter_read(&more->sent);
    sum->sent_bytes += counter_read(&more->sent_bytes);
    sum->received += counter_read(&more->received);
    sum->received_bytes += counter_read(&more->received_bytes);
}

static void snapshot_take(const struct load *load, struct snapshot *snapshot) {
    *snapshot = (struct snapshot){.at_ns = clock_now_ns(),
                                  .cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID),
                                  .server_cpu_ns = process_cpu_ns(&load->settings->server)};
    for (size_t i = 0; i < load->loader_count; i++) {
        const struct load_stats *stats = loader_stats(load->loaders[i]);
        snapshot->echoes += counter_read(&stats->echoes);
        snapshot->opened += counter_read(&stats->opened);
        snapshot->settled += counter_read(&stats->settled);
        snapshot->open += counter_read(&stats->open);
        snapshot->asked += counter_read(&stats->asked);
        snapshot->drained += counter_read(&stats->phase) >= PHASE_DRAIN;
        snapshot->ended += counter_read(&stats->phase) == PHASE_ENDED;
        traffic_add(&snapshot->traffic, &stats->traffic);
        snapshot->failed += failure_total(&stats->failures);
        snapshot->thread_cpu_ns[i] = loader_cpu_ns(load->loaders[i]);
    }
}

static double seconds_between(const struct snapshot *before, const struct snapshot *after) {
    return (double)(after->at_ns - before->at_ns) / (double)NS_PER_S;
}

// What happened since `before`, at its rates.
static void live_print(const struct load *load, const struct snapshot *before,
                       const struct snapshot *now) {
    bool is_storm = load->settings->plan.mode == LOAD_STORM;
    const struct traffic *old = &before->traffic, *new = &now->traffic;
    uint64_t events = is_storm ? now->opened - before->opened
                               : new->sent - old->sent + new->received - old->received;
    uint64_t bytes = new->sent_bytes - old->sent_bytes + new->received_bytes - old->received_bytes;
    double seconds = seconds_between(before, now);
    double passed_s = (double)(now->at_ns - load->stage_began_ns) / (double)NS_PER_S;
    fprintf(stderr, "%-10s %5.1f", load->stage, passed_s);
    if (load->stage_ms > 0)
        fprintf(stderr, " of %.1f", (double)load->stage_ms / 1000);
    fprintf(stderr, " s  %llu of %llu open  %9.0f %s/s  %7.1f MB/s  %llu failed  own CPU %.0f %%",
            (unsigned long long)now->open, (unsigned long long)load->settings->plan.connections,
            (double)events / seconds, is_storm ? "upgrades" : "messages",
            (double)bytes / seconds / 1e6, (unsigned long long)now->failed,
            (double)(now->cpu_ns - before->cpu_ns) / seconds / (double)NS_PER_S * 100);
}

static void stage_enter(struct load *load, const char *stage, uint64_t ms) {
    load->stage = stage;
    load->stage_began_ns = clock_now_ns();
    load->stage_ms = ms;
}

static void live_show(struct load *load) {
    enum load_progress progress = load->settings->progress;
    if (progress == LOAD_QUIET)
        return;
    struct snapshot now;
    snapshot_take(load, &now);
    if (seconds_between(&load->shown, &now) * 1000 < (progress == LOAD_LIVE ? LIVE_MS : LINES_MS))
        return;
    if (progress == LOAD_LIVE)
        fprintf(stderr, "\r");
    live_print(load, &load->shown, &now);
    fprintf(stderr, progress == LOAD_LIVE ? "\033[K" : "\n");
    load->shown = now;
}

static void live_end(const struct load *load) {
    if (load->settings->progress == LOAD_LIVE)
        fprintf(stderr, "\r\033[K");
}

static void pause_ms(unsigned ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * NS_PER_MS)};
    nanosleep(&time, NULL);
}

// Whether every connection is gone, so that nothing more will happen. In a storm others come.
static bool is_pointless(const struct load *load) {
    uint64_t open = 0;
    for (size_t i = 0; i < load->loader_count; i++)
        open += counter_read(&loader_stats(load->loaders[i])->open);
    return open == 0 && load->settings->plan.mode != LOAD_STORM;
}

static void wait_until(struct load *load, uint64_t until_ns) {
    uint64_t now_ns;
    while (!interrupted && !is_pointless(load) && (now_ns = clock_now_ns()) < until_ns) {
        uint64_t left_ms = (until_ns - now_ns) / NS_PER_MS;
        pause_ms(left_ms < LIVE_MS / 2 ? (unsigned)left_ms + 1 : LIVE_MS / 2);
        live_show(load);
    }
}

static double higher(double a, double b) {
    return a > b ? a : b;
}

// --- the schedule -----------------------------------------------------------------------------

// Opens every connection. Ends for certain: a connection that does not open times out.
static void ramp(struct load *load) {
    const struct load_plan *plan = &load->settings->plan;
    struct snapshot now;
    stage_enter(load, "opening", plan->ramp_ms);
    snapshot_take(load, &load->shown);
    do {
        pause_ms(POLL_MS);
        live_show(load);
        snapshot_take(load, &now);
    } while (!interrupted && plan->mode != LOAD_STORM && now.settled < plan->connections);
}

static void waits_take(const struct load *load, uint64_t waited_ns[THREADS_MAX]) {
    for (size_t i = 0; i < load->loader_count; i++)
        waited_ns[i] = loader_waited_ns(load->loaders[i]);
}

// How busy the threads were between two moments, and how busy they would have been. `waited_ns` is
// that of the first.
static void busiest_find(const struct load *load, const struct snapshot *before,
                         const struct snapshot *after, const uint64_t waited_ns[THREADS_MAX],
                         struct load_result *result) {
    double window_ns = (double)(after->at_ns - before->at_ns);
    uint64_t waited_after_ns[THREADS_MAX];
    waits_take(load, waited_after_ns);
    for (size_t i = 0; i < load->loader_count; i++) {
        uint64_t used_ns = after->thread_cpu_ns[i] - before->thread_cpu_ns[i];
        uint64_t wanted_ns = used_ns + waited_after_ns[i] - waited_ns[i];
        result->busiest_thread = higher(result->busiest_thread, (double)used_ns / window_ns);
        result->busiest_wanted = higher(result->busiest_wanted, (double)wanted_ns / window_ns);
    }
}

// Waits until all others have got what each has sent: until nothing has come for the timeout, at
// the most. Returns how many deliveries are missing.
static uint64_t drain(struct load *load) {
    const struct load_plan *plan = &load->settings->plan;
    schedule_enter(&load->schedule, PHASE_DRAIN);
    stage_enter(load, "delivering", 0);
    uint64_t received = 0, moved_ns = clock_now_ns();
    for (;;) {
        struct snapshot now;
        snapshot_take(load, &now);
        uint64_t expected = now.asked * (plan->connections - 1);
        if (now.open < plan->connections) // who has gone is a failure, and gets nothing more
            return 0;
        if (now.drained == load->loader_count && now.traffic.received >= expected)
            return 0;
        if (now.traffic.received != received || now.drained < load->loader_count)
            moved_ns = now.at_ns;
        if (now.at_ns - moved_ns >= plan->timeout_ms * NS_PER_MS)
            return expected - now.traffic.received;
        received = now.traffic.received;
        pause_ms(POLL_MS);
        live_show(load);
    }
}

static void window(struct load *load, struct load_result *result) {
    const struct load_settings *settings = load->settings;
    struct schedule *schedule = &load->schedule;
    schedule->run_ns = clock_now_ns() + SETTLE_MS * NS_PER_MS;
    schedule->start_ns = schedule->run_ns + settings->warmup_ms * NS_PER_MS;
    schedule->end_ns = schedule->start_ns + settings->duration_ms * NS_PER_MS;
    schedule_enter(schedule, PHASE_RUN);

    struct snapshot before, after;
    stage_enter(load, "warm-up", settings->warmup_ms);
    wait_until(load, schedule->start_ns);
    if (clock_now_ns() < schedule->start_ns || is_pointless(load))
        return;
    uint64_t waited_ns[THREADS_MAX];
    struct core_sample cores_before = core_sample_take();
    waits_take(load, waited_ns);
    snapshot_take(load, &before);
    stage_enter(load, "measuring", settings->duration_ms);
    wait_until(load, schedule->end_ns);
    snapshot_take(load, &after);
    result->memory_open = process_memory_take(&settings->server);
    struct core_sample cores_after = core_sample_take();
    if (settings->plan.mode == LOAD_BROADCAST)
        result->stats.unanswered += drain(load);
    schedule_enter(schedule, PHASE_STOP);

    result->seconds = seconds_between(&before, &after);
    result->echoes = after.echoes - before.echoes;
    result->opened = after.opened - before.opened;
    result->traffic = (struct traffic){
        .sent = after.traffic.sent - before.traffic.sent,
        .sent_bytes = after.traffic.sent_bytes - before.traffic.sent_bytes,
        .received = after.traffic.received - before.traffic.received,
        .received_bytes = after.traffic.received_bytes - before.traffic.received_bytes};
    result->open = after.open;
    double window_ns = (double)(after.at_ns - before.at_ns);
    result->own_cpu = (double)(after.cpu_ns - before.cpu_ns) / window_ns;
    result->server_ended = after.server_cpu_ns < before.server_cpu_ns;
    if (!result->server_ended)
        result->server_cpu = (double)(after.server_cpu_ns - before.server_cpu_ns) / window_ns;
    busiest_find(load, &before, &after, waited_ns, result);
    result->cores_busy = core_busy_share(&cores_before, &cores_after);
}

static void stats_merge(struct load_stats *into, const struct load_stats *from) {
    into->opened += from->opened;
    into->settled += from->settled;
    into->closed += from->closed;
    into->open += from->open;
    into->echoes += from->echoes;
    into->resumed += from->resumed;
    traffic_add(&into->traffic, &from->traffic);
    into->unanswered += from->unanswered;
    failure_merge(&into->failures, &from->failures);
    histogram_merge(&into->latency, &from->latency);
    histogram_merge(&into->opening, &from->opening);
}

// Shows progress until the threads have nothing left to wait for.
static void wait_ended(struct load *load) {
    struct snapshot now;
    stage_enter(load, "closing", 0);
    snapshot_take(load, &now);
    while (now.ended < load->loader_count) {
        pause_ms(POLL_MS);
        live_show(load);
        snapshot_take(load, &now);
    }
}

static void stop(struct load *load, struct load_result *result) {
    schedule_enter(&load->schedule, PHASE_STOP);
    wait_ended(load);
    for (size_t i = 0; i < load->loader_count; i++) {
        int error = loader_join(load->loaders[i]);
        stats_merge(&result->stats, loader_stats(load->loaders[i]));
        if (error < 0)
            failure_add(&result->stats.failures, FAILURE_LOCAL, strerror(-error));
        loader_free(load->loaders[i]);
    }
    live_end(load);
}

bool load_was_bottleneck(const struct load_result *result) {
    bool has_work = result->own_cpu > 0.1; // on busy cores an idle generator is not what limits
    // Who always ran or was ready to had no time left, whoever had it: another program, or nobody,
    // as where a container may use half a core.
    return result->busiest_wanted > 0.95 || (result->cores_busy > 0.98 && has_work);
}

void load_result_merge(struct load_result *into, const struct load_result *from) {
    stats_merge(&into->stats, &from->stats);
    traffic_add(&into->traffic, &from->traffic);
    into->echoes += from->echoes;
    into->opened += from->opened;
    into->open += from->open;
    into->own_cpu += from->own_cpu;
    into->seconds = higher(into->seconds, from->seconds);
    into->busiest_thread = higher(into->busiest_thread, from->busiest_thread);
    into->busiest_wanted = higher(into->busiest_wanted, from->busiest_wanted);
    into->cores_busy = higher(into->cores_busy, from->cores_busy);
    into->interrupted = into->interrupted || from->interrupted;
}
