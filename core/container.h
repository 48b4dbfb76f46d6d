// SPDX-License-Identifier: Apache-2.0
#ifndef RINGWAY_CORE_CONTAINER_H
#define RINGWAY_CORE_CONTAINER_H

#include <stddef.h>

// The structure that embeds `member`, given the member's address.
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
