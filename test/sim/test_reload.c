/* SPDX-License-Identifier: Apache-2.0 */
/* Another configuration in the middle of everything: what is the same goes on, whatever was under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/sim/rig.h"

enum { I = 0, R = 1, SECOND = 1000, MOST = 3 };

/* What an end is configured with from now on. It outlives the engine. */
struct other {
    struct connection connections[MOST];
    size_t count;
    struct spd spd;
    uint32_t numbers[MOST], rules[MOST];
    struct other *next;
};

static struct other *others; /* freed by finish */

static int find_name(void *arg, const char *name)
{
    const struct other *o = arg;
    if (strcmp(name, "peer") == 0)
        return (int)o->count - 1;
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->connections[i].name, name) == 0)
            return (int)i;
    return -1;
}

static struct other *other_new(void)
{
    struct other *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->next = others;
    others = o;
    for (size_t i = 0; i < MOST; i++)
        o->numbers[i] = o->rules[i] = RENUMBER_GONE;
    return o;
}

static void add_rule(struct other *o, const char *rule)
{
    char why[256];
    assert_int_equal(spd_add(&o->spd, ACTION_PROTECT, rule, 1, find_name, o, why, sizeof why), OK);
}

static const char *rule_of_end(const struct rig_end *end)
{
    if (end->index == R)
        return "10.2.0.0/24 -> 10.1.0.0/24 via peer";
    return end->connection.access != NULL ? "0.0.0.0/0 -> 10.2.0.0/24 via peer" : "10.1.0.0/24 -> 10.2.0.0/24 via peer";
}

/* The connection of the rig as number `at`, with others before it that nobody uses. */
static struct other *moved(const struct rig_end *end, size_t at)
{
    struct other *o = other_new();
    for (; o->count < at; o->count++) {
        o->connections[o->count] = end->connection;
        o->connections[o->count].remote = (struct address){4, {203, 0, 113, (uint8_t)(o->count + 1)}};
        o->connections[o->count].start = START_NONE;
        (void)snprintf(o->connections[o->count].name, sizeof o->connections[0].name, "other%zu", o->count);
    }
    o->connections[o->count++] = end->connection;
    for (size_t i = 0; i < at; i++) {
        char rule[64];
        (void)snprintf(rule, sizeof rule, "10.9.0.0/24 -> 10.8.%zu.0/24 via other%zu", i, i);
        add_rule(o, rule);
    }
    add_rule(o, rule_of_end(end));
    return o;
}

static void reload_to(struct rig *rig, struct rig_end *end, const struct ike_change *change)
{
    struct ike_reload *reload;
    struct sad_rules *rules;
    assert_int_equal(sad_rules_new(change->spd->count, &rules), OK);
    assert_int_equal(ike_reload_prepare(end->ike, change, &reload), OK);
    ike_reload_end(end->ike, rig->now_ms, &change->numbers);
    ike_reload_commit(reload);
    sad_renumber(end->sad, rules, &change->numbers);
    ike_reload_start(reload, rig->now_ms);
    ike_reload_free(reload);
}

static void reload(struct rig *rig, struct rig_end *end, struct other *o, size_t before)
{
    const struct ike_change change = {.connections = o->connections,
                                      .connection_count = o->count,
                                      .spd = &o->spd,
                                      .numbers = {o->numbers, before, o->rules, before}};
    reload_to(rig, end, &change);
}

/* From number `from` to number `to`, the same. */
static void move(struct rig *rig, int which, uint32_t from, uint32_t to)
{
    struct rig_end *end = &rig->ends[which];
    struct other *o = moved(end, to);
    o->numbers[from] = o->rules[from] = to;
    end->rule = to;
    reload(rig, end, o, from + 1);
}

static void finish(struct rig *rig)
{
    assert_int_equal(rig_free(rig), 0);
    while (others != NULL) {
        struct other *next = others->next;
        spd_free(&others->spd);
        free(others);
        others = next;
    }
}

static void no_failures(const struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++) {
        assert_int_equal(rig->ends[i].events[IKE_EVENT_PHASE1_FAILED], 0);
        assert_int_equal(rig->ends[i].events[IKE_EVENT_PHASE1_DOWN], 0);
        assert_int_equal(rig->ends[i].events[IKE_EVENT_CHILD_FAILED], 0);
    }
}

/* At any moment of the first negotiation: half-open SAs and exchanges under way go on under their new numbers. */
static void negotiations_survive(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 400; at += 5) {
        struct rig *rig = rig_new(100 + at);
        rig->network.delay_min_ms = rig->network.delay_max_ms = 20;
        rig_start(rig);
        rig_run(rig, at);
        move(rig, I, 0, 2);
        move(rig, R, 0, 1);
        rig_run(rig, 7);
        move(rig, I, 2, 1);
        if (!rig_run_until(rig, 10 * SECOND, rig_both_carry))
            fail_msg("a reload after %u ms of the first negotiation ended it", (unsigned)at);
        no_failures(rig);
        assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 1);
        finish(rig);
    }
}

/* At any moment of a login, of which the verdict takes its time, with messages in fragments: tickets, guests, leases
 * and what is being collected go on. */
static void logins_survive(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++)
        for (uint64_t at = 0; at < 700; at += 5) {
            struct rig *rig = rig_new(3000 + at);
            rig->network.delay_min_ms = 15;
            rig->network.delay_max_ms = 20;
            rig_use_access(rig);
            rig->ends[I].connection.mode = rig->ends[R].connection.mode = (enum ike_mode)mode;
            rig->ends[R].login_takes_ms = 100;
            rig_make_long(&rig->ends[I].connection);
            rig_make_long(&rig->ends[R].connection);
            rig_start(rig);
            rig_run(rig, at);
            move(rig, R, 0, 2);
            move(rig, I, 0, 1);
            rig_run(rig, 7);
            move(rig, R, 2, 1);
            if (!rig_run_until(rig, 10 * SECOND, rig_both_carry))
                fail_msg("a reload after %u ms of a login ended it", (unsigned)at);
            no_failures(rig);
            assert_int_equal(rig->ends[R].logins, 1);
            assert_int_equal(rig->ends[I].net_ups, 1);
            finish(rig);
        }
}

/* A verdict for a login whose connection has gone meanwhile is nobody's. */
static void a_verdict_that_comes_too_late(void **state)
{
    (void)state;
    struct rig *rig = rig_new(11);
    rig_use_access(rig);
    rig->ends[R].login_takes_ms = 1000;
    rig->ends[I].connection.start = START_NONE;
    rig_start(rig);
    ike_acquire(rig->ends[I].ike, 0, 0);
    const char *why;
    assert_int_equal(ike_up(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    rig_run(rig, 500);
    assert_int_equal(rig->ends[R].logins, 1);
    reload(rig, &rig->ends[R], moved(&rig->ends[R], 1), 1); /* nothing is kept */
    assert_int_equal(rig_sas(&rig->ends[R], NULL), 0);
    rig_run(rig, 10 * SECOND);
    assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 1); /* it was told */
    finish(rig);
}

static void renewals_survive(void **state)
{
    (void)state;
    const char *why;
    for (uint64_t at = 0; at < 160; at += 5) {
        struct rig *rig = rig_new(1000 + at);
        rig->network.delay_min_ms = rig->network.delay_max_ms = 20;
        rig_start(rig);
        assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
        assert_int_equal(ike_rekey(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
        rig_run(rig, at);
        move(rig, I, 0, 1);
        move(rig, R, 0, 2);
        for (int i = 0; i < 30; i++) { /* never a gap */
            assert_true(rig_both_carry(rig));
            rig_run(rig, 10);
        }
        rig_run(rig, 300 * SECOND);
        assert_int_equal(rig->ends[I].events[IKE_EVENT_CHILD_REKEYED], 1);
        assert_int_equal(rig_children(&rig->ends[I]), 1);
        assert_true(rig_both_carry(rig));
        no_failures(rig);
        finish(rig);
    }
}

/* Lifetimes and dead-peer detection go on for hours after it. */
static void life_goes_on(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7);
    rig->ends[I].connection.dpd_delay_s = 30;
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    for (uint32_t i = 0; i < 40; i++) {
        move(rig, I, i % 3, (i + 1) % 3);
        rig_run(rig, 1000 * SECOND);
        assert_true(rig_both_carry(rig));
    }
    for (int i = 0; i < RIG_ENDS; i++) {
        assert_int_equal(rig->ends[i].events[IKE_EVENT_PHASE1_FAILED], 0);
        assert_int_equal(rig->ends[i].events[IKE_EVENT_CHILD_FAILED], 0);
    }
    finish(rig);
}

static void a_changed_connection_ends_and_starts_anew(void **state)
{
    (void)state;
    struct rig *rig = rig_new(8);
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    struct rig_end *end = &rig->ends[I];
    struct other *o = moved(end, 1); /* nothing is kept */
    o->connections[1].start = START_START;
    reload(rig, end, o, 1);
    end->rule = 1;
    assert_int_equal(rig_children(end), 0);
    assert_int_equal(end->events[IKE_EVENT_CHILD_DOWN], 1);
    rig_run(rig, 20);
    assert_int_equal(rig->ends[R].events[IKE_EVENT_CHILD_DOWN], 1); /* it was told */
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(end->events[IKE_EVENT_PHASE1_UP], 2);
    finish(rig);
}

/* At any moment of a negotiation: nothing of it is left, at either end. */
static void a_removed_connection_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 400; at += 10) {
        for (int which = 0; which < RIG_ENDS; which++) {
            struct rig *rig = rig_new(2000 + at);
            rig->network.delay_min_ms = rig->network.delay_max_ms = 20;
            rig_start(rig);
            rig_run(rig, at);
            struct other *o = other_new();
            reload(rig, &rig->ends[which], o, 1);
            assert_int_equal(rig_children(&rig->ends[which]), 0);
            for (const char *const *word = (const char *const[]){"connecting", "established", "deleting", NULL};
                 *word != NULL; word++)
                assert_int_equal(rig_sas(&rig->ends[which], *word), 0);
            rig_run(rig, 300 * SECOND);
            assert_int_equal(rig_children(&rig->ends[which]), 0);
            finish(rig);
        }
    }
}

static void a_rule_that_is_gone_takes_its_child_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new(9);
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    struct rig_end *end = &rig->ends[I];
    struct other *o = other_new();
    o->connections[o->count++] = end->connection;
    add_rule(o, "10.1.0.0/24 -> 10.7.0.0/24 via peer");
    add_rule(o, "10.1.0.0/24 -> 10.2.0.0/24 via peer");
    o->numbers[0] = 0;
    reload(rig, end, o, 1); /* its rule has got no number: it is taken for gone */
    assert_int_equal(end->events[IKE_EVENT_CHILD_DOWN], 1);
    assert_int_equal(end->events[IKE_EVENT_PHASE1_DOWN], 0);
    assert_int_equal(rig_sas(end, "established"), 1);
    end->rule = 1;
    ike_acquire(end->ike, rig->now_ms, 1);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(end->events[IKE_EVENT_PHASE1_UP], 1);
    finish(rig);
}

static bool swallow_quick(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    return from == I && d->data[18] == 32;
}

static void add_rules(struct spd *spd, struct other *names, uint32_t first, uint32_t count)
{
    char rule[64], why[256];
    for (uint32_t i = first; i < first + count; i++) {
        (void)snprintf(rule, sizeof rule, "10.1.%u.0/24 -> 10.2.0.0/24 via peer", (unsigned)i);
        assert_int_equal(spd_add(spd, ACTION_PROTECT, rule, i + 1, find_name, names, why, sizeof why), OK);
    }
}

/* As many exchanges as there may be at once, all for rules that go: those who have waited for a place get it. */
static void rules_that_wait_for_a_place(void **state)
{
    (void)state;
    enum { AT_ONCE = 64, WAITING = 3 };
    struct rig *rig = rig_new(12);
    struct rig_end *end = &rig->ends[I];
    struct other *o = other_new();
    uint32_t numbers[AT_ONCE + WAITING];
    o->connections[o->count++] = end->connection;
    spd_free(&end->spd);
    add_rules(&end->spd, o, 0, AT_ONCE + WAITING);
    rig_set_rule(&rig->ends[R], "10.2.0.0/24 -> 10.1.0.0/16 via peer");
    rig->filter = swallow_quick;
    rig_start(rig);
    rig_run(rig, SECOND);
    assert_int_equal(end->events[IKE_EVENT_PHASE1_UP], 1);
    add_rules(&o->spd, o, AT_ONCE, WAITING);
    for (uint32_t i = 0; i < AT_ONCE + WAITING; i++)
        numbers[i] = i < AT_ONCE ? RENUMBER_GONE : i - AT_ONCE;
    o->numbers[0] = 0;
    rig->filter = NULL;
    const struct ike_change change = {.connections = o->connections,
                                      .connection_count = o->count,
                                      .spd = &o->spd,
                                      .numbers = {o->numbers, 1, numbers, AT_ONCE + WAITING}};
    reload_to(rig, end, &change);
    assert_int_equal(end->events[IKE_EVENT_CHILD_FAILED], AT_ONCE);
    rig_run(rig, 10 * SECOND);
    assert_int_equal(rig_children(end), WAITING);
    assert_int_equal(end->events[IKE_EVENT_PHASE1_UP], 1);
    finish(rig);
}

/* The leases of a pool, and the client that has one. */
static void a_pool_goes_on(void **state)
{
    (void)state;
    struct rig *rig = rig_new(10);
    rig_use_access(rig);
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    move(rig, R, 0, 2);
    struct rig_end *end = &rig->ends[I];
    struct other *o = other_new();
    o->connections[o->count++] = end->connection;
    add_rule(o, "0.0.0.0/0 -> 10.2.0.0/24 via peer");
    o->numbers[0] = o->rules[0] = 0;
    reload(rig, end, o, 1);
    for (int i = 0; i < 20; i++) {
        rig_run(rig, 3600 * (uint64_t)SECOND);
        assert_true(rig_both_carry(rig));
    }
    assert_int_equal(end->net_downs, 0);
    finish(rig);
}

/* The addresses of a name go with its connection, and an answer may come after the reload. */
static void test_a_name_moves(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig *rig = rig_new(11);
        struct rig_end *end = &rig->ends[I];
        const struct ike_remote home = {end->address, rig->ends[R].address}, *known;
        end->connection.remote = (struct address){0};
        end->connection.remote_name = strdup("gw.example.org");
        assert_non_null(end->connection.remote_name);
        rig_start(rig);
        assert_int_equal(end->asked, 1);
        if (!late) {
            ike_found(end->ike, rig->now_ms, 0, &home, 1, "");
            assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
        }
        move(rig, I, 0, 2);
        assert_int_equal(ike_remotes(end->ike, 2, &known), late ? 0 : 1);
        assert_int_equal(ike_remotes(end->ike, 0, &known), 0);
        if (late)
            ike_found(end->ike, rig->now_ms, 2, &home, 1, "");
        assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
        /* Others, by the same name: known to none of them yet, so one is asked for each. */
        assert_int_equal(end->asked, 1 + 2);
        finish(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(negotiations_survive),
        cmocka_unit_test(logins_survive),
        cmocka_unit_test(a_verdict_that_comes_too_late),
        cmocka_unit_test(renewals_survive),
        cmocka_unit_test(life_goes_on),
        cmocka_unit_test(a_changed_connection_ends_and_starts_anew),
        cmocka_unit_test(a_removed_connection_leaves_nothing),
        cmocka_unit_test(a_rule_that_is_gone_takes_its_child_alone),
        cmocka_unit_test(rules_that_wait_for_a_place),
        cmocka_unit_test(a_pool_goes_on),
        cmocka_unit_test(test_a_name_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
