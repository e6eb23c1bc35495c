/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};

static enum status try_child(const struct child *child, const struct random *random)
{
    struct sa *sa = (struct sa *)1;
    enum status status = sa_new(child, random, &sa);
    if (status != OK)
        assert_null(sa);
    sa_free(sa);
    return status;
}

static void test_children_that_cannot_be(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    struct child good = pair.child[0], bad = good;
    assert_int_equal(try_child(&good, &pair.random), OK);

    bad.replay_window = 0; /* a window of 0 once meant "no check" elsewhere */
    assert_int_equal(try_child(&bad, &pair.random), ERR_LIMIT);
    bad.replay_window = 8193;
    assert_int_equal(try_child(&bad, &pair.random), ERR_LIMIT);
    bad = good;
    bad.key_in.len--;
    assert_int_equal(try_child(&bad, &pair.random), ERR_MALFORMED);
    bad = good;
    bad.key_out.len++;
    assert_int_equal(try_child(&bad, &pair.random), ERR_MALFORMED);
    bad = good;
    bad.suite.key_bits = 7;
    assert_int_equal(try_child(&bad, &pair.random), ERR_UNSUPPORTED);
    bad = good;
    bad.suite.encr = ENCR_AES_CBC; /* a cipher without integrity */
    assert_int_equal(try_child(&bad, &pair.random), ERR_UNSUPPORTED);
    bad = good;
    bad.suite.encr = 250;
    assert_int_equal(try_child(&bad, &pair.random), ERR_UNSUPPORTED);
    sa_free(NULL);
}

static void test_a_new_sa_opens_but_does_not_seal_yet(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    pair.child[0].rule = 3;
    pair.child[0].udp = true;
    pair.child[0].soft_bytes = 10;
    pair.child[0].hard_bytes = 20;
    pair.child[0].path.remote.port = 4500;
    pair_start(&pair);
    const struct sa *sa = pair.left;
    assert_false(sa->outbound);
    assert_false(sa->dead);
    assert_true(sa->udp);
    assert_int_equal(sa->rule, 3);
    assert_int_equal(sa->child_id, 1);
    assert_int_equal(sa->sequence, 0);
    assert_int_equal(sa->soft_bytes, 10);
    assert_int_equal(sa->hard_bytes, 20);
    assert_int_equal(sa->path.remote.port, 4500);
    assert_int_equal(sa->spi_in, pair.right->spi_out);
    assert_int_equal(sa->replay.top, 0);
    assert_int_equal(sa->sequence_hard, UINT32_MAX);
    pair_close(&pair);
}

static void test_sequence_limits(void **state)
{
    (void)state;
    for (int esn = 0; esn < 2; esn++) {
        struct aead_suite suite = gcm;
        suite.esn = esn;
        struct pair pair;
        pair_open(&pair, &suite, 4);
        uint64_t hard = esn ? UINT64_MAX : UINT32_MAX;
        assert_true(pair.left->sequence_hard == hard);
        assert_true(pair.left->sequence_soft > hard / 2 && pair.left->sequence_soft < hard - hard / 5);
        assert_int_equal(pair.left->replay.esn, esn);
        pair_close(&pair);
    }
}

/* What sealing really does is the referee of sa_overhead. */
static void test_overhead_is_what_sealing_adds(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    static uint8_t buffer[PACKET_BUFFER];
    for (size_t i = 0; i < n; i++) {
        struct pair pair;
        pair_open(&pair, &suites[i], 4);
        for (uint32_t len = 20; len < 200; len++) {
            struct packet p = inner_packet(buffer, sizeof buffer, 4, len, 0);
            assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
            assert_int_equal(p.len, len + sa_overhead(pair.left, len));
            assert_in_range(p.len - len, 8u + 2u + pair.left->shape.icv, PACKET_HEADROOM + PACKET_TAILROOM);
        }
        pair_close(&pair);
    }
}

static void test_b39_inner_mtu_is_the_largest_that_fits(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    static const uint32_t outer[] = {0, 20, 28, 40, 48};
    for (size_t i = 0; i < n; i++) {
        struct pair pair;
        pair_open(&pair, &suites[i], 4);
        for (uint32_t mtu = 0; mtu < 1600; mtu++) {
            for (size_t o = 0; o < COUNT(outer); o++) {
                uint32_t inner = sa_inner_mtu(pair.left, mtu, outer[o]);
                if (inner > 0)
                    assert_in_range(outer[o] + inner + sa_overhead(pair.left, inner), 1, mtu);
                assert_true(outer[o] + inner + 1 + sa_overhead(pair.left, inner + 1) > mtu);
            }
        }
        assert_int_equal(sa_inner_mtu(pair.left, 0, UINT32_MAX), 0);
        assert_int_equal(sa_inner_mtu(pair.left, UINT32_MAX, UINT32_MAX), 0);
        assert_true(sa_inner_mtu(pair.left, 65535, 20) > 65000);
        pair_close(&pair);
    }
}

/* Numbers for known cases: GCM and CBC+SHA-256 in UDP over IPv4 at 1500. */
static void test_inner_mtu_known_values(void **state)
{
    (void)state;
    static const struct aead_suite cbc = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false};
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    assert_int_equal(sa_inner_mtu(pair.left, 1500, 28), 1438); /* 1500 - 28 - 8 - 8 - 16 - 2 */
    assert_int_equal(sa_inner_mtu(pair.left, 1500, 20), 1446);
    pair_close(&pair);
    pair_open(&pair, &cbc, 4);
    assert_int_equal(sa_inner_mtu(pair.left, 1500, 28), 1422); /* 1432 down to 1424, - 2 */
    assert_int_equal(sa_inner_mtu(pair.left, 1500, 20), 1438);
    pair_close(&pair);
}

/* clang-format off */
static const struct {
    uint64_t soft_bytes, in, out, sequence_left; /* sequence numbers left to the soft limit */
    bool dead, soft;
} softs[] = {
    /* 0 */ {0, 0, 0, 1000, false, false},
    /* 1 */ {0, UINT64_MAX, UINT64_MAX, 1000, false, false}, /* no limit in bytes */
    /* 2 */ {100, 99, 99, 1000, false, false},               /* each direction on its own */
    /* 3 */ {100, 100, 0, 1000, false, true},
    /* 4 */ {100, 0, 100, 1000, false, true},
    /* 5 */ {100, 0, 5000, 1000, false, true},
    /* 6 */ {0, 0, 0, 1, false, false},
    /* 7 */ {0, 0, 0, 0, false, true},
    /* 8 */ {0, 0, 0, 1000, true, true},                     /* a hard limit without a soft one */
};
/* clang-format on */

static void test_soft_limits_are_reported_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(softs); i++) {
        struct pair pair;
        pair_open(&pair, &gcm, 4);
        struct sa *sa = pair.left;
        sa->soft_bytes = softs[i].soft_bytes;
        sa->in.bytes = softs[i].in;
        sa->out.bytes = softs[i].out;
        sa->sequence = sa->sequence_soft - softs[i].sequence_left;
        sa->dead = softs[i].dead;
        if (sa_take_soft(sa) != softs[i].soft)
            fail_msg("row %zu", i);
        assert_int_equal(sa->soft_reported, softs[i].soft);
        if (softs[i].soft)
            assert_false(sa_take_soft(sa));
        pair_close(&pair);
    }
}

static void test_soft_bytes_by_real_traffic(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    pair.child[0].soft_bytes = pair.child[1].soft_bytes = 300;
    pair_start(&pair);
    uint8_t buffer[SMALL_BUFFER];
    for (int i = 0; i < 3; i++) {
        assert_false(sa_take_soft(pair.left));
        assert_false(sa_take_soft(pair.right));
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        assert_int_equal(open_one(pair.right, &p), DROP_NONE);
    }
    assert_true(sa_take_soft(pair.left));
    assert_true(sa_take_soft(pair.right));
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_that_cannot_be),
        cmocka_unit_test(test_a_new_sa_opens_but_does_not_seal_yet),
        cmocka_unit_test(test_sequence_limits),
        cmocka_unit_test(test_overhead_is_what_sealing_adds),
        cmocka_unit_test(test_b39_inner_mtu_is_the_largest_that_fits),
        cmocka_unit_test(test_inner_mtu_known_values),
        cmocka_unit_test(test_soft_limits_are_reported_once),
        cmocka_unit_test(test_soft_bytes_by_real_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
