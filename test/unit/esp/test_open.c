/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

#define TWO32 (UINT64_C(1) << 32)

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};
static const struct aead_suite cbc = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false};

/* All that a packet without a valid ICV must leave alone. */
static void assert_untouched(const struct sa *sa, const struct replay *before, const uint64_t *ring)
{
    assert_memory_equal(&sa->replay, before, sizeof *before);
    assert_memory_equal(sa->replay.ring, ring, ((size_t)before->mask + 1) * sizeof *ring);
    assert_int_equal(sa->in.packets, 0);
    assert_int_equal(sa->in.bytes, 0);
}

static void test_peek_spi(void **state)
{
    (void)state;
    static const uint8_t esp[] = {0xc0, 0xff, 0xee, 0x01, 0, 0, 0, 1, 9};
    uint32_t spi = 1;
    for (size_t len = 0; len < 8; len++)
        assert_false(esp_peek_spi(bytes_of(esp, len), &spi));
    assert_true(esp_peek_spi(bytes_of(esp, 8), &spi));
    assert_int_equal(spi, 0xc0ffee01);
    assert_true(esp_peek_spi(bytes_of(esp, 9), &spi));
    assert_false(esp_peek_spi(bytes_of(NULL, 0), &spi));
}

static void cut(const struct aead_suite *suite)
{
    struct pair pair;
    pair_open(&pair, suite, 4);
    uint8_t sealed[SMALL_BUFFER];
    struct packet whole = inner_packet(sealed, sizeof sealed, 4, 77, 0);
    assert_int_equal(seal_one(pair.left, &whole), DROP_NONE);
    struct sa *sa = pair.right;
    uint64_t ring[REPLAY_WORDS_MAX] = {0};
    struct replay before = sa->replay;
    uint32_t fixed = 8u + sa->shape.iv + sa->shape.icv;
    uint64_t malformed = 0, auth_failed = 0;
    for (uint32_t len = 0; len < whole.len; len++) {
        uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a read too far */
        assert_non_null(exact);
        memcpy(exact + 1, packet_data(&whole), len);
        struct packet p = {.buffer = exact, .capacity = len + 1, .offset = 1, .len = len};
        bool is_short = len < fixed + 2 || (len - fixed) % sa->shape.block != 0;
        assert_int_equal(open_one(sa, &p), is_short ? DROP_IN_SHORT : DROP_IN_AUTH);
        malformed += is_short;
        auth_failed += !is_short;
        assert_untouched(sa, &before, ring);
        assert_int_equal(sa->in.malformed, malformed);
        assert_int_equal(sa->in.auth_failed, auth_failed);
        free(exact);
    }
    assert_int_equal(open_one(sa, &whole), DROP_NONE);
    pair_close(&pair);
}

static void test_b31_cut_at_every_length(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++)
        cut(&suites[i]);
}

static void test_b31_longer_than_sealed(void **state)
{
    (void)state;
    for (uint32_t extra = 1; extra <= 64; extra++) {
        struct pair pair;
        pair_open(&pair, &cbc, 4);
        uint8_t buffer[SMALL_BUFFER];
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 77, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        memset(packet_append(&p, extra), 0, extra);
        assert_int_equal(open_one(pair.right, &p), extra % 16 == 0 ? DROP_IN_AUTH : DROP_IN_SHORT);
        assert_int_equal(pair.right->replay.top, 0);
        pair_close(&pair);
    }
}

/* One flipped bit pattern per byte, in every byte, for every suite. */
static void corrupt(const struct aead_suite *suite, uint8_t flip)
{
    struct pair pair;
    pair_open(&pair, suite, 4);
    uint8_t sealed[SMALL_BUFFER], buffer[SMALL_BUFFER];
    struct packet whole = inner_packet(sealed, sizeof sealed, 4, 61, 0);
    pair.left->sequence = 0x01020303;
    assert_int_equal(seal_one(pair.left, &whole), DROP_NONE);
    struct sa *sa = pair.right;
    uint64_t ring[REPLAY_WORDS_MAX] = {0};
    struct replay before = sa->replay;
    for (uint32_t i = 0; i < whole.len; i++) {
        struct packet p = packet_with(buffer, sizeof buffer, packet_data(&whole), whole.len);
        packet_data(&p)[i] ^= flip;
        if (open_one(sa, &p) != DROP_IN_AUTH)
            fail_msg("suite %d/%u/%d: byte %u of %u changed, and accepted", (int)suite->encr, suite->key_bits,
                     (int)suite->integ, i, whole.len);
        assert_untouched(sa, &before, ring);
        assert_int_equal(sa->in.auth_failed, i + 1);
    }
    assert_int_equal(open_one(sa, &whole), DROP_NONE);
    pair_close(&pair);
}

static void test_b33_any_corrupt_byte_is_refused(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++) {
        corrupt(&suites[i], 0x01);
        corrupt(&suites[i], 0x80);
        suites[i].esn = true;
        corrupt(&suites[i], 0xff);
    }
}

static void test_b33_forged_future_number_leaves_the_window(void **state)
{
    (void)state;
    static const uint32_t forged[] = {3, 64, 65, 66, 1000, 100000, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (int esn = 0; esn < 2; esn++) {
        struct aead_suite suite = cbc;
        suite.esn = esn;
        struct pair pair;
        pair_open(&pair, &suite, 4);
        uint8_t first[SMALL_BUFFER], second[SMALL_BUFFER], buffer[SMALL_BUFFER];
        struct packet p1 = inner_packet(first, sizeof first, 4, 100, 1);
        struct packet p2 = inner_packet(second, sizeof second, 4, 100, 2);
        assert_int_equal(seal_one(pair.left, &p1), DROP_NONE);
        assert_int_equal(seal_one(pair.left, &p2), DROP_NONE);
        for (size_t i = 0; i < COUNT(forged); i++) {
            struct packet bad = packet_with(buffer, sizeof buffer, packet_data(&p1), p1.len);
            store_u32(packet_data(&bad) + 4, forged[i]);
            assert_int_equal(open_one(pair.right, &bad), DROP_IN_AUTH);
            assert_int_equal(pair.right->replay.top, 0);
        }
        assert_int_equal(open_one(pair.right, &p2), DROP_NONE);
        assert_int_equal(open_one(pair.right, &p1), DROP_NONE);
        assert_int_equal(pair.right->replay.top, 2);
        pair_close(&pair);
    }
}

static struct packet sealed_at(struct sa *sa, uint64_t sequence, uint8_t *buffer)
{
    struct packet p = inner_packet(buffer, SMALL_BUFFER, 4, 100, (unsigned)sequence);
    sa->sequence = sequence == 0 ? 0 : sequence - 1;
    assert_int_equal(seal_one(sa, &p), DROP_NONE);
    if (sequence == 0) /* never sealed: it must be refused before anyone looks at the ICV */
        store_u32(packet_data(&p) + 4, 0);
    return p;
}

/* clang-format off */
static const struct {
    uint64_t sequence;
    enum drop why;
} replays[] = { /* window 64 */
    /*  0 */ {0, DROP_IN_REPLAY},
    /*  1 */ {1, DROP_NONE},
    /*  2 */ {1, DROP_IN_REPLAY},
    /*  3 */ {64, DROP_NONE},
    /*  4 */ {1, DROP_IN_REPLAY},
    /*  5 */ {2, DROP_NONE},
    /*  6 */ {100, DROP_NONE},
    /*  7 */ {36, DROP_IN_REPLAY}, /* the edge - 1, unseen */
    /*  8 */ {37, DROP_NONE},      /* the edge, unseen */
    /*  9 */ {37, DROP_IN_REPLAY},
    /* 10 */ {99, DROP_NONE},
    /* 11 */ {100, DROP_IN_REPLAY},
    /* 12 */ {101, DROP_NONE},
    /* 13 */ {37, DROP_IN_REPLAY},
    /* 14 */ {0, DROP_IN_REPLAY},
};
/* clang-format on */

static void test_b32_replays(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    uint8_t buffer[SMALL_BUFFER];
    uint64_t refused = 0, accepted = 0;
    for (size_t i = 0; i < COUNT(replays); i++) {
        struct packet p = sealed_at(pair.left, replays[i].sequence, buffer);
        enum drop why = open_one(pair.right, &p);
        if (why != replays[i].why)
            fail_msg("row %zu: %s", i, drop_name(why));
        refused += why == DROP_IN_REPLAY;
        accepted += why == DROP_NONE;
    }
    assert_int_equal(pair.right->in.replay, refused);
    assert_int_equal(pair.right->in.packets, accepted);
    assert_int_equal(pair.right->in.auth_failed, 0);
    pair_close(&pair);
}

/* The same number twice in one batch passes the first check twice; only one copy may get through. */
static void batch_of_twins(bool first_is_corrupt)
{
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    uint8_t one[SMALL_BUFFER], two[SMALL_BUFFER], three[SMALL_BUFFER];
    struct packet a = sealed_at(pair.left, 5, one);
    struct packet b = packet_with(two, sizeof two, packet_data(&a), a.len);
    struct packet c = packet_with(three, sizeof three, packet_data(&a), a.len);
    if (first_is_corrupt)
        packet_data(&a)[a.len - 1] ^= 1;
    struct packet *list[] = {&a, &b, &c};
    struct flow flows[3];
    enum drop why[3];
    esp_open(pair.right, NULL, list, flows, why, 3);
    assert_int_equal(why[0], first_is_corrupt ? DROP_IN_AUTH : DROP_NONE);
    assert_int_equal(why[1], first_is_corrupt ? DROP_NONE : DROP_IN_REPLAY);
    assert_int_equal(why[2], DROP_IN_REPLAY);
    assert_int_equal(pair.right->in.packets, 1);
    assert_int_equal(pair.right->in.replay, first_is_corrupt ? 1 : 2);
    pair_close(&pair);
}

static void test_b32_twins_in_one_batch(void **state)
{
    (void)state;
    batch_of_twins(false);
    batch_of_twins(true);
}

/* Within one batch the window may pass a packet that was still inside it when the batch began. */
static void test_b32_left_behind_within_a_batch(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    uint8_t one[SMALL_BUFFER], two[SMALL_BUFFER];
    struct packet far = sealed_at(pair.left, 1000, one), old = sealed_at(pair.left, 936, two);
    struct packet *list[] = {&far, &old};
    struct flow flows[2];
    enum drop why[2];
    esp_open(pair.right, NULL, list, flows, why, 2);
    assert_int_equal(why[0], DROP_NONE);
    assert_int_equal(why[1], DROP_IN_REPLAY);
    pair_close(&pair);
}

/* clang-format off */
static const struct {
    uint64_t top, sent;
    enum drop why;
} esn_rows[] = { /* window 64; top was accepted before */
    /*  0 */ {TWO32 - 1, TWO32, DROP_NONE},             /* over the boundary */
    /*  1 */ {TWO32 - 1, TWO32 + 40, DROP_NONE},
    /*  2 */ {TWO32 - 1, TWO32 - 2, DROP_NONE},         /* back, below it */
    /*  3 */ {TWO32 - 1, TWO32 - 64, DROP_NONE},
    /*  4 */ {TWO32 + 5, TWO32 - 1, DROP_NONE},         /* back over it */
    /*  5 */ {TWO32 + 5, TWO32 - 58, DROP_NONE},        /* the edge */
    /*  6 */ {TWO32 + 5, TWO32 - 59, DROP_IN_AUTH},     /* left of it: taken for the next subspace */
    /*  7 */ {TWO32 + 5, 5, DROP_IN_REPLAY},            /* one subspace old, same low bits as the top */
    /*  8 */ {TWO32 + 5, 4, DROP_IN_AUTH},              /* ... as one unseen in the window */
    /*  9 */ {TWO32 + 5, 1000, DROP_IN_AUTH},           /* ... as one ahead */
    /* 10 */ {100, 2000000000, DROP_NONE},              /* long loss, under 2^32 */
    /* 11 */ {100, TWO32 + 36, DROP_NONE},              /* the longest that can be inferred */
    /* 12 */ {100, TWO32 + 37, DROP_IN_AUTH},           /* longer: the wrong high half, and the ICV says so */
    /* 13 */ {100, TWO32 + 101, DROP_IN_AUTH},
    /* 14 */ {100, 2 * TWO32 + 5, DROP_IN_AUTH},
    /* 15 */ {TWO32 / 2, TWO32 / 2 - 63, DROP_NONE},    /* half way */
    /* 16 */ {TWO32 / 2, TWO32 / 2 - 64, DROP_IN_AUTH},
    /* 17 */ {TWO32 / 2, TWO32 + 1, DROP_NONE},
    /* 18 */ {TWO32 / 2 - 1, TWO32 - 1, DROP_NONE},
    /* 19 */ {7 * TWO32 - 1, 7 * TWO32, DROP_NONE},
    /* 20 */ {7 * TWO32, 7 * TWO32 - 1, DROP_NONE},
};
/* clang-format on */

static void esn_row(const struct aead_suite *suite, size_t row)
{
    struct pair pair;
    pair_open(&pair, suite, 4);
    uint64_t top = esn_rows[row].top;
    assert_int_equal(replay_accept(&pair.right->replay, top), OK);
    uint8_t buffer[SMALL_BUFFER];
    struct packet p = sealed_at(pair.left, esn_rows[row].sent, buffer);
    enum drop why = open_one(pair.right, &p);
    if (why != esn_rows[row].why)
        fail_msg("row %zu: %s", row, drop_name(why));
    uint64_t expected = why == DROP_NONE && esn_rows[row].sent > top ? esn_rows[row].sent : top;
    assert_true(pair.right->replay.top == expected);
    pair_close(&pair);
}

static void test_b34_high_half_is_proven_by_the_icv(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++) {
        suites[i].esn = true;
        for (size_t row = 0; row < COUNT(esn_rows); row++)
            esn_row(&suites[i], row);
    }
}

static void test_b34_both_ends_must_agree_on_esn(void **state)
{
    (void)state;
    struct aead_suite suites[] = {cbc, {ENCR_AES_GCM_16, 256, INTEG_NONE, false}};
    for (size_t i = 0; i < COUNT(suites); i++) {
        struct pair pair;
        pair_prepare(&pair, &suites[i], 4);
        pair.child[1].esn = true;
        pair_start(&pair);
        uint8_t buffer[SMALL_BUFFER];
        struct packet p = sealed_at(pair.left, 1, buffer);
        assert_int_equal(open_one(pair.right, &p), DROP_IN_AUTH);
        pair_close(&pair);
    }
}

static void check_inbound_limit(uint64_t hard_bytes)
{
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    pair.child[1].hard_bytes = hard_bytes;
    pair_start(&pair);
    uint8_t buffer[SMALL_BUFFER];
    static const enum drop expected[] = {DROP_NONE, DROP_NONE, DROP_IN_EXPIRED, DROP_IN_EXPIRED};
    for (size_t i = 0; i < COUNT(expected); i++) {
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        assert_int_equal(open_one(pair.right, &p), expected[i]);
    }
    assert_true(pair.right->dead);
    assert_int_equal(pair.right->in.bytes, 200);
    assert_int_equal(pair.right->replay.top, 3); /* a dead SA looks at nothing */
    assert_true(sa_take_soft(pair.right));
    pair_close(&pair);
}

static void test_b41_inbound_bytes_used_up(void **state)
{
    (void)state;
    check_inbound_limit(200); /* the last byte counts */
    check_inbound_limit(250);
    check_inbound_limit(299);
}

static void test_b41_inbound_packets_used_up(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    pair.child[1].hard_packets = 2;
    pair_start(&pair);
    uint8_t buffer[SMALL_BUFFER];
    static const enum drop expected[] = {DROP_NONE, DROP_NONE, DROP_IN_EXPIRED, DROP_IN_EXPIRED};
    for (size_t i = 0; i < COUNT(expected); i++) {
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        assert_int_equal(open_one(pair.right, &p), expected[i]);
    }
    assert_true(pair.right->dead);
    assert_int_equal(pair.right->in.packets, 2);
    assert_true(sa_take_soft(pair.right));
    pair_close(&pair);
}

static void test_wrong_key_opens_nothing(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++) {
        struct pair pair;
        pair_open(&pair, &suites[i], 4);
        uint8_t buffer[SMALL_BUFFER];
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        assert_int_equal(open_one(pair.left, &p), DROP_IN_AUTH); /* reflected to its sender */
        pair_close(&pair);
    }
}

/* Good and bad side by side: each has its own answer, and a bad one does not shift the others. */
static void test_a_mixed_batch(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &cbc, 4);
    static uint8_t buffers[6][SMALL_BUFFER];
    struct packet p[6], *list[6];
    struct flow flows[6];
    enum drop why[6];
    for (size_t i = 0; i < 6; i++) {
        p[i] = sealed_at(pair.left, i + 1, buffers[i]);
        list[i] = &p[i];
    }
    p[0].len = 10;
    packet_data(&p[2])[60] ^= 1;
    store_u32(packet_data(&p[4]) + 4, 0);
    static const enum drop expected[] = {DROP_IN_SHORT, DROP_NONE, DROP_IN_AUTH, DROP_NONE, DROP_IN_REPLAY, DROP_NONE};
    esp_open(pair.right, NULL, list, flows, why, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(why[i], expected[i]);
        if (why[i] != DROP_NONE)
            continue;
        uint8_t inner[100];
        make_inner(inner, 4, sizeof inner, (unsigned)i + 1);
        assert_int_equal(p[i].len, sizeof inner);
        assert_memory_equal(packet_data(&p[i]), inner, sizeof inner);
    }
    const struct sa_counters *in = &pair.right->in;
    assert_int_equal(in->packets, 3);
    assert_int_equal(in->bytes, 300);
    assert_int_equal(in->malformed, 1);
    assert_int_equal(in->auth_failed, 1);
    assert_int_equal(in->replay, 1);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peek_spi),
        cmocka_unit_test(test_b31_cut_at_every_length),
        cmocka_unit_test(test_b31_longer_than_sealed),
        cmocka_unit_test(test_b33_any_corrupt_byte_is_refused),
        cmocka_unit_test(test_b33_forged_future_number_leaves_the_window),
        cmocka_unit_test(test_b32_replays),
        cmocka_unit_test(test_b32_twins_in_one_batch),
        cmocka_unit_test(test_b32_left_behind_within_a_batch),
        cmocka_unit_test(test_b34_high_half_is_proven_by_the_icv),
        cmocka_unit_test(test_b34_both_ends_must_agree_on_esn),
        cmocka_unit_test(test_b41_inbound_bytes_used_up),
        cmocka_unit_test(test_b41_inbound_packets_used_up),
        cmocka_unit_test(test_wrong_key_opens_nothing),
        cmocka_unit_test(test_a_mixed_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
