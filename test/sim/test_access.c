/* SPDX-License-Identifier: Apache-2.0 */
/* A client logs in by XAUTH and gets an address: both ends, over good and bad networks. */
#include <stdio.h>

#include "test/sim/bench.h"

static struct rig *access_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig_use_access(rig);
    return rig;
}

static int first_connection(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static void set_password(struct rig *rig, const char *text)
{
    struct secret *password = &rig->ends[I].connection.access->password;
    secret_free(password);
    assert_int_equal(secret_copy(rig->vault, text, strlen(text), password), OK);
}

static void must_come_up(struct rig *rig)
{
    rig_start(rig);
    assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
    assert_int_equal(rig->ends[I].net_ups, 1);
    assert_int_equal(rig->ends[I].net.address[FAMILY_IPV4].bytes[0], 10);
    assert_int_equal(rig->ends[R].logins, 1);
}

static void a_client_logs_in_and_asks_for_its_address(void **state)
{
    (void)state;
    struct rig *rig = access_rig(1);
    must_come_up(rig);
    ike_shutdown(rig->ends[I].ike, rig->now_ms);
    rig_run(rig, SECOND);
    assert_int_equal(rig->ends[I].net_downs, 1);
    assert_int_equal(rig_sas(&rig->ends[R], NULL), 0);
    assert_int_equal(rig_free(rig), 0);
}

static void an_address_may_be_pushed(void **state)
{
    (void)state;
    struct rig *rig = access_rig(2);
    rig->ends[I].connection.access->push = rig->ends[R].connection.access->push = true;
    must_come_up(rig);
    assert_int_equal(rig_free(rig), 0);
}

static void a_password_may_take_its_time(void **state)
{
    (void)state;
    struct rig *rig = access_rig(3);
    rig->ends[R].login_takes_ms = 900;
    must_come_up(rig);
    assert_int_equal(rig_free(rig), 0);
}

static void a_wrong_password_ends_it_for_good(void **state)
{
    (void)state;
    struct rig *rig = access_rig(4);
    set_password(rig, "guess");
    rig_start(rig);
    rig_run(rig, 600 * SECOND);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
    assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 1); /* start = start, and yet only once */
    assert_non_null(strstr(rig->ends[I].why, "AUTHENTICATION_FAILED"));
    assert_int_equal(rig->ends[R].logins, 1);
    assert_int_equal(rig_sas(&rig->ends[I], NULL) + rig_sas(&rig->ends[R], NULL), 0);
    assert_int_equal(rig_free(rig), 0);
}

/* Swallows the second datagram of the client, once. */
static bool lose_one(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    unsigned *seen = arg;
    (void)rig;
    (void)d;
    return from == I && ++*seen == 2;
}

/* Message 3 of aggressive mode has no answer of its own, and the server speaks next. */
static void the_last_message_of_aggressive_mode_is_lost(void **state)
{
    (void)state;
    struct rig *rig = access_rig(12);
    unsigned seen = 0;
    for (int i = 0; i < RIG_ENDS; i++)
        rig->ends[i].connection.mode = MODE_AGGRESSIVE;
    rig->filter = lose_one;
    rig->filter_arg = &seen;
    must_come_up(rig);
    assert_int_equal(rig_free(rig), 0);
}

static void bad_networks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rig *rig = access_rig(seed);
        rig->network =
            (struct rig_network){.loss = 200, .repeat = 100, .corrupt = 10, .delay_min_ms = 1, .delay_max_ms = 300};
        rig->ends[I].connection.access->push = rig->ends[R].connection.access->push = seed % 2;
        rig->ends[R].login_takes_ms = seed % 3 * 400;
        for (int i = 0; i < RIG_ENDS; i++)
            rig->ends[i].connection.mode = seed % 4 < 2 ? MODE_MAIN : MODE_AGGRESSIVE;
        rig_start(rig);
        if (!rig_comes_up(rig, traffic_of_the_client))
            fail_msg("seed %llu: no working pair after ten minutes", (unsigned long long)seed);
        assert_int_equal(rig_free(rig), 0);
    }
}

static void phase1_is_renewed_with_a_login_and_the_same_address(void **state)
{
    (void)state;
    struct rig *rig = access_rig(5);
    for (int i = 0; i < RIG_ENDS; i++) {
        rig->ends[i].connection.lifetime_s = 60;
        rig->ends[i].connection.ike_lifetime_s = 150;
    }
    must_come_up(rig);
    for (int i = 0; i < 600; i++) {
        rig_run(rig, SECOND);
        if (!rig_both_carry(rig))
            fail_msg("no working pair after %d s", i);
    }
    assert_true(rig->ends[R].logins > 3);
    assert_int_equal(rig->ends[I].net_ups, 1);
    assert_int_equal(rig->ends[I].net_downs, 0);
    assert_int_equal(rig_free(rig), 0);
}

/* The rules bound which address may be put on our TUN. */
static void an_address_that_no_rule_covers_is_refused(void **state)
{
    (void)state;
    struct rig *rig = access_rig(6);
    rig_set_rule(&rig->ends[I], "10.1.0.128/25 -> 10.2.0.0/24 via peer");
    rig_start(rig);
    rig_run(rig, 3 * SECOND);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
    assert_int_equal(rig->ends[I].net_ups, 0);
    assert_non_null(strstr(rig->ends[I].why, "no protect rule"));
    assert_int_equal(rig_sas(&rig->ends[R], NULL), 0); /* it has been told, and the lease is free */
    assert_int_equal(rig_free(rig), 0);
}

static void addresses_of_both_families(void **state)
{
    (void)state;
    struct rig *rig = access_rig(7);
    char text[ADDRESS_TEXT], why[256];
    struct access *access = rig->ends[R].connection.access;
    assert_int_equal(range_parse("fd09::/64", &access->pool[FAMILY_IPV6]), OK);
    for (int i = 0; i < RIG_ENDS; i++)
        assert_int_equal(spd_add(&rig->ends[i].spd, ACTION_PROTECT,
                                 i == I ? "::/0 -> fd02::/64 via peer" : "fd02::/64 -> fd09::/64 via peer", 2,
                                 first_connection, NULL, why, sizeof why),
                         OK);
    must_come_up(rig);
    rig_run(rig, SECOND);
    assert_string_equal(address_print(&rig->ends[I].net.address[FAMILY_IPV6], text), "fd09::1");
    assert_int_equal(rig_children(&rig->ends[I]), 2);
    assert_int_equal(rig_children(&rig->ends[R]), 2);
    assert_int_equal(rig_free(rig), 0);
}

/* esptun as the server does not narrow; it says what it has. */
static void a_rule_that_asks_for_more_than_the_server_has(void **state)
{
    (void)state;
    struct rig *rig = access_rig(8);
    rig_set_rule(&rig->ends[I], "0.0.0.0/0 -> 10.0.0.0/8 via peer");
    rig_start(rig);
    rig_run(rig, 3 * SECOND);
    assert_int_equal(rig_children(&rig->ends[I]), 0);
    assert_non_null(strstr(rig->ends[I].why, "INVALID_ID_INFORMATION"));
    assert_int_equal(rig_free(rig), 0);
}

/* Clients of the Cisco kind do: they get what there is, and no more. */
static void a_client_that_asks_for_everything(void **state)
{
    (void)state;
    struct rig *rig = access_rig(10);
    rig_set_rule(&rig->ends[I], "0.0.0.0/0 -> 0.0.0.0/0 via peer");
    must_come_up(rig);
    const struct child_sa *child = craft_sa(rig->ends[R].ike)->peer->children;
    char text[SELECTOR_TEXT];
    assert_string_equal(selector_print(&child->child.selector, text), "10.2.0.0/24 -> 10.1.0.1/32");
    assert_int_equal(rig_free(rig), 0);
}

/* The rule of the server is what there is: with a protocol, of one family, and no further one. */
static void everything_is_never_more_than_a_rule(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *theirs, *given;
    } rows[] = {
        {"tcp 10.2.0.0/24 -> 10.1.0.0/24 port 22 via peer", "0.0.0.0/0 -> 0.0.0.0/0 via peer",
         "tcp 10.2.0.0/24 -> 10.1.0.1/32 port 22"},
        {"10.2.0.0/24 -> 10.8.0.0/24 via peer", "0.0.0.0/0 -> 0.0.0.0/0 via peer", NULL}, /* not to its address */
        {"10.2.0.0/24 -> 10.1.0.0/24 via peer", "tcp 0.0.0.0/0 -> 0.0.0.0/0 via peer", NULL},
        {"10.2.0.0/24 -> 10.1.0.0/24 via peer", "0.0.0.0/0 -> 0.0.0.0/1 via peer", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *rig = access_rig(11);
        char text[SELECTOR_TEXT];
        rig_set_rule(&rig->ends[R], rows[i].ours);
        rig_set_rule(&rig->ends[I], rows[i].theirs);
        rig_start(rig);
        rig_run(rig, 3 * SECOND);
        const struct child_sa *child = craft_sa(rig->ends[R].ike)->peer->children;
        assert_int_equal(child != NULL, rows[i].given != NULL);
        if (child != NULL)
            assert_string_equal(selector_print(&child->child.selector, text), rows[i].given);
        assert_int_equal(rig_free(rig), 0);
    }
}

static void what_the_server_tells_arrives(void **state)
{
    (void)state;
    for (int push = 0; push <= 1; push++) {
        struct rig *rig = access_rig(9);
        struct access *access = rig->ends[R].connection.access;
        char text[RANGE_TEXT];
        access->push = rig->ends[I].connection.access->push = push;
        assert_int_equal(address_parse("10.2.0.53", &access->dns[access->dns_count++]), OK);
        assert_int_equal(range_parse("10.2.0.0/16", &access->split[access->split_count++]), OK);
        snprintf(access->domain, sizeof access->domain, "example.org");
        snprintf(access->banner, sizeof access->banner, "Mind the gap");
        must_come_up(rig);
        const struct virtual_net *net = &rig->ends[I].net;
        assert_string_equal(address_print(&net->dns[0], text), "10.2.0.53");
        assert_string_equal(range_print(&net->split[0], text), "10.2.0.0/16");
        assert_string_equal(net->domain, "example.org");
        assert_string_equal(net->banner, "Mind the gap");
        assert_int_equal(rig_free(rig), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_logs_in_and_asks_for_its_address),
        cmocka_unit_test(an_address_may_be_pushed),
        cmocka_unit_test(a_password_may_take_its_time),
        cmocka_unit_test(a_wrong_password_ends_it_for_good),
        cmocka_unit_test(the_last_message_of_aggressive_mode_is_lost),
        cmocka_unit_test(bad_networks),
        cmocka_unit_test(an_address_that_no_rule_covers_is_refused),
        cmocka_unit_test(addresses_of_both_families),
        cmocka_unit_test(a_rule_that_asks_for_more_than_the_server_has),
        cmocka_unit_test(a_client_that_asks_for_everything),
        cmocka_unit_test(everything_is_never_more_than_a_rule),
        cmocka_unit_test(what_the_server_tells_arrives),
        cmocka_unit_test(phase1_is_renewed_with_a_login_and_the_same_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
