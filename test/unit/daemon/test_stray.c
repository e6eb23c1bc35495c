/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stray.h"

#include "daemon_test.h"

static void test_a_packet_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 28, 1500, PACKET_PAYLOAD_MAX};
    static uint8_t bytes[PACKET_PAYLOAD_MAX];
    struct ring *ring;
    assert_int_equal(ring_new(512 << 10, &ring), OK);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(bytes, (int)i + 1, sizeof bytes);
        const struct stray out = {.rule = 5, .flow = {.protocol = 17}, .vnet = {.gso_size = 9}};
        assert_null(stray_take(ring));
        assert_true(stray_put(ring, &out, bytes_of(bytes, sizes[i])));
        struct stray *in = stray_take(ring);
        assert_non_null(in);
        assert_int_equal(in->rule, 5);
        assert_int_equal(in->flow.protocol, 17);
        assert_int_equal(in->vnet.gso_size, 9);
        assert_int_equal(in->packet.len, sizes[i]);
        assert_memory_equal(packet_data(&in->packet), bytes, sizes[i]);
        /* it can be sealed where it lies */
        assert_non_null(packet_append(&in->packet, PACKET_TAILROOM));
        assert_non_null(packet_push(&in->packet, PACKET_HEADROOM));
        assert_null(packet_append(&in->packet, 1));
        assert_null(packet_push(&in->packet, 1));
        ring_release(ring);
    }
    ring_free(ring);
}

/* What nobody has verified cannot crowd out what comes from the TUN. */
static void test_half_is_left_to_outbound(void **state)
{
    (void)state;
    static uint8_t bytes[1500];
    struct ring *ring;
    size_t inbound = 0, outbound = 0;
    assert_int_equal(ring_new(512 << 10, &ring), OK);
    while (stray_put(ring, &(struct stray){.inbound = true}, bytes_of(bytes, sizeof bytes)))
        inbound++;
    while (stray_put(ring, &(struct stray){0}, bytes_of(bytes, sizeof bytes)))
        outbound++;
    assert_true(inbound > 100 && outbound >= inbound);
    ring_free(ring);
}

static void test_a_full_ring_takes_none(void **state)
{
    (void)state;
    static uint8_t bytes[PACKET_PAYLOAD_MAX];
    struct ring *ring;
    size_t count = 0;
    assert_int_equal(ring_new(512 << 10, &ring), OK);
    while (stray_put(ring, &(struct stray){0}, bytes_of(bytes, sizeof bytes)))
        count++;
    assert_int_equal(count, 7);
    while (count-- > 0)
        assert_false(stray_take(ring)->inbound);
    assert_false(stray_put(ring, &(struct stray){0}, bytes_of(bytes, sizeof bytes)));
    ring_release(ring);
    assert_true(stray_put(ring, &(struct stray){0}, bytes_of(bytes, sizeof bytes)));
    ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_packet_comes_out_as_it_went_in),
        cmocka_unit_test(test_half_is_left_to_outbound),
        cmocka_unit_test(test_a_full_ring_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
