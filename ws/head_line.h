// SPDX-License-Identifier: Apache-2.0
//
// What each line of a head means, and whether it may: called by ws/head.c when a line is complete
// and both the gate and llhttp have accepted it. Nobody else calls these.
#ifndef RINGWAY_WS_HEAD_LINE_H
#define RINGWAY_WS_HEAD_LINE_H

#include "ws/field.h"
#include "ws/head.h"

// The start line, without its CRLF.
enum head_verdict head_line_start(struct head *head, struct str line);

// A field line, which llhttp has left in fields[field_count]; counts it.
enum head_verdict head_line_field(struct head *head, struct str line);

// The empty line: framing, persistence, and what is missing.
enum head_verdict head_line_end(struct head *head);

// What is wrong with another field of this kind after those before it, or NULL.
const char *head_line_conflict(const struct head *head, enum field_kind kind);

// Sets status (502 for a response) and why. Returns HEAD_BAD.
enum head_verdict head_refuse(struct head *head, unsigned status, const char *why);

#endif
