// SPDX-License-Identifier: Apache-2.0
//
// JSON is YAML in its flow style, so the reader of configurations reads it.
#include "bench/result_read.h"

#include "core/arena.h"
#include "core/yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file as a tree, and what it lacks.
struct reading {
    const struct yaml_node *root;
    const char *missing; // the first key that is not there or not what it must be
};

static struct str text_of(struct reading *reading, const struct yaml_node *map, const char *key) {
    const struct yaml_node *node = map && map->kind == YAML_MAP ? yaml_map_find(map, key) : NULL;
    if (node && node->kind == YAML_TEXT)
        return node->text;
    if (!reading->missing)
        reading->missing = key;
    return STR("0");
}

static double number_of(struct reading *reading, const struct yaml_node *map, const char *key) {
    return strtod(text_of(reading, map, key).ptr, NULL);
}

static uint64_t count_of(struct reading *reading, const char *key) {
    return strtoull(text_of(reading, reading->root, key).ptr, NULL, 10);
}

static const struct yaml_node *map_of(struct reading *reading, const char *key) {
    const struct yaml_node *node = yaml_map_find(reading->root, key);
    if (node && node->kind == YAML_MAP)
        return node;
    if (!reading->missing)
        reading->missing = key;
    return NULL;
}

static void histogram_read(struct reading *reading, const char *key, struct histogram *histogram) {
    const struct yaml_node *map = map_of(reading, key);
    const struct yaml_node *buckets = map ? yaml_map_find(map, "buckets_ns") : NULL;
    if (!buckets || buckets->kind != YAML_LIST)
        return;
    for (const struct yaml_node *pair = buckets->first; pair; pair = pair->next)
        if (pair->kind == YAML_LIST && pair->count == 2)
            histogram_add_count(histogram, strtoull(pair->first->text.ptr, NULL, 10),
                                strtoull(pair->first->next->text.ptr, NULL, 10));
    // The exact ones, which buckets do not have.
    histogram->max_ns = (uint64_t)(number_of(reading, map, "max_us") * 1e3 + 0.5);
    histogram->sum_ns =
        (uint64_t)(number_of(reading, map, "mean_us") * 1e3 * (double)histogram->count);
}

static void codes_read(struct reading *reading, const char *key, struct failure_codes *codes) {
    const struct yaml_node *map = map_of(reading, key);
    for (const struct yaml_node *entry = map ? map->first : NULL; entry; entry = entry->next)
        failure_code_add(codes, (unsigned)strtoul(entry->key->text.ptr, NULL, 10),
                         strtoull(entry->text.ptr, NULL, 10));
}

static void failures_read(struct reading *reading, struct failures *failures) {
    const struct yaml_node *map = map_of(reading, "failures");
    for (size_t kind = FAILURE_NONE + 1; map && kind < FAILURE_KINDS; kind++) {
        const struct yaml_node *entry = yaml_map_find(map, failure_name(kind));
        if (!entry)
            continue;
        failures->counts[kind] = (uint64_t)number_of(reading, entry, "count");
        struct str first = text_of(reading, entry, "first");
        snprintf(failures->first[kind], FAILURE_TEXT_MAX, "%.*s", STR_ARG(first));
    }
    codes_read(reading, "close_codes", &failures->closes);
    codes_read(reading, "http_statuses", &failures->statuses);
}

static void result_fill(struct reading *reading, struct load_result *result) {
    struct load_stats *stats = &result->stats;
    const struct yaml_node *own = map_of(reading, "own");
    result->seconds = number_of(reading, reading->root, "seconds");
    result->open = count_of(reading, "open");
    result->echoes = count_of(reading, "echoes");
    result->opened = count_of(reading, "upgrades");
    result->traffic = (struct traffic){.sent = count_of(reading, "sent"),
                                       .sent_bytes = count_of(reading, "sent_bytes"),
                                       .received = count_of(reading, "received"),
                                       .received_bytes = count_of(reading, "received_bytes")};
    result->interrupted = str_eq(text_of(reading, reading->root, "interrupted"), STR("true"));
    result->own_cpu = number_of(reading, own, "cpu_cores");
    result->busiest_thread = number_of(reading, own, "busiest_thread");
    result->busiest_wanted = number_of(reading, own, "busiest_wanted");
    result->cores_busy = number_of(reading, own, "cores_busy");
    stats->opened = count_of(reading, "opened");
    stats->resumed = count_of(reading, "resumed");
    stats->unanswered = count_of(reading, "unanswered");
    histogram_read(reading, "latency", &stats->latency);
    histogram_read(reading, "opening", &stats->opening);
    failures_read(reading, &stats->failures);
}

// The place of the text under `key` among `names`, which NULL ends.
static int choice_of(struct reading *reading, const char *key, const char *const *names) {
    struct str text = text_of(reading, reading->root, key);
    for (int i = 0; names[i]; i++)
        if (str_eq(text, str_from(names[i])))
            return i;
    reading->missing = key;
    return 0;
}

static void plan_fill(struct reading *reading, struct load_plan *plan, char *why, size_t why_size) {
    struct str sizes = text_of(reading, reading->root, "message_bytes");
    plan->mode = (enum load_mode)choice_of(reading, "mode", load_mode_names);
    plan->answer = (enum load_answer)choice_of(reading, "answer", load_answer_names);
    if (!size_mix_parse(&plan->sizes, sizes))
        reading->missing = "message_bytes";
    if (!target_parse(&plan->target, text_of(reading, reading->root, "target").ptr, why, why_size))
        reading->missing = "target";
    plan->connections = count_of(reading, "connections");
    plan->threads = count_of(reading, "threads");
    plan->rate = count_of(reading, "rate");
    plan->tls.resumes = count_of(reading, "resumed") > 0;
}

// The file's text, in the arena. NULL with errno.
static char *file_read(const char *path, struct conf_arena *arena, size_t *size_bytes) {
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *text = arena_alloc(arena, 1, YAML_SIZE_MAX_BYTES + 1);
    *size_bytes = fread(text, 1, YAML_SIZE_MAX_BYTES, file);
    bool is_good = !ferror(file);
    fclose(file);
    return is_good ? text : NULL;
}

bool result_read(const char *path, struct load_settings *settings, struct load_result *result,
                 char *why, size_t why_size) {
    struct conf_arena *arena = arena_new();
    struct problems problems = {0};
    struct reading reading = {0};
    size_t size_bytes;
    char *text = file_read(path, arena, &size_bytes);
    if (!text) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        arena_free(arena);
        return false;
    }
    reading.root = yaml_tree_parse(text, size_bytes, arena, &problems);
    if (reading.root && reading.root->kind == YAML_MAP) {
        plan_fill(&reading, &settings->plan, why, why_size);
        result_fill(&reading, result);
    } else {
        reading.missing = "an object";
    }
    if (reading.missing)
        snprintf(why, why_size, "%s is no result of ringway-bench load --json: %s is missing", path,
                 reading.missing);
    problems_free(&problems);
    arena_free(arena);
    return !reading.missing;
}
