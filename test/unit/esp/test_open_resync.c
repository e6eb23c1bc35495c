/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4303 A3: over 2^32 packets lost in a row, and the high half of extended sequence numbers is found again. */
#include "esp_test.h"

#define TWO32 (UINT64_C(1) << 32)

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};
static const struct aead_suite cbc = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false};

static struct packet sealed_at(struct sa *sa, uint64_t sequence, uint8_t *buffer)
{
    struct packet p = inner_packet(buffer, SMALL_BUFFER, 4, 100, (unsigned)sequence);
    sa->sequence = sequence - 1;
    assert_int_equal(seal_one(sa, &p), DROP_NONE);
    return p;
}

/* Opens `count` packets that right knows nothing of, from `sent` on, one a batch; returns how many opened. */
static size_t open_run(struct pair *pair, uint64_t sent, size_t count)
{
    uint8_t buffer[SMALL_BUFFER];
    size_t opened = 0;
    for (size_t i = 0; i < count; i++) {
        struct packet p = sealed_at(pair->left, sent + i, buffer);
        enum drop why = open_one(pair->right, &p);
        assert_true(why == DROP_NONE || why == DROP_IN_AUTH || why == DROP_IN_REPLAY);
        opened += why == DROP_NONE;
    }
    return opened;
}

/* right has seen `top`. */
static void start_at(struct pair *pair, struct aead_suite suite, bool esn, uint64_t top)
{
    suite.esn = esn;
    pair_open(pair, &suite, 4);
    assert_int_equal(replay_accept(&pair->right->replay, top), OK);
}

/* Lost so many subspaces, at different places of the window: found again up to the number of tries, and not beyond. */
static void test_b34_long_loss_is_found_again(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    static const uint64_t tops[] = {100, TWO32 - 10, 5 * TWO32 + 7};
    for (size_t i = 0; i < n; i++) {
        for (uint64_t lost = 1; lost <= ESN_RESYNC_TRIES + 1; lost++) {
            struct pair pair;
            uint64_t top = tops[(i + lost) % COUNT(tops)], sent = top + lost * TWO32 + 1000;
            start_at(&pair, suites[i], true, top);
            assert_int_equal(open_run(&pair, sent, ESN_RESYNC_FAILURES), 0);
            assert_true(pair.right->replay.top == top);
            bool found = (sent + ESN_RESYNC_FAILURES) / TWO32 -
                             replay_infer(&pair.right->replay, (uint32_t)(sent + ESN_RESYNC_FAILURES)) / TWO32 <=
                         ESN_RESYNC_TRIES;
            assert_int_equal(open_run(&pair, sent + ESN_RESYNC_FAILURES, 10), found ? 10 : 0);
            assert_true(pair.right->replay.top == (found ? sent + ESN_RESYNC_FAILURES + 9 : top));
            /* what came before, and what was opened, stays shut */
            uint8_t buffer[SMALL_BUFFER];
            struct packet p = sealed_at(pair.left, top, buffer);
            assert_int_not_equal(open_one(pair.right, &p), DROP_NONE);
            p = sealed_at(pair.left, sent + ESN_RESYNC_FAILURES, buffer);
            assert_int_not_equal(open_one(pair.right, &p), DROP_NONE);
            pair_close(&pair);
        }
    }
}

/* The packet that was tried again is whole, and counted once. */
static void test_b34_the_packet_tried_again_is_delivered(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, true, 100);
    assert_int_equal(open_run(&pair, TWO32 + 1000, ESN_RESYNC_FAILURES), 0);
    uint8_t buffer[SMALL_BUFFER], inner[100];
    struct packet p = sealed_at(pair.left, TWO32 + 2000, buffer);
    assert_int_equal(open_one(pair.right, &p), DROP_NONE);
    make_inner(inner, 4, sizeof inner, 2000);
    assert_int_equal(p.len, sizeof inner);
    assert_memory_equal(packet_data(&p), inner, 20);
    assert_int_equal(pair.right->in.packets, 1);
    assert_int_equal(pair.right->in.bytes, 100);
    assert_int_equal(pair.right->in.auth_failed, ESN_RESYNC_FAILURES);
    assert_true(pair.right->replay.top == TWO32 + 2000);
    pair_close(&pair);
}

static void test_b34_no_resynchronisation_without_esn(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, false, 100);
    uint8_t buffer[SMALL_BUFFER];
    for (int i = 0; i < 3 * ESN_RESYNC_FAILURES + 1; i++) {
        struct packet p = sealed_at(pair.left, 1000 + (uint64_t)i, buffer);
        packet_data(&p)[30] ^= 1;
        assert_int_equal(open_one(pair.right, &p), DROP_IN_AUTH);
    }
    assert_int_equal(pair.right->replay.top, 100);
    assert_int_equal(pair.right->auth_run, ESN_RESYNC_FAILURES); /* a trial would have started the count anew */
    pair_close(&pair);
}

/* One packet that verifies, and the row of failures is over. */
static void test_b34_a_success_ends_the_row_of_failures(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, cbc, true, 100);
    assert_int_equal(open_run(&pair, TWO32 + 1000, ESN_RESYNC_FAILURES - 1), 0);
    assert_int_equal(open_run(&pair, 101, 1), 1);
    assert_int_equal(open_run(&pair, TWO32 + 1000, ESN_RESYNC_FAILURES), 0);
    assert_int_equal(open_run(&pair, TWO32 + 3000, 1), 1);
    pair_close(&pair);
}

/* Forged packets never move the window, and each trial is paid for with a whole row of them. */
static void test_b34_forged_packets_get_a_trial_a_row(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, true, 100);
    uint8_t buffer[SMALL_BUFFER];
    uint32_t trials = 0;
    for (uint32_t i = 0; i < 5 * (ESN_RESYNC_FAILURES + 1); i++) {
        uint32_t before = pair.right->auth_run;
        struct packet p = sealed_at(pair.left, 1000 + i, buffer);
        packet_data(&p)[p.len - 1] ^= 1;
        assert_int_equal(open_one(pair.right, &p), DROP_IN_AUTH);
        trials += pair.right->auth_run < before;
        assert_int_equal(pair.right->replay.top, 100);
    }
    assert_in_range(trials, 5, 10); /* one in 32 to 64 packets, but for the first */
    pair_close(&pair);
}

/* --- among forged packets --- */

enum { WITHIN = 4096 }; /* packets */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Of ten packets that arrive, one is genuine: the one at `offset`, or any when that is negative. Returns after how many
 * one opened. */
static size_t opens_after(size_t batch, int offset, uint64_t seed)
{
    struct pair pair;
    start_at(&pair, gcm, true, 100);
    static uint8_t buffers[AEAD_BATCH_MAX][SMALL_BUFFER];
    struct packet p[AEAD_BATCH_MAX], *list[AEAD_BATCH_MAX];
    struct flow flows[AEAD_BATCH_MAX];
    enum drop why[AEAD_BATCH_MAX];
    size_t sent = 0, opened = 0;
    uint64_t rng = seed;
    while (opened == 0 && sent < WITHIN) {
        for (size_t i = 0; i < batch; i++, sent++) {
            bool genuine = offset < 0 ? next_random(&rng) % 10 == 0 : sent % 10 == (size_t)offset;
            p[i] = sealed_at(pair.left, TWO32 + 1000 + sent, buffers[i]);
            packet_data(&p[i])[p[i].len - 1] ^= genuine ? 0 : 1;
            list[i] = &p[i];
        }
        esp_open(pair.right, NULL, list, flows, why, batch);
        for (size_t i = 0; i < batch; i++) {
            assert_true(why[i] == DROP_NONE || why[i] == DROP_IN_AUTH);
            opened += why[i] == DROP_NONE;
        }
    }
    assert_true((pair.right->replay.top > TWO32) == (opened > 0));
    pair_close(&pair);
    return opened > 0 ? sent : SIZE_MAX;
}

/* Nine of ten are forged, in every rhythm and in batches of every size: it comes back all the same. */
static void test_b34_resynchronisation_among_forged_packets(void **state)
{
    (void)state;
    for (size_t batch = 1; batch <= AEAD_BATCH_MAX; batch++)
        for (int offset = -1; offset < 10; offset++) {
            size_t after = opens_after(batch, offset, batch);
            if (after > WITHIN + AEAD_BATCH_MAX)
                fail_msg("batches of %zu, offset %d, seed %zu: not within %d packets", batch, offset, batch, WITHIN);
        }
}

/* What forged packets cost: trials, counted by the changes of which packets they choose. */
static void test_b34_trials_are_bounded_in_every_batch_size(void **state)
{
    (void)state;
    static uint8_t buffers[AEAD_BATCH_MAX][SMALL_BUFFER];
    for (size_t batch = 1; batch <= AEAD_BATCH_MAX; batch++) {
        struct pair pair;
        start_at(&pair, gcm, true, 100);
        struct packet p[AEAD_BATCH_MAX], *list[AEAD_BATCH_MAX];
        struct flow flows[AEAD_BATCH_MAX];
        enum drop why[AEAD_BATCH_MAX];
        size_t sent = 0, trials = 0;
        while (sent < 6400) {
            for (size_t i = 0; i < batch; i++) {
                p[i] = sealed_at(pair.left, TWO32 + 1000 + sent++, buffers[i]);
                packet_data(&p[i])[p[i].len - 1] ^= 1;
                list[i] = &p[i];
            }
            uint64_t before = pair.right->resync_state;
            esp_open(pair.right, NULL, list, flows, why, batch);
            trials += pair.right->resync_state != before;
        }
        size_t tries = trials * (batch == 1 ? 1 : ESN_RESYNC_PACKETS) * ESN_RESYNC_TRIES;
        assert_true(trials > 0 && trials <= sent / (ESN_RESYNC_FAILURES / 2) && tries <= sent / 4);
        assert_int_equal(pair.right->replay.top, 100);
        pair_close(&pair);
    }
}

/* In a batch few packets are tried, the others are judged as before; the next batch opens whole. */
static void test_b34_one_trial_a_batch(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, true, 100);
    static uint8_t buffers[AEAD_BATCH_MAX][SMALL_BUFFER];
    struct packet p[AEAD_BATCH_MAX], *list[AEAD_BATCH_MAX];
    struct flow flows[AEAD_BATCH_MAX];
    enum drop why[AEAD_BATCH_MAX];
    size_t opened[3] = {0};
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < AEAD_BATCH_MAX; i++) {
            p[i] = sealed_at(pair.left, TWO32 + 1000 * (round + 1) + i, buffers[i]);
            list[i] = &p[i];
        }
        esp_open(pair.right, NULL, list, flows, why, AEAD_BATCH_MAX);
        for (size_t i = 0; i < AEAD_BATCH_MAX; i++)
            opened[round] += why[i] == DROP_NONE;
    }
    assert_int_equal(opened[0], 0);
    assert_int_equal(opened[1], 1);
    assert_int_equal(opened[2], AEAD_BATCH_MAX);
    pair_close(&pair);
}

/* The first packet of a batch may be too long to be kept: then another is. */
static void test_b34_a_long_packet_waits_for_a_shorter_one(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, true, 100);
    assert_int_equal(open_run(&pair, TWO32 + 1000, ESN_RESYNC_FAILURES), 0);
    static uint8_t big[PACKET_BUFFER], buffer[SMALL_BUFFER];
    pair.left->sequence = TWO32 + 2000;
    struct packet p[2] = {inner_packet(big, sizeof big, 4, 20000, 0)}, *list[2] = {&p[0], &p[1]};
    assert_int_equal(seal_one(pair.left, &p[0]), DROP_NONE);
    assert_int_equal(open_one(pair.right, &p[0]), DROP_IN_AUTH);
    p[0] = inner_packet(big, sizeof big, 4, 20000, 0);
    assert_int_equal(seal_one(pair.left, &p[0]), DROP_NONE);
    p[1] = sealed_at(pair.left, TWO32 + 3000, buffer);
    struct flow flows[2];
    enum drop why[2];
    esp_open(pair.right, NULL, list, flows, why, 2);
    assert_int_equal(why[0], DROP_IN_AUTH);
    assert_int_equal(why[1], DROP_NONE);
    pair_close(&pair);
}

/* The high half does not wrap: behind the last subspace there is none. */
static void test_b34_at_the_end_of_the_numbers(void **state)
{
    (void)state;
    struct pair pair;
    start_at(&pair, gcm, true, UINT64_MAX - 100);
    uint8_t buffer[SMALL_BUFFER];
    for (int i = 0; i < 2 * ESN_RESYNC_FAILURES; i++) {
        /* of the first subspace, which is not the one after the last */
        struct packet p = sealed_at(pair.left, UINT32_MAX - 50, buffer);
        assert_int_equal(open_one(pair.right, &p), DROP_IN_AUTH);
    }
    assert_true(pair.right->replay.top == UINT64_MAX - 100);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b34_long_loss_is_found_again),
        cmocka_unit_test(test_b34_the_packet_tried_again_is_delivered),
        cmocka_unit_test(test_b34_no_resynchronisation_without_esn),
        cmocka_unit_test(test_b34_a_success_ends_the_row_of_failures),
        cmocka_unit_test(test_b34_forged_packets_get_a_trial_a_row),
        cmocka_unit_test(test_b34_resynchronisation_among_forged_packets),
        cmocka_unit_test(test_b34_trials_are_bounded_in_every_batch_size),
        cmocka_unit_test(test_b34_one_trial_a_batch),
        cmocka_unit_test(test_b34_a_long_packet_waits_for_a_shorter_one),
        cmocka_unit_test(test_b34_at_the_end_of_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
