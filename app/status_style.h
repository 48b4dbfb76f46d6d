// SPDX-License-Identifier: Apache-2.0
//
// app/status_style.html, the head of the status page, which the build turns into an array
// (app/embed.py).
#ifndef RINGWAY_APP_STATUS_STYLE_H
#define RINGWAY_APP_STATUS_STYLE_H

#include <stddef.h>

extern const char status_style[];
extern const size_t status_style_size_bytes;

#endif
