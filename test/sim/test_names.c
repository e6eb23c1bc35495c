/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that is known by name: when its addresses are asked for, which is called, and who may call. */
#include "test/sim/bench.h"

enum { MINUTE = 60 * SECOND };

#define HOME  "192.0.2.2"
#define AWAY  "192.0.2.9"
#define DEAD  "192.0.2.7"
#define DEAD2 "192.0.2.8"

static struct address an_address(const char *text)
{
    struct address a;
    assert_int_equal(address_parse(text, &a), OK);
    return a;
}

/* Only what is sent to the address of an end arrives there. */
static bool only_home(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    return !address_equal(&d->path.local.address, &rig->ends[1 - from].address);
}

static struct rig *named(enum start_action start, enum ike_mode mode)
{
    struct rig *rig = rig_new(7);
    struct connection *c = &rig->ends[I].connection;
    rig->filter = only_home;
    c->remote = (struct address){0};
    c->remote_name = strdup("gw.example.org");
    c->start = start;
    c->dpd_delay_s = 30;
    c->mode = rig->ends[R].connection.mode = mode;
    c->dpd_action = DPD_RESTART;
    assert_non_null(c->remote_name);
    rig_start(rig);
    return rig;
}

static void found(struct rig *rig, const char *const *addresses, size_t count)
{
    struct ike_remote list[IKE_REMOTES_MAX + 2];
    for (size_t i = 0; i < count; i++)
        list[i] = (struct ike_remote){rig->ends[I].address, an_address(addresses[i % 4])};
    ike_found(rig->ends[I].ike, rig->now_ms, 0, list, count, "there is no such name");
}

static void found_one(struct rig *rig, const char *address)
{
    found(rig, &address, 1);
}

static void found_none(struct rig *rig)
{
    ike_found(rig->ends[I].ike, rig->now_ms, 0, NULL, 0, "there is no such name");
}

/* It is found there, and the tunnel comes up. */
static void up_at(struct rig *rig, const char *address)
{
    found_one(rig, address);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
}

static void finish(struct rig *rig)
{
    assert_int_equal(rig_free(rig), 0);
}

/* Nothing leaves before there is an answer, however much traffic comes; one question is enough for all of it. */
static void test_a_start_asks_first(void **state)
{
    (void)state;
    for (enum ike_mode mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++) {
        struct rig *rig = named(START_START, mode);
        struct rig_end *end = &rig->ends[I];
        assert_int_equal(end->asked, 1);
        for (int i = 0; i < 10; i++) {
            ike_acquire(end->ike, rig->now_ms, 0);
            rig_run(rig, MINUTE);
        }
        assert_int_equal(end->asked, 1);
        assert_int_equal(end->sent, 0);
        up_at(rig, HOME);
        finish(rig);
    }
}

static void test_renewals_do_not_ask(void **state)
{
    (void)state;
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    up_at(rig, HOME);
    found_one(rig, DEAD); /* news, for the next start */
    for (int hour = 0; hour < 20; hour++) {
        rig_run(rig, 60 * MINUTE);
        assert_true(rig_carries(rig, I));
    }
    assert_int_equal(end->asked, 1);
    assert_true(end->events[IKE_EVENT_PHASE1_UP] > 1);
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 0);
    finish(rig);
}

static void test_addresses_in_turn_then_asked_again(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, DEAD2, HOME}, *const dead[] = {DEAD, DEAD2};
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    found(rig, dead, 2);
    rig_run(rig, 8 * SECOND); /* the first has had its time, the second has begun */
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 0);
    assert_true(address_equal(&rig_sent(rig, I, 0)->path.local.address, &(struct address){4, {192, 0, 2, 8}}));
    assert_int_equal(end->asked, 1);
    rig_run(rig, MINUTE); /* the last one has all the time that an address has */
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 1);
    assert_int_equal(end->asked, 2);
    found(rig, list, 3);
    assert_true(rig_run_until(rig, 20 * SECOND, rig_both_carry));
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 1);
    finish(rig);
}

/* The other order of a name server that turns its list, and the news that it is another one. */
static void test_news_while_a_call_is_under_way(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, HOME}, *const turned[] = {HOME, DEAD}, *const other[] = {DEAD2, HOME};
    for (int i = 0; i < 2; i++) {
        struct rig *rig = named(START_START, MODE_MAIN);
        found(rig, list, 2);
        rig_run(rig, SECOND);
        found(rig, i == 0 ? turned : other, 2);
        assert_true(rig_run_until(rig, 20 * SECOND, rig_both_carry));
        assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 0);
        finish(rig);
    }
}

/* However often it is said again, the turn goes on; and fewer addresses are news. */
static void test_the_turn_goes_on(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, DEAD2, HOME};
    const struct ike_remote *known;
    struct rig *rig = named(START_START, MODE_MAIN);
    for (int second = 0; second < 20; second++) {
        found(rig, list, 3);
        rig_run(rig, SECOND);
    }
    assert_true(rig_both_carry(rig));
    finish(rig);
    rig = named(START_START, MODE_MAIN);
    found(rig, list, 3);
    rig_run(rig, SECOND);
    found_one(rig, DEAD);
    assert_int_equal(ike_remotes(rig->ends[I].ike, 0, &known), 1);
    finish(rig);
}

static void test_given_up_half_way(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, HOME};
    const char *why;
    struct rig *rig = named(START_START, MODE_MAIN);
    found(rig, list, 2);
    rig_run(rig, SECOND);
    assert_int_equal(ike_down(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    assert_int_equal(ike_up(rig->ends[I].ike, rig->now_ms, 0, &why), OK);
    assert_int_equal(rig->ends[I].asked, 2);
    finish(rig);
}

static void test_failures_wait_longer_and_longer_for_ever(void **state)
{
    (void)state;
    static const uint64_t waits[] = {5, 10, 20, 40, 80, 160, 300, 300, 300};
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    for (size_t i = 0; i < COUNT(waits); i++) {
        found_none(rig);
        assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], i + 1);
        assert_string_equal(end->why, "there is no such name");
        unsigned asked = end->asked;
        rig_run(rig, waits[i] * SECOND - 1);
        assert_int_equal(end->asked, asked);
        rig_run(rig, 1);
        assert_int_equal(end->asked, asked + 1);
    }
    assert_int_equal(end->sent, 0);
    up_at(rig, HOME);
    finish(rig);
}

/* Packets come all the time, and each of them would make us ask. */
static void test_traffic_does_not_flood_the_name_server(void **state)
{
    (void)state;
    const char *why;
    struct rig *rig = named(START_TRAP, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    found_none(rig); /* of the start */
    for (unsigned i = 0; i < 200; i++) {
        unsigned before = end->asked;
        ike_acquire(end->ike, rig->now_ms, 0);
        if (end->asked > before)
            found_none(rig);
        rig_run(rig, SECOND / 10);
    }
    unsigned asked = end->asked;
    assert_int_equal(asked, 1 + 3);                               /* after 5, 10 and 15 seconds */
    assert_int_equal(ike_up(end->ike, rig->now_ms, 0, &why), OK); /* who commands need not wait */
    assert_int_equal(end->asked, asked + 1);
    up_at(rig, HOME);
    finish(rig);
}

static void test_no_memory_to_ask(void **state)
{
    (void)state;
    const char *why;
    struct rig *rig = named(START_NONE, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    found_none(rig); /* of the start */
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 0);
    end->fail_asking = true;
    assert_int_equal(ike_up(end->ike, rig->now_ms, 0, &why), OK);
    assert_int_equal(end->events[IKE_EVENT_PHASE1_FAILED], 1);
    end->fail_asking = false;
    unsigned asked = end->asked;
    assert_int_equal(ike_up(end->ike, rig->now_ms, 0, &why), OK);
    assert_int_equal(end->asked, asked + 1);
    up_at(rig, HOME);
    finish(rig);
}

static void test_a_dead_peer_is_looked_for(void **state)
{
    (void)state;
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    up_at(rig, HOME);
    rig->ends[R].address = rig->ends[R].connection.local = an_address(AWAY);
    rig_reboot(rig, R);
    rig_run(rig, 10 * MINUTE);
    assert_int_equal(end->asked, 2);
    up_at(rig, AWAY);
    finish(rig);
}

/* The name server is gone, or sits behind this very tunnel: the peer is called where it was. */
static void test_without_an_answer_where_it_was(void **state)
{
    (void)state;
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    up_at(rig, HOME);
    rig_reboot(rig, R);
    rig_run(rig, 10 * MINUTE);
    assert_int_equal(end->asked, 2);
    found_none(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    finish(rig);
}

/* A look-up that somebody else has caused, and that finds nothing, is no reason to let packets wait. */
static void test_a_served_peer_needs_no_name(void **state)
{
    (void)state;
    struct rig *rig = named(START_TRAP, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    ike_acquire(end->ike, rig->now_ms, 0);
    up_at(rig, HOME);
    found_none(rig);
    ike_child_hard(end->ike, rig->now_ms,
                   craft_sa(end->ike)->peer->children->child.id); /* used up: the next packet wants another */
    rig_run(rig, SECOND);
    ike_acquire(end->ike, rig->now_ms, 0);
    assert_true(rig_run_until(rig, 3 * SECOND, rig_both_carry));
    finish(rig);
}

/* An answer is good for one start. */
static void test_each_start_asks(void **state)
{
    (void)state;
    static const char *const list[] = {HOME, DEAD};
    const char *why;
    struct rig *rig = named(START_TRAP, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    assert_int_equal(end->asked, 1); /* in the background */
    found(rig, list, 2);
    rig_run(rig, MINUTE);
    assert_int_equal(end->sent, 0);
    for (unsigned i = 2; i < 5; i++) {
        assert_int_equal(ike_up(end->ike, rig->now_ms, 0, &why), OK);
        assert_int_equal(end->asked, i);
        found(rig, list, 2);
        assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
        if (i > 2)
            found(rig, list, 2); /* news that nobody waits for */
        assert_int_equal(ike_down(end->ike, rig->now_ms, 0, &why), OK);
        rig_run(rig, MINUTE);
    }
    finish(rig);
}

/* The other address of the last answer is not tried instead. */
static void test_a_peer_that_ended_it_is_asked_for(void **state)
{
    (void)state;
    static const char *const list[] = {HOME, DEAD};
    const char *why;
    struct rig *rig = named(START_START, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    found(rig, list, 2);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(ike_down(rig->ends[R].ike, rig->now_ms, 0, &why), OK);
    rig_run(rig, 10 * SECOND);
    assert_int_equal(end->asked, 2);
    up_at(rig, HOME);
    finish(rig);
}

/* While it was looked up, nobody wants it any more. */
static void test_down_while_asking(void **state)
{
    (void)state;
    const char *why;
    struct rig *rig = named(START_START, MODE_MAIN);
    (void)!ike_down(rig->ends[I].ike, rig->now_ms, 0, &why);
    found_one(rig, HOME);
    rig_run(rig, MINUTE);
    assert_int_equal(rig->ends[I].sent, 0);
    finish(rig);
}

static void test_who_may_call(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, HOME};
    for (int known = 0; known < 2; known++) {
        struct rig *rig = named(START_NONE, MODE_MAIN);
        if (known)
            found(rig, list, 2);
        ike_acquire(rig->ends[R].ike, rig->now_ms, 0);
        rig_run(rig, 10 * SECOND);
        assert_int_equal(rig_both_carry(rig), known);
        assert_int_equal(rig_drops(&rig->ends[I], IKE_DROP_NO_CONNECTION) > 0, !known);
        finish(rig);
    }
}

/* It calls from where nobody knows it: asked once in half a minute, and what it repeats is answered. */
static void test_a_caller_that_has_moved(void **state)
{
    (void)state;
    struct rig *rig = named(START_NONE, MODE_MAIN);
    struct rig_end *end = &rig->ends[I];
    found_one(rig, HOME);
    rig->ends[R].address = rig->ends[R].connection.local = an_address(AWAY);
    rig_reboot(rig, R);
    ike_acquire(rig->ends[R].ike, rig->now_ms, 0);
    rig_run(rig, SECOND);
    assert_int_equal(end->asked, 2);
    found_one(rig, HOME); /* the name server is late */
    rig_run(rig, 25 * SECOND);
    assert_int_equal(end->asked, 2);
    rig_run(rig, 10 * SECOND);
    assert_int_equal(end->asked, 3);
    found_one(rig, AWAY);
    rig_run(rig, 20 * SECOND); /* the peer's patience is over: it begins anew */
    ike_acquire(rig->ends[R].ike, rig->now_ms, 0);
    assert_true(rig_run_until(rig, 20 * SECOND, rig_both_carry));
    assert_int_equal(end->asked, 3);
    /* A name server that fails later takes nothing away. */
    found_none(rig);
    const struct ike_remote *known;
    assert_int_equal(ike_remotes(end->ike, 0, &known), 1);
    finish(rig);
}

static void test_bounds(void **state)
{
    (void)state;
    static const char *const list[] = {DEAD, DEAD2, HOME, AWAY};
    const struct ike_remote *known;
    struct rig *rig = named(START_NONE, MODE_MAIN);
    found(rig, list, IKE_REMOTES_MAX + 2);
    assert_int_equal(ike_remotes(rig->ends[I].ike, 0, &known), IKE_REMOTES_MAX);
    assert_int_equal(ike_remotes(rig->ends[I].ike, 99, &known), 0);
    assert_int_equal(ike_remotes(rig->ends[R].ike, 0, &known), 0);
    ike_found(rig->ends[I].ike, rig->now_ms, 99, NULL, 0, ""); /* a reload has come in between */
    ike_found(rig->ends[R].ike, rig->now_ms, 0, NULL, 0, "");
    ike_shutdown(rig->ends[I].ike, rig->now_ms);
    found_one(rig, HOME);
    finish(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_asks_first),
        cmocka_unit_test(test_renewals_do_not_ask),
        cmocka_unit_test(test_addresses_in_turn_then_asked_again),
        cmocka_unit_test(test_news_while_a_call_is_under_way),
        cmocka_unit_test(test_the_turn_goes_on),
        cmocka_unit_test(test_given_up_half_way),
        cmocka_unit_test(test_failures_wait_longer_and_longer_for_ever),
        cmocka_unit_test(test_traffic_does_not_flood_the_name_server),
        cmocka_unit_test(test_no_memory_to_ask),
        cmocka_unit_test(test_a_dead_peer_is_looked_for),
        cmocka_unit_test(test_each_start_asks),
        cmocka_unit_test(test_a_peer_that_ended_it_is_asked_for),
        cmocka_unit_test(test_without_an_answer_where_it_was),
        cmocka_unit_test(test_a_served_peer_needs_no_name),
        cmocka_unit_test(test_down_while_asking),
        cmocka_unit_test(test_who_may_call),
        cmocka_unit_test(test_a_caller_that_has_moved),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
