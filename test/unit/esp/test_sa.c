/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};

static enum status try_child(const struct child *child, const struct random *random)
{
    struct sa *sa = (struct sa *)1;
    enum status status = sa_new(child, NULL, random, &sa);
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
    pair.child[0].soft_packets = 30;
    pair.child[0].hard_packets = 40;
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
    assert_int_equal(sa->soft_packets, 30);
    assert_int_equal(sa->hard_packets, 40);
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

/* clang-format off */
static const struct {
    struct aead_suite suite;
    uint64_t bytes, packets; /* the limits of the cipher itself; 0: none */
} key_rows[] = {
    {{ENCR_3DES, 0, INTEG_HMAC_SHA2_256_128, false}, UINT64_C(64) << 20, 0},
    {{ENCR_3DES, 0, INTEG_HMAC_SHA1_96, true}, UINT64_C(64) << 20, 0},
    {{ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, false}, UINT64_C(64) << 40, 0},
    {{ENCR_AES_CTR, 128, INTEG_HMAC_SHA2_256_128, true}, UINT64_C(64) << 40, 0},
    {{ENCR_AES_GCM_16, 256, INTEG_NONE, true}, UINT64_C(64) << 40, 0},
    {{ENCR_AES_CCM_12, 256, INTEG_NONE, true}, UINT64_C(64) << 40, 0},
    {{ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, true}, UINT64_C(64) << 40, 0},
    {{ENCR_AES_GCM_8, 128, INTEG_NONE, true}, UINT64_C(64) << 40, UINT64_C(1) << 32},
    {{ENCR_AES_CCM_8, 128, INTEG_NONE, false}, UINT64_C(64) << 40, UINT64_C(1) << 32},
    {{ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, true}, 0, 0},
    {{ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, true}, 0, 0},
};
/* clang-format on */

static void test_no_key_lives_longer_than_its_cipher_bears(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(key_rows); i++) {
        uint64_t bytes = key_rows[i].bytes, packets = key_rows[i].packets;
        struct pair pair;
        pair_prepare(&pair, &key_rows[i].suite, 4);
        pair.child[1].hard_bytes = pair.child[1].hard_packets = 1000; /* a smaller one is kept, a larger one is not */
        pair.child[1].soft_bytes = pair.child[1].soft_packets = UINT64_MAX;
        pair_start(&pair);
        const struct sa *sa = pair.left;
        assert_true(sa->hard_bytes == bytes && sa->hard_packets == packets);
        assert_true(sa->soft_bytes <= bytes - bytes / 5 && sa->soft_bytes >= bytes / 2);
        assert_true(sa->soft_packets <= packets - packets / 5 && sa->soft_packets >= packets / 2);
        sa = pair.right;
        assert_int_equal(sa->hard_bytes, 1000);
        assert_int_equal(sa->hard_packets, 1000);
        assert_true(sa->soft_bytes == (bytes != 0 ? pair.left->soft_bytes : UINT64_MAX));
        assert_true(sa->soft_packets == (packets != 0 ? pair.left->soft_packets : UINT64_MAX));
        pair_close(&pair);
    }
}

/* Sweet32: the last packet under 64 MiB goes, the one over it does not. */
static void test_3des_stops_at_64_mib(void **state)
{
    (void)state;
    static const struct aead_suite suite = {ENCR_3DES, 0, INTEG_HMAC_SHA1_96, false};
    struct pair pair;
    uint8_t buffer[SMALL_BUFFER];
    pair_open(&pair, &suite, 4);
    pair.left->out.bytes = (UINT64_C(64) << 20) - 100;
    struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
    assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
    assert_true(sa_take_soft(pair.left));
    p = inner_packet(buffer, sizeof buffer, 4, 20, 0);
    assert_int_equal(seal_one(pair.left, &p), DROP_OUT_EXPIRED);
    pair_close(&pair);
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
                uint32_t inner = inner_mtu(&pair.left->shape, mtu, outer[o]);
                if (inner > 0)
                    assert_in_range(outer[o] + inner + sa_overhead(pair.left, inner), 1, mtu);
                assert_true(outer[o] + inner + 1 + sa_overhead(pair.left, inner + 1) > mtu);
            }
        }
        assert_int_equal(inner_mtu(&pair.left->shape, 0, UINT32_MAX), 0);
        assert_int_equal(inner_mtu(&pair.left->shape, UINT32_MAX, UINT32_MAX), 0);
        assert_true(inner_mtu(&pair.left->shape, 65535, 20) > 65000);
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
    assert_int_equal(inner_mtu(&pair.left->shape, 1500, 28), 1438); /* 1500 - 28 - 8 - 8 - 16 - 2 */
    assert_int_equal(inner_mtu(&pair.left->shape, 1500, 20), 1446);
    pair_close(&pair);
    pair_open(&pair, &cbc, 4);
    assert_int_equal(inner_mtu(&pair.left->shape, 1500, 28), 1422); /* 1432 down to 1424, - 2 */
    assert_int_equal(inner_mtu(&pair.left->shape, 1500, 20), 1438);
    pair_close(&pair);
}

/* clang-format off */
static const struct {
    uint64_t soft_bytes, in, out, sequence_left; /* sequence numbers left to the soft limit */
    bool dead, soft;
    uint64_t soft_packets, packets_in, packets_out;
} softs[] = {
    /* 0 */ {0, 0, 0, 1000, false, false, 0, UINT64_MAX, UINT64_MAX},
    /* 1 */ {0, UINT64_MAX, UINT64_MAX, 1000, false, false, 0, UINT64_MAX, UINT64_MAX}, /* no limit in bytes */
    /* 2 */ {100, 99, 99, 1000, false, false, 0, UINT64_MAX, UINT64_MAX},               /* each direction on its own */
    /* 3 */ {100, 100, 0, 1000, false, true, 0, UINT64_MAX, UINT64_MAX},
    /* 4 */ {100, 0, 100, 1000, false, true, 0, UINT64_MAX, UINT64_MAX},
    /* 5 */ {100, 0, 5000, 1000, false, true, 0, UINT64_MAX, UINT64_MAX},
    /* 6 */ {0, 0, 0, 1, false, false, 0, UINT64_MAX, UINT64_MAX},
    /* 7 */ {0, 0, 0, 0, false, true, 0, UINT64_MAX, UINT64_MAX},
    /* 8 */ {0, 0, 0, 1000, true, true, 0, UINT64_MAX, UINT64_MAX},                     /* a hard limit without a soft one */
    /* 9 */ {0, 0, 0, 1000, false, false, 100, 99, 99},       /* packets */
    /* 10 */ {0, 0, 0, 1000, false, true, 100, 100, 0},
    /* 11 */ {0, 0, 0, 1000, false, true, 100, 0, 100},
    /* 12 */ {0, 0, 0, 1000, false, true, 100, 0, 5000},
    /* 13 */ {100, 100, 0, 1000, false, true, 100, 1, 1},     /* what is passed first */
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
        sa->soft_packets = softs[i].soft_packets;
        sa->in.packets = softs[i].packets_in;
        sa->out.packets = softs[i].packets_out;
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
        cmocka_unit_test(test_no_key_lives_longer_than_its_cipher_bears),
        cmocka_unit_test(test_3des_stops_at_64_mib),
        cmocka_unit_test(test_overhead_is_what_sealing_adds),
        cmocka_unit_test(test_b39_inner_mtu_is_the_largest_that_fits),
        cmocka_unit_test(test_inner_mtu_known_values),
        cmocka_unit_test(test_soft_limits_are_reported_once),
        cmocka_unit_test(test_soft_bytes_by_real_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
