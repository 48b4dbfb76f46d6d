// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a configuration: it is either accepted whole, or refused with at least one error,
// and every finding has a place in the text and a printable sentence.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void problem_check(const struct problem *problem) {
    assert(problem->pos.line >= 1 && problem->pos.column >= 1);
    assert(problem->text[0]);
    for (const unsigned char *byte = (const unsigned char *)problem->text; *byte; byte++)
        assert(*byte >= ' ' && *byte != 0x7f);
}

// Of an accepted configuration: what later layers rely on.
static void config_check(const struct config *config) {
    assert(config->site_count > 0 && config->listen_count > 0);
    for (size_t i = 0; i < config->site_count; i++) {
        const struct conf_site *site = &config->sites[i];
        assert(site->host_count > 0 && site->route_count > 0 && site->idle_timeout_ms > 0);
        for (size_t j = 0; j < site->route_count; j++) {
            const struct conf_route *route = &site->routes[j];
            assert(route->prefix[0] == '/');
            assert((route->action == ROUTE_UPSTREAM) == (route->upstream != NULL));
            assert((route->action == ROUTE_REDIRECT) == (route->redirect != NULL));
            assert((route->action == ROUTE_RESPOND) == (route->respond != NULL));
        }
    }
    for (size_t i = 0; i < config->upstream_count; i++) {
        assert(config->upstreams[i].server_count > 0 && config->upstreams[i].index == i);
        for (size_t j = 0; j < config->upstreams[i].server_count; j++)
            assert(config->upstreams[i].servers[j].host[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    struct problems problems = {0};
    struct config *config =
        config_parse((const char *)data, size_bytes, "fuzz.yaml", "/nowhere", &problems);
    assert((config == NULL) == (problems.errors > 0));
    for (size_t i = 0; i < problems.count; i++)
        problem_check(&problems.items[i]);
    if (config)
        config_check(config);
    config_free(config);
    problems_free(&problems);
    return 0;
}
