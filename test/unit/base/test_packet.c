/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include "base/packet.h"

enum { CAPACITY = 32, HEADROOM = 8 };

static bool same(const struct packet *a, const struct packet *b)
{
    return a->buffer == b->buffer && a->capacity == b->capacity && a->offset == b->offset && a->len == b->len;
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct packet p = packet_of(buffer, sizeof buffer, HEADROOM);
    assert_non_null(packet_append(&p, 10));
    struct packet before = p;
    static const size_t huge[] = {33, UINT32_MAX, (size_t)UINT32_MAX + 1, SIZE_MAX};
    assert_null(packet_push(&p, HEADROOM + 1));
    assert_null(packet_pull(&p, 11));
    assert_null(packet_append(&p, CAPACITY - HEADROOM - 10 + 1));
    for (size_t i = 0; i < COUNT(huge); i++) {
        assert_null(packet_push(&p, huge[i]));
        assert_null(packet_pull(&p, huge[i]));
        assert_null(packet_append(&p, huge[i]));
    }
    assert_true(same(&p, &before));
}

static void test_headroom_over_capacity_leaves_no_room_behind(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    for (size_t headroom = CAPACITY; headroom < CAPACITY + 3; headroom++) {
        struct packet p = packet_of(buffer, sizeof buffer, headroom);
        assert_int_equal(packet_tailroom(&p), 0);
        assert_null(packet_append(&p, 1));
        assert_ptr_equal(packet_push(&p, CAPACITY), buffer);
    }
}

static void test_places_of_what_is_added_and_removed(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct packet p = packet_of(buffer, sizeof buffer, HEADROOM);
    assert_int_equal(p.len, 0);
    assert_ptr_equal(packet_append(&p, 10), buffer + 8);
    assert_ptr_equal(packet_append(&p, 4), buffer + 18);
    assert_ptr_equal(packet_push(&p, 8), buffer);
    assert_int_equal(p.len, 22);
    assert_int_equal(packet_tailroom(&p), 10);
    assert_ptr_equal(packet_pull(&p, 3), buffer);
    assert_ptr_equal(packet_data(&p), buffer + 3);
    assert_int_equal(p.len, 19);
    assert_ptr_equal(packet_pull(&p, 19), buffer + 3);
    assert_int_equal(p.len, 0);
}

static void test_zero_bytes_are_always_fine(void **state)
{
    (void)state;
    uint8_t buffer[1];
    struct packet p = packet_of(buffer, 0, 0);
    assert_non_null(packet_push(&p, 0));
    assert_non_null(packet_pull(&p, 0));
    assert_non_null(packet_append(&p, 0));
    assert_null(packet_append(&p, 1));
}

/* Against a model: three numbers that always add up to the capacity. */
static void test_random_steps_keep_the_sum(void **state)
{
    (void)state;
    uint64_t seed = 0x9e3779b97f4a7c15;
    uint8_t buffer[CAPACITY];
    struct packet p = packet_of(buffer, sizeof buffer, HEADROOM);
    size_t front = HEADROOM, live = 0, back = CAPACITY - HEADROOM;
    for (int step = 0; step < 100000; step++) {
        uint64_t r = next_random(&seed);
        size_t n = r >> 8 & 15;
        unsigned kind = (unsigned)(r & 0xff) % 3;
        size_t *from = kind == 0 ? &front : kind == 1 ? &back : &live;
        size_t *to = kind == 2 ? &front : &live;
        uint8_t *at = kind == 0 ? packet_push(&p, n) : kind == 1 ? packet_append(&p, n) : packet_pull(&p, n);
        assert_true((at != NULL) == (n <= *from));
        if (at != NULL) {
            *from -= n;
            *to += n;
        }
        assert_int_equal(p.offset, front);
        assert_int_equal(p.len, live);
        assert_int_equal(packet_tailroom(&p), back);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_does_not_fit_changes_nothing),
        cmocka_unit_test(test_headroom_over_capacity_leaves_no_room_behind),
        cmocka_unit_test(test_places_of_what_is_added_and_removed),
        cmocka_unit_test(test_zero_bytes_are_always_fine),
        cmocka_unit_test(test_random_steps_keep_the_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
