// SPDX-License-Identifier: Apache-2.0
//
// What is to be loaded: a ws:// or wss:// URL (RFC 6455 §3), taken apart and its name looked up.
#ifndef RINGWAY_BENCH_TARGET_H
#define RINGWAY_BENCH_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_HOST_MAX 256
#define TARGET_PATH_MAX 2048
#define TARGET_NUMBER "{n}" // in a path: the client's number; no URL has a brace of its own
// Room for any path with numbers in it: ten digits for every three characters.
#define TARGET_PATH_NUMBERED_MAX (TARGET_PATH_MAX / 3 * 10 + 3)

enum target_security { TARGET_PLAIN, TARGET_TLS };

struct target {
    enum target_security security;
    char host[TARGET_HOST_MAX];          // without brackets: for SNI and look-ups
    char authority[TARGET_HOST_MAX + 8]; // as the Host field has it
    char path[TARGET_PATH_MAX];          // with the query
    char dial_host[TARGET_HOST_MAX];     // to connect to; empty: the host
    uint16_t port;
    struct sockaddr_storage address; // from `target_resolve`
    socklen_t address_size_bytes;
};

// Reads a URL. False when it is none, with a sentence in `why`.
bool target_parse(struct target *target, const char *url, char *why, size_t why_size);

// Connects to HOST or HOST:PORT instead of what the URL names; the request and TLS go on naming
// that. False when it is none.
bool target_dial(struct target *target, const char *text);

// Looks the host up. Of several addresses it takes the first that accepts a connection, which costs
// the server one that says nothing. Blocking. False with a sentence in `why`.
bool target_resolve(struct target *target, char *why, size_t why_size);

// Writes the path that the client `number` asks for, terminated: the number stands for each
// TARGET_NUMBER.
void target_path_write(const struct target *target, uint32_t number,
                       char out[TARGET_PATH_NUMBERED_MAX]);

// Writes the URL again, terminated.
void target_format(const struct target *target, char *out, size_t size);

// Whether the host is an address and no name: then TLS sends no SNI (RFC 6066 §3).
bool target_is_literal(const struct target *target);

// Whether the address is in 127.0.0.0/8, where a client may choose any of 2^24 sources.
bool target_is_loopback(const struct target *target);

#endif
