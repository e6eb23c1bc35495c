/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, and who has to go for it: the engine is a list of SAs here, and nothing else of it is looked at. */
#include "ike/half_open.h"

#include "ike_test.h"

enum { ANY, OTHER_ANY, FIXED, FIXED_TOO, FIXED_ELSEWHERE, CONNECTIONS, SAS = 4096 };

#define OFFICE "203.0.113.1"

struct hall {
    struct connection connections[CONNECTIONS];
    struct ike_sa sas[SAS];
    size_t count;
    struct ike ike;
};

static struct hall *hall_new(void)
{
    struct hall *h = calloc(1, sizeof *h);
    assert_non_null(h);
    h->connections[FIXED].remote = h->connections[FIXED_TOO].remote = an_address(OFFICE);
    h->connections[FIXED_ELSEWHERE].remote = an_address("203.0.113.2");
    h->ike.setup.connections = h->connections;
    h->ike.setup.connection_count = CONNECTIONS;
    h->ike.now_ms = 1000000;
    return h;
}

static struct path path_from(const char *address)
{
    return (struct path){.remote = {an_address(address), 500}};
}

/* Many addresses, all of different sites. */
static struct path path_number(unsigned n)
{
    const uint8_t bytes[4] = {198, 18, (uint8_t)(n >> 8), (uint8_t)n};
    return (struct path){.remote = {address_of(4, bytes), 500}};
}

static struct ike_sa *put(struct hall *h, struct path path, uint32_t connection, enum sa_state state)
{
    assert_true(h->count < SAS);
    struct ike_sa *sa = &h->sas[h->count++];
    sa->path = path;
    sa->connection = connection;
    sa->state = state;
    sa->created_ms = h->ike.now_ms;
    if (state == SA_CONFIGURING)
        DL_APPEND(h->ike.guests, sa);
    else
        DL_APPEND(h->ike.strangers, sa);
    return sa;
}

static void put_many(struct hall *h, const char *from, unsigned count, uint32_t connection, enum sa_state state)
{
    for (unsigned i = 0; i < count; i++)
        put(h, from != NULL ? path_from(from) : path_number(i), connection, state);
}

/* The index of the SA that has to go, -1: none has to, -2: there is no room. */
static int verdict(const struct hall *h, const char *from, uint32_t connection)
{
    struct ike_sa *victim = NULL;
    struct path path = path_from(from);
    if (!half_open_has_room(&h->ike, &path, connection, &victim))
        return -2;
    return victim == NULL ? -1 : (int)(victim - h->sas);
}

static void a_site_has_its_share(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, OFFICE, HALF_OPEN_PER_ADDRESS - 1, ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, OFFICE, ANY), -1);
    put(h, path_from(OFFICE), OTHER_ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, OFFICE, ANY), 0);         /* its own oldest goes */
    assert_int_equal(verdict(h, OFFICE, FIXED), -1);      /* configured peers have a share of their own there */
    assert_int_equal(verdict(h, "203.0.113.3", ANY), -1); /* and others are not touched */
    assert_int_equal(verdict(h, "2001:db8::1", ANY), -1);
    free(h);
}

static void a_site_of_ipv6_is_a_64(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    for (unsigned i = 0; i < HALF_OPEN_PER_ADDRESS; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8:1:1:%x::%x", i, i * 7);
        put(h, path_from(text), ANY, SA_WAIT_HASH);
    }
    assert_int_equal(verdict(h, "2001:db8:1:1:ffff::", ANY), 0);
    assert_int_equal(verdict(h, "2001:db8:1:2::", ANY), -1);
    free(h);
}

static void each_configured_peer_adds_to_the_share_of_its_site(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    const unsigned share = HALF_OPEN_PER_ADDRESS + 2 * HALF_OPEN_PER_CONNECTION;
    put_many(h, OFFICE, share - 1, FIXED, SA_WAIT_KE);
    assert_int_equal(verdict(h, OFFICE, FIXED_TOO), -1);
    put(h, path_from(OFFICE), FIXED_TOO, SA_WAIT_KE);
    assert_int_equal(verdict(h, OFFICE, FIXED), 0);
    assert_int_equal(verdict(h, OFFICE, ANY), -1);
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), -1);
    free(h);
}

static void who_has_come_back_stays_for_its_time(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, OFFICE, HALF_OPEN_PER_ADDRESS, ANY, SA_WAIT_AUTH);
    assert_int_equal(verdict(h, OFFICE, ANY), -2);
    h->sas[5].state = SA_WAIT_KE;
    assert_int_equal(verdict(h, OFFICE, ANY), 5); /* younger than others, but it has shown nothing */
    h->sas[5].state = SA_WAIT_AUTH;
    h->ike.now_ms += HALF_OPEN_PATIENCE - 1;
    assert_int_equal(verdict(h, OFFICE, ANY), -2);
    h->ike.now_ms++;
    assert_int_equal(verdict(h, OFFICE, ANY), 0);
    h->sas[7].state = SA_WAIT_HASH;
    assert_int_equal(verdict(h, OFFICE, ANY), 7);
    free(h);
}

static void strangers_leave_places_for_configured_peers(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, NULL, HALF_OPEN_MAX - HALF_OPEN_RESERVED - 1, ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, "192.0.2.7", ANY), -1);
    put(h, path_from("192.0.2.8"), ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, "192.0.2.7", ANY), 0);
    assert_int_equal(verdict(h, OFFICE, FIXED), -1);
    put_many(h, NULL, HALF_OPEN_RESERVED, FIXED, SA_WAIT_KE);
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), 0); /* the oldest stranger, not a configured peer */
    assert_int_equal(verdict(h, "192.0.2.7", ANY), 0);
    free(h);
}

static void strangers_push_out_no_more_configured_peers_than_their_reserve(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, NULL, HALF_OPEN_MAX - HALF_OPEN_RESERVED + 1, FIXED, SA_WAIT_KE);
    for (unsigned i = 0; i < HALF_OPEN_RESERVED - 1; i++)
        put(h, path_number(5000 + i), ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, "192.0.2.7", ANY), 0);               /* the oldest of the configured */
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), 0); /* of its own kind: strangers keep theirs */
    h->sas[0].connection = ANY;
    h->sas[0].state = SA_WAIT_AUTH;
    int oldest = HALF_OPEN_MAX - HALF_OPEN_RESERVED + 1;
    assert_int_equal(verdict(h, "192.0.2.7", ANY), oldest); /* of strangers */
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), 1);
    free(h);
}

/* One message each, in the names of sixteen configured sites, would fill the table. */
static void configured_peers_that_are_forged_do_not_keep_strangers_out(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, NULL, HALF_OPEN_MAX, FIXED, SA_WAIT_KE);
    assert_int_equal(verdict(h, "192.0.2.7", ANY), 0);
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), 0); /* no stranger is left */
    for (size_t i = 0; i < h->count; i++)
        h->sas[i].state = SA_WAIT_AUTH;
    assert_int_equal(verdict(h, "192.0.2.7", ANY), -2); /* who has come back has not forged its address */
    assert_int_equal(verdict(h, "203.0.113.2", FIXED_ELSEWHERE), -2);
    free(h);
}

static void when_it_is_tight_who_has_many_makes_room_itself(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, NULL, HALF_OPEN_MAX - HALF_OPEN_RESERVED - HALF_OPEN_WHEN_FULL, ANY, SA_WAIT_KE);
    put_many(h, OFFICE, HALF_OPEN_WHEN_FULL - 1, ANY, SA_WAIT_KE);
    put(h, path_from("192.0.2.8"), ANY, SA_WAIT_KE);
    assert_int_equal(verdict(h, OFFICE, ANY), 0); /* it has few */
    h->sas[h->count - 1].path = path_from(OFFICE);
    assert_int_equal(verdict(h, OFFICE, ANY), HALF_OPEN_MAX - HALF_OPEN_RESERVED - HALF_OPEN_WHEN_FULL);
    for (size_t i = 0; i < h->count; i++)
        if (i >= HALF_OPEN_MAX - HALF_OPEN_RESERVED - HALF_OPEN_WHEN_FULL)
            h->sas[i].state = SA_WAIT_AUTH;
    assert_int_equal(verdict(h, OFFICE, ANY), -2);
    free(h);
}

/* --- key exchanges of aggressive mode --- */

static unsigned computed(struct hall *h, const char *from, uint32_t connection, unsigned tries)
{
    unsigned count = 0;
    struct path path = path_from(from);
    for (unsigned i = 0; i < tries; i++)
        count += half_open_may_compute(&h->ike, &path, connection);
    return count;
}

static void key_exchanges_by_site_by_kind_and_in_all(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    assert_int_equal(computed(h, "192.0.2.7", ANY, 100), AGGRESSIVE_SITE_BURST);
    assert_int_equal(computed(h, "192.0.2.8", ANY, 100), AGGRESSIVE_SITE_BURST);
    assert_int_equal(computed(h, "2001:db8::1", ANY, 100), AGGRESSIVE_SITE_BURST);
    assert_int_equal(computed(h, "2001:db8::2", ANY, 100), 0);
    assert_int_equal(computed(h, "192.0.2.9", ANY, 100), 0); /* the rest is kept for configured peers */
    assert_int_equal(computed(h, OFFICE, FIXED, 100), AGGRESSIVE_SITE_BURST);
    h->ike.now_ms += AGGRESSIVE_SITE_EVERY;
    assert_int_equal(computed(h, "192.0.2.7", ANY, 100), 0);
    h->ike.now_ms += 1000 - AGGRESSIVE_SITE_EVERY;
    assert_int_equal(computed(h, "192.0.2.7", ANY, 100), 1000 / AGGRESSIVE_SITE_EVERY);
    free(h);
}

/* Whoever forges the address of one configured peer keeps out nobody who is configured elsewhere. */
static void a_flood_in_the_name_of_a_configured_peer_leaves_key_exchanges_for_others(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    for (unsigned second = 0; second < 5; second++) {
        assert_true(computed(h, OFFICE, FIXED, 1000) <= AGGRESSIVE_SITE_BURST);
        assert_int_equal(computed(h, "203.0.113.2", FIXED_ELSEWHERE, 1), 1);
        assert_int_equal(computed(h, "192.0.2.7", ANY, 1), 1);
        assert_int_equal(computed(h, OFFICE, ANY, 1), 1); /* nor a stranger behind its address */
        h->ike.now_ms += 1000;
    }
    free(h);
}

/* --- messages in fragments --- */

static void collect(struct ike_sa *sa, struct hall *h)
{
    static struct collected *const something = (void *)&something; /* only looked at whether it is there */
    sa->collected = something;
    h->ike.stranger_messages++;
}

static void messages_in_fragments_by_site_by_kind_and_in_all(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    struct ike_sa *office = put(h, path_from(OFFICE), ANY, SA_WAIT_AUTH);
    struct ike_sa *peer = put(h, path_from(OFFICE), FIXED, SA_WAIT_AUTH);
    struct ike_sa *else_where = put(h, path_from("192.0.2.7"), ANY, SA_WAIT_AUTH);
    for (unsigned i = 0; i < STRANGER_MESSAGES_PER_ADDRESS; i++) {
        assert_true(half_open_may_collect(&h->ike, office));
        collect(put(h, path_from(OFFICE), ANY, SA_WAIT_AUTH), h);
    }
    assert_false(half_open_may_collect(&h->ike, office));
    assert_true(half_open_may_collect(&h->ike, peer));
    assert_true(half_open_may_collect(&h->ike, else_where));
    for (unsigned i = 0; h->ike.stranger_messages < STRANGER_MESSAGES_MAX - STRANGER_MESSAGES_RESERVED; i++)
        collect(put(h, path_number(i), ANY, SA_WAIT_AUTH), h);
    assert_false(half_open_may_collect(&h->ike, else_where));
    assert_true(half_open_may_collect(&h->ike, peer));
    for (unsigned i = 0; h->ike.stranger_messages < STRANGER_MESSAGES_MAX; i++)
        collect(put(h, path_number(i), FIXED, SA_WAIT_AUTH), h);
    assert_false(half_open_may_collect(&h->ike, peer));
    free(h);
}

/* --- guests --- */

static int guest_verdict(const struct hall *h, const char *from, uint32_t connection)
{
    struct ike_sa *victim = NULL;
    const struct ike_sa sa = {.path = path_from(from), .connection = connection};
    if (!guest_has_room(&h->ike, &sa, &victim)) {
        assert_null(victim);
        return -2;
    }
    return victim == NULL ? -1 : (int)(victim - h->sas);
}

static void guests_by_site_by_connection_and_in_all(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    put_many(h, OFFICE, GUESTS_PER_ADDRESS - 1, ANY, SA_CONFIGURING);
    assert_int_equal(guest_verdict(h, OFFICE, ANY), -1);
    put(h, path_from(OFFICE), ANY, SA_CONFIGURING);
    assert_int_equal(guest_verdict(h, OFFICE, ANY), -2);
    assert_int_equal(guest_verdict(h, OFFICE, OTHER_ANY), -1);
    assert_int_equal(verdict(h, OFFICE, ANY), -1); /* no guest is a half-open SA */
    h->ike.now_ms += GUEST_PATIENCE - 1;
    assert_int_equal(guest_verdict(h, OFFICE, ANY), -2);
    h->ike.now_ms++;
    assert_int_equal(guest_verdict(h, OFFICE, ANY), 0);
    put_many(h, NULL, GUESTS_PER_CONNECTION - GUESTS_PER_ADDRESS, ANY, SA_CONFIGURING);
    assert_int_equal(guest_verdict(h, "192.0.2.7", ANY), 0);
    assert_int_equal(guest_verdict(h, "192.0.2.7", OTHER_ANY), -1);
    free(h);
}

static void guests_of_all_connections(void **state)
{
    (void)state;
    struct hall *h = hall_new();
    for (unsigned i = 0; i < GUESTS_MAX - 1; i++)
        put(h, path_number(i), ANY + 2 + i % 3, SA_CONFIGURING);
    for (unsigned i = 0; i < GUESTS_MAX - 1; i++)
        h->sas[i].connection = i; /* as if each had a connection of its own */
    assert_int_equal(guest_verdict(h, "192.0.2.7", GUESTS_MAX), -1);
    put(h, path_from("192.0.2.8"), GUESTS_MAX + 1, SA_CONFIGURING);
    assert_int_equal(guest_verdict(h, "192.0.2.7", GUESTS_MAX), -2);
    h->ike.now_ms += GUEST_PATIENCE;
    assert_int_equal(guest_verdict(h, "192.0.2.7", GUESTS_MAX), 0);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_has_its_share),
        cmocka_unit_test(a_site_of_ipv6_is_a_64),
        cmocka_unit_test(each_configured_peer_adds_to_the_share_of_its_site),
        cmocka_unit_test(who_has_come_back_stays_for_its_time),
        cmocka_unit_test(strangers_leave_places_for_configured_peers),
        cmocka_unit_test(strangers_push_out_no_more_configured_peers_than_their_reserve),
        cmocka_unit_test(configured_peers_that_are_forged_do_not_keep_strangers_out),
        cmocka_unit_test(when_it_is_tight_who_has_many_makes_room_itself),
        cmocka_unit_test(key_exchanges_by_site_by_kind_and_in_all),
        cmocka_unit_test(a_flood_in_the_name_of_a_configured_peer_leaves_key_exchanges_for_others),
        cmocka_unit_test(messages_in_fragments_by_site_by_kind_and_in_all),
        cmocka_unit_test(guests_by_site_by_connection_and_in_all),
        cmocka_unit_test(guests_of_all_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
