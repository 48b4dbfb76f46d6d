// SPDX-License-Identifier: Apache-2.0
//
// From a tree of texts, lists and maps to typed values, led by the option table: unknown keys,
// wrong types and values out of range end here. What refers to another place in the file is left to
// config_check.h.
#ifndef RINGWAY_CORE_CONFIG_READ_H
#define RINGWAY_CORE_CONFIG_READ_H

#include "core/arena.h"
#include "core/config.h"
#include "core/option.h"
#include "core/yaml_tree.h"

// Guessing what a name should have been looks at all names: only while there is hope.
#define CONFIG_GUESSES_MAX 100

// An entry of a list of OPTION_FILE.
struct conf_file {
    struct conf_pos pos;
    const char *path;
};

// What reading one file needs. Each function records its problems and goes on, so that one run
// finds them all.
struct config_reader {
    struct config *config;
    const struct yaml_node *root;
    struct conf_arena *arena;
    struct problems *problems;
};

// Reads a map into `base`, the struct of that section: first the defaults, then what is written.
void config_section_read(struct config_reader *reader, enum option_section section,
                         const struct yaml_node *map, void *base);

// Gives a section's struct its defaults alone.
void config_defaults_set(struct config_reader *reader, enum option_section section, void *base);

// Reads one value of an option's type into `out`; NULL checks it only. False: a problem was
// recorded, and `out` is untouched.
bool config_value_read(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value, void *out);

// Whether the value is a list (or map), and not empty when `option->min` is 1; otherwise a problem
// is recorded.
bool config_list_check(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value);
bool config_map_check(struct config_reader *reader, const struct option *option,
                      const struct yaml_node *value);

// Records what is wrong with one value of an option.
void config_value_refuse(struct config_reader *reader, const struct option *option,
                         const struct yaml_node *value, enum value_verdict verdict);

// Records that the value is not arranged as it should be: a text instead of a list, and so on.
void config_shape_refuse(struct config_reader *reader, const struct option *option,
                         const struct yaml_node *value);

#endif
