// SPDX-License-Identifier: Apache-2.0
//
// Durations in logarithmic buckets: 64 to each power of two, so a value is known to 1.6 % from
// nanoseconds to over an hour, in 20 KB. Histograms of several threads or runs add up exactly,
// which percentiles never do.
#ifndef RINGWAY_BENCH_HISTOGRAM_H
#define RINGWAY_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEPS_LOG2 = 6,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEPS_LOG2,
    HISTOGRAM_MAX_LOG2 = 42, // 73 minutes; longer ones count as this
    HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_LOG2 - HISTOGRAM_STEPS_LOG2 + 1) * HISTOGRAM_STEPS,
};

// Zero-initialised memory is an empty one.
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t max_ns, sum_ns;
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);

// The same for `count` of them.
void histogram_add_count(struct histogram *histogram, uint64_t value_ns, uint64_t count);

// Adds what `from` holds to `into`.
void histogram_merge(struct histogram *into, const struct histogram *from);

// The value that `share` (0..1) of all values do not exceed, to a bucket's width; 0 when empty.
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

double histogram_mean_ns(const struct histogram *histogram);

// The smallest value that falls into a bucket: what a bucket is called in a report.
uint64_t histogram_bucket_ns(unsigned index);

#endif
