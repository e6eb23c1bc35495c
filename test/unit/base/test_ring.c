/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/ring.h"

enum { SIZE = 4096, LONGEST = SIZE / 4 };

static struct ring *new_ring(void)
{
    struct ring *ring;
    assert_int_equal(ring_new(SIZE, &ring), OK);
    return ring;
}

static void test_sizes_that_make_no_ring(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2048, 4095, 4097, 6000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ring *ring = (struct ring *)1;
        assert_int_equal(ring_new(sizes[i], &ring), ERR_LIMIT);
        assert_null(ring);
    }
    ring_free(NULL);
}

static void test_nothing_is_read_before_it_is_published(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    size_t len;
    assert_null(ring_next(ring, &len));
    void *place = ring_reserve(ring, 10, 0);
    assert_non_null(place);
    assert_null(ring_next(ring, &len));
    assert_ptr_equal(ring_reserve(ring, 20, 0), place); /* the first was not published */
    ring_publish(ring);
    assert_ptr_equal(ring_next(ring, &len), place);
    assert_int_equal(len, 20);
    assert_null(ring_next(ring, &len));
    ring_free(ring);
}

static void test_too_long_a_record_has_no_room(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    assert_null(ring_reserve(ring, LONGEST + 1, 0));
    assert_null(ring_reserve(ring, SIZE_MAX, 0));
    assert_non_null(ring_reserve(ring, LONGEST, 0));
    assert_null(ring_reserve(ring, 1, SIZE));
    ring_free(ring);
}

/* What the reader has not given back is not written over, at any place of the ring. */
static void test_a_full_ring_refuses_until_it_is_released(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    size_t len, held = 0;
    for (unsigned turn = 0; turn < 50; turn++) {
        uint8_t *place;
        for (held = 0; (place = ring_reserve(ring, 300 + turn, 0)) != NULL; held++) {
            memset(place, (int)(held + turn), 300 + turn);
            ring_publish(ring);
        }
        assert_true(held >= 6 && held <= SIZE / 320);
        for (size_t i = 0; i < held; i++) {
            const uint8_t *record = ring_next(ring, &len);
            assert_int_equal(len, 300 + turn);
            for (size_t at = 0; at < len; at++)
                assert_int_equal(record[at], (uint8_t)(i + turn));
            assert_null(ring_reserve(ring, LONGEST, 0));
        }
        assert_null(ring_next(ring, &len));
        ring_release(ring);
    }
    ring_free(ring);
}

/* Room that is kept for others is not given away. */
static void test_spare_room_is_left(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    while (ring_reserve(ring, 100, 1024) != NULL)
        ring_publish(ring);
    assert_non_null(ring_reserve(ring, 100, 0));
    ring_free(ring);
}

static void test_records_are_aligned(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    size_t len;
    for (size_t i = 0; i < 200; i++) {
        void *place = ring_reserve(ring, i % 90, 0);
        assert_int_equal((uintptr_t)place % RING_ALIGN, 0);
        ring_publish(ring);
        assert_non_null(ring_next(ring, &len));
        assert_int_equal(len, i % 90);
        ring_release(ring);
    }
    ring_free(ring);
}

/* --- two threads --- */

enum { RECORDS = 50000 };

static size_t length_of(uint32_t i)
{
    return 4 + i * 7919u % 600;
}

static void *write_all(void *arg)
{
    struct ring *ring = arg;
    for (uint32_t i = 0; i < RECORDS;) {
        size_t len = length_of(i);
        uint8_t *place = ring_reserve(ring, len, 0);
        if (place == NULL) {
            (void)sched_yield();
            continue;
        }
        memcpy(place, &i, sizeof i);
        memset(place + sizeof i, (int)i, len - sizeof i);
        ring_publish(ring);
        i++;
    }
    return NULL;
}

static void test_a_writer_and_a_reader(void **state)
{
    (void)state;
    struct ring *ring = new_ring();
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_all, ring), 0);
    for (uint32_t i = 0; i < RECORDS;) {
        size_t len;
        const uint8_t *record = ring_next(ring, &len);
        if (record == NULL) {
            ring_release(ring);
            (void)sched_yield();
            continue;
        }
        uint32_t number;
        memcpy(&number, record, sizeof number);
        bool right = number == i && len == length_of(i) && (len == 4 || record[len - 1] == (uint8_t)i);
        assert_true(right);
        i++;
        if (i % 3 == 0)
            ring_release(ring);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_that_make_no_ring),
        cmocka_unit_test(test_nothing_is_read_before_it_is_published),
        cmocka_unit_test(test_too_long_a_record_has_no_room),
        cmocka_unit_test(test_a_full_ring_refuses_until_it_is_released),
        cmocka_unit_test(test_spare_room_is_left),
        cmocka_unit_test(test_records_are_aligned),
        cmocka_unit_test(test_a_writer_and_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
