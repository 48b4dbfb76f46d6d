// SPDX-License-Identifier: Apache-2.0
//
// Waiting bytes: what goes into a chain comes out of it, and the pool knows how much it has given.
#include "core/chunk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct chunk_pool pool;
static struct chain chain;
static uint8_t data[400000];

static void start(void) {
    pool = (struct chunk_pool){0};
    chain = (struct chain){0};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 13 >> 2);
}

static void finish(void) {
    chain_clear(&pool, &chain);
    ck_assert(chain_is_empty(&chain));
    ck_assert_uint_eq(pool.used_bytes, 0);
    chunk_pool_clear(&pool);
    for (int class = 0; class < CHUNK_CLASSES; class ++)
        ck_assert_ptr_null(pool.free[class]);
}

static const size_t sizes[] = {0, 1, 2048, 2049, 16384 + 261, 18944, 18945, 65536, CHUNK_MAX_BYTES};

START_TEST(a_chunk_holds_what_was_asked_for) {
    start();
    struct chunk *chunk = chunk_get(&pool, sizes[_i]);
    ck_assert_ptr_nonnull(chunk);
    ck_assert_uint_ge(chunk->capacity, sizes[_i]);
    ck_assert_uint_eq(chunk_length(chunk), 0);
    ck_assert_uint_eq(pool.used_bytes, chunk->capacity);
    memset(chunk->data, 1, chunk->capacity);
    chunk->start = 3;
    chunk->end = 5;
    chunk_put(&pool, chunk);
    ck_assert_uint_eq(pool.used_bytes, 0);
    // The same memory again, empty.
    ck_assert_ptr_eq(chunk_get(&pool, sizes[_i]), chunk);
    ck_assert_uint_eq(chunk_length(chunk), 0);
    ck_assert_ptr_null(chunk->next);
    chunk_put(&pool, chunk);
    finish();
}
END_TEST

START_TEST(a_pool_keeps_a_bounded_number) {
    start();
    struct chunk *chunks[1000];
    for (int i = 0; i < 1000; i++)
        chunks[i] = chunk_get(&pool, sizes[_i]);
    for (int i = 0; i < 1000; i++)
        chunk_put(&pool, chunks[i]);
    size_t kept_bytes = 0;
    for (int class = 0; class < CHUNK_CLASSES; class ++)
        for (struct chunk *chunk = pool.free[class]; chunk; chunk = chunk->next)
            kept_bytes += chunk->capacity;
    ck_assert_uint_gt(kept_bytes, 0);
    ck_assert_uint_le(kept_bytes, 2 * 1024 * 1024);
    finish();
}
END_TEST

// Compares all that is in the chain with data[from, to).
static void expect(size_t from, size_t to) {
    struct iovec parts[64];
    int count = chain_parts(&chain, parts, 64);
    ck_assert_uint_eq(chain_length(&chain), to - from);
    ck_assert_int_eq(chain_is_empty(&chain), from == to);
    for (int i = 0; i < count; i++) {
        ck_assert_uint_gt(parts[i].iov_len, 0);
        ck_assert_uint_le(parts[i].iov_len, to - from);
        ck_assert(memcmp(parts[i].iov_base, data + from, parts[i].iov_len) == 0);
        from += parts[i].iov_len;
    }
    ck_assert_uint_eq(from, to);
}

START_TEST(first_in_first_out) {
    size_t from = 0, to = 0;
    start();
    srand((unsigned)_i);
    while (to < sizeof data) {
        size_t more = (size_t)rand() % (rand() % 3 ? 500 : 100000);
        more = more < sizeof data - to ? more : sizeof data - to;
        ck_assert_int_eq(chain_append(&pool, &chain, data + to, more), 0);
        to += more;
        expect(from, to);
        size_t less = to > from ? (size_t)rand() % (to - from + 1) : 0;
        chain_consume(&pool, &chain, less);
        from += less;
        expect(from, to);
    }
    chain_consume(&pool, &chain, to - from);
    expect(to, to);
    ck_assert_uint_eq(pool.used_bytes, 0);
    finish();
}
END_TEST

START_TEST(small_additions_share_a_chunk) {
    start();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(chain_append(&pool, &chain, data + i, 1), 0);
    ck_assert_ptr_eq(chain.head, chain.tail);
    expect(0, 100);
    finish();
}
END_TEST

START_TEST(parts_are_no_more_than_asked_for) {
    struct iovec parts[3];
    start();
    ck_assert_int_eq(chain_parts(&chain, parts, 3), 0);
    chain_append(&pool, &chain, data, sizeof data);
    ck_assert_int_eq(chain_parts(&chain, parts, 2), 2);
    ck_assert(memcmp(parts[1].iov_base, data + parts[0].iov_len, parts[1].iov_len) == 0);
    finish();
}
END_TEST

START_TEST(nothing_added_is_nothing) {
    start();
    ck_assert_int_eq(chain_append(&pool, &chain, NULL, 0), 0);
    ck_assert(chain_is_empty(&chain));
    chain_consume(&pool, &chain, 0);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("core/chunk");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, a_chunk_holds_what_was_asked_for, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_loop_test(all, a_pool_keeps_a_bounded_number, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_loop_test(all, first_in_first_out, 0, 10);
    tcase_add_test(all, small_additions_share_a_chunk);
    tcase_add_test(all, parts_are_no_more_than_asked_for);
    tcase_add_test(all, nothing_added_is_nothing);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
