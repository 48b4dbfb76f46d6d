// SPDX-License-Identifier: Apache-2.0
//
// The routes of a site: each has exactly one action, the other keys must fit it, and no two have
// the same prefix. They end up longest prefix first, the order in which they are tried.
#include "core/config_entry.h"

#include <stdlib.h>
#include <string.h>

#include "core/config_read.h"

static void route_read(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value, struct conf_route *route);
static void action_set(struct config_reader *reader, struct conf_route *route,
                       const struct yaml_node *map);
static void upstream_set(struct config_reader *reader, struct conf_route *route,
                         const struct yaml_node *map);
static void redirect_set(struct config_reader *reader, struct conf_route *route,
                         const struct yaml_node *map);
static void respond_set(struct config_reader *reader, struct conf_route *route,
                        const struct yaml_node *map);
static void routes_order(struct config_reader *reader, struct conf_site *site);

void entry_routes_read(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value, void *base) {
    struct conf_site *site = base;
    if (!config_map_check(reader, option, value))
        return;
    site->routes = arena_alloc(reader->arena, value->count, sizeof(*site->routes));
    for (const struct yaml_node *entry = value->first; entry; entry = entry->next)
        route_read(reader, option, entry, &site->routes[site->route_count++]);
    routes_order(reader, site);
}

static void route_read(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value, struct conf_route *route) {
    route->pos = value->key->pos;
    route->prefix = ""; // of a refused one: sorts last, equals none
    config_value_read(reader, option, value->key, &route->prefix);
    config_section_read(reader, option->child, value, route);
    if (value->kind == YAML_MAP)
        action_set(reader, route, value);
}

static void action_set(struct config_reader *reader, struct conf_route *route,
                       const struct yaml_node *map) {
    if (yaml_map_find(map, "upstream"))
        upstream_set(reader, route, map);
    else if (yaml_map_find(map, "redirect"))
        redirect_set(reader, route, map);
    else if (yaml_map_find(map, "respond"))
        respond_set(reader, route, map);
}

// Records a problem when the map has `key`, which has no use beside its action.
static void key_refuse(struct config_reader *reader, const struct yaml_node *map, const char *key,
                       const char *use) {
    const struct yaml_node *value = yaml_map_find(map, key);
    if (value)
        problems_add(reader->problems, PROBLEM_ERROR, value->key->pos,
                     "%s: it has a use only with %s; remove it", key, use);
}

static void upstream_set(struct config_reader *reader, struct conf_route *route,
                         const struct yaml_node *map) {
    route->action = ROUTE_UPSTREAM;
    route->upstream_pos = yaml_map_find(map, "upstream")->pos;
    key_refuse(reader, map, "status", "redirect and respond");
    key_refuse(reader, map, "content_type", "respond");
}

static void redirect_set(struct config_reader *reader, struct conf_route *route,
                         const struct yaml_node *map) {
    static const unsigned allowed[] = {301, 302, 303, 307, 308};
    route->action = ROUTE_REDIRECT;
    key_refuse(reader, map, "content_type", "respond");
    key_refuse(reader, map, "strip_prefix", "upstream");
    if (route->status == 0)
        route->status = 308;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (route->status == allowed[i])
            return;
    problems_add(reader->problems, PROBLEM_ERROR, yaml_map_find(map, "status")->pos,
                 "status: %u is no redirect; expected one of 301, 302, 303, 307, 308, for example "
                 "status: 308",
                 route->status);
}

static void respond_set(struct config_reader *reader, struct conf_route *route,
                        const struct yaml_node *map) {
    route->action = ROUTE_RESPOND;
    key_refuse(reader, map, "strip_prefix", "upstream");
    if (route->status == 0)
        route->status = 200;
    if (!route->content_type)
        route->content_type = "text/plain; charset=utf-8";
    // RFC 9110 §15.3.5, §15.3.6, §15.4.5
    bool no_body = route->status == 204 || route->status == 205 || route->status == 304;
    if (no_body && route->respond && route->respond[0])
        problems_add(reader->problems, PROBLEM_ERROR, yaml_map_find(map, "status")->pos,
                     "status: a response with %u has no body; use another status, or respond: \"\"",
                     route->status);
}

// "/echo" and "/echo/" mean the same to the router, so the final slash does not count.
static size_t prefix_bytes(const struct conf_route *route) {
    size_t bytes = strlen(route->prefix);
    return bytes > 0 && route->prefix[bytes - 1] == '/' ? bytes - 1 : bytes;
}

static int compare_prefixes(const struct conf_route *a, const struct conf_route *b) {
    size_t a_bytes = prefix_bytes(a), b_bytes = prefix_bytes(b);
    if (a_bytes != b_bytes)
        return a_bytes > b_bytes ? -1 : 1;
    return memcmp(a->prefix, b->prefix, a_bytes);
}

static int compare_routes(const void *left, const void *right) {
    const struct conf_route *a = left, *b = right;
    int order = compare_prefixes(a, b);
    if (order)
        return order;
    if (a->pos.line != b->pos.line)
        return a->pos.line < b->pos.line ? -1 : 1;
    return a->pos.column < b->pos.column ? -1 : a->pos.column > b->pos.column;
}

static void routes_order(struct config_reader *reader, struct conf_site *site) {
    qsort(site->routes, site->route_count, sizeof(*site->routes), compare_routes);
    for (size_t i = 1; i < site->route_count; i++) {
        const struct conf_route *route = &site->routes[i], *before = route - 1;
        if (route->prefix[0] && before->prefix[0] && compare_prefixes(before, route) == 0)
            problems_add(reader->problems, PROBLEM_ERROR, route->pos,
                         "the prefix \"%.64s\" is the same as \"%.64s\" at %u:%u; remove one of "
                         "them",
                         route->prefix, before->prefix, before->pos.line, before->pos.column);
    }
}
