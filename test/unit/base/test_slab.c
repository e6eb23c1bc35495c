/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include "base_test.h"

static uint8_t bytes[4096];

static void test_room_and_its_end(void **state)
{
    (void)state;
    struct packet p;
    struct slab slab = {.bytes = bytes, .size = PACKET_HEADROOM + 100 + PACKET_TAILROOM};
    assert_false(slab_next(&slab, 101, &p));
    assert_false(slab_next(&slab, UINT32_MAX, &p));
    assert_true(slab_next(&slab, 100, &p));
    assert_int_equal(p.offset, PACKET_HEADROOM);
    assert_int_equal(p.len, 0);
    assert_int_equal(p.capacity, slab.size);
    assert_non_null(packet_append(&p, 100));
    slab_keep(&slab, &p);
    assert_int_equal(slab.used, slab.size);
    assert_false(slab_next(&slab, 0, &p));
    slab_reset(&slab);
    assert_true(slab_next(&slab, 100, &p));
    slab = (struct slab){.bytes = bytes, .size = PACKET_HEADROOM + PACKET_TAILROOM - 1};
    assert_false(slab_next(&slab, 0, &p));
}

/* What is kept stays as it is, tail-room included, whatever comes next. */
static void test_packets_do_not_touch(void **state)
{
    (void)state;
    struct slab slab = {.bytes = bytes, .size = sizeof bytes};
    struct packet kept[8], p;
    size_t n = 0;
    assert_true(slab_next(&slab, 10, &p));
    assert_true(slab_next(&slab, 10, &p)); /* not kept: the same place */
    assert_int_equal(slab.used, 0);
    for (uint32_t room = 1; n < COUNT(kept) && slab_next(&slab, room, &p); room += 61, n++) {
        assert_int_equal(slab.used % 64, 0);
        memset(packet_append(&p, room), (int)n + 1, room);
        slab_keep(&slab, &p);
        kept[n] = p;
        memset(packet_push(&kept[n], PACKET_HEADROOM), (int)n + 1, PACKET_HEADROOM);
        memset(packet_append(&kept[n], PACKET_TAILROOM), (int)n + 1, PACKET_TAILROOM);
    }
    assert_true(n > 3);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < kept[i].len; k++)
            assert_int_equal(packet_data(&kept[i])[k], i + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_and_its_end),
        cmocka_unit_test(test_packets_do_not_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
