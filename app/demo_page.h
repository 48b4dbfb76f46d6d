// SPDX-License-Identifier: Apache-2.0
//
// app/demo_page.html, which the build turns into an array (app/embed.py).
#ifndef RINGWAY_APP_DEMO_PAGE_H
#define RINGWAY_APP_DEMO_PAGE_H

#include <stddef.h>

extern const char demo_page[];
extern const size_t demo_page_size_bytes;

#endif
