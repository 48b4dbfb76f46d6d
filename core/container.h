// SPDX-License-Identifier: Apache-2.0
//
// From an embedded member back to its owner: how callbacks of operations, timers and tasks find the
// object they belong to.
#ifndef RINGWAY_CORE_CONTAINER_H
#define RINGWAY_CORE_CONTAINER_H

#include <stddef.h>

// The structure that embeds `member`, given the member's address.
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
