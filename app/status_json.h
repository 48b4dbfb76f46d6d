// SPDX-License-Identifier: Apache-2.0
//
// The report as JSON, for programs that are no Prometheus.
#ifndef RINGWAY_APP_STATUS_JSON_H
#define RINGWAY_APP_STATUS_JSON_H

#include "app/report.h"

// Writes one object. Any thread.
void status_json_write(const struct report *report, FILE *out);

#endif
