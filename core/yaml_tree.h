// SPDX-License-Identifier: Apache-2.0
//
// YAML text as a tree in which every node knows its line and column. Aliases are expanded, so the
// reader of a configuration meets texts, lists and maps only.
//
// What a configuration has no use for is refused with a sentence: several documents, tags, merge
// keys, keys that are no text, duplicate keys. Size, depth and the number of nodes are bounded, so
// that no file (an "alias bomb" for one) takes more than a known amount of memory and time.
#ifndef RINGWAY_CORE_YAML_TREE_H
#define RINGWAY_CORE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/str.h"

#define YAML_SIZE_MAX_BYTES (8u << 20)
#define YAML_DEPTH_MAX 32
#define YAML_NODES_MAX 400000

struct conf_arena;

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

// Whether a text stood in quotes (or in a block, `|` or `>`): "5" is no number, "" is no absence.
enum yaml_style { YAML_PLAIN, YAML_QUOTED };

struct yaml_node {
    enum yaml_kind kind;
    enum yaml_style style;
    struct conf_pos pos;
    struct str text;             // YAML_TEXT; terminated, but may hold NUL bytes ("\0")
    const struct yaml_node *key; // of an entry of a map; always a text
    struct yaml_node *first;     // of a list or map
    struct yaml_node *next;      // in the list or map this node is part of
    size_t count;                // entries of a list or map
};

// For printf's `%.*s`: as much of a text from a file as belongs in a message, whole characters.
#define STR_SHOWN(s) yaml_shown_bytes(s), (s).ptr
int yaml_shown_bytes(struct str text);

// Parses one document. Problems are recorded with their position: a syntax error is the only one,
// duplicate keys and the like are all told. Returns NULL when there is no tree, which is also the
// case for an empty document. The tree lives in `arena`.
struct yaml_node *yaml_tree_parse(const char *text, size_t size_bytes, struct conf_arena *arena,
                                  struct problems *problems);

// Whether the node says nothing: `key:`, `key: ~` or `key: null`.
bool yaml_node_is_null(const struct yaml_node *node);

// The entry of that name in a map, or NULL.
const struct yaml_node *yaml_map_find(const struct yaml_node *map, const char *key);

#endif
