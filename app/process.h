// SPDX-License-Identifier: Apache-2.0
//
// What the process uses of the machine, as the kernel tells it.
#ifndef RINGWAY_APP_PROCESS_H
#define RINGWAY_APP_PROCESS_H

#include <stdint.h>

struct process_usage {
    double cpu_s; // user and system, all threads
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_files, open_files_max;
};

// Reads it anew; what the kernel does not tell stays 0. Any thread.
void process_usage_read(struct process_usage *usage);

#endif
