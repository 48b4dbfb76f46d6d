// SPDX-License-Identifier: Apache-2.0
//
// The report for Prometheus, in its text format 0.0.4.
#ifndef RINGWAY_APP_METRICS_H
#define RINGWAY_APP_METRICS_H

#include "app/report.h"

// What its Content-Type says.
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

// Writes all metrics. Any thread.
void metrics_write(const struct report *report, FILE *out);

#endif
