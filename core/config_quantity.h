// SPDX-License-Identifier: Apache-2.0
//
// Numbers with and without a unit, as people write them in a configuration: 4000, 200M, 5s, 10/s.
#ifndef RINGWAY_CORE_CONFIG_QUANTITY_H
#define RINGWAY_CORE_CONFIG_QUANTITY_H

#include <stdint.h>

#include "core/config_value.h"
#include "core/str.h"

#define QUANTITY_SECOND_MS UINT64_C(1000)
#define QUANTITY_MINUTE_MS (60 * QUANTITY_SECOND_MS)
#define QUANTITY_HOUR_MS (60 * QUANTITY_MINUTE_MS)
#define QUANTITY_DAY_MS (24 * QUANTITY_HOUR_MS)

// The parsers leave the result untouched unless they return VALUE_OK.

// Decimal digits alone.
enum value_verdict quantity_number_parse(struct str text, uint64_t *number);

// Bytes, or with K, M, G units of 1024, 1024², 1024³ bytes.
enum value_verdict quantity_size_parse(struct str text, uint64_t *size_bytes);

// A number with ms, s, m, h or d; only 0 may stand without a unit.
enum value_verdict quantity_duration_parse(struct str text, uint64_t *duration_ms);

// Events a second, minute or hour: "10/s", "5/m", "100/h". Gives the events.
enum value_verdict quantity_rate_parse(struct str text, uint64_t *events);

// The same the other way, with the largest unit that leaves no rest.
struct phrase quantity_size_text(uint64_t size_bytes);
struct phrase quantity_duration_text(uint64_t duration_ms);

#endif
