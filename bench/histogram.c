// SPDX-License-Identifier: Apache-2.0
//
// Bucket 0..63 hold one nanosecond each. Above, the six bits after a value's highest one choose
// among the 64 buckets of its power of two.
#include "bench/histogram.h"

static unsigned bucket_of(uint64_t value_ns) {
    if (value_ns < HISTOGRAM_STEPS)
        return (unsigned)value_ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value_ns) - HISTOGRAM_STEPS_LOG2;
    return shift * HISTOGRAM_STEPS + (unsigned)(value_ns >> shift);
}

uint64_t histogram_bucket_ns(unsigned index) {
    if (index < 2 * HISTOGRAM_STEPS)
        return index;
    unsigned shift = index / HISTOGRAM_STEPS - 1;
    return (uint64_t)(index % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns) {
    histogram_add_count(histogram, value_ns, 1);
}

void histogram_add_count(struct histogram *histogram, uint64_t value_ns, uint64_t count) {
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
    histogram->count += count;
    histogram->sum_ns += value_ns * count;
    const uint64_t limit = (UINT64_C(1) << HISTOGRAM_MAX_LOG2) - 1;
    histogram->buckets[bucket_of(value_ns < limit ? value_ns : limit)] += count;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share) {
    // The rank rounded up: of ten values the 0.95 quantile is the tenth.
    double exact = share * (double)histogram->count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0)
        rank++;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen < rank)
            continue;
        uint64_t upper_ns =
            i + 1 < HISTOGRAM_BUCKETS ? histogram_bucket_ns(i + 1) - 1 : histogram->max_ns;
        return upper_ns < histogram->max_ns ? upper_ns : histogram->max_ns;
    }
    return 0;
}

double histogram_mean_ns(const struct histogram *histogram) {
    return histogram->count ? (double)histogram->sum_ns / (double)histogram->count : 0;
}
