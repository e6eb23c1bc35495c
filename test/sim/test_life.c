/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a tunnel, by whom and how ever, and what comes next by `start` and `dpd_action`; sleep; jitter. */
#include <stdio.h>

#include "ike/header.h"
#include "test/sim/bench.h"

enum { MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct rig *up(uint64_t seed, enum start_action start_i, enum start_action start_r)
{
    struct rig *rig = rig_new(seed);
    for (int i = I; i <= R; i++) {
        rig->ends[i].connection.dpd_delay_s = 30;
        rig->ends[i].connection.mode = seed % 2 ? MODE_AGGRESSIVE : MODE_MAIN;
    }
    rig->ends[I].connection.start = start_i;
    rig->ends[R].connection.start = start_r;
    rig_start(rig);
    ike_acquire(rig->ends[I].ike, rig->now_ms, 0);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    rig_run(rig, 2 * MINUTE); /* also where both have called at once */
    return rig;
}

static void finish(struct rig *rig)
{
    assert_int_equal(rig_free(rig), 0);
}

static bool is_idle(const struct rig_end *e)
{
    return rig_children(e) == 0 && rig_sas(e, "connecting") == 0;
}

static void one_pair_is_left(struct rig *rig)
{
    for (int second = 0; second < 120; second++) {
        rig_run(rig, SECOND);
        rig_traffic(rig);
    }
    for (int i = I; i <= R; i++) {
        assert_int_equal(rig_children(&rig->ends[i]), 1);
        assert_int_equal(rig_sas(&rig->ends[i], NULL), 1);
    }
    assert_true(rig_both_carry(rig));
}

static bool traffic_brings_it_back(struct rig *rig, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        rig_traffic(rig);
        if (rig_run_until(rig, SECOND, rig_both_carry))
            return true;
    }
    return false;
}

/* --- delete: the other end, with start = start, calls again by itself; else traffic brings it back --- */

static void after_a_delete_start_says_what_comes_next(void **state)
{
    (void)state;
    static const enum start_action starts[] = {START_START, START_TRAP, START_NONE};
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (int by = I; by <= R; by++)
            for (size_t s = 0; s < COUNT(starts); s++) {
                enum start_action other = starts[s], own = by == R && other == START_NONE ? START_START : START_TRAP;
                if (by == R && other == START_NONE)
                    continue; /* nobody could have called */
                const char *why;
                struct rig *rig = up(seed, by == I ? own : other, by == I ? other : own);
                assert_int_equal(ike_down(rig->ends[by].ike, rig->now_ms, 0, &why), OK);
                rig_run(rig, SECOND);
                if (!is_idle(&rig->ends[I]) || !is_idle(&rig->ends[R]))
                    fail_msg("seed %u, deleted by %d, start %d: %zu %zu children", (unsigned)seed, by, other,
                             rig_children(&rig->ends[I]), rig_children(&rig->ends[R]));
                bool back = rig_run_until(rig, 10 * SECOND, rig_both_carry);
                if (back != (other == START_START))
                    fail_msg("seed %u, deleted by %d, start %d: %s", (unsigned)seed, by, other, back ? "up" : "down");
                assert_true(back || traffic_brings_it_back(rig, 10));
                one_pair_is_left(rig);
                finish(rig);
            }
}

/* Who was told to end it is not brought back by its own start. */
static void after_down_start_does_not_bring_it_back(void **state)
{
    (void)state;
    const char *why;
    struct rig *rig = up(3, START_START, START_TRAP);
    assert_int_equal(ike_down(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    rig_run(rig, HOUR);
    assert_true(is_idle(&rig->ends[I]) && is_idle(&rig->ends[R]));
    finish(rig);
}

/* Phase 1 alone is deleted: the children carry on, and the next renewal makes a new one. */
static void a_deleted_phase_1_leaves_the_children(void **state)
{
    (void)state;
    for (int by = I; by <= R; by++) {
        struct rig *rig = up(4, START_START, START_TRAP);
        const char *why;
        struct ike_sa *sa = craft_sa(rig->ends[by].ike);
        sa->version->delete_sa(rig->ends[by].ike, sa);
        rig_run(rig, SECOND);
        assert_int_equal(rig_sas(&rig->ends[1 - by], "established"), 0);
        assert_true(rig_both_carry(rig));
        assert_int_equal(ike_rekey(rig->ends[1 - by].ike, rig->now_ms, 0, &why), OK);
        for (int i = 0; i < 120; i++) {
            rig_run(rig, SECOND);
            assert_true(rig_both_carry(rig));
        }
        assert_int_equal(rig->ends[1 - by].events[IKE_EVENT_CHILD_REKEYED], 1);
        finish(rig);
    }
}

/* --- the peer has forgotten everything --- */

static bool swallow_all(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)from;
    (void)d;
    return true;
}

/* It calls again and says INITIAL_CONTACT; or it waits, and the other end finds out by dead-peer detection, after which
 * dpd_action counts; or, without that, by an exchange that is not answered. */
static void after_a_reboot(void **state)
{
    (void)state;
    static const enum dpd_action actions[] = {DPD_RESTART, DPD_TRAP, DPD_CLEAR};
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (int who = I; who <= R; who++)
            for (size_t a = 0; a < COUNT(actions); a++)
                for (int calls = 0; calls <= 1; calls++) {
                    enum start_action start[2] = {START_TRAP, START_TRAP};
                    start[who] = calls ? START_START : START_TRAP;
                    struct rig *rig = up(seed, start[I], start[R]);
                    rig->ends[1 - who].connection.dpd_action = actions[a];
                    rig_reboot(rig, who);
                    bool back = rig_run_until(rig, 3 * MINUTE, rig_both_carry);
                    bool expected = calls || actions[a] == DPD_RESTART;
                    if (back != expected)
                        fail_msg("seed %u, reboot of %d, dpd_action %d, calls %d: %s", (unsigned)seed, who, actions[a],
                                 calls, back ? "up" : "down");
                    assert_true(back || is_idle(&rig->ends[1 - who]));
                    assert_true(traffic_brings_it_back(rig, 60)); /* of the end that forgot, if the other may not */
                    one_pair_is_left(rig);
                    finish(rig);
                }
}

static void after_a_reboot_without_dead_peer_detection(void **state)
{
    (void)state;
    for (int who = I; who <= R; who++) {
        struct rig *rig = rig_new(5);
        for (int i = I; i <= R; i++)
            rig->ends[i].connection.lifetime_s = 300;
        rig_start(rig);
        assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
        rig->ends[who].connection.start = START_NONE; /* neither it calls nor its traffic */
        rig_reboot(rig, who);
        assert_true(rig_run_until(rig, 8 * MINUTE, rig_both_carry));
        one_pair_is_left(rig);
        finish(rig);
    }
}

/* --- silence: for ever, with pauses that grow to a bound --- */

struct calls {
    unsigned count;
    uint64_t last_ms, longest_ms, cookie;
};

static bool count_calls(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct calls *calls = arg;
    struct ike_header h;
    uint64_t cookie = header_read(bytes_of(d->data, d->len), &h) == OK ? h.spi_i : 0;
    if (from != I || cookie == calls->cookie)
        return true; /* a repetition */
    uint64_t pause = rig->now_ms - calls->last_ms;
    if (calls->count > 0 && pause > calls->longest_ms)
        calls->longest_ms = pause;
    calls->cookie = cookie;
    calls->last_ms = rig->now_ms;
    calls->count++;
    return true;
}

static void silence_is_met_with_pauses_that_grow(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct rig *rig = up(seed, START_START, START_NONE);
        struct calls calls = {0};
        rig->filter = count_calls;
        rig->filter_arg = &calls;
        rig_run(rig, 2 * HOUR);
        /* Each attempt takes some 50 s; pauses of 5, 10, 20 … 300 s. */
        assert_in_range(calls.count, 15, 40);
        assert_in_range(calls.longest_ms, RETRY_LONGEST, RETRY_LONGEST + MINUTE);
        unsigned before = calls.count, sent = rig->ends[I].sent;
        rig_run(rig, 24 * HOUR);
        assert_in_range(calls.count - before, 24 * 9, 24 * 12);
        assert_true(rig->ends[I].sent - sent < 24 * 12 * 16);
        rig->filter = NULL;
        assert_true(rig_run_until(rig, RETRY_LONGEST + MINUTE, rig_both_carry));
        one_pair_is_left(rig);
        finish(rig);
    }
}

/* A peer that ends every child as soon as it is up is not called in a circle. */
static void a_peer_that_ends_what_is_up_is_called_ever_more_seldom(void **state)
{
    (void)state;
    struct rig *rig = up(6, START_START, START_NONE);
    unsigned ups = rig->ends[I].events[IKE_EVENT_CHILD_UP];
    for (unsigned i = 0; i < 3600; i++) {
        const char *why;
        (void)!ike_down(rig->ends[R].ike, rig->now_ms, 0, &why);
        rig_run(rig, SECOND);
    }
    assert_in_range(rig->ends[I].events[IKE_EVENT_CHILD_UP] - ups, 10, 25);
    rig_run(rig, RETRY_LONGEST);
    one_pair_is_left(rig);
    finish(rig);
}

/* A refusal of phase 2 is no reason to give up for good. */
static void a_refused_phase_2_is_tried_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7);
    char why[256];
    struct proposal_list wrong = {0};
    assert_int_equal(proposal_parse(PROPOSAL_ESP, "aes256gcm16-x25519", 0, &wrong, why, sizeof why), OK);
    struct proposal_list right = rig->ends[R].connection.esp;
    rig->ends[R].connection.esp = wrong;
    rig_start(rig);
    rig_run(rig, HOUR);
    assert_in_range(rig->ends[I].events[IKE_EVENT_CHILD_FAILED], 10, 25);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 1);
    rig->ends[R].connection.esp = right;
    assert_true(rig_run_until(rig, RETRY_LONGEST + MINUTE, rig_both_carry));
    finish(rig);
}

/* --- sleep: the clock jumps over lifetimes --- */

static void sleep_is_slept_off(void **state)
{
    (void)state;
    static const uint64_t hours[] = {1, 9, 24, 24 * 40};
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (size_t h = 0; h < COUNT(hours); h++)
            for (int who = 0; who <= 2; who++) /* 2: both */
                for (int calls = 0; calls <= 1; calls++) {
                    struct rig *rig = up(seed, calls ? START_START : START_TRAP, START_TRAP);
                    rig->ends[I].asleep = who != R;
                    rig->ends[R].asleep = who != I;
                    rig_run(rig, hours[h] * HOUR);
                    rig->ends[I].asleep = rig->ends[R].asleep = false;
                    bool back = calls ? rig_run_until(rig, RETRY_LONGEST + MINUTE, rig_both_carry)
                                      : traffic_brings_it_back(rig, 180);
                    if (!back)
                        fail_msg("seed %u, %u hours, end %d, calls %d: it stays down", (unsigned)seed,
                                 (unsigned)hours[h], who, calls);
                    one_pair_is_left(rig);
                    finish(rig);
                }
}

/* --- process stop --- */

static void a_stop_tells_the_peer_and_leaves_no_key(void **state)
{
    (void)state;
    for (int who = I; who <= R; who++) {
        struct rig *rig = up(8, START_TRAP, START_TRAP);
        ike_shutdown(rig->ends[who].ike, rig->now_ms);
        rig_run(rig, SECOND);
        for (int i = I; i <= R; i++)
            assert_int_equal(rig_children(&rig->ends[i]) + rig_sas(&rig->ends[i], NULL), 0);
        assert_int_equal(vault_live(rig->vault), RIG_ENDS); /* the pre-shared keys of the configuration */
        rig->filter = swallow_all;
        ike_acquire(rig->ends[who].ike, rig->now_ms, 0);
        rig_run(rig, HOUR);
        assert_int_equal(rig_sas(&rig->ends[who], NULL), 0); /* it answers and starts nothing any more */
        finish(rig);
    }
}

/* --- jitter --- */

/* Soft expiry of both phases differs from time to time, within its bounds, and never meets the other end's. */
static void soft_expiry_is_jittered_at_both_ends(void **state)
{
    (void)state;
    static const uint64_t percent[2][2] = {{75, 80}, {85, 90}};
    for (int i = I; i <= R; i++) {
        uint64_t least[2] = {UINT64_MAX, UINT64_MAX}, most[2] = {0};
        for (uint64_t seed = 100; seed < 150; seed++) {
            struct rig *rig = up(seed, START_START, START_TRAP);
            const struct ike_sa *sa = craft_sa(rig->ends[i].ike);
            const struct child_sa *child = sa->peer->children;
            const uint64_t soft[2] = {(sa->soft_ms - sa->established_ms) / 288,
                                      (child->soft_ms - child->established_ms) / 36}; /* percent, times 1000 */
            for (int phase = 0; phase < 2; phase++) {
                least[phase] = soft[phase] < least[phase] ? soft[phase] : least[phase];
                most[phase] = soft[phase] > most[phase] ? soft[phase] : most[phase];
            }
            finish(rig);
        }
        for (int phase = 0; phase < 2; phase++) {
            assert_in_range(least[phase], percent[i][0] * 1000, percent[i][0] * 1000 + 1000);
            assert_in_range(most[phase], percent[i][1] * 1000 - 1000, percent[i][1] * 1000);
        }
    }
}

/* --- kilobytes of phase 1, which is some probes a minute: offered by either end, or only known to one --- */

static void phase_1_is_renewed_by_kilobytes(void **state)
{
    (void)state;
    enum { LIMIT = 16384 };
    static const uint64_t limits[][2] = {{LIMIT, 0}, {0, LIMIT}, {LIMIT, 4 * LIMIT}, {4 * LIMIT, LIMIT}};
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (size_t n = 0; n < COUNT(limits); n++) {
            struct rig *rig = rig_new(seed);
            for (int i = I; i <= R; i++) {
                rig->ends[i].connection.dpd_delay_s = 5;
                rig->ends[i].connection.lifetime_s = rig->ends[i].connection.ike_lifetime_s = 30 * 24 * 3600;
                rig->ends[i].connection.ike_lifetime_bytes = limits[n][i];
                rig->ends[i].connection.mode = seed % 2 ? MODE_AGGRESSIVE : MODE_MAIN;
            }
            rig_start(rig);
            ike_acquire(rig->ends[I].ike, rig->now_ms, 0);
            assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
            unsigned before = rig->ends[I].events[IKE_EVENT_PHASE1_UP];
            for (unsigned i = 0; i < 60; i++) { /* silence: a probe and its answer each 5 s, 120 KiB an hour */
                rig_run(rig, MINUTE);
                assert_true(rig_both_carry(rig));
            }
            assert_in_range(rig->ends[I].events[IKE_EVENT_PHASE1_UP] - before, 3, 40);
            assert_int_equal(rig->ends[I].events[IKE_EVENT_CHILD_DOWN], 0);
            finish(rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_delete_start_says_what_comes_next),
        cmocka_unit_test(after_down_start_does_not_bring_it_back),
        cmocka_unit_test(a_deleted_phase_1_leaves_the_children),
        cmocka_unit_test(after_a_reboot),
        cmocka_unit_test(after_a_reboot_without_dead_peer_detection),
        cmocka_unit_test(silence_is_met_with_pauses_that_grow),
        cmocka_unit_test(a_peer_that_ends_what_is_up_is_called_ever_more_seldom),
        cmocka_unit_test(a_refused_phase_2_is_tried_again),
        cmocka_unit_test(sleep_is_slept_off),
        cmocka_unit_test(a_stop_tells_the_peer_and_leaves_no_key),
        cmocka_unit_test(soft_expiry_is_jittered_at_both_ends),
        cmocka_unit_test(phase_1_is_renewed_by_kilobytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
