// SPDX-License-Identifier: Apache-2.0
//
// What one worker counts. Each counter is written by its worker alone; whoever wants the sum reads
// all of them at any time and gets a recent value each.
#ifndef RINGWAY_WS_COUNTERS_H
#define RINGWAY_WS_COUNTERS_H

#include <stdint.h>

// NAME(identifier, help): what `ringway status` and the metrics show. An identifier that counts
// bytes ends in _bytes.
#define COUNTERS(NAME)                                                                             \
    NAME(connections_accepted, "client connections accepted")                                      \
    NAME(connections_ended, "client connections ended")                                            \
    NAME(accept_pauses, "times accepting paused: descriptors, memory or max_connections")          \
    NAME(handshakes, "TLS handshakes completed")                                                   \
    NAME(handshakes_resumed, "TLS handshakes that resumed a session")                              \
    NAME(handshakes_failed, "TLS handshakes that failed or took too long")                         \
    NAME(requests, "requests with a complete head")                                                \
    NAME(requests_refused, "requests answered with an error of our own")                           \
    NAME(upstream_connects, "connections made to upstream servers")                                \
    NAME(upstream_reuses, "requests sent on a kept upstream connection")                           \
    NAME(upstream_failures, "upstream connections that could not be made or broke")                \
    NAME(websockets_opened, "WebSockets opened")                                                   \
    NAME(websockets_closed, "WebSockets ended")                                                    \
    NAME(frames_in, "frames relayed from clients, of ended WebSockets")                            \
    NAME(frames_out, "frames relayed to clients, of ended WebSockets")                             \
    NAME(received_bytes, "bytes from clients without TLS, of ended exchanges and WebSockets")      \
    NAME(sent_bytes, "bytes to clients without TLS, of ended exchanges and WebSockets")            \
    NAME(frame_violations, "frames that break RFC 6455 section 5")                                 \
    NAME(relay_pauses, "times a slow receiver paused its sender")                                  \
    NAME(ktls_tx, "TLS connections whose sending the kernel took over")                            \
    NAME(ktls_rx, "TLS connections whose receiving the kernel took over, too")                     \
    NAME(ktls_refused, "TLS connections that the kernel did not take over as configured")          \
    NAME(splices, "large frames and bodies moved by splice, or their rest")                        \
    NAME(spliced_bytes, "bytes moved by splice, without being read")

struct counters {
#define COUNTER_FIELD(name, help) uint64_t name;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

// Adds to a counter of the calling thread's own.
static inline void counter_add(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

// Adds every counter of `from`, which another thread may be writing, to `sum`.
static inline void counters_sum(struct counters *sum, const struct counters *from) {
#define COUNTER_SUM(name, help) sum->name += __atomic_load_n(&from->name, __ATOMIC_RELAXED);
    COUNTERS(COUNTER_SUM)
#undef COUNTER_SUM
}

#endif
