/* SPDX-License-Identifier: Apache-2.0 */
/* What peers may do and ask for: the commit bit, shorter lifetimes; and what follows when one is dead. */
#include "test/sim/bench.h"

/* --- dpd_action --- */

static bool silent_responder(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)d;
    return from == R;
}

/* Up, then the responder is silent until the initiator has given it up. */
static struct bench *dead(enum dpd_action action, enum start_action start)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    end(b, I)->connection.dpd_action = action;
    end(b, I)->connection.dpd_delay_s = 30;
    end(b, I)->connection.start = start;
    rig_start(b->rig);
    ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    b->rig->filter = silent_responder;
    rig_run(b->rig, 110 * SECOND);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_DOWN], 1);
    return b;
}

static bool calls(struct bench *b)
{
    return rig_sas(end(b, I), "connecting") > 0;
}

static void what_follows_when_the_peer_is_dead(void **state)
{
    (void)state;
    static const struct {
        enum dpd_action action;
        enum start_action start;
        bool at_once, on_traffic;
    } rows[] = {
        {DPD_RESTART, START_START, true, true}, {DPD_RESTART, START_TRAP, true, true},
        {DPD_TRAP, START_START, false, true},   {DPD_TRAP, START_TRAP, false, true},
        {DPD_CLEAR, START_START, false, false}, {DPD_CLEAR, START_TRAP, false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench *b = dead(rows[i].action, rows[i].start);
        if (calls(b) != rows[i].at_once)
            fail_msg("row %zu: calls at once: %d", i, calls(b));
        ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
        if (calls(b) != rows[i].on_traffic)
            fail_msg("row %zu: calls on traffic: %d", i, calls(b));
        bench_free(b);
    }
}

static void after_clear_the_peer_or_a_command_brings_it_back(void **state)
{
    (void)state;
    const char *why;
    for (int by_command = 0; by_command <= 1; by_command++) {
        struct bench *b = dead(DPD_CLEAR, START_TRAP);
        b->rig->filter = NULL;
        if (by_command) {
            assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
        } else {
            assert_int_equal(ike_down(end(b, R)->ike, b->rig->now_ms, 0, &why), OK); /* it has not noticed */
            rig_run(b->rig, SECOND);
            assert_int_equal(ike_up(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
        }
        assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
        /* From now on traffic may wake it again. */
        assert_int_equal(ike_down(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
        rig_run(b->rig, SECOND);
        assert_false(rig_both_carry(b->rig));
        ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
        assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
        bench_free(b);
    }
}

/* --- the commit bit (RFC 2408 3.1) --- */

static bool commits(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    if (from == R && d->data[18] == EXCHANGE_QUICK)
        d->data[19] |= FLAG_COMMIT;
    return false;
}

static struct bench *committed(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    b->rig->filter = commits;
    rig_start(b->rig);
    rig_run(b->rig, SECOND);
    assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_UP], 1);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 0); /* it may not seal yet */
    return b;
}

static void a_peer_that_never_says_connected_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct bench *b = committed();
    rig_run(b->rig, COMMIT_WAIT);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 1);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void connected_ends_the_wait(void **state)
{
    (void)state;
    struct bench *b = committed();
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    uint8_t spi[4], body[64], message[CRAFT_MAX + 64];
    for (int right = 0; right <= 1; right++) {
        store_u32(spi, sa->peer->children->child.spi_in ^ !right);
        struct writer w = writer_of(body, sizeof body);
        v1_notify_write(&w, &(struct v1_notify){.type = NOTIFY_CONNECTED, .protocol = 3, .spi = bytes_of(spi, 4)});
        size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x7000u + (unsigned)right, PAYLOAD_NOTIFY,
                                  writer_bytes(&w), message);
        rig_inject(b->rig, I, sa->path.local.port, bytes_of(message, len));
        assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], right);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* --- lifetimes: the shorter one counts, at both ends (RFC 2407 4.5.4) --- */

static void the_shorter_lifetime_counts_in_both_phases(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++)
        for (int shorter = I; shorter <= R; shorter++) {
            struct bench *b = calloc(1, sizeof *b);
            assert_non_null(b);
            b->rig = rig_new(42);
            for (int i = I; i <= R; i++)
                end(b, i)->connection.mode = (enum ike_mode)mode;
            end(b, shorter)->connection.ike_lifetime_s = 1000;
            end(b, shorter)->connection.lifetime_s = 500;
            rig_start(b->rig);
            assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
            rig_run(b->rig, SECOND);
            for (int i = I; i <= R; i++) {
                const struct ike_sa *sa = craft_sa(end(b, i)->ike);
                assert_int_equal(sa->lifetime_s, 1000);
                assert_true(sa->soft_ms - sa->established_ms <= 900 * SECOND);
                assert_int_equal(sa->peer->children->lifetime_s, 500);
            }
            rig_run(b->rig, 1200 * SECOND);
            assert_true(rig_both_carry(b->rig));
            assert_true(end(b, I)->events[IKE_EVENT_PHASE1_UP] >= 2);
            bench_free(b);
        }
}

/* Only shorter, only from the responder, and never 0. */
static void b29_lifetimes_that_change_nothing(void **state)
{
    (void)state;
    struct bench *b = established();
    static const uint64_t seconds[] = {0, 28800, 28801, UINT32_MAX};
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t data[32], body[64], message[CRAFT_MAX + 64];
    uint32_t id = 0x7100;
    for (int to = I; to <= R; to++)
        for (size_t i = 0; i < COUNT(seconds) + (to == R); i++) {
            struct writer d = writer_of(data, sizeof data), w = writer_of(body, sizeof body);
            v1_lifetime_write(&d, i < COUNT(seconds) ? seconds[i] : 60, 0);
            v1_notify_write(
                &w, &(struct v1_notify){.type = NOTIFY_RESPONDER_LIFETIME, .protocol = 1, .data = writer_bytes(&d)});
            size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, id++, PAYLOAD_NOTIFY, writer_bytes(&w), message);
            rig_inject(b->rig, to, sa->path.local.port, bytes_of(message, len));
            assert_int_equal(craft_sa(end(b, to)->ike)->lifetime_s, 28800);
        }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_when_the_peer_is_dead),
        cmocka_unit_test(after_clear_the_peer_or_a_command_brings_it_back),
        cmocka_unit_test(a_peer_that_never_says_connected_is_not_waited_for_for_ever),
        cmocka_unit_test(connected_ends_the_wait),
        cmocka_unit_test(the_shorter_lifetime_counts_in_both_phases),
        cmocka_unit_test(b29_lifetimes_that_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
