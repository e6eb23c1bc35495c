/* SPDX-License-Identifier: Apache-2.0 */
/* How things end, and how they do not: floods in a peer's name, unanswered exchanges, renewals from both ends at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ike/header.h"
#include "ike/limits.h"
#include "test/sim/rig.h"

enum { I = 0, R = 1, SECOND = 1000, CONFIRMATION_MAX = 120 };

static struct rig *established(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    for (int i = 0; i < RIG_ENDS; i++)
        rig->ends[i].connection.dpd_delay_s = 30;
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    return rig;
}

static void finish(struct rig *rig)
{
    assert_int_equal(rig_free(rig), 0);
}

static bool is_quick(const struct rig_datagram *d)
{
    struct ike_header h;
    return header_read(bytes_of(d->data, d->len), &h) == OK && h.exchange == EXCHANGE_QUICK;
}

static bool swallow_all_of_the_initiator(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)d;
    return from == I;
}

static bool swallow_quick(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)from;
    return is_quick(d);
}

/* Message 3 is the only short one. */
static bool swallow_confirmation(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    return from == I && is_quick(d) && d->len < CONFIRMATION_MAX;
}

/* Of the site of one configured peer. */
enum { SHARE = HALF_OPEN_PER_ADDRESS + HALF_OPEN_PER_CONNECTION };

/* Forged first messages with the address of the configured peer: its own one still gets through. */
static void a_flood_in_the_name_of_the_peer_does_not_lock_it_out(void **state)
{
    (void)state;
    struct rig *rig = rig_new(31);
    rig->filter = swallow_all_of_the_initiator;
    rig_start(rig);
    struct rig_datagram forged = *rig_sent(rig, I, 0);
    for (uint64_t i = 1; i <= 4 * SHARE; i++) {
        store_u64(forged.data, 0xf00d000000000000 + i);
        rig_inject(rig, R, IKE_PORT, bytes_of(forged.data, forged.len));
    }
    assert_int_equal(rig_sas(&rig->ends[R], "connecting"), SHARE);
    rig->filter = NULL;
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 0);
    finish(rig);
}

/* A forged first message that can open nothing displaces nothing either. */
static void an_unacceptable_offer_displaces_nobody(void **state)
{
    (void)state;
    struct rig *rig = rig_new(32);
    rig->filter = swallow_all_of_the_initiator;
    rig_start(rig);
    struct rig_datagram forged = *rig_sent(rig, I, 0);
    for (uint64_t i = 1; i <= SHARE; i++) {
        store_u64(forged.data, 0xf00d000000000000 + i);
        rig_inject(rig, R, IKE_PORT, bytes_of(forged.data, forged.len));
    }
    /* 28 header, 4 payload header, 8 DOI and situation, 8 proposal, 8 transform: the cipher's value is at 58. */
    store_u64(forged.data, 0xf00d00000000ffff);
    forged.data[59] = 1; /* DES */
    unsigned sent = rig->ends[R].sent;
    rig_inject(rig, R, IKE_PORT, bytes_of(forged.data, forged.len));
    assert_int_equal(rig->ends[R].sent, sent + 1); /* NO_PROPOSAL_CHOSEN */
    assert_int_equal(rig_sas(&rig->ends[R], "connecting"), SHARE);
    assert_int_equal(rig_drops(&rig->ends[R], IKE_DROP_LIMIT), 0);
    finish(rig);
}

/* A peer that ignores one quick mode is not dead. */
static void an_unanswered_quick_mode_fails_alone(void **state)
{
    (void)state;
    struct rig *rig = established(33);
    const char *why;
    rig->filter = swallow_quick;
    assert_int_equal(ike_rekey(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    rig_run(rig, 120 * SECOND);
    for (int i = 0; i < RIG_ENDS; i++) {
        assert_int_equal(rig->ends[i].events[IKE_EVENT_PHASE1_DOWN], 0);
        assert_int_equal(rig->ends[i].events[IKE_EVENT_CHILD_DOWN], 0);
    }
    assert_true(rig->ends[I].events[IKE_EVENT_CHILD_FAILED] > 0);
    assert_true(rig_both_carry(rig));
    finish(rig);
}

/* The responder that never sees message 3 says so, since the initiator is sealing on that child. */
static void a_responder_that_gives_up_tells_the_initiator(void **state)
{
    (void)state;
    struct rig *rig = rig_new(34);
    rig->ends[I].connection.start = START_TRAP;
    rig->filter = swallow_confirmation;
    rig_start(rig);
    ike_acquire(rig->ends[I].ike, rig->now_ms, 0);
    rig_run(rig, 5 * SECOND);
    assert_int_equal(rig_children(&rig->ends[I]), 1);
    rig_run(rig, 90 * SECOND);
    assert_int_equal(rig_children(&rig->ends[R]), 0);
    assert_int_equal(rig_children(&rig->ends[I]), 0);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_CHILD_DOWN], 1);
    finish(rig);
}

static void renewals_from_both_ends_at_once_leave_one_pair(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 60; seed++) {
        struct rig *rig = established(seed);
        rig->network.delay_max_ms = 80;
        const char *why;
        for (int i = 0; i < RIG_ENDS; i++)
            assert_int_equal(ike_rekey(rig->ends[i].ike, rig->now_ms, 0, &why), OK);
        for (int second = 0; second < 60; second++) {
            rig_run(rig, SECOND);
            assert_true(rig_both_carry(rig));
        }
        for (int i = 0; i < RIG_ENDS; i++)
            assert_int_equal(rig_children(&rig->ends[i]), 1);
        finish(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_in_the_name_of_the_peer_does_not_lock_it_out),
        cmocka_unit_test(an_unacceptable_offer_displaces_nobody),
        cmocka_unit_test(an_unanswered_quick_mode_fails_alone),
        cmocka_unit_test(a_responder_that_gives_up_tells_the_initiator),
        cmocka_unit_test(renewals_from_both_ends_at_once_leave_one_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
