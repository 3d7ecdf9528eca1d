/*
 * arena_test.c - invariants checked: reservations are aligned, disjoint and stay; trimming gives back the tail of
 * the newest; a failed allocation changes nothing; everything taken is freed.
 */
#include "arena.h"

#include "../faults/check_main.h"
#include "memory_io_test.h"

START_TEST(arena__reservations_are_aligned_disjoint_and_stay)
{
    enum { COUNT = 400 };
    memory_io io;
    arena a;
    uint8_t *part[COUNT];
    size_t bytes[COUNT];
    arena_init(&a, memory_io_init(&io), 4096);
    uint64_t random = 7;
    for (size_t i = 0; i < COUNT; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = 1 + (random >> 33) % ((i % 10) == 9 ? 20000 : 300);
        part[i] = arena_reserve(&a, bytes[i]);
        ck_assert_ptr_nonnull(part[i]);
        ck_assert_uint_eq((uintptr_t)part[i] % 16, 0);
        memset(part[i], (int)(i & 0xff), bytes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < bytes[i]; k++)
            ck_assert_uint_eq(part[i][k], i & 0xff);
    ck_assert_uint_eq(a.held_bytes, io.held_bytes);
    ck_assert_uint_le(a.used_bytes, a.held_bytes);
    arena_fini(&a);
    ck_assert_uint_eq(io.held, 0);
    ck_assert_uint_eq(a.held_bytes, 0);
}
END_TEST

START_TEST(arena__trim_gives_back_the_tail_of_the_newest)
{
    memory_io io;
    arena a;
    arena_init(&a, memory_io_init(&io), 4096);
    uint8_t *first = arena_reserve(&a, 1000);
    arena_trim(&a, first, 1000, 100);
    ck_assert_uint_eq(a.used_bytes, 112);
    uint8_t *second = arena_reserve(&a, 64);
    ck_assert_ptr_eq(second, first + 112);
    arena_trim(&a, second, 64, 0);
    ck_assert_ptr_eq(arena_reserve(&a, 10), second);
    arena_fini(&a);
    ck_assert_uint_eq(io.held, 0);
}
END_TEST

START_TEST(arena__a_large_reservation_keeps_the_current_run_and_its_tail_is_usable)
{
    memory_io io;
    arena a;
    arena_init(&a, memory_io_init(&io), 4096);
    uint8_t *small = arena_reserve(&a, 16);
    uint8_t *large = arena_reserve(&a, 100000);
    ck_assert_ptr_nonnull(large);
    uint8_t *next = arena_reserve(&a, 16);
    ck_assert_ptr_eq(next, small + 16); /* the run of the ordinary chunk goes on */
    large = arena_reserve(&a, 100000);
    arena_trim(&a, large, 100000, 10);
    uint64_t calls = io.calls;
    for (int i = 0; i < 6000; i++) {
        uint8_t *p = arena_reserve(&a, 16);
        ck_assert(p >= large + 16 && p + 16 <= large + 100000);
        memset(p, 1, 16);
    }
    ck_assert_uint_eq(io.calls, calls);
    arena_fini(&a);
    ck_assert_uint_eq(io.held, 0);
}
END_TEST

START_TEST(arena__a_failed_allocation_changes_nothing)
{
    memory_io io;
    arena a;
    arena_init(&a, memory_io_init(&io), 4096);
    uint8_t *kept = arena_reserve(&a, 4000);
    size_t used = a.used_bytes, held = a.held_bytes, left = a.left;
    io.fail_at = io.calls + 1;
    io.fail_on = true;
    ck_assert_ptr_null(arena_reserve(&a, 1000));
    ck_assert_ptr_null(arena_reserve(&a, 10000));
    ck_assert_uint_eq(io.failed, 2);
    ck_assert_ptr_null(arena_reserve(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_reserve(&a, SIZE_MAX - 20));
    ck_assert_uint_eq(a.used_bytes, used);
    ck_assert_uint_eq(a.held_bytes, held);
    ck_assert_uint_eq(a.left, left);
    ck_assert_ptr_nonnull(arena_reserve(&a, left)); /* what there is can still be had */
    memset(kept, 1, 4000);
    io.fail_at = 0;
    ck_assert_ptr_nonnull(arena_reserve(&a, 1000));
    arena_fini(&a);
    ck_assert_uint_eq(io.held, 0);
}
END_TEST

START_TEST(arena__nothing_reserved_has_an_address)
{
    memory_io io;
    arena a;
    arena_init(&a, memory_io_init(&io), 4096);
    ck_assert_uint_eq(io.calls, 0);
    uint8_t *nothing = arena_reserve(&a, 0);
    ck_assert_ptr_nonnull(nothing);
    arena_trim(&a, nothing, 0, 0);
    ck_assert_uint_eq(a.used_bytes, 0);
    arena_fini(&a);
    ck_assert_uint_eq(io.held, 0);
}
END_TEST

LEVIN_TEST_MAIN("arena", TEST(arena__reservations_are_aligned_disjoint_and_stay),
                TEST(arena__trim_gives_back_the_tail_of_the_newest),
                TEST(arena__a_large_reservation_keeps_the_current_run_and_its_tail_is_usable),
                TEST(arena__a_failed_allocation_changes_nothing), TEST(arena__nothing_reserved_has_an_address))
