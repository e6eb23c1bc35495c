/* SPDX-License-Identifier: Apache-2.0 */
/* Caps of the engine: what a flood may cost, and that what is honest still comes about, only later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike/peer.h"
#include "test/sim/craft.h"
#include "test/sim/rig.h"

enum { I = 0, R = 1, SECOND = 1000, RULES = QUICK_PER_SA_MAX + 16 };

static int first_connection(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static void add_rules(struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++)
        for (unsigned n = 0; n + 1 < RULES; n++) {
            char text[128], why[256];
            snprintf(text, sizeof text,
                     i == I ? "10.%u.1.0/24 -> 10.%u.2.0/24 via peer" : "10.%u.2.0/24 -> 10.%u.1.0/24 via peer",
                     100 + n, 100 + n);
            assert_int_equal(
                spd_add(&rig->ends[i].spd, ACTION_PROTECT, text, n + 2, first_connection, NULL, why, sizeof why), OK);
        }
}

static bool all_up(const struct rig *rig)
{
    return rig_children(&rig->ends[I]) == RULES && rig_children(&rig->ends[R]) == RULES;
}

static void more_rules_than_exchanges_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5);
    add_rules(rig);
    rig_start(rig);
    assert_true(rig_run_until(rig, 180 * SECOND, all_up));
    assert_int_equal(rig->ends[I].events[IKE_EVENT_CHILD_FAILED], 0);
    assert_int_equal(rig_free(rig), 0);
}

/* The initiator's first message, again and again with another cookie, from the address of `network`. */
static void flood(struct rig *rig, const struct rig_datagram *first, unsigned count, const uint8_t network[3],
                  bool spread)
{
    for (unsigned i = 0; i < count; i++) {
        struct rig_datagram d = *first;
        store_u64(d.data, 0xf100d00000000000 + i * 7919 + network[2] * 1000003u);
        const uint8_t from[4] = {network[0], network[1], (uint8_t)(spread ? i / 250 : network[2]),
                                 (uint8_t)(spread ? 1 + i % 250 : 7)};
        d.path.remote.address = address_of(4, from);
        ike_input(rig->ends[R].ike, rig->now_ms, &d.path, bytes_of(d.data, d.len));
    }
}

static bool swallow(void *arg, struct rig *rig, int from, struct rig_datagram *datagram)
{
    (void)rig;
    (void)datagram;
    return from == *(int *)arg;
}

static struct rig *asked_by_anybody(struct rig_datagram *first)
{
    int initiator = I;
    struct rig *rig = rig_new(6);
    rig->ends[R].connection.remote = (struct address){0};
    rig->filter = swallow;
    rig->filter_arg = &initiator;
    rig_start(rig);
    *first = *rig_sent(rig, I, 0);
    rig->filter = NULL;
    return rig;
}

static void a_flood_from_one_address_holds_a_few_places(void **state)
{
    (void)state;
    struct rig_datagram first;
    struct rig *rig = asked_by_anybody(&first);
    flood(rig, &first, 1000, (const uint8_t[]){203, 0, 113}, false);
    assert_int_equal(rig_sas(&rig->ends[R], NULL), HALF_OPEN_PER_ADDRESS);
    assert_int_equal(rig->ends[R].sent, 1000); /* one answer each, smaller than thrice the question */
    assert_int_equal(rig_drops(&rig->ends[R], IKE_DROP_LIMIT), 1000 - HALF_OPEN_PER_ADDRESS);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry)); /* the honest one */
    rig_run(rig, HALF_OPEN_LIFE + 1);
    assert_int_equal(rig_sas(&rig->ends[R], NULL), 1); /* the flood has left nothing */
    assert_int_equal(rig_free(rig), 0);
}

static void a_flood_from_everywhere_ends_at_the_cap(void **state)
{
    (void)state;
    struct rig_datagram first;
    struct rig *rig = asked_by_anybody(&first);
    flood(rig, &first, 5000, (const uint8_t[]){198, 18, 0}, true);
    assert_int_equal(rig_sas(&rig->ends[R], NULL), HALF_OPEN_MAX - HALF_OPEN_RESERVED);
    rig_run(rig, HALF_OPEN_LIFE + 1);
    assert_true(rig_sas(&rig->ends[R], NULL) <= 1);
    assert_int_equal(rig_free(rig), 0);
}

static void count_line(void *arg, enum log_level level, const char *line)
{
    unsigned *lines = arg;
    (void)line;
    *lines += level <= LOG_INFO;
}

/* Each first message opens a half-open SA, and none is worth a line for ever. */
static void a_flood_does_not_fill_the_log(void **state)
{
    (void)state;
    struct rig_datagram first;
    unsigned lines = 0;
    struct rig *rig = asked_by_anybody(&first);
    rig->ends[R].log = (struct log){.level = LOG_INFO, .sink = count_line, .arg = &lines};
    flood(rig, &first, 5000, (const uint8_t[]){198, 18, 0}, true);
    assert_in_range(lines, 1, 3 * LOG_RATE_BURST);
    assert_int_equal(rig_free(rig), 0);
}

/* The n-th of many who come to a connection with remote = %any; the name is the same in any case. */
static struct peer *nth(struct ike *ike, unsigned n, bool loud)
{
    char text[64];
    struct identity id;
    snprintf(text, sizeof text, loud ? "CLIENT%u.EXAMPLE.ORG" : "client%u.example.org", n);
    assert_int_equal(identity_parse(text, &id), OK);
    return peer_of_identity(ike, 0, &id);
}

static size_t peers(const struct ike *ike)
{
    size_t count = 0;
    const struct peer *peer;
    DL_FOREACH (ike->peers, peer)
        count++;
    return count;
}

static void peers_that_come_and_go_are_forgotten(void **state)
{
    (void)state;
    struct rig_datagram first;
    struct rig *rig = asked_by_anybody(&first);
    struct ike *ike = rig->ends[R].ike;
    for (unsigned n = 0; n < 3 * PEER_PLACES; n++) {
        struct peer *peer = nth(ike, n, false);
        assert_non_null(peer);
        assert_ptr_equal(nth(ike, n, true), peer);
        assert_true(peers(ike) <= IDLE_LOOKS);
    }
    assert_int_equal(rig_free(rig), 0);
}

/* With something left of them they stay, however many there are, and each is found again. */
static void peers_with_an_sa_are_found_among_thousands(void **state)
{
    (void)state;
    static struct peer *known[3 * PEER_PLACES];
    struct rig_datagram first;
    struct rig *rig = asked_by_anybody(&first);
    struct ike *ike = rig->ends[R].ike;
    static struct ike_sa mark; /* never looked into */
    for (unsigned n = 0; n < 3 * PEER_PLACES; n++) {
        known[n] = nth(ike, n, false);
        assert_non_null(known[n]);
        if (n % 3 > 0) /* a third of them goes again */
            known[n]->sas = &mark;
    }
    assert_true(peers(ike) <= 2 * PEER_PLACES + 2 * PEER_PLACES / IDLE_LOOKS); /* and who came since the last round */
    for (unsigned n = 0; n < 3 * PEER_PLACES; n++)
        if (n % 3 > 0) {
            assert_ptr_equal(nth(ike, n, true), known[n]);
            known[n]->sas = NULL;
        }
    for (unsigned n = 0; n < PEER_PLACES; n++)
        assert_non_null(nth(ike, 3 * PEER_PLACES + n, false));
    assert_true(peers(ike) <= IDLE_LOOKS);
    assert_int_equal(rig_free(rig), 0);
}

/* A key that many have, and nobody says who may call himself what: one of them makes us hold no more than so many. */
static void peers_of_any_name_are_capped(void **state)
{
    (void)state;
    struct peer *peer, *first = NULL;
    struct rig_datagram message;
    struct rig *rig = asked_by_anybody(&message);
    struct ike *ike = rig->ends[R].ike;
    static struct ike_sa mark; /* never looked into */
    for (unsigned n = 0; n < PEERS_OF_ANY_MAX; n++) {
        peer = nth(ike, n, false);
        assert_non_null(peer);
        peer->sas = &mark;
        first = n == 0 ? peer : first;
    }
    assert_null(nth(ike, PEERS_OF_ANY_MAX, false));
    assert_ptr_equal(nth(ike, 0, true), first); /* who is known is welcome */
    assert_false(rig_run_until(rig, 200 * SECOND, rig_both_carry));
    assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
    assert_true(rig_drops(&rig->ends[R], IKE_DROP_LIMIT) > 0);
    DL_FOREACH (ike->peers, peer)
        peer->sas = NULL;
    assert_non_null(nth(ike, PEERS_OF_ANY_MAX, false)); /* some have gone */
    ike_acquire(rig->ends[I].ike, rig->now_ms, 0);
    assert_true(rig_run_until(rig, 100 * SECOND, rig_both_carry));
    assert_int_equal(rig_free(rig), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_rules_than_exchanges_at_once),
        cmocka_unit_test(a_flood_from_one_address_holds_a_few_places),
        cmocka_unit_test(a_flood_from_everywhere_ends_at_the_cap),
        cmocka_unit_test(a_flood_does_not_fill_the_log),
        cmocka_unit_test(peers_that_come_and_go_are_forgotten),
        cmocka_unit_test(peers_with_an_sa_are_found_among_thousands),
        cmocka_unit_test(peers_of_any_name_are_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
