/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that were changed on the way, and what follows when their answers, or the last word of an exchange, are lost
 * too: both ends must meet on one pair all the same, and no packet may be lost. The campaign test/sim/rekeys found
 * these; here they are one by one.
 */
#include "ike/header.h"
#include "test/sim/bench.h"

/* --- scripts: what becomes of each copy of some messages of one end, in order --- */

struct script {
    int from;
    enum exchange_type exchange;
    bool encrypted;
    size_t shorter_than; /* 0: of any length */
    const char *fates;   /* '.' passes, 'x' is lost; 'm' is changed in its middle, 'c' at its end, 'n' in its NAT-D, 'f'
                          * in   a flag without meaning */
    size_t next;
};

struct play {
    struct script scripts[4];
};

static bool is_about(const struct script *s, int from, const struct rig_datagram *d)
{
    return s->fates != NULL && s->from == from && d->data[18] == s->exchange &&
           (d->data[IKE_HEADER_FLAGS_AT] & FLAG_ENCRYPTION) == s->encrypted &&
           (s->shorter_than == 0 || d->len < s->shorter_than);
}

static bool perform(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct play *play = arg;
    size_t len;
    (void)rig;
    for (size_t i = 0; i < COUNT(play->scripts); i++) {
        struct script *s = &play->scripts[i];
        if (!is_about(s, from, d))
            continue;
        char fate = s->fates[s->next];
        s->next += fate != '\0';
        if (fate == 'm')
            d->data[d->len / 2] ^= 1;
        if (fate == 'c')
            d->data[d->len - 1] ^= 1;
        if (fate == 'n')
            body_in(d, PAYLOAD_NATD, &len)[0] ^= 1;
        if (fate == 'f')
            d->data[IKE_HEADER_FLAGS_AT] ^= 0x80;
        return fate == 'x';
    }
    return false;
}

static bool is_over(const struct play *play)
{
    for (size_t i = 0; i < COUNT(play->scripts); i++)
        if (play->scripts[i].fates != NULL && play->scripts[i].fates[play->scripts[i].next] != '\0')
            return false;
    return true;
}

static struct rig *make(enum ike_mode mode)
{
    struct rig *rig = rig_new(42);
    for (int i = I; i <= R; i++)
        rig->ends[i].connection.mode = mode;
    return rig;
}

static struct rig *up(enum ike_mode mode, struct play *play)
{
    struct rig *rig = make(mode);
    rig_start(rig);
    assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
    rig_run(rig, 120 * SECOND); /* first contact is long over */
    rig->filter = perform;
    rig->filter_arg = play;
    return rig;
}

static void finish(struct rig *rig)
{
    assert_int_equal(rig_free(rig), 0);
}

static bool is_one_pair(const struct rig *rig)
{
    const struct ike_sa *here = craft_sa(rig->ends[I].ike), *there = craft_sa(rig->ends[R].ike);
    return rig_sas(&rig->ends[I], NULL) == 1 && rig_sas(&rig->ends[R], NULL) == 1 &&
           rig_sas(&rig->ends[I], "established") == 1 && rig_sas(&rig->ends[R], "established") == 1 && here != NULL &&
           there != NULL && here->spi_i == there->spi_i && here->spi_r == there->spi_r &&
           rig_children(&rig->ends[I]) == 1 && rig_children(&rig->ends[R]) == 1;
}

/* While packets go both ways, ten a second. */
static void nothing_is_lost(struct rig *rig, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        rig_run(rig, SECOND / 10);
        if (!rig_both_carry(rig))
            fail_msg("a packet was lost %.1f s after the start", i / 10.0);
    }
}

/* --- phase 1 --- */

/*
 * A renewal is not given up sooner because something unauthenticated says "no": a changed message 6 or 2, or the clear
 * refusal of a changed message 5. With message 6 lost thrice the responder has the new SA all the while.
 */
static void a_renewal_of_phase_1_is_not_given_up_for_a_changed_message(void **state)
{
    (void)state;
    static const struct {
        enum ike_mode mode;
        struct play play;
    } rows[] = {
        {MODE_MAIN, {{{R, EXCHANGE_MAIN, true, 0, "mxxx", 0}}}},
        {MODE_MAIN, {{{I, EXCHANGE_MAIN, true, 0, "m", 0}, {R, EXCHANGE_MAIN, true, 0, "xxx", 0}}}},
        {MODE_AGGRESSIVE, {{{R, EXCHANGE_AGGRESSIVE, false, 0, "mxxx", 0}}}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play play = rows[i].play;
        struct rig *rig = up(rows[i].mode, &play);
        uint64_t before = craft_sa(rig->ends[I].ike)->spi_i;
        craft_renew_phase1(rig->ends[I].ike, rig->now_ms);
        rig_run(rig, 100 * SECOND);
        assert_true(is_over(&play));
        if (!is_one_pair(rig) || rig->ends[I].events[IKE_EVENT_PHASE1_FAILED] != 0 ||
            craft_sa(rig->ends[I].ike)->spi_i == before)
            fail_msg("row %zu: %zu and %zu IKE SAs", i, rig_sas(&rig->ends[I], NULL), rig_sas(&rig->ends[R], NULL));
        finish(rig);
    }
}

/* Its time to be renewed comes while a renewal is under way (by kilobytes, say) that will fail: it comes again. */
static void a_renewal_that_comes_to_nothing_is_tried_again(void **state)
{
    (void)state;
    struct play play = {{{I, EXCHANGE_MAIN, false, 0, "xxxxxxx", 0}}}; /* the first message, and all its repeats */
    struct rig *rig = up(MODE_MAIN, &play);
    uint64_t before = craft_sa(rig->ends[I].ike)->spi_i;
    craft_renew_phase1(rig->ends[I].ike, rig->now_ms);
    rig_run(rig, 10 * SECOND);
    craft_renew_phase1(rig->ends[I].ike, rig->now_ms);
    rig_run(rig, 45 * SECOND);
    assert_true(is_over(&play));
    assert_int_equal(craft_sa(rig->ends[I].ike)->spi_i, before);
    rig_run(rig, 60 * SECOND);
    assert_int_not_equal(craft_sa(rig->ends[I].ike)->spi_i, before);
    assert_true(is_one_pair(rig));
    finish(rig);
}

/* A first contact is: a wrong key is told soon. */
static void a_first_contact_is_given_up_sooner(void **state)
{
    (void)state;
    struct play play = {{{R, EXCHANGE_MAIN, true, 0, "mxxxxxx", 0}}};
    struct rig *rig = make(MODE_MAIN);
    rig->filter = perform;
    rig->filter_arg = &play;
    rig_start(rig);
    rig_run(rig, 5 * SECOND);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 1);
    finish(rig);
}

/*
 * The copy of a message that is answered was changed where nothing notices, and the answer is lost. The right copy,
 * when it comes, is a repeat all the same. Vendor ids and NAT-D end messages 1 and 3 of main mode and 1 and 2 of
 * aggressive mode; the rest is changed in its flags.
 */
static void the_right_copy_of_a_changed_message_is_answered_too(void **state)
{
    (void)state;
    static const struct {
        enum ike_mode mode;
        struct play play; /* the message; its answer */
    } rows[] = {
        {MODE_MAIN, {{{I, EXCHANGE_MAIN, false, 0, "c", 0}, {R, EXCHANGE_MAIN, false, 0, "x", 0}}}},
        {MODE_MAIN, {{{I, EXCHANGE_MAIN, false, 0, ".c", 0}, {R, EXCHANGE_MAIN, false, 0, ".x", 0}}}},
        {MODE_MAIN, {{{I, EXCHANGE_MAIN, true, 0, "f", 0}, {R, EXCHANGE_MAIN, true, 0, "x", 0}}}},
        {MODE_MAIN, {{{I, EXCHANGE_QUICK, true, 0, "f", 0}, {R, EXCHANGE_QUICK, true, 0, "x", 0}}}},
        {MODE_MAIN, {{{R, EXCHANGE_QUICK, true, 0, "f", 0}, {I, EXCHANGE_QUICK, true, 0, ".x", 0}}}},
        {MODE_AGGRESSIVE, {{{I, EXCHANGE_AGGRESSIVE, false, 0, "c", 0}, {R, EXCHANGE_AGGRESSIVE, false, 0, "x", 0}}}},
        {MODE_AGGRESSIVE, {{{I, EXCHANGE_AGGRESSIVE, false, 0, "m", 0}}}}, /* its key exchange: another first message */
        {MODE_AGGRESSIVE, {{{R, EXCHANGE_AGGRESSIVE, false, 0, "n", 0}, {I, EXCHANGE_AGGRESSIVE, true, 0, "x", 0}}}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play play = rows[i].play;
        struct rig *rig = make(rows[i].mode);
        rig->filter = perform;
        rig->filter_arg = &play;
        rig_start(rig);
        if (!rig_run_until(rig, 4 * SECOND, rig_both_carry) || !is_over(&play))
            fail_msg("row %zu: it does not come up", i);
        rig_run(rig, 120 * SECOND);
        assert_true(is_one_pair(rig));
        for (int e = I; e <= R; e++)
            assert_int_equal(rig->ends[e].events[IKE_EVENT_PHASE1_UP], 1);
        finish(rig);
    }
}

/* Both renew at once, and message 3 of the initiator's is lost. That one is replaced before it is confirmed; its
 * responder must not learn of it with its delete only, and then take it for the newest one. */
static void message_3_of_aggressive_mode_is_said_again_for_a_replaced_sa(void **state)
{
    (void)state;
    struct play play = {{{I, EXCHANGE_AGGRESSIVE, true, 0, "xx", 0}}};
    struct rig *rig = up(MODE_AGGRESSIVE, &play);
    unsigned before = rig->ends[R].events[IKE_EVENT_PHASE1_UP];
    for (int i = I; i <= R; i++)
        craft_renew_phase1(rig->ends[i].ike, rig->now_ms);
    rig_run(rig, 5 * SECOND);
    assert_true(is_over(&play));
    assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], before + 2);
    rig_run(rig, 120 * SECOND);
    assert_true(is_one_pair(rig));
    finish(rig);
}

/* A renewal in aggressive mode that the peer never confirms: the SA of before serves again, at both ends, whether the
 * peer has never got message 3, or the answers to all probes were lost. */
static void the_old_phase_1_serves_again_when_the_new_one_is_not_confirmed(void **state)
{
    (void)state;
    static const struct play rows[] = {
        {{{I, EXCHANGE_AGGRESSIVE, true, 0, "xxxxxxxxxxxxxxxxxxxx", 0}}},
        {{{R, EXCHANGE_INFORMATIONAL, true, 0, "xxxxxxx", 0}}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play play = rows[i];
        struct rig *rig = up(MODE_AGGRESSIVE, &play);
        uint64_t before = craft_sa(rig->ends[I].ike)->spi_i;
        craft_renew_phase1(rig->ends[I].ike, rig->now_ms);
        rig_run(rig, 55 * SECOND);
        assert_true(play.scripts[0].next >= 7);
        if (craft_sa(rig->ends[I].ike)->spi_i != before || craft_sa(rig->ends[R].ike)->spi_i != before)
            fail_msg("row %zu: another one serves", i);
        play = (struct play){0};
        rig_run(rig, 120 * SECOND);
        assert_true(is_one_pair(rig));
        finish(rig);
    }
}

/* Each end takes another one for the newest, and a delete has no answer: of six, one arrives. */
static void renewals_from_both_ends_meet_though_deletes_are_lost(void **state)
{
    (void)state;
    struct play play = {{{I, EXCHANGE_INFORMATIONAL, true, 0, ".xxxxx", 0}}};
    struct rig *rig = up(MODE_MAIN, &play);
    for (int i = I; i <= R; i++)
        craft_renew_phase1(rig->ends[i].ike, rig->now_ms);
    rig_run(rig, 150 * SECOND);
    assert_true(is_over(&play));
    assert_true(is_one_pair(rig));
    finish(rig);
}

static void no_sa(void *arg, const struct ike_sa_info *info)
{
    (void)arg;
    (void)info;
}

static void view_child(void *arg, const struct ike_child_info *info)
{
    if (strcmp(info->state, "established") == 0)
        *(uint32_t *)arg = info->child->spi_out;
}

/* The same with children, and nothing that the one end says arrives. The other one deletes the first one's newest: what
 * then serves again is what packets are sealed with, not what was replaced later and only waits for its end. */
static void what_serves_again_also_seals(void **state)
{
    (void)state;
    char fates[100] = "";
    memset(fates, 'x', sizeof fates - 1);
    struct play play = {{{I, EXCHANGE_INFORMATIONAL, true, 0, fates, 0}}};
    struct rig *rig = up(MODE_MAIN, &play);
    const char *why;
    uint32_t before = 0, after = 0;
    struct rig_sealed sealed;
    ike_visit(rig->ends[I].ike, &(struct ike_visitor){.arg = &before, .sa = no_sa, .child = view_child});
    for (int i = I; i <= R; i++)
        assert_int_equal(ike_rekey(rig->ends[i].ike, rig->now_ms, 0, &why), OK);
    nothing_is_lost(rig, 25);
    ike_visit(rig->ends[I].ike, &(struct ike_visitor){.arg = &after, .sa = no_sa, .child = view_child});
    assert_int_equal(after, before);
    assert_null(rig_seal(rig, I, 0, &sealed));
    assert_int_equal(load_u32(sealed.data), after);
    finish(rig);
}

/* --- phase 2: the peer waits for message 3, which gets through with the sixth try, 15 s later --- */

enum { MESSAGE_3 = 100 }; /* it is shorter; messages 1 and 2 are longer */

static void the_old_child_stays_until_the_peer_has_message_3(void **state)
{
    (void)state;
    for (int end = I; end <= R; end++) {
        struct play play = {{{end, EXCHANGE_QUICK, true, MESSAGE_3, "xxxxx", 0}}};
        struct rig *rig = up(MODE_MAIN, &play);
        const char *why;
        assert_int_equal(ike_rekey(rig->ends[end].ike, rig->now_ms, 0, &why), OK);
        nothing_is_lost(rig, 100);
        assert_true(is_over(&play));
        assert_true(is_one_pair(rig));
        assert_int_equal(rig->ends[1 - end].events[IKE_EVENT_CHILD_REKEYED], 1);
        finish(rig);
    }
}

static void the_old_child_serves_again_when_message_3_never_arrives(void **state)
{
    (void)state;
    char fates[100] = "";
    memset(fates, 'x', sizeof fates - 1);
    struct play play = {{{I, EXCHANGE_QUICK, true, MESSAGE_3, fates, 0}}};
    struct rig *rig = up(MODE_MAIN, &play);
    const char *why;
    assert_int_equal(ike_rekey(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    nothing_is_lost(rig, 100);
    assert_true(is_one_pair(rig));
    assert_int_equal(rig->ends[R].events[IKE_EVENT_CHILD_REKEYED], 0);
    finish(rig);
}

/* Both phases are renewed at once, so that the exchange runs under an SA that is replaced. */
static void a_replaced_phase_1_stays_until_its_exchanges_are_over(void **state)
{
    (void)state;
    for (int end = I; end <= R; end++)
        for (int renewer = I; renewer <= R; renewer++) {
            struct play play = {{{end, EXCHANGE_QUICK, true, MESSAGE_3, "xxxxx", 0}}};
            struct rig *rig = up(MODE_MAIN, &play);
            const char *why;
            assert_int_equal(ike_rekey(rig->ends[end].ike, rig->now_ms, 0, &why), OK);
            craft_renew_phase1(rig->ends[renewer].ike, rig->now_ms);
            nothing_is_lost(rig, 150);
            assert_true(is_over(&play));
            assert_true(is_one_pair(rig));
            assert_int_equal(rig->ends[1 - end].events[IKE_EVENT_CHILD_REKEYED], 1);
            finish(rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewal_of_phase_1_is_not_given_up_for_a_changed_message),
        cmocka_unit_test(a_renewal_that_comes_to_nothing_is_tried_again),
        cmocka_unit_test(a_first_contact_is_given_up_sooner),
        cmocka_unit_test(the_right_copy_of_a_changed_message_is_answered_too),
        cmocka_unit_test(message_3_of_aggressive_mode_is_said_again_for_a_replaced_sa),
        cmocka_unit_test(the_old_phase_1_serves_again_when_the_new_one_is_not_confirmed),
        cmocka_unit_test(renewals_from_both_ends_meet_though_deletes_are_lost),
        cmocka_unit_test(what_serves_again_also_seals),
        cmocka_unit_test(the_old_child_stays_until_the_peer_has_message_3),
        cmocka_unit_test(the_old_child_serves_again_when_message_3_never_arrives),
        cmocka_unit_test(a_replaced_phase_1_stays_until_its_exchanges_are_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
