// SPDX-License-Identifier: Apache-2.0
//
// Path prefixes of routes, and texts with variables in them ("https://${host}/").
#ifndef RINGWAY_CORE_CONFIG_URL_H
#define RINGWAY_CORE_CONFIG_URL_H

#include "core/config_value.h"
#include "core/str.h"

struct conf_arena;

// Segments a prefix may have: as many as routing looks at.
#define URL_SEGMENTS_MAX 32

// Checks a route's prefix and gives it in normal form, so that two spellings of one path are one
// text: what a path can hold (RFC 3986 §3.3) is written plainly, all else, and a '/' that was
// escaped, as "%2F" with capital digits. `normal` lives in the arena; it is set only on VALUE_OK.
enum value_verdict url_prefix_parse(struct str text, struct conf_arena *arena, const char **normal);

// Whether the text can stand in one line: VALUE_OK or VALUE_CONTROL.
enum value_verdict url_line_check(struct str text);

// Checks that each "${name}" is one of `variables` ("a|b|c"), and that the text can stand in one
// header line. On VALUE_TEMPLATE_VARIABLE `unknown` is the name within `text`.
enum value_verdict url_template_check(struct str text, const char *variables, struct str *unknown);

// The same for the target of a redirect, which is a URL or a path.
enum value_verdict url_redirect_check(struct str text, const char *variables, struct str *unknown);

#endif
