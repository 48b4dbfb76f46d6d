// SPDX-License-Identifier: Apache-2.0
//
// The whole of a worker's data path (listener, connections, legs, pool, snapshots, drain) in worlds
// of chance on the fake ring; see sim.h. Each seed is a world.
//
//   RINGWAY_SEEDS=N       how many seeds, instead of the default
//   RINGWAY_SEED=N        only this one, with a trace of all that happens on stderr
#include "tests/unit/ws/sim.h"

#include "core/log.h"
#include "tls/library.h"
#include "tls/selfsigned.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 10000
#define SEEDS_SANITIZED 2000 // they are slower by far
#define BATCHES 20
#define SEED_SECONDS 30 // a hundred times what one takes: it hangs

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static uint64_t *running; // the seed; shared with the process that runs it

static uint64_t number_from(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : fallback;
}

static uint64_t seeds_count(void) {
#ifdef SANITIZED
    return number_from("RINGWAY_SEEDS", SEEDS_SANITIZED);
#else
    return number_from("RINGWAY_SEEDS", SEEDS);
#endif
}

// A folder with a certificate, which goes with the process.
static char folder[] = "/tmp/ringway-conn-XXXXXX";
static char certificate_path[64], key_path[64];

static void folder_remove(void) {
    unlink(certificate_path);
    unlink(key_path);
    rmdir(folder);
}

static void folder_make(void) {
    static const char *const names[] = {"a"};
    if (!mkdtemp(folder) || atexit(folder_remove) != 0)
        fake_fail("no folder for the certificate");
    snprintf(certificate_path, sizeof certificate_path, "%s/cert.pem", folder);
    snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
    if (tls_selfsigned_write(names, 1, 7, certificate_path, key_path) < 0)
        fake_fail("no certificate");
}

static void seeds_run(uint64_t first, uint64_t end) {
    struct conf_log nowhere = {.target = LOG_TARGET_NONE};
    tls_library_init();
    folder_make();
    if (!getenv("RINGWAY_SEED"))
        log_open(&nowhere);
    for (uint64_t seed = first; seed < end; seed++) {
        *running = seed;
        alarm(SEED_SECONDS);
        sim_run(seed, folder);
    }
    tls_library_cleanup();
    exit(EXIT_SUCCESS);
}

// A process of its own for each batch, so that whatever ends it, the seed is known.
START_TEST(every_world_ends_well) {
    uint64_t share = seeds_count() / BATCHES, first = (uint64_t)_i * share;
    int status;
    running =
        mmap(NULL, sizeof *running, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(running, MAP_FAILED);
    pid_t child = fork();
    if (child == 0)
        seeds_run(first, first + share);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "seed %llu failed: see what happens with RINGWAY_SEED=%llu",
                  (unsigned long long)*running, (unsigned long long)*running);
}
END_TEST

int main(void) {
    uint64_t alone;
    if (getenv("RINGWAY_SEED")) {
        running = &alone;
        fake_set_trace();
        seeds_run(number_from("RINGWAY_SEED", 0), number_from("RINGWAY_SEED", 0) + 1);
    }
    Suite *suite = suite_create("ws/conn");
    TCase *worlds = tcase_create("worlds");
    tcase_add_loop_test(worlds, every_world_ends_well, 0, BATCHES);
    tcase_set_timeout(worlds, 120);
    suite_add_tcase(suite, worlds);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
