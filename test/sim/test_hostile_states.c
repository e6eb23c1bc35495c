/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes at the wrong time: exchanges before phase 1 is complete, answers to what was answered long ago, packets
 * from elsewhere, the end of an SA while work on it is pending, clocks that jump. bNN names the bad input, hYYYY_N the
 * bug of other daemons that it would have met.
 */
#include "esp/open.h"
#include "esp/seal.h"
#include "test/sim/forge.h"
#include "test/sim/spoil.h"

/* Where a connection can stand: the datagram that was written, and has not arrived. */
static const struct step {
    int from;
    unsigned nth;
} steps[] = {{I, MAIN1}, {R, MAIN2},  {I, MAIN3},  {R, MAIN4}, {I, MAIN5},
             {R, MAIN6}, {I, QUICK1}, {R, QUICK2}, {I, QUICK3}};

enum { PHASE_2 = 6 }; /* steps from here on */

/* --- B23, B24: nothing but phase 1 before phase 1 is complete --- */

static size_t rubbish_of(const struct ike_sa *sa, uint8_t exchange, uint8_t flags, uint32_t id, uint8_t out[128])
{
    struct writer w = writer_of(out, 128);
    header_write(&w, &(struct ike_header){.spi_i = sa->spi_i,
                                          .spi_r = sa->spi_r,
                                          .next_payload = PAYLOAD_HASH,
                                          .major = 1,
                                          .exchange = exchange,
                                          .flags = flags,
                                          .message_id = id});
    write_zeros(&w, 64);
    header_finish(&w);
    assert_false(w.failed);
    return w.len;
}

static void h2014_2338_b24_every_exchange_at_every_step_of_phase_1(void **state)
{
    (void)state;
    uint8_t message[128];
    for (size_t s = 1; s < PHASE_2; s++)
        for (int to = I; to <= R; to++) {
            struct bench *b = held_at(steps[s].from, steps[s].nth);
            const struct ike_sa *sa = craft_sa(end(b, to)->ike);
            if (sa == NULL || sa->state >= SA_CONFIGURING) { /* message 6 is under way: this end is through */
                bench_free(b);
                continue;
            }
            struct snapshot was = snapshot(b, to);
            unsigned sent = end(b, to)->sent, cases = 0;
            uint64_t drops = all_drops(end(b, to));
            for (unsigned exchange = 0; exchange <= 255; exchange++)
                for (uint8_t flags = 0; flags <= 7; flags++) {
                    rig_inject(b->rig, to, 500,
                               bytes_of(message, rubbish_of(sa, (uint8_t)exchange, flags, 99, message)));
                    cases++;
                }
            unchanged(b, to, &was);
            assert_int_equal(end(b, to)->sent, sent);
            assert_int_equal(all_drops(end(b, to)), drops + cases);
            the_right_one_succeeds(b);
        }
}

/* --- B27: answers to what is no longer asked --- */

static void b27_everything_once_more_when_it_is_over(void **state)
{
    (void)state;
    struct bench *b = established();
    rig_run(b->rig, SECOND);
    static struct rig_datagram all[RIG_ENDS][8];
    size_t count[RIG_ENDS] = {0};
    for (int from = I; from <= R; from++)
        for (const struct rig_datagram *d; (d = rig_sent(b->rig, from, count[from])) != NULL;)
            all[from][count[from]++] = *d;
    assert_true(count[I] >= 5 && count[R] >= 4);
    count[I]--; /* a first message may be a new one (B15) */
    for (unsigned wait = 0; wait < 3; wait++) {
        for (int to = I; to <= R; to++) {
            struct snapshot was = snapshot(b, to);
            unsigned sent = end(b, to)->sent;
            for (size_t i = 0; i < count[1 - to]; i++) {
                const struct rig_datagram *d = &all[1 - to][i];
                rig_inject(b->rig, to, d->path.local.port, bytes_of(d->data, d->len));
            }
            was.ids = snapshot(b, to).ids; /* of messages so old that even their ids are forgotten: see B28 */
            if (wait == 0)
                unchanged(b, to, &was);
            assert_int_equal(rig_children(end(b, to)), 1);
            /* Cached answers (message 3 of quick mode is one). */
            if (end(b, to)->sent - sent > (to == R ? 2u : 1u))
                fail_msg("round %u, to %d: %u sent", wait, to, end(b, to)->sent - sent);
        }
        rig_run(b->rig, 2 * LINGER);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* An answer under an id that nobody has asked with. */
static void b27_an_answer_that_was_not_asked_for(void **state)
{
    (void)state;
    struct bench *b = held_at(R, QUICK2);
    struct snapshot was = snapshot(b, I);
    struct rig_datagram d = b->hold.datagram;
    for (uint32_t id = 0; id < 64; id++) {
        store_u32(d.data + 20, id * 0x01010101);
        deliver(b, d.data, d.len);
    }
    unchanged(b, I, &was);
    the_right_one_succeeds(b);
}

/* --- B42: packets from elsewhere --- */

static void from_elsewhere(struct bench *b, int to, const struct rig_datagram *d, size_t spoiled_at)
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    memcpy(copy, d->data, d->len);
    if (spoiled_at > 0)
        copy[d->len - spoiled_at] ^= 0x20;
    const struct path path = {.local = {end(b, to)->address, 4500}, .remote = {address_of(4, "\xcb\0\x71\x09"), 4500}};
    ike_input(end(b, to)->ike, b->rig->now_ms, &path, bytes_of(copy, d->len));
}

/* At each step: a forged copy, and where nothing is authenticated yet also a true one, do not move the peer. */
static void b42_nobody_follows_what_is_not_authentic(void **state)
{
    (void)state;
    for (size_t s = 1; s < COUNT(steps); s++) {
        struct bench *b = held_at(steps[s].from, steps[s].nth);
        int to = 1 - steps[s].from;
        struct snapshot was = snapshot(b, to);
        unsigned sent = end(b, to)->sent;
        for (size_t at = 1; at <= 32; at++)
            from_elsewhere(b, to, &b->hold.datagram, at);
        if (s < PHASE_2)
            from_elsewhere(b, to, &b->hold.datagram, 0);
        unchanged(b, to, &was);
        if (end(b, to)->sent != sent)
            fail_msg("step %zu: answered", s);
        the_right_one_succeeds(b);
    }
}

/* --- B44, 2011-4073: the end comes while work is pending --- */

static void b44_taken_down_at_every_step(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(steps); s++)
        for (int by = I; by <= R; by++)
            for (int told = 0; told <= 1; told++) {
                struct bench *b = held_at(steps[s].from, steps[s].nth);
                const char *why;
                b->rig->filter = told ? NULL : b->rig->filter; /* without: the delete is lost, as all else */
                bool was_there = ike_down(end(b, by)->ike, b->rig->now_ms, 0, &why) == OK;
                deliver_right(b);
                rig_run(b->rig, SECOND);
                deliver_right(b);
                if (was_there && rig_children(end(b, by)) != 0)
                    fail_msg("step %zu by %d told %d", s, by, told);
                b->rig->filter = NULL;
                rig_run(b->rig, 300 * SECOND);
                if (by == I && rig_children(end(b, by)) != 0) /* the other one calls again, as it should */
                    fail_msg("later: step %zu, told %d", s, told);
                bench_free(b);
            }
}

/* The IKE SA ends by an authentic delete while its quick mode waits for message 2 or 3. */
static void h2011_4073_b44_deleted_by_the_peer_while_quick_mode_waits(void **state)
{
    (void)state;
    for (size_t s = PHASE_2; s < COUNT(steps); s++)
        for (int to = I; to <= R; to++) {
            struct bench *b = bench_until(steps[s].from, steps[s].nth);
            end(b, I)->connection.dpd_delay_s = 5; /* it cannot know otherwise that the other has lost it */
            bench_go(b);
            const struct ike_sa *sa = craft_sa(end(b, to)->ike);
            uint8_t body[32], message[CRAFT_MAX + 64];
            struct writer w = writer_of(body, sizeof body);
            v1_delete_write_ike(&w, sa->spi_i, sa->spi_r);
            size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x4400, PAYLOAD_DELETE, writer_bytes(&w), message);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
            assert_int_equal(rig_sas(end(b, to), "established"), 0);
            deliver_right(b);
            rig_run(b->rig, 2 * SECOND);
            b->rig->filter = NULL;
            deliver_right(b);
            /* In the end the peers agree again: they start anew, or both have nothing. */
            rig_run(b->rig, 300 * SECOND);
            assert_int_equal(rig_both_carry(b->rig), rig_children(end(b, I)) > 0);
            bench_free(b);
        }
}

/* The child ends while its renewal is under way, at each message of that. */
static void b44_a_child_deleted_while_it_is_renewed(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth <= 2; nth++)
        for (int to = I; to <= R; to++) {
            struct bench *b = established();
            const char *why;
            rig_run(b->rig, SECOND);
            b->hold = (struct hold){.from = nth == 1 ? R : I, .skip = nth / 2};
            b->rig->filter = hold_one;
            b->rig->filter_arg = &b->hold;
            assert_int_equal(ike_rekey(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
            rig_run(b->rig, 100);
            assert_true(b->hold.held);
            const struct ike_sa *sa = craft_sa(end(b, 1 - to)->ike);
            const struct child_sa *old = sa->peer->children;
            uint8_t body[32], message[CRAFT_MAX + 64];
            struct writer w = writer_of(body, sizeof body);
            v1_delete_write_esp(&w, old->child.spi_in);
            size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x4401, PAYLOAD_DELETE, writer_bytes(&w), message);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
            b->rig->filter = NULL;
            deliver_right(b);
            ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
            assert_true(rig_run_until(b->rig, 60 * SECOND, rig_both_carry));
            rig_run(b->rig, 300 * SECOND);
            bench_free(b);
        }
}

/* --- B45: clocks --- */

/* A machine sleeps, or its clock is set: everything is overdue at once, and comes back. */
static void b45_the_clock_jumps(void **state)
{
    (void)state;
    static const uint64_t jumps_s[] = {60, 3600, 86400, UINT64_C(30) * 365 * 86400, UINT64_C(1) << 40};
    for (size_t i = 0; i < COUNT(jumps_s); i++)
        for (size_t s = 0; s <= COUNT(steps); s++) {
            struct bench *b = s < COUNT(steps) ? held_at(steps[s].from, steps[s].nth) : established();
            b->rig->filter = NULL;
            b->rig->now_ms += jumps_s[i] * 1000;
            rig_run(b->rig, 300 * SECOND);
            if (s < COUNT(steps))
                deliver_right(b);
            for (int k = I; k <= R; k++)
                ike_acquire(end(b, k)->ike, b->rig->now_ms, 0);
            if (!rig_run_until(b->rig, 400 * SECOND, rig_both_carry))
                fail_msg("step %zu, %llu s later: %s / %s", s, (unsigned long long)jumps_s[i], end(b, I)->why,
                         end(b, R)->why);
            bench_free(b);
        }
}

/* --- what else happened to others --- */

static bool opens(struct sa *in, const uint8_t *sealed, size_t len, enum drop *why)
{
    uint8_t buffer[512];
    struct packet packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *batch = &packet;
    struct flow flow;
    uint8_t *at = packet_append(&packet, len);
    assert_non_null(at);
    memcpy(at, sealed, len);
    esp_open(in, NULL, &batch, &flow, why, 1);
    return *why == DROP_NONE;
}

/* The responder did not check for replays at all. Both ends refuse a packet that they had. */
static void h2006_4436_both_ends_check_for_replays(void **state)
{
    (void)state;
    struct bench *b = established();
    for (int from = I; from <= R; from++) {
        uint8_t buffer[512], sealed[512];
        struct packet packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *batch = &packet;
        uint8_t ping[28] = {
            0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, (uint8_t)(1 + from), 0, 1, 10, (uint8_t)(2 - from), 0, 1, 8};
        struct flow flow;
        bool has;
        enum drop why;
        uint32_t spi;
        uint8_t *at = packet_append(&packet, sizeof ping);
        assert_non_null(at);
        memcpy(at, ping, sizeof ping);
        assert_int_equal(flow_read(bytes_of(ping, sizeof ping), &flow, NULL), OK);
        esp_seal(sad_outbound(end(b, from)->sad, 0, &flow, &has), &batch, &why, 1);
        assert_int_equal(why, DROP_NONE);
        assert_true(esp_peek_spi(bytes_of(packet_data(&packet), packet.len), &spi));
        size_t len = packet.len;
        assert_true(len <= sizeof sealed);
        memcpy(sealed, packet_data(&packet), len);
        struct sa *in = sad_inbound(end(b, 1 - from)->sad, spi);
        assert_true(opens(in, sealed, len, &why));
        assert_false(opens(in, sealed, len, &why));
        assert_int_equal(why, DROP_IN_REPLAY);
    }
    bench_free(b);
}

/* What is answered to offers that claim more than they hold: nothing that lay in our buffers. */
static void h2016_6415_answers_hold_nothing_of_our_memory(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN1);
    struct ike *ike = end(b, R)->ike;
    unsigned answers = 0;
    for (size_t at = IKE_HEADER_LEN; at < b->hold.datagram.len; at++)
        for (unsigned value = 0; value < 256; value += 51) {
            struct rig_datagram d = b->hold.datagram;
            unsigned sent = end(b, R)->sent;
            d.data[at] = (uint8_t)value;
            d.data[7] = (uint8_t)at; /* a connection attempt of its own */
            d.data[6] = (uint8_t)value;
            memset(ike->in, 0xa5, sizeof ike->in);
            memset(ike->out, 0xa5, sizeof ike->out);
            b->rig->now_ms += 2000; /* errors are rationed */
            deliver(b, d.data, d.len);
            if (end(b, R)->sent == sent)
                continue;
            const struct rig_datagram *answer = rig_sent(b->rig, R, 0);
            answers++;
            assert_true(answer->len <= 3 * d.len);
            for (size_t i = 0; i + 4 <= answer->len; i++)
                if (load_u32(answer->data + i) == 0xa5a5a5a5)
                    fail_msg("byte %zu = %u: our memory is in the answer", at, value);
        }
    assert_true(answers > 100);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h2014_2338_b24_every_exchange_at_every_step_of_phase_1),
        cmocka_unit_test(b27_everything_once_more_when_it_is_over),
        cmocka_unit_test(b27_an_answer_that_was_not_asked_for),
        cmocka_unit_test(b42_nobody_follows_what_is_not_authentic),
        cmocka_unit_test(b44_taken_down_at_every_step),
        cmocka_unit_test(h2011_4073_b44_deleted_by_the_peer_while_quick_mode_waits),
        cmocka_unit_test(b44_a_child_deleted_while_it_is_renewed),
        cmocka_unit_test(b45_the_clock_jumps),
        cmocka_unit_test(h2006_4436_both_ends_check_for_replays),
        cmocka_unit_test(h2016_6415_answers_hold_nothing_of_our_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
