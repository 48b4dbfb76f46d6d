// SPDX-License-Identifier: Apache-2.0
#include "bench/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static double rate(uint64_t count, const struct load_result *result) {
    return result->seconds > 0 ? (double)count / result->seconds : 0;
}

static uint64_t echoes_count(const struct load_result *result) {
    return result->echoes;
}

static uint64_t connections_count(const struct load_result *result) {
    return result->opened;
}

static uint64_t messages_one_way(const struct load_result *result) {
    return result->traffic.sent + result->traffic.received;
}

static uint64_t bytes_one_way(const struct load_result *result) {
    return result->traffic.sent_bytes + result->traffic.received_bytes;
}

// What the server worked for in the window.
static const struct work {
    const char *name;
    uint64_t (*count)(const struct load_result *result);
} echoes = {"echo", echoes_count}, answers = {"answer", echoes_count},
  messages = {"message", messages_one_way}, connections = {"connection", connections_count};

static const struct work *work_of(const struct load_settings *settings) {
    switch (settings->plan.mode) {
    case LOAD_STORM:
        return &connections;
    case LOAD_UPLOAD:
    case LOAD_DOWNLOAD:
    case LOAD_SLOW:
    case LOAD_BROADCAST:
        return &messages;
    default:
        return settings->plan.answer == ANSWER_ECHO  ? &echoes
               : settings->plan.answer == ANSWER_ANY ? &answers
                                                     : &messages;
    }
}

// The server's CPU time for one of them.
static double server_us(const struct load_settings *settings, const struct load_result *result) {
    uint64_t count = work_of(settings)->count(result);
    return count ? result->server_cpu * result->seconds * 1e6 / (double)count : 0;
}

// The server's CPU time for 10^9 bytes of payload relayed, one way and the other together.
static double server_s_per_gb(const struct load_result *result) {
    uint64_t bytes = bytes_one_way(result);
    return bytes ? result->server_cpu * result->seconds * 1e9 / (double)bytes : 0;
}

// What its owner forbids to read looks like nothing at all.
static bool is_memory_known(const struct load_result *result) {
    return result->memory_open.pss_bytes > 0;
}

static double memory_per_connection(const struct load_result *result) {
    double grown =
        (double)result->memory_open.private_bytes - (double)result->memory_idle.private_bytes;
    return result->open ? grown / (double)result->open : 0;
}

// --- table ------------------------------------------------------------------------------------

static void duration_print(FILE *out, double ns) {
    if (ns < 1e6)
        fprintf(out, "%10.1f µs", ns / 1e3);
    else if (ns < 1e9)
        fprintf(out, "%10.2f ms", ns / 1e6);
    else
        fprintf(out, "%10.2f s ", ns / 1e9);
}

static void quantiles_print(FILE *out, const char *name, const struct histogram *histogram) {
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    if (histogram->count == 0)
        return;
    fprintf(out, "%-12s", name);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        duration_print(out, (double)histogram_quantile_ns(histogram, shares[i]));
    fprintf(out, "\n");
}

static void latency_print(FILE *out, const struct load_stats *stats) {
    if (stats->latency.count == 0 && stats->opening.count == 0)
        return;
    fprintf(out, "%-12s%13s%13s%13s%13s%13s\n", "", "p50", "p90", "p99", "p99.9", "max");
    quantiles_print(out, "latency", &stats->latency);
    quantiles_print(out, "opening", &stats->opening);
}

static void codes_print(FILE *out, const char *name, const struct failure_codes *codes) {
    for (size_t i = 0; i < FAILURE_CODES_MAX; i++)
        if (codes->items[i].count > 0)
            fprintf(out, "  %-6s %-5u %8" PRIu64 "\n", name, codes->items[i].code,
                    codes->items[i].count);
}

static void failures_print(FILE *out, const struct load_settings *settings,
                           const struct load_stats *stats) {
    const struct failures *failures = &stats->failures;
    if (failure_total(failures) == 0 && stats->unanswered == 0)
        return;
    fprintf(out, "failures\n");
    for (size_t kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++)
        if (failures->counts[kind] > 0)
            fprintf(out, "  %-12s %8" PRIu64 "  first: %s\n", failure_name(kind),
                    failures->counts[kind], failures->first[kind]);
    codes_print(out, "code", &failures->closes);
    codes_print(out, "status", &failures->statuses);
    if (stats->unanswered > 0)
        fprintf(out, "  %" PRIu64 " messages %s\n", stats->unanswered,
                settings->plan.answer == ANSWER_ECHO  ? "never came back"
                : settings->plan.answer == ANSWER_ANY ? "were never answered"
                                                      : "were never sent");
}

static void server_print(FILE *out, const struct load_settings *settings,
                         const struct load_result *result) {
    if (settings->server.count == 0)
        return;
    if (result->server_ended) {
        fprintf(out, "server      a process of it has ended\n");
        return;
    }
    fprintf(out, "server CPU  %5.1f %% of a core", result->server_cpu * 100);
    if (work_of(settings)->count(result) > 0)
        fprintf(out, ", %.2f µs per %s", server_us(settings, result), work_of(settings)->name);
    if (work_of(settings) == &messages && bytes_one_way(result) > 0)
        fprintf(out, ", %.3f s per GB", server_s_per_gb(result));
    if (is_memory_known(result))
        fprintf(out, "\nserver memory  %.1f MB, %.2f KB for each open connection\n",
                (double)result->memory_open.private_bytes / 1e6,
                memory_per_connection(result) / 1024);
    else
        fprintf(out, "\nserver memory  unknown: it takes the server's user, or root\n");
}

static void rates_print(FILE *out, const struct load_settings *settings,
                        const struct load_result *result) {
    if (settings->plan.mode == LOAD_STORM)
        fprintf(out, "upgrades    %.0f/s\n", rate(result->opened, result));
    else if (settings->plan.mode == LOAD_BROADCAST)
        fprintf(out, "broadcasts  %.0f/s sent, %.0f/s delivered, %.1f MB/s\n",
                rate(result->traffic.sent, result), rate(result->traffic.received, result),
                rate(bytes_one_way(result), result) / 1e6);
    else if (work_of(settings) == &messages)
        fprintf(out, "messages    %.0f/s one way, %.1f MB/s\n",
                rate(messages_one_way(result), result), rate(bytes_one_way(result), result) / 1e6);
    else if (settings->plan.mode == LOAD_HOLD)
        return;
    else if (work_of(settings) == &answers)
        fprintf(out, "answers     %.0f/s, %.1f MB/s sent, %.1f MB/s received\n",
                rate(result->echoes, result), rate(result->traffic.sent_bytes, result) / 1e6,
                rate(result->traffic.received_bytes, result) / 1e6);
    else
        fprintf(out, "echoes      %.0f/s, %.1f MB/s each way\n", rate(result->echoes, result),
                rate(result->traffic.received_bytes, result) / 1e6);
}

static void cpu_print(FILE *out, const struct load_settings *settings,
                      const struct load_result *result) {
    server_print(out, settings, result);
    fprintf(out,
            "own CPU     %5.1f %% of a core, busiest thread %.1f %% (wanted %.1f %%), its cores "
            "busy %.1f %%\n",
            result->own_cpu * 100, result->busiest_thread * 100, result->busiest_wanted * 100,
            result->cores_busy * 100);
    if (load_was_bottleneck(result))
        fprintf(out,
                "NOTE: the load generator had no CPU left: it may be what limits the rates and "
                "latencies above. Give it more threads, cores of its own, or a larger share of "
                "them.\n");
}

static void table_print(FILE *out, const struct load_settings *settings,
                        const struct load_result *result) {
    const struct load_plan *plan = &settings->plan;
    const struct load_stats *stats = &result->stats;
    char url[TARGET_HOST_MAX + TARGET_PATH_MAX + 16];
    target_format(&plan->target, url, sizeof url);
    fprintf(out, "%s  %s", url, load_mode_names[plan->mode]);
    if (plan->rate > 0)
        fprintf(out, " at %" PRIu64 "/s", plan->rate);
    if (plan->mode == LOAD_STORM)
        fprintf(out, ", %" PRIu64 " clients", plan->connections);
    else
        fprintf(out, ", %" PRIu64 " connections of %" PRIu64 ", messages of %s bytes", result->open,
                plan->connections, plan->sizes.text);
    fprintf(out, ", %.2f s%s\n", result->seconds, result->interrupted ? " (interrupted)" : "");
    if (result->seconds > 0)
        rates_print(out, settings, result);
    else
        fprintf(out, "nothing was measured: %s\n",
                stats->opened > 0 ? "the run ended before its window began"
                                  : "no connection was opened");
    if (plan->tls.resumes)
        fprintf(out, "resumed     %" PRIu64 " of %" PRIu64 " TLS sessions\n", stats->resumed,
                stats->opened);
    latency_print(out, stats);
    failures_print(out, settings, stats);
    if (result->seconds > 0)
        cpu_print(out, settings, result);
}

// --- JSON -------------------------------------------------------------------------------------

static void json_string(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c > 0x7e)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void json_histogram(FILE *out, const char *name, const struct histogram *histogram) {
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"max", 1}};

    fprintf(out, "  \"%s\": {\"count\": %" PRIu64 ", \"mean_us\": %.3f", name, histogram->count,
            histogram_mean_ns(histogram) / 1e3);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        fprintf(out, ", \"%s_us\": %.3f", quantiles[i].name,
                (double)histogram_quantile_ns(histogram, quantiles[i].share) / 1e3);
    fprintf(out, ",\n    \"buckets_ns\": [");
    const char *separator = "";
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        fprintf(out, "%s[%" PRIu64 ", %" PRIu64 "]", separator, histogram_bucket_ns(i),
                histogram->buckets[i]);
        separator = ", ";
    }
    fprintf(out, "]},\n");
}

static void json_codes(FILE *out, const char *name, const struct failure_codes *codes) {
    const char *separator = "";
    fprintf(out, "  \"%s\": {", name);
    for (size_t i = 0; i < FAILURE_CODES_MAX && codes->items[i].count > 0; i++) {
        fprintf(out, "%s\"%u\": %" PRIu64, separator, codes->items[i].code, codes->items[i].count);
        separator = ", ";
    }
    fprintf(out, "},\n");
}

static void json_failures(FILE *out, const struct failures *failures) {
    const char *separator = "";
    fprintf(out, "  \"failures\": {");
    for (size_t kind = FAILURE_NONE + 1; kind < FAILURE_KINDS; kind++) {
        if (failures->counts[kind] == 0)
            continue;
        fprintf(out, "%s\"%s\": {\"count\": %" PRIu64 ", \"first\": ", separator,
                failure_name(kind), failures->counts[kind]);
        json_string(out, failures->first[kind]);
        fprintf(out, "}");
        separator = ", ";
    }
    fprintf(out, "},\n");
    json_codes(out, "close_codes", &failures->closes);
    json_codes(out, "http_statuses", &failures->statuses);
}

static void json_server(FILE *out, const struct load_settings *settings,
                        const struct load_result *result) {
    if (settings->server.count == 0 || result->server_ended)
        return;
    fprintf(out,
            "  \"server\": {\"cpu_cores\": %.5f, \"cpu_s\": %.6f, \"event\": \"%s\", "
            "\"cpu_us_per_event\": %.4f, \"cpu_s_per_gb\": %.5f,\n    "
            "\"whole_run_cpu_s\": %.6f",
            result->server_cpu, result->server_cpu * result->seconds, work_of(settings)->name,
            server_us(settings, result), server_s_per_gb(result), result->server_cpu_s);
    if (is_memory_known(result))
        fprintf(out,
                ", \"private_idle_bytes\": %" PRIu64 ", \"private_open_bytes\": %" PRIu64
                ", \"pss_idle_bytes\": %" PRIu64 ", \"pss_open_bytes\": %" PRIu64,
                result->memory_idle.private_bytes, result->memory_open.private_bytes,
                result->memory_idle.pss_bytes, result->memory_open.pss_bytes);
    fprintf(out, "},\n");
}

// One object. Times in microseconds, sizes in bytes; the histograms as [lower bound in ns, count]
// of each bucket that is not empty, so that those of several runs can be added.
static void json_print(FILE *out, const struct load_settings *settings,
                       const struct load_result *result) {
    const struct load_plan *plan = &settings->plan;
    const struct load_stats *stats = &result->stats;
    char url[TARGET_HOST_MAX + TARGET_PATH_MAX + 16];
    target_format(&plan->target, url, sizeof url);
    fprintf(out, "{\n  \"target\": ");
    json_string(out, url);
    fprintf(out,
            ",\n  \"mode\": \"%s\", \"answer\": \"%s\", \"connections\": %" PRIu64
            ", \"threads\": %" PRIu64 ", \"message_bytes\": \"%s\", \"rate\": %" PRIu64 ",\n",
            load_mode_names[plan->mode], load_answer_names[plan->answer], plan->connections,
            plan->threads, plan->sizes.text, plan->rate);
    fprintf(out,
            "  \"seconds\": %.6f, \"interrupted\": %s, \"opened\": %" PRIu64 ", \"open\": %" PRIu64
            ",\n  \"echoes\": %" PRIu64 ", \"echoes_per_s\": %.2f, \"upgrades\": %" PRIu64
            ", \"upgrades_per_s\": %.2f,\n  \"resumed\": %" PRIu64 ", \"unanswered\": %" PRIu64
            ",\n  \"sent\": %" PRIu64 ", \"sent_bytes\": %" PRIu64 ", \"received\": %" PRIu64
            ", \"received_bytes\": %" PRIu64 ",\n",
            result->seconds, result->interrupted ? "true" : "false", stats->opened, result->open,
            result->echoes, rate(result->echoes, result), result->opened,
            rate(result->opened, result), stats->resumed, stats->unanswered, result->traffic.sent,
            result->traffic.sent_bytes, result->traffic.received, result->traffic.received_bytes);
    fprintf(out,
            "  \"whole_run\": {\"sent_bytes\": %" PRIu64 ", \"received_bytes\": %" PRIu64 "},\n",
            stats->traffic.sent_bytes, stats->traffic.received_bytes);
    json_histogram(out, "latency", &stats->latency);
    json_histogram(out, "opening", &stats->opening);
    json_failures(out, &stats->failures);
    json_server(out, settings, result);
    fprintf(out,
            "  \"own\": {\"cpu_cores\": %.5f, \"busiest_thread\": %.5f, \"busiest_wanted\": %.5f, "
            "\"cores_busy\": %.5f, \"bottleneck\": %s}\n}\n",
            result->own_cpu, result->busiest_thread, result->busiest_wanted, result->cores_busy,
            load_was_bottleneck(result) ? "true" : "false");
}

// --- where it goes ----------------------------------------------------------------------------

static bool is_told(const char *where, int error, char *why, size_t why_size) {
    snprintf(why, why_size, "%s: %s", where, strerror(error));
    return false;
}

bool report_open(struct report *report, const char *json_path, char *why, size_t why_size) {
    bool is_stdout = json_path && strcmp(json_path, "-") == 0;
    *report = (struct report){.shows_table = !is_stdout, .where = is_stdout ? "stdout" : json_path};
    if (!json_path)
        return true;
    report->json = is_stdout ? stdout : fopen(json_path, "we");
    return report->json || is_told(json_path, errno, why, why_size);
}

typedef void print_function(FILE *out, const struct load_settings *settings,
                            const struct load_result *result);

// Prints a result whole, whose writing may fail on the way: then `errno` stays what it was there.
static bool print_all(print_function *print, FILE *out, const char *where,
                      const struct load_settings *settings, const struct load_result *result,
                      char *why, size_t why_size) {
    errno = 0;
    print(out, settings, result);
    if (fflush(out) == 0 && !ferror(out))
        return true;
    return is_told(where, errno ? errno : EIO, why, why_size);
}

bool report_write(struct report *report, const struct load_settings *settings,
                  const struct load_result *result, char *why, size_t why_size) {
    bool is_good = !report->json || print_all(json_print, report->json, report->where, settings,
                                              result, why, why_size);
    if (!report->shows_table)
        return is_good;
    return print_all(table_print, stdout, "stdout", settings, result, why, why_size) && is_good;
}

void report_close(struct report *report) {
    if (report->json && report->json != stdout)
        fclose(report->json);
}
