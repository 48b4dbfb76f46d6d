// SPDX-License-Identifier: Apache-2.0
//
// Waiting until a record that was set can be seen by whoever asks: an authority asks any of the
// zone's name servers, and a secondary may be behind. Blocking.
#ifndef RINGWAY_ACME_DNS_ARRIVAL_H
#define RINGWAY_ACME_DNS_ARRIVAL_H

#include "acme/dns_query.h"

// Waits until all name servers have the TXT record `name` with `value`: those of acme.dns.servers,
// or all that DNS gives for the zone. A server that gives no answer at all is passed over with a
// warning. 0; -ETIMEDOUT at `deadline_ms`, when one still answers without the record; or another
// negative errno.
int acme_dns_arrival_wait(int stop_fd, const struct conf_acme_dns *conf, const char *name,
                          const char *value, uint64_t deadline_ms, struct acme_error *error);

#endif
