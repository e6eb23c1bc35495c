/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input against aggressive mode, and what a first message may cost. At the end the right message must still be
 * welcome. bNN names the bad input.
 */
#include "test/sim/spoil.h"

/* --- B3, B9 to B11: what is wrong can be seen --- */

/* `spoiled` instead of message 1 or 2: no SA at the responder, nothing kept at the initiator, which waits on. */
static void is_refused(struct bench *b, const struct rig_datagram *spoiled)
{
    int to = 1 - b->hold.from;
    unsigned events = all_events(end(b, to)), sent = end(b, to)->sent;
    deliver(b, spoiled->data, spoiled->len);
    assert_int_equal(all_events(end(b, to)), events);
    assert_true(end(b, to)->sent <= sent + (to == R)); /* a notification in clear */
    const struct ike_sa *sa = craft_sa(end(b, to)->ike);
    if (to == R) {
        assert_null(sa);
        return;
    }
    assert_int_equal(sa->state, SA_SENT_ID);
    assert_int_equal(sa->spi_r, 0);
    assert_int_equal(sa->suite.encr, ENCR_NONE);
    assert_null(sa->keys.skeyid_a.data);
    assert_null(sa->keys.skeyid.data);
}

static void b09_modp_values_0_1_p_minus_1_and_more(void **state)
{
    (void)state;
    uint8_t p_minus_1[128];
    modp1024_minus_1(p_minus_1);
    for (int from = I; from <= R; from++) {
        struct bench *b = aggressive_until(from, 0);
        use_group(b, "aes128-sha256-modp1024");
        bench_go(b);
        for (enum ke_fault fault = KE_ZERO; fault <= KE_ALL_ONES; fault++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
            spoil(ke, len, fault, p_minus_1);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b09_points_off_the_curve_and_of_low_order(void **state)
{
    (void)state;
    for (int from = I; from <= R; from++) {
        struct bench *b = aggressive_until(from, 0);
        use_group(b, "aes128-sha256-ecp256");
        bench_go(b);
        struct rig_datagram spoiled = b->hold.datagram;
        size_t len;
        uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
        spoil(ke, len, KE_OFF_CURVE, NULL);
        is_refused(b, &spoiled);
        the_right_one_succeeds(b);

        b = aggressive_at(from, 0);
        for (size_t i = 0; i < COUNT(low_order); i++) {
            spoiled = b->hold.datagram;
            memcpy(body_in(&spoiled, PAYLOAD_KE, &len), low_order[i], 32);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

/* The held message with another body of one type. */
static struct rig_datagram with_body(const struct rig_datagram *d, uint8_t type, struct bytes body)
{
    struct rig_datagram out = *d;
    struct ike_header h;
    struct payloads p;
    assert_int_equal(header_read(bytes_of(d->data, d->len), &h), OK);
    assert_int_equal(
        payloads_read(h.next_payload, bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p), OK);
    struct writer w = writer_of(out.data, sizeof out.data);
    header_write(&w, &h);
    struct chain c = chain_begin(IKE_HEADER_NEXT_AT);
    for (size_t i = 0; i < p.count; i++)
        chain_add(&c, &w, p.items[i].type, p.items[i].type == type ? body : p.items[i].body);
    header_finish(&w);
    assert_false(w.failed);
    out.len = w.len;
    return out;
}

static const uint8_t filler[4096] = {1, 2, 3};

static void b09_wrong_size_of_the_key_exchange(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 31, 33, 64, 128, 1024};
    for (int from = I; from <= R; from++) {
        struct bench *b = aggressive_at(from, 0);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = with_body(&b->hold.datagram, PAYLOAD_KE, bytes_of(filler, sizes[i]));
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
        struct bench *b = aggressive_at(from, 0);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = with_body(&b->hold.datagram, PAYLOAD_NONCE, bytes_of(filler, sizes[i]));
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b10_identities_that_are_none(void **state)
{
    (void)state;
    static const struct {
        uint8_t head[4];
        size_t len;
        const char *data;
    } rows[] = {
        {{0}, 0, ""},
        {{ID_IPV4_ADDR}, 3, ""},
        {{ID_IPV4_ADDR}, 4, ""},
        {{ID_IPV4_ADDR}, 7, "\xc0\0\2"},
        {{ID_IPV4_ADDR}, 9, "\xc0\0\2\1\0"},
        {{ID_IPV4_ADDR, 6}, 8, "\xc0\0\2\1"},         /* a protocol that is not UDP */
        {{ID_IPV4_ADDR, 17, 0, 80}, 8, "\xc0\0\2\1"}, /* a port that is not IKE's */
        {{ID_IPV6_ADDR}, 8, "\xc0\0\2\1"},            /* the type changed */
        {{ID_FQDN}, 4, ""},
        {{ID_FQDN}, 8, "a\0b\0"},
        {{200}, 8, "abcd"},
        {{ID_FQDN}, 4 + 513, ""},
        {{ID_FQDN}, 4096, ""},
    };
    for (int from = I; from <= R; from++) {
        struct bench *b = aggressive_at(from, 0);
        for (size_t i = 0; i < COUNT(rows); i++) {
            uint8_t body[4096];
            memset(body, 'x', sizeof body);
            memcpy(body, rows[i].head, 4);
            if (rows[i].len < 64 && rows[i].len > 4)
                memcpy(body + 4, rows[i].data, rows[i].len - 4);
            struct rig_datagram spoiled = with_body(&b->hold.datagram, PAYLOAD_ID, bytes_of(body, rows[i].len));
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b03_a_broken_first_message_counts_once(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, FIRST);
    struct rig_datagram first = b->hold.datagram;
    first.data[28 + 2] = 0xff; /* the length of the SA payload behind the header */
    deliver(b, first.data, first.len);
    assert_int_equal(end(b, R)->sent, 0);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_MALFORMED), 1);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_UNKNOWN_SA), 0);
    the_right_one_succeeds(b);
}

static void b06_payloads_up_to_the_limit(void **state)
{
    (void)state;
    for (size_t more = 0; more <= 1; more++) {
        struct bench *b = aggressive_at(I, FIRST);
        struct rig_datagram full = b->hold.datagram;
        struct payloads p;
        assert_int_equal(payloads_read(PAYLOAD_SA, bytes_of(full.data + 28, full.len - 28), false, &p), OK);
        size_t last = (size_t)(p.items[p.count - 1].whole.data - full.data);
        for (size_t i = p.count; i < PAYLOADS_MAX + more; i++) {
            full.data[last] = PAYLOAD_VENDOR;
            last = full.len;
            memset(full.data + last, 0, 8);
            full.data[last + 3] = 8;
            full.len += 8;
        }
        store_u32(full.data + IKE_HEADER_LENGTH_AT, (uint32_t)full.len);
        deliver(b, full.data, full.len);
        assert_int_equal(rig_sas(end(b, R), NULL), 1 - more);
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), more);
        bench_free(b);
    }
}

/* --- B15, B16: amplification, and what a first message costs --- */

static void h2016_5361_b15_one_spoofed_first_message(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, FIRST);
    struct rig_datagram first = b->hold.datagram;
    end(b, I)->connection.remote.bytes[3] = 99; /* the initiator calls nobody any more */
    b->hold = (struct hold){.from = R, .held = true};
    rig_inject(b->rig, R, 500, bytes_of(first.data, first.len));
    assert_int_equal(end(b, R)->sent, 1);
    assert_true(rig_sent(b->rig, R, 0)->len <= 3 * first.len);
    rig_run(b->rig, 120 * SECOND);
    assert_int_equal(end(b, R)->sent, 1); /* none by timer */
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(all_events(end(b, R)), 0);
    bench_free(b);
}

/* any: the connection is for peers of any address, for whom there are fewer; spread: they come from everywhere. */
static void key_exchanges_are_few(bool any, bool spread, unsigned most)
{
    struct bench *b = aggressive_at(I, FIRST);
    struct rig_datagram first = b->hold.datagram;
    if (any)
        end(b, R)->connection.remote = (struct address){0};
    for (unsigned i = 0; i < 1000; i++) {
        b->rig->now_ms += i % 2;
        store_u32(first.data, i + 1); /* another cookie each time */
        struct path path = {.local = {end(b, R)->address, 500}, .remote = {end(b, I)->address, 500}};
        if (spread)
            store_u16(path.remote.address.bytes + 2, (uint16_t)i);
        ike_input(end(b, R)->ike, b->rig->now_ms, &path, bytes_of(first.data, first.len));
    }
    assert_int_equal(end(b, R)->sent, most);
    assert_true(rig_sas(end(b, R), NULL) <= HALF_OPEN_PER_ADDRESS);
    assert_true(rig_drops(end(b, R), IKE_DROP_LIMIT) >= 1000 - most);
    b->rig->now_ms += 1000;
    the_right_one_succeeds(b);
}

static void b15_key_exchanges_for_strangers_are_few(void **state)
{
    (void)state;
    key_exchanges_are_few(false, false, AGGRESSIVE_SITE_BURST + 500 / AGGRESSIVE_SITE_EVERY);
    key_exchanges_are_few(true, true, AGGRESSIVE_PER_SECOND - AGGRESSIVE_RESERVED);
    key_exchanges_are_few(true, false, AGGRESSIVE_SITE_BURST + 500 / AGGRESSIVE_SITE_EVERY);
}

static void b16_message_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(aggressive_at(I, FIRST));
}

static void b16_message_3_a_thousand_times(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, THIRD);
    deliver_right(b);
    struct snapshot was = snapshot(b, R);
    unsigned sent = end(b, R)->sent;
    for (unsigned i = 0; i < 1000; i++)
        deliver_right(b);
    unchanged(b, R, &was);
    assert_int_equal(end(b, R)->sent, sent);
    the_right_one_succeeds(b);
}

/* Message 2 again, for whatever of phase 2 comes too early: also not faster than repeats are answered. */
static void b23_phase_2_before_message_3(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, THIRD);
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    unsigned sent = end(b, R)->sent;
    uint8_t message[CRAFT_MAX + 64];
    struct snapshot was = snapshot(b, R);
    for (unsigned i = 0; i < 100; i++) {
        size_t len = craft_phase2(sa, i % 2 ? EXCHANGE_QUICK : EXCHANGE_INFORMATIONAL, 0x5000 + i, PAYLOAD_NOTIFY,
                                  bytes_of(filler, 12), message);
        rig_inject(b->rig, R, 500, bytes_of(message, len));
    }
    assert_int_equal(end(b, R)->sent, sent + 1);
    unchanged(b, R, &was);
    /* In clear, or from elsewhere: nothing at all. */
    b->rig->now_ms += SECOND;
    size_t len = craft_phase2(sa, EXCHANGE_QUICK, 0x6000, PAYLOAD_NOTIFY, bytes_of(filler, 12), message);
    struct path path = {.local = {end(b, R)->address, 500}, .remote = {end(b, I)->address, 500}};
    path.remote.address.bytes[3] = 77;
    ike_input(end(b, R)->ike, b->rig->now_ms, &path, bytes_of(message, len));
    message[19] = 0;
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(end(b, R)->sent, sent + 1);
    the_right_one_succeeds(b);
}

/* --- B19, B29: a corrupt message, then the right one --- */

/* What its proof covers. */
static void b19_corrupt_message_2(void **state)
{
    (void)state;
    static const uint8_t types[] = {PAYLOAD_KE, PAYLOAD_NONCE, PAYLOAD_ID, PAYLOAD_HASH};
    for (size_t i = 0; i < COUNT(types); i++) {
        size_t len = 1;
        for (size_t at = 0; at < len; at += 5) {
            struct bench *b = aggressive_at(R, REPLY);
            struct rig_datagram spoiled = b->hold.datagram;
            body_in(&spoiled, types[i], &len)[at] ^= 0x55;
            is_refused(b, &spoiled);
            the_right_one_succeeds(b);
        }
    }
}

/* No proof covers NAT-D: whatever a bit of message 3 does, both ends come together. */
static void b19_corrupt_message_3(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, THIRD);
    size_t len = b->hold.datagram.len;
    bench_free(b);
    for (size_t at = IKE_HEADER_LEN; at < len; at++) {
        b = aggressive_until(I, THIRD);
        end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_YES;
        bench_go(b);
        struct rig_datagram spoiled = b->hold.datagram;
        spoiled.data[at] ^= 0x55;
        deliver(b, spoiled.data, spoiled.len);
        the_right_one_succeeds(b);
    }
}

static void b19_message_3_cut_or_with_a_block_more(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, THIRD);
    struct snapshot was = snapshot(b, R);
    for (size_t len = 0; len < b->hold.datagram.len; len += 4) {
        struct rig_datagram cut = b->hold.datagram;
        store_u32(cut.data + IKE_HEADER_LENGTH_AT, (uint32_t)len);
        deliver(b, cut.data, len);
    }
    struct rig_datagram longer = b->hold.datagram;
    memset(longer.data + longer.len, 0x5a, 16);
    longer.len += 16;
    store_u32(longer.data + IKE_HEADER_LENGTH_AT, (uint32_t)longer.len);
    deliver(b, longer.data, longer.len);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void b29_a_proposal_that_was_not_offered(void **state)
{
    (void)state;
    size_t len = 25;
    for (size_t at = 24; at < len; at++) { /* the attributes, behind the heads of SA, proposal and transform */
        struct bench *b = aggressive_at(R, REPLY);
        struct rig_datagram spoiled = b->hold.datagram;
        body_in(&spoiled, PAYLOAD_SA, &len)[at] ^= 1;
        is_refused(b, &spoiled);
        the_right_one_succeeds(b);
    }
}

static void b45_randomness_fails_and_nothing_comes_about(void **state)
{
    (void)state;
    struct bench *b = aggressive_at(I, FIRST);
    end(b, R)->fail_random = true;
    deliver_right(b);
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(end(b, R)->sent, 0);
    end(b, R)->fail_random = false;
    the_right_one_succeeds(b);
}

/* Main mode for an SA of aggressive mode, and the reverse. */
static void the_modes_do_not_mix(void **state)
{
    (void)state;
    for (int from = I; from <= R; from++) {
        struct bench *b = from == I ? aggressive_at(I, THIRD) : aggressive_at(R, REPLY);
        struct snapshot was = snapshot(b, 1 - from);
        struct rig_datagram other = b->hold.datagram;
        other.data[18] = EXCHANGE_MAIN;
        deliver(b, other.data, other.len);
        unchanged(b, 1 - from, &was);
        the_right_one_succeeds(b);
        b = held_at(from, 1);
        was = snapshot(b, 1 - from);
        other = b->hold.datagram;
        other.data[18] = EXCHANGE_AGGRESSIVE;
        deliver(b, other.data, other.len);
        unchanged(b, 1 - from, &was);
        the_right_one_succeeds(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b09_modp_values_0_1_p_minus_1_and_more),
        cmocka_unit_test(b09_points_off_the_curve_and_of_low_order),
        cmocka_unit_test(b09_wrong_size_of_the_key_exchange),
        cmocka_unit_test(b11_nonce_under_8_or_over_256),
        cmocka_unit_test(b10_identities_that_are_none),
        cmocka_unit_test(b03_a_broken_first_message_counts_once),
        cmocka_unit_test(b06_payloads_up_to_the_limit),
        cmocka_unit_test(h2016_5361_b15_one_spoofed_first_message),
        cmocka_unit_test(b15_key_exchanges_for_strangers_are_few),
        cmocka_unit_test(b16_message_1_a_thousand_times),
        cmocka_unit_test(b16_message_3_a_thousand_times),
        cmocka_unit_test(b23_phase_2_before_message_3),
        cmocka_unit_test(b19_corrupt_message_2),
        cmocka_unit_test(b19_corrupt_message_3),
        cmocka_unit_test(b19_message_3_cut_or_with_a_block_more),
        cmocka_unit_test(b29_a_proposal_that_was_not_offered),
        cmocka_unit_test(b45_randomness_fails_and_nothing_comes_about),
        cmocka_unit_test(the_modes_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
