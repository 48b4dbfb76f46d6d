// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include <string.h>

// The handshake's deadline, then time to linger, and some.
#define PATIENCE_MS 12000

// What is said to the TLS port.
static const struct {
    const char *bytes;
    size_t size;
    const char *answer; // how it begins; NULL: whatever
} words[] = {
#define WORDS(text, answer)                                                                        \
    { text, sizeof text - 1, answer }
    WORDS("", NULL),
    WORDS("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "),
    WORDS("SSH-2.0-OpenSSH_9.2\r\n", NULL),
    WORDS("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03 and no more of it", NULL),
    WORDS("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "\x15\x03"), // too short for a hello
    WORDS("\x16\x03\x01\xff\xff", "\x15\x03"),                     // too long for a record
#undef WORDS
};

void stranger_start(struct stranger *stranger, const struct sim *sim) {
    *stranger = (struct stranger){.kind = fake_random(sizeof words / sizeof words[0]),
                                  .leaves = fake_random(3) == 0,
                                  .queues = sim->full,
                                  .wake_ms = sim->started_ms + fake_random(1000)};
}

void stranger_free(struct stranger *stranger) {
    buffer_free(&stranger->in);
}

static void arrive(struct stranger *stranger, int listener) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc6336402)};
    stranger->peer = fake_connect(listener, &from);
    stranger->state = stranger->peer ? PEER_TALKING : PEER_LEFT;
    stranger->came_ms = clock_monotonic_ms();
}

static void judge(const struct stranger *stranger) {
    const char *answer = words[stranger->kind].answer;
    bool whole = stranger->sent == words[stranger->kind].size;
    if (answer && whole &&
        (stranger->in.size < strlen(answer) ||
         memcmp(stranger->in.bytes, answer, strlen(answer)) != 0))
        fake_fail("stranger %u gets no right answer (%zu bytes)", stranger->kind,
                  stranger->in.size);
}

static void talk(struct stranger *stranger, bool clean) {
    uint8_t bytes[4096];
    size_t left = words[stranger->kind].size - stranger->sent;
    buffer_add(&stranger->in, bytes, fake_peer_recv(stranger->peer, bytes, sizeof bytes));
    if (fake_peer_state(stranger->peer) != FAKE_PEER_OPEN) {
        if (clean)
            judge(stranger);
        fake_peer_close(stranger->peer);
        stranger->state = PEER_LEFT;
    } else if (stranger->leaves && fake_random(20) == 0) {
        if (fake_random(2))
            fake_peer_reset(stranger->peer);
        else
            fake_peer_close(stranger->peer);
        stranger->state = PEER_LEFT;
    } else if (left > 0) {
        stranger->sent +=
            fake_peer_send(stranger->peer, words[stranger->kind].bytes + stranger->sent,
                           1 + fake_random((uint32_t)left));
    }
}

uint64_t stranger_act(struct stranger *stranger, int listener, bool clean) {
    uint64_t now_ms = clock_monotonic_ms();
    if (stranger->state == PEER_LEFT)
        return UINT64_MAX;
    if (stranger->wake_ms > now_ms)
        return stranger->wake_ms;
    if (stranger->state == PEER_WAITING)
        arrive(stranger, listener);
    else
        talk(stranger, clean);
    if (stranger->state == PEER_TALKING && !stranger->queues &&
        now_ms > stranger->came_ms + PATIENCE_MS)
        fake_fail("stranger %u is still there", stranger->kind);
    return stranger->wake_ms = now_ms + 1 + fake_random(30);
}
