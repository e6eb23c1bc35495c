/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"
#include "test/unit/random_test.h"

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};
static const struct aead_suite cbc = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false};

static void test_not_an_ip_packet(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    uint8_t buffer[SMALL_BUFFER];
    struct packet empty = packet_with(buffer, sizeof buffer, "", 0);
    assert_int_equal(seal_one(pair.left, &empty), DROP_OUT_MALFORMED);
    for (unsigned version = 0; version < 16; version++) {
        uint8_t bytes[20] = {(uint8_t)(version << 4 | 5)};
        struct packet p = packet_with(buffer, sizeof buffer, bytes, sizeof bytes);
        enum drop expected = version == 4 || version == 6 ? DROP_NONE : DROP_OUT_MALFORMED;
        assert_int_equal(seal_one(pair.left, &p), expected);
    }
    assert_int_equal(pair.left->sequence, 2); /* what is refused takes no number */
    assert_int_equal(pair.left->out.packets, 2);
    pair_close(&pair);
}

static void test_without_room_nothing_is_sent(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &cbc, 4);
    uint8_t inner[100];
    make_inner(inner, 4, sizeof inner, 0);
    uint32_t front = 8u + 16u, behind = sa_overhead(pair.left, sizeof inner) - front;
    for (uint32_t room = 0; room <= front; room++) {
        uint8_t *buffer = malloc(room + sizeof inner + behind); /* exact, for the sanitizer */
        assert_non_null(buffer);
        struct packet p = packet_of(buffer, room + sizeof inner + behind, room);
        memcpy(packet_append(&p, sizeof inner), inner, sizeof inner);
        assert_int_equal(seal_one(pair.left, &p), room < front ? DROP_OUT_TOO_BIG : DROP_NONE);
        free(buffer);
    }
    for (uint32_t room = 0; room < behind; room++) {
        uint8_t *buffer = malloc(front + sizeof inner + room);
        assert_non_null(buffer);
        struct packet p = packet_of(buffer, front + sizeof inner + room, front);
        memcpy(packet_append(&p, sizeof inner), inner, sizeof inner);
        assert_int_equal(seal_one(pair.left, &p), DROP_OUT_TOO_BIG);
        free(buffer);
    }
    assert_int_equal(pair.left->sequence, 1);
    assert_int_equal(pair.left->out.packets, 1);
    pair_close(&pair);
}

static void test_b45_no_randomness_no_packet(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &cbc, 4);
    struct random broken = {.fill = no_random};
    assert_int_equal(sa_new(&pair.child[0], NULL, &broken, &pair.left), OK);
    uint8_t buffer[SMALL_BUFFER];
    struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
    assert_int_equal(seal_one(pair.left, &p), DROP_OUT_CRYPTO);
    assert_int_equal(pair.left->out.packets, 0);
    assert_int_equal(pair.left->out.bytes, 0);
    sa_free(pair.left);
}

/* The last number is used, the next packet is not sent, whatever happens: no wrap, no clear text. */
static void test_b41_sequence_numbers_used_up(void **state)
{
    (void)state;
    for (int esn = 0; esn < 2; esn++) {
        struct aead_suite suite = gcm;
        suite.esn = esn;
        struct pair pair;
        pair_open(&pair, &suite, 4);
        struct sa *sa = pair.left;
        uint64_t hard = esn ? UINT64_MAX : UINT32_MAX;
        uint8_t buffer[SMALL_BUFFER];
        sa->sequence = hard - 2;
        for (int i = 0; i < 2; i++) {
            struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
            assert_int_equal(seal_one(sa, &p), DROP_NONE);
        }
        assert_false(sa->dead);
        for (int i = 0; i < 3; i++) {
            struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
            assert_int_equal(seal_one(sa, &p), DROP_OUT_EXPIRED);
            assert_true(sa->dead);
            assert_true(sa->sequence == hard);
        }
        assert_int_equal(sa->out.packets, 2);
        assert_true(sa_take_soft(sa)); /* renewal was asked for */
        pair_close(&pair);
    }
}

/* clang-format off */
static const struct {
    uint64_t hard, used;
    enum drop why[4]; /* packets of 100 bytes, in one batch */
} bytes_rows[] = {
    /* 0 */ {0, UINT64_MAX - 1000, {DROP_NONE, DROP_NONE, DROP_NONE, DROP_NONE}},
    /* 1 */ {400, 0, {DROP_NONE, DROP_NONE, DROP_NONE, DROP_NONE}},
    /* 2 */ {399, 0, {DROP_NONE, DROP_NONE, DROP_NONE, DROP_OUT_EXPIRED}},
    /* 3 */ {300, 0, {DROP_NONE, DROP_NONE, DROP_NONE, DROP_OUT_EXPIRED}},
    /* 4 */ {300, 200, {DROP_NONE, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED}},
    /* 5 */ {99, 0, {DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED}},
    /* 6 */ {300, 300, {DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED}},
    /* 7 */ {300, 301, {DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED, DROP_OUT_EXPIRED}},
};
/* clang-format on */

static void test_b41_bytes_used_up_within_a_batch(void **state)
{
    (void)state;
    static uint8_t buffers[4][SMALL_BUFFER];
    for (size_t row = 0; row < COUNT(bytes_rows); row++) {
        struct pair pair;
        pair_prepare(&pair, &gcm, 4);
        pair.child[0].hard_bytes = bytes_rows[row].hard;
        pair_start(&pair);
        pair.left->out.bytes = bytes_rows[row].used;
        if (bytes_rows[row].hard == 0)
            pair.left->hard_bytes = 0; /* nor the limit of the cipher */
        struct packet packets[4], *list[4];
        enum drop why[4];
        uint64_t sent = 0;
        for (size_t i = 0; i < 4; i++) {
            packets[i] = inner_packet(buffers[i], SMALL_BUFFER, 4, 100, 0);
            list[i] = &packets[i];
        }
        esp_seal(pair.left, list, why, 4);
        for (size_t i = 0; i < 4; i++) {
            if (why[i] != bytes_rows[row].why[i])
                fail_msg("row %zu, packet %zu: %s", row, i, drop_name(why[i]));
            sent += why[i] == DROP_NONE;
        }
        assert_int_equal(pair.left->out.packets, sent);
        assert_int_equal(pair.left->out.bytes, bytes_rows[row].used + 100 * sent);
        assert_int_equal(pair.left->dead, sent < 4);
        pair_close(&pair);
    }
}

/* clang-format off */
static const struct {
    uint64_t hard, used;
    size_t sent; /* of four packets in one batch */
} packets_rows[] = {
    /* 0 */ {0, UINT64_MAX - 1000, 4},
    /* 1 */ {4, 0, 4},
    /* 2 */ {3, 0, 3},
    /* 3 */ {1, 0, 1},
    /* 4 */ {1000, 998, 2},
    /* 5 */ {1000, 1000, 0},
    /* 6 */ {1000, 1001, 0},
};
/* clang-format on */

/* Never one more, never in clear; and the next packet neither. */
static void test_b41_packets_used_up_within_a_batch(void **state)
{
    (void)state;
    static uint8_t buffers[4][SMALL_BUFFER];
    for (size_t row = 0; row < COUNT(packets_rows); row++) {
        struct pair pair;
        pair_prepare(&pair, &gcm, 4);
        pair.child[0].hard_packets = packets_rows[row].hard;
        pair_start(&pair);
        pair.left->out.packets = packets_rows[row].used;
        struct packet packets[4], *list[4];
        enum drop why[4];
        for (size_t i = 0; i < 4; i++) {
            packets[i] = inner_packet(buffers[i], SMALL_BUFFER, 4, 100, 0);
            list[i] = &packets[i];
        }
        esp_seal(pair.left, list, why, 4);
        for (size_t i = 0; i < 4; i++)
            if (why[i] != (i < packets_rows[row].sent ? DROP_NONE : DROP_OUT_EXPIRED))
                fail_msg("row %zu, packet %zu: %s", row, i, drop_name(why[i]));
        assert_true(pair.left->out.packets == packets_rows[row].used + packets_rows[row].sent);
        assert_int_equal(pair.left->dead, packets_rows[row].sent < 4);
        if (pair.left->dead) {
            assert_int_equal(seal_one(pair.left, &packets[3]), DROP_OUT_EXPIRED);
            assert_true(sa_take_soft(pair.left));
        }
        pair_close(&pair);
    }
}

static void test_a_dead_sa_seals_nothing(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    pair.left->dead = true;
    uint8_t buffer[SMALL_BUFFER];
    struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
    assert_int_equal(seal_one(pair.left, &p), DROP_OUT_EXPIRED);
    assert_int_equal(pair.left->sequence, 0);
    pair_close(&pair);
}

/* Byte by byte: header, ciphertext with padding 1, 2, 3, ..., trailer. */
static void check_layout(const struct aead_suite *suite, uint8_t family, uint32_t len)
{
    struct pair pair;
    pair_open(&pair, suite, family);
    uint8_t buffer[SMALL_BUFFER], inner[512];
    make_inner(inner, family, len, 1);
    struct packet p = packet_with(buffer, sizeof buffer, inner, len);
    pair.left->sequence = 41;
    assert_int_equal(seal_one(pair.left, &p), DROP_NONE);

    const struct aead_shape *shape = &pair.left->shape;
    uint8_t *esp = packet_data(&p);
    assert_int_equal(load_u32(esp), pair.child[0].spi_out);
    assert_int_equal(load_u32(esp + 4), 42);
    struct aead_job job = {.esp = esp, .text_len = p.len - 8 - shape->iv - shape->icv};
    aead_open(pair.right->open, &job, 1);
    assert_true(job.ok);
    const uint8_t *text = esp + 8 + shape->iv;
    uint32_t pad = text[job.text_len - 2];
    assert_int_equal(text[job.text_len - 1], family == 4 ? 4 : 41);
    assert_int_equal(job.text_len, len + pad + 2);
    assert_in_range(pad, 0, shape->block - 1u); /* no more than needed */
    assert_memory_equal(text, inner, len);
    for (uint32_t i = 0; i < pad; i++)
        assert_int_equal(text[len + i], i + 1);
    pair_close(&pair);
}

static void test_layout_of_every_suite(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++)
        for (uint32_t len = 40; len < 80; len++) {
            check_layout(&suites[i], 4, len);
            check_layout(&suites[i], 6, len);
        }
}

static void test_the_list_of_suites_is_whole(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < COUNT(required_suites); i++) {
        bool found = false;
        for (size_t j = 0; j < n; j++)
            found = found ||
                    (suites[j].encr == required_suites[i].encr && suites[j].key_bits == required_suites[i].key_bits &&
                     suites[j].integ == required_suites[i].integ);
        if (!found)
            fail_msg("suite %zu of the required ones is missing", i);
    }
}

static void round_trip(struct pair *pair, uint8_t *buffer, size_t capacity, uint8_t family, uint32_t len)
{
    static uint8_t inner[PACKET_PAYLOAD_MAX];
    make_inner(inner, family, len, len);
    struct packet p = packet_with(buffer, capacity, inner, len);
    assert_int_equal(seal_one(pair->left, &p), DROP_NONE);
    assert_int_equal(p.len, len + sa_overhead(pair->left, len));
    assert_true(len < 40 || memcmp(packet_data(&p) + 8 + pair->left->shape.iv, inner, 20) != 0 ||
                encr_info(pair->child[0].suite.encr)->clear);
    assert_int_equal(open_one(pair->right, &p), DROP_NONE);
    assert_int_equal(p.len, len);
    assert_memory_equal(packet_data(&p), inner, len);
}

static void round_trips(const struct aead_suite *suite, uint8_t family, uint64_t start)
{
    static uint8_t buffer[PACKET_BUFFER];
    struct pair pair;
    pair_open(&pair, suite, family);
    uint32_t longest = inner_mtu(&pair.left->shape, AEAD_PACKET_MAX, 0);
    const uint32_t big[] = {9000, 32768, longest - 1, longest};
    pair.left->sequence = start;
    uint64_t packets = 0, bytes = 0;
    for (uint32_t len = family == 4 ? 20 : 40; len <= 1500; len++, packets++, bytes += len - 1)
        round_trip(&pair, buffer, sizeof buffer, family, len);
    for (size_t i = 0; i < COUNT(big); i++, packets++, bytes += big[i - 1])
        round_trip(&pair, buffer, sizeof buffer, family, big[i]);
    assert_int_equal(pair.left->out.packets, packets);
    assert_int_equal(pair.right->in.packets, packets);
    assert_int_equal(pair.left->out.bytes, bytes);
    assert_int_equal(pair.right->in.bytes, bytes);
    assert_true(pair.left->sequence == start + packets);
    assert_true(pair.right->replay.top == start + packets);
    pair_close(&pair);
}

static void test_round_trip_of_every_suite_and_size(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++) {
        round_trips(&suites[i], 4, 0);
        round_trips(&suites[i], 6, 0);
        suites[i].esn = true; /* and across 2^32 */
        round_trips(&suites[i], 4, UINT32_MAX - 700);
        round_trips(&suites[i], 6, UINT32_MAX - 700);
    }
}

static void test_what_no_packet_could_carry_is_not_sealed(void **state)
{
    (void)state;
    static uint8_t buffer[PACKET_BUFFER], inner[PACKET_PAYLOAD_MAX];
    struct pair pair;
    pair_open(&pair, &cbc, 4);
    uint32_t len = inner_mtu(&pair.left->shape, AEAD_PACKET_MAX, 0) + 1;
    make_inner(inner, 4, len, 1);
    struct packet p = packet_with(buffer, sizeof buffer, inner, len);
    assert_int_equal(seal_one(pair.left, &p), DROP_OUT_CRYPTO);
    pair_close(&pair);
}

static void test_a_full_batch_keeps_its_order(void **state)
{
    (void)state;
    static uint8_t buffers[AEAD_BATCH_MAX][SMALL_BUFFER];
    for (int k = 0; k < 2; k++) {
        struct pair pair;
        pair_open(&pair, k == 0 ? &gcm : &cbc, 4);
        struct packet packets[AEAD_BATCH_MAX], *list[AEAD_BATCH_MAX];
        enum drop why[AEAD_BATCH_MAX];
        struct flow flows[AEAD_BATCH_MAX];
        for (size_t i = 0; i < AEAD_BATCH_MAX; i++) {
            packets[i] = inner_packet(buffers[i], SMALL_BUFFER, 4, 20 + i * 17, (unsigned)i);
            list[i] = &packets[i];
            if (i % 5 == 2)
                packet_data(&packets[i])[0] = 0x15; /* not IP: left out, the others move up */
        }
        esp_seal(pair.left, list, why, AEAD_BATCH_MAX);
        uint32_t sequence = 0;
        size_t sealed = 0;
        for (size_t i = 0; i < AEAD_BATCH_MAX; i++) {
            assert_int_equal(why[i], i % 5 == 2 ? DROP_OUT_MALFORMED : DROP_NONE);
            if (why[i] != DROP_NONE)
                continue;
            assert_int_equal(load_u32(packet_data(&packets[i]) + 4), ++sequence);
            list[sealed++] = &packets[i];
        }
        esp_open(pair.right, NULL, list, flows, why, sealed);
        for (size_t i = 0, j = 0; i < AEAD_BATCH_MAX; i++) {
            if (i % 5 == 2)
                continue;
            uint8_t expected[2048];
            make_inner(expected, 4, 20 + i * 17, (unsigned)i);
            assert_int_equal(why[j++], DROP_NONE);
            assert_int_equal(packets[i].len, 20 + i * 17);
            assert_memory_equal(packet_data(&packets[i]), expected, packets[i].len);
        }
        pair_close(&pair);
    }
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    esp_seal(pair.left, NULL, NULL, 0);
    esp_open(pair.left, NULL, NULL, NULL, NULL, 0);
    assert_int_equal(pair.left->sequence, 0);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_an_ip_packet),
        cmocka_unit_test(test_without_room_nothing_is_sent),
        cmocka_unit_test(test_b45_no_randomness_no_packet),
        cmocka_unit_test(test_b41_sequence_numbers_used_up),
        cmocka_unit_test(test_b41_bytes_used_up_within_a_batch),
        cmocka_unit_test(test_b41_packets_used_up_within_a_batch),
        cmocka_unit_test(test_a_dead_sa_seals_nothing),
        cmocka_unit_test(test_layout_of_every_suite),
        cmocka_unit_test(test_the_list_of_suites_is_whole),
        cmocka_unit_test(test_round_trip_of_every_suite_and_size),
        cmocka_unit_test(test_what_no_packet_could_carry_is_not_sealed),
        cmocka_unit_test(test_a_full_batch_keeps_its_order),
        cmocka_unit_test(test_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
