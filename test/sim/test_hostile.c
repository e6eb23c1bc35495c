/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input against main mode. Every test first lets two gateways talk, then speaks for one
 * of them, or as a stranger on the path; and at the end the right message must still be welcome. bNN names the bad
 * input.
 */
#include "test/sim/bench.h"

/* --- B9: values of a key exchange that are none --- */

static void use_group(struct bench *b, const char *ike)
{
    char why[256];
    for (int i = 0; i < RIG_ENDS; i++) {
        end(b, i)->connection.ike.count = 0;
        assert_int_equal(proposal_parse(PROPOSAL_IKE, ike, ~0u, &end(b, i)->connection.ike, why, sizeof why), OK);
    }
}

enum ke_fault { KE_ZERO, KE_ONE, KE_MINUS_ONE, KE_ALL_ONES, KE_OFF_CURVE, KE_FAULTS };

/* p - 1 of the MODP groups: p ends with 64 one bits, so that only the last byte changes. */
static void spoil(uint8_t *ke, size_t len, enum ke_fault fault, uint8_t *p_minus_1)
{
    switch (fault) {
    case KE_ZERO: memset(ke, 0, len); break;
    case KE_ONE:
        memset(ke, 0, len);
        ke[len - 1] = 1;
        break;
    case KE_MINUS_ONE:
        if (p_minus_1 != NULL)
            memcpy(ke, p_minus_1, len);
        break;
    case KE_ALL_ONES: memset(ke, 0xff, len); break;
    default: ke[len / 2] ^= 1; break;
    }
}

/* modp1024 (RFC 2409 6.2), less one. */
static void modp1024_minus_1(uint8_t out[128])
{
    static const char hex[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
                              "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
                              "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
                              "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff";
    for (size_t i = 0; i < 128; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    out[127] = 0xfe;
}

/* `spoiled` instead of message 3 or 4: dropped, no keys, and the SA waits on. */
static void is_refused(struct bench *b, const struct rig_datagram *spoiled)
{
    int to = 1 - b->hold.from;
    uint64_t before = rig_drops(end(b, to), IKE_DROP_MALFORMED);
    unsigned sent = end(b, to)->sent;
    deliver(b, spoiled->data, spoiled->len);
    assert_int_equal(rig_drops(end(b, to), IKE_DROP_MALFORMED), before + 1);
    assert_int_equal(end(b, to)->sent, sent);
    const struct ike_sa *sa = craft_sa(end(b, to)->ike);
    assert_int_equal(sa->state, to == R ? SA_WAIT_KE : SA_SENT_KE);
    assert_null(sa->keys.skeyid_a.data);
}

static void b09_modp_values_0_1_p_minus_1_and_more(void **state)
{
    (void)state;
    static const int senders[] = {I, R};
    uint8_t p_minus_1[128];
    modp1024_minus_1(p_minus_1);
    for (size_t s = 0; s < COUNT(senders); s++) {
        struct bench *b = bench_until(senders[s], senders[s] == I ? MAIN3 : MAIN4);
        use_group(b, "aes128-sha256-modp1024");
        bench_go(b);
        for (enum ke_fault fault = KE_ZERO; fault <= KE_ALL_ONES; fault++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
            assert_int_equal(len, 128);
            spoil(ke, len, fault, p_minus_1);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b09_points_off_the_curve(void **state)
{
    (void)state;
    static const char *const groups[] = {"aes128-sha256-ecp256", "aes128-sha256-ecp384", "aes128-sha256-ecp521"};
    static const int senders[] = {I, R};
    for (size_t g = 0; g < COUNT(groups); g++)
        for (size_t s = 0; s < COUNT(senders); s++) {
            struct bench *b = bench_until(senders[s], senders[s] == I ? MAIN3 : MAIN4);
            static const enum ke_fault faults[] = {KE_ZERO, KE_ONE, KE_ALL_ONES, KE_OFF_CURVE};
            use_group(b, groups[g]);
            bench_go(b);
            for (size_t f = 0; f < COUNT(faults); f++) {
                struct rig_datagram spoiled = b->hold.datagram;
                size_t len;
                uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
                spoil(ke, len, faults[f], NULL);
                is_refused(b, &spoiled);
            }
            the_right_one_succeeds(b);
        }
}

/* RFC 7748 6.1, and the list of small orders: all give the shared secret zero. */
static void b09_low_order_x25519(void **state)
{
    (void)state;
    static const uint8_t low[][32] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
         0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
         0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    static const int senders[] = {I, R};
    for (size_t s = 0; s < COUNT(senders); s++) {
        struct bench *b = held_at(senders[s], senders[s] == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(low); i++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            memcpy(body_in(&spoiled, PAYLOAD_KE, &len), low[i], 32);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

/* Rebuilds message 3 or 4 with bodies of the given lengths. */
static struct rig_datagram resized(const struct rig_datagram *d, size_t ke, size_t nonce)
{
    static const uint8_t filler[1024] = {1, 2, 3};
    struct rig_datagram out = *d;
    struct ike_header h;
    assert_int_equal(header_read(bytes_of(d->data, d->len), &h), OK);
    struct writer w = writer_of(out.data, sizeof out.data);
    header_write(&w, &h);
    struct chain c = chain_begin(IKE_HEADER_NEXT_AT);
    chain_add(&c, &w, PAYLOAD_KE, bytes_of(filler, ke));
    chain_add(&c, &w, PAYLOAD_NONCE, bytes_of(filler, nonce));
    header_finish(&w);
    out.len = w.len;
    return out;
}

static void b09_wrong_size_of_the_key_exchange(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 31, 33, 64, 128, 1024};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_at(from, from == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = resized(&b->hold.datagram, sizes[i], 32);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b11_nonce_under_8_or_over_256(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 257, 258, 1000};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_at(from, from == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = resized(&b->hold.datagram, 32, sizes[i]);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

/* A message 3 that is refused must not switch NAT traversal off for the right one that follows. */
static void b09_a_refused_message_leaves_nat_detection_alone(void **state)
{
    (void)state;
    for (int from = I; from <= R; from++) {
        struct bench *b = bench_until(from, from == I ? MAIN3 : MAIN4);
        end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_YES;
        bench_go(b);
        struct rig_datagram spoiled = resized(&b->hold.datagram, 32, 32); /* no NAT-D */
        size_t len;
        memset(body_in(&spoiled, PAYLOAD_KE, &len), 0, 32);
        is_refused(b, &spoiled);
        assert_true(craft_sa(end(b, 1 - from)->ike)->peer_natt);
        the_right_one_succeeds(b);
    }
}

/* --- B15, B16: amplification --- */

static void b15_one_spoofed_first_message(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN1);
    b->rig->filter = NULL;
    end(b, I)->connection.remote.bytes[3] = 99; /* the initiator calls nobody any more */
    struct rig_datagram first = b->hold.datagram;
    b->rig->filter = hold_one; /* swallows what the responder answers */
    b->hold = (struct hold){.from = R, .held = true};
    rig_inject(b->rig, R, 500, bytes_of(first.data, first.len));
    assert_int_equal(end(b, R)->sent, 1);
    const struct rig_datagram *answer = rig_sent(b->rig, R, 0);
    assert_true(answer->len <= 3 * first.len);
    rig_run(b->rig, 120 * SECOND);
    assert_int_equal(end(b, R)->sent, 1); /* none by timer */
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(all_events(end(b, R)), 0);
    bench_free(b);
}

/* A first message whose proposal claims more bytes than there are: no answer, and counted once. */
static void b03_a_broken_first_message_counts_once(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN1);
    struct rig_datagram first = b->hold.datagram;
    first.data[28 + 2] = 0xff; /* the length of the SA payload behind the header */
    rig_inject(b->rig, R, 500, bytes_of(first.data, first.len));
    assert_int_equal(end(b, R)->sent, 0);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_MALFORMED), 1);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_UNKNOWN_SA), 0);
    the_right_one_succeeds(b);
}

/* The n-th request of the initiator a thousand times within ten seconds. */
static void a_thousand_times(unsigned nth)
{
    struct bench *b = held_at(I, nth);
    struct rig_datagram request = b->hold.datagram;
    deliver_right(b);
    const struct rig_datagram *sent = rig_sent(b->rig, R, 0);
    assert_non_null(sent);
    struct rig_datagram answer = *sent;
    unsigned before = end(b, R)->sent;
    struct snapshot was = snapshot(b, R);
    for (unsigned i = 0; i < 1000; i++) {
        b->rig->now_ms += 1;
        unsigned count = end(b, R)->sent;
        rig_inject(b->rig, R, request.path.local.port, bytes_of(request.data, request.len));
        if (end(b, R)->sent != count) {
            const struct rig_datagram *again = rig_sent(b->rig, R, 0);
            assert_int_equal(again->len, answer.len);
            assert_memory_equal(again->data, answer.data, answer.len);
        }
    }
    assert_true(end(b, R)->sent > before);
    assert_true(end(b, R)->sent - before <= 1000 / REPEAT_EVERY + 1);
    assert_true(rig_drops(end(b, R), IKE_DROP_RATE) >= 990);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void b16_message_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN1);
}

static void b16_message_3_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN3);
}

static void b16_message_5_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN5);
}

static void b16_quick_mode_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(QUICK1);
}

/* --- B19: a corrupt message, then the right one --- */

/* Every byte behind the header in turn, and the flags, spoiled. The right one must still be welcome. */
static void corrupt_then_right(int from, unsigned nth)
{
    struct bench *b = held_at(from, nth);
    int to = 1 - from;
    struct snapshot was = snapshot(b, to);
    for (size_t at = IKE_HEADER_LEN; at < b->hold.datagram.len; at++) {
        struct rig_datagram spoiled = b->hold.datagram;
        spoiled.data[at] ^= 0x55;
        deliver(b, spoiled.data, spoiled.len);
        struct snapshot now = snapshot(b, to);
        if (now.state != was.state || memcmp(now.iv, was.iv, IV_MAX) != 0)
            fail_msg("byte %zu of %zu was not noticed", at, b->hold.datagram.len);
    }
    for (size_t len = 0; len < b->hold.datagram.len; len += 7)
        deliver(b, b->hold.datagram.data, len);
    struct rig_datagram clear = b->hold.datagram;
    clear.data[19] &= (uint8_t)~FLAG_ENCRYPTION;
    deliver(b, clear.data, clear.len);
    unchanged(b, to, &was);
    the_right_one_succeeds(b);
}

static void b19_corrupt_main_mode_5(void **state)
{
    (void)state;
    corrupt_then_right(I, MAIN5);
}

static void b19_corrupt_main_mode_6(void **state)
{
    (void)state;
    corrupt_then_right(R, MAIN6);
}

static void b19_corrupt_quick_mode_1(void **state)
{
    (void)state;
    corrupt_then_right(I, QUICK1);
}

static void b19_corrupt_quick_mode_2(void **state)
{
    (void)state;
    corrupt_then_right(R, QUICK2);
}

static void b19_corrupt_quick_mode_3(void **state)
{
    (void)state;
    corrupt_then_right(I, QUICK3);
}

/* A late copy of an earlier clear message is no failed authentication: nothing is told to the peer. */
static void b19_late_copies_of_earlier_messages(void **state)
{
    (void)state;
    for (int to = I; to <= R; to++) {
        struct bench *b = held_at(1 - to, to == R ? MAIN5 : MAIN6);
        int from = 1 - to;
        unsigned sent = end(b, to)->sent;
        struct rig_datagram first = *rig_sent(b->rig, from, 2);
        first.data[first.len - 1] ^= 1; /* not even the same one */
        rig_inject(b->rig, to, 500, bytes_of(first.data, first.len));
        assert_int_equal(end(b, to)->sent, sent);
        assert_int_equal(rig_drops(end(b, to), IKE_DROP_AUTHENTICATION), 0);
        assert_string_equal(craft_sa(end(b, to)->ike)->hint, "");
        the_right_one_succeeds(b);
    }
}

/* --- B45: randomness fails --- */

static void b45_randomness_fails_and_nothing_comes_about(void **state)
{
    (void)state;
    static const struct {
        int from;
        unsigned nth;
    } stops[] = {{I, MAIN1}, {R, MAIN2}, {I, MAIN3}, {R, MAIN6}, {I, QUICK1}};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct bench *b = held_at(stops[i].from, stops[i].nth);
        struct rig_end *failing = end(b, 1 - stops[i].from);
        failing->fail_random = true;
        uint64_t internal = rig_drops(failing, IKE_DROP_INTERNAL);
        deliver_right(b);
        assert_int_equal(rig_children(failing), 0);
        assert_int_equal(failing->events[IKE_EVENT_CHILD_UP], 0);
        if (stops[i].nth != MAIN6 || stops[i].from != R)
            assert_true(rig_drops(failing, IKE_DROP_INTERNAL) == internal + 1);
        b->rig->filter = NULL;
        rig_run(b->rig, 30 * SECOND);
        assert_int_equal(rig_children(failing), 0);
        bench_free(b);
    }
}

static void b45_randomness_comes_back(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN3);
    end(b, R)->fail_random = true;
    deliver_right(b);
    assert_int_equal(craft_sa(end(b, R)->ike)->state, SA_WAIT_KE);
    end(b, R)->fail_random = false;
    the_right_one_succeeds(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b09_modp_values_0_1_p_minus_1_and_more),
        cmocka_unit_test(b09_points_off_the_curve),
        cmocka_unit_test(b09_low_order_x25519),
        cmocka_unit_test(b09_wrong_size_of_the_key_exchange),
        cmocka_unit_test(b11_nonce_under_8_or_over_256),
        cmocka_unit_test(b09_a_refused_message_leaves_nat_detection_alone),
        cmocka_unit_test(b15_one_spoofed_first_message),
        cmocka_unit_test(b03_a_broken_first_message_counts_once),
        cmocka_unit_test(b16_message_1_a_thousand_times),
        cmocka_unit_test(b16_message_3_a_thousand_times),
        cmocka_unit_test(b16_message_5_a_thousand_times),
        cmocka_unit_test(b16_quick_mode_1_a_thousand_times),
        cmocka_unit_test(b19_corrupt_main_mode_5),
        cmocka_unit_test(b19_corrupt_main_mode_6),
        cmocka_unit_test(b19_corrupt_quick_mode_1),
        cmocka_unit_test(b19_corrupt_quick_mode_2),
        cmocka_unit_test(b19_corrupt_quick_mode_3),
        cmocka_unit_test(b19_late_copies_of_earlier_messages),
        cmocka_unit_test(b45_randomness_fails_and_nothing_comes_about),
        cmocka_unit_test(b45_randomness_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
