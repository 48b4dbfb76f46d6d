// SPDX-License-Identifier: Apache-2.0
//
// Feeding a parser the same bytes in every way they may arrive: whole, cut in two at every place,
// and byte by byte.
#ifndef RINGWAY_TESTS_WS_FEEDING_H
#define RINGWAY_TESTS_WS_FEEDING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/str.h"
#include "ws/head.h"

// How to cut an input: one piece of `first` bytes, then pieces of `step`.
struct cuts {
    size_t first, step;
};

// All the ways to cut `size` bytes: 0 is whole, then in two at every place, the last is byte by
// byte.
static inline size_t cuts_count(size_t size) {
    return size + 1;
}

static inline struct cuts cuts_at(size_t way, size_t size) {
    if (way == 0)
        return (struct cuts){size, size};
    return way == size ? (struct cuts){1, 1} : (struct cuts){way, size};
}

// Feeds `input` to the head in pieces; each is a copy of exactly its size, so that a sanitizer sees
// a read past its end. `*used` counts over all pieces.
static inline enum head_verdict feed_head(struct head *head, struct str input, struct cuts cuts,
                                          size_t *used) {
    enum head_verdict verdict = HEAD_MORE;
    size_t at = 0, size = cuts.first;
    while (at < input.len && verdict == HEAD_MORE) {
        size_t part;
        size = size < input.len - at ? size : input.len - at;
        char *piece = malloc(size);
        memcpy(piece, input.ptr + at, size);
        verdict = head_feed(head, piece, size, &part);
        free(piece);
        at += verdict == HEAD_BAD ? size : part;
        size = cuts.step;
    }
    *used = at;
    return verdict;
}

// A request that must be good, read whole; head_free it.
static inline void read_request(struct head *head, const char *text) {
    size_t used;
    head_request_init(head, 32768);
    enum head_verdict verdict = feed_head(head, str_from(text), cuts_at(0, strlen(text)), &used);
    ck_assert_msg(verdict == HEAD_DONE, "%s: %s", head->why ? head->why : "not complete", text);
}

static inline void read_response(struct head *head, enum head_method method, const char *text) {
    size_t used;
    head_response_init(head, 32768, method);
    enum head_verdict verdict = feed_head(head, str_from(text), cuts_at(0, strlen(text)), &used);
    ck_assert_msg(verdict == HEAD_DONE, "%s: %s", head->why ? head->why : "not complete", text);
}

#endif
