// SPDX-License-Identifier: Apache-2.0
#include "app/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// Since Linux 6.2 the size of the folder is the number of descriptors; before, they are counted.
static uint64_t open_files(void) {
    struct stat status;
    uint64_t count = 0;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (uint64_t)status.st_size;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; // without the folder's own
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void process_usage_read(struct process_usage *usage) {
    struct rusage used;
    struct rlimit limit;
    unsigned long pages = 0, resident = 0;
    *usage = (struct process_usage){.open_files = open_files()};
    if (getrusage(RUSAGE_SELF, &used) == 0)
        usage->cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        usage->open_files_max = limit.rlim_cur;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lu %lu", &pages, &resident) == 2) {
        uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
        usage->virtual_bytes = pages * page_bytes;
        usage->resident_bytes = resident * page_bytes;
    }
    if (file)
        fclose(file);
}
