/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input against main mode. Every test first lets two gateways talk, then speaks for one
 * of them, or as a stranger on the path; and at the end the right message must still be welcome. bNN names the bad
 * input.
 */
#include "test/sim/spoil.h"

/* --- B9: values of a key exchange that are none --- */

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

static void b09_low_order_x25519(void **state)
{
    (void)state;
    static const int senders[] = {I, R};
    for (size_t s = 0; s < COUNT(senders); s++) {
        struct bench *b = held_at(senders[s], senders[s] == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(low_order); i++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            memcpy(body_in(&spoiled, PAYLOAD_KE, &len), low_order[i], 32);
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

static void h2016_5361_b15_one_spoofed_first_message(void **state)
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

static void b16_message_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(held_at(I, MAIN1));
}

static void b16_message_3_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(held_at(I, MAIN3));
}

static void b16_message_5_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(held_at(I, MAIN5));
}

static void b16_quick_mode_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(held_at(I, QUICK1));
}

/* --- B19: a corrupt message, then the right one --- */

static void b19_corrupt_main_mode_5(void **state)
{
    (void)state;
    corrupt_then_right(held_at(I, MAIN5));
}

static void b19_corrupt_main_mode_6(void **state)
{
    (void)state;
    corrupt_then_right(held_at(R, MAIN6));
}

static void b19_corrupt_quick_mode_1(void **state)
{
    (void)state;
    corrupt_then_right(held_at(I, QUICK1));
}

static void b19_corrupt_quick_mode_2(void **state)
{
    (void)state;
    corrupt_then_right(held_at(R, QUICK2));
}

static void b19_corrupt_quick_mode_3(void **state)
{
    (void)state;
    corrupt_then_right(held_at(I, QUICK3));
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
        cmocka_unit_test(h2016_5361_b15_one_spoofed_first_message),
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
