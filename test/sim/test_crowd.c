/* SPDX-License-Identifier: Apache-2.0 */
/* Many honest peers behind one address, which all call at once, while somebody else floods. */
#include <stdio.h>

#include "test/sim/bench.h"

enum { CROWD = 40, FLOOD_PER_MS = 2 };

struct crowd {
    struct rig *rig;
    struct connection connections[CROWD];
    struct access access[CROWD];
    struct rig_datagram first; /* of a flood: the first message of one of them */
    bool have_first;
    unsigned flooded;
    bool flood_from_everywhere;
    bool typing; /* nobody has finished the password yet: these are the answers to come */
    struct rig_datagram answers[CROWD];
    size_t answer_count;
    bool silent; /* nobody tells when it gives up */
};

static int connection_named(void *arg, const char *name)
{
    (void)arg;
    return atoi(name + 1);
}

static int only_connection(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static void one_rule(struct rig_end *end, const char *text, unsigned line, int (*find)(void *arg, const char *name))
{
    char why[256];
    assert_int_equal(spd_add(&end->spd, ACTION_PROTECT, text, line, find, NULL, why, sizeof why), OK);
}

/* One for each. */
static void keep_answer(struct crowd *c, const struct rig_datagram *d)
{
    for (size_t i = 0; i < c->answer_count; i++)
        if (memcmp(c->answers[i].data, d->data, 8) == 0)
            return;
    if (c->answer_count < CROWD)
        c->answers[c->answer_count++] = *d;
}

static void done_typing(struct crowd *c)
{
    c->typing = false;
    for (size_t i = 0; i < c->answer_count; i++)
        rig_inject(c->rig, R, c->answers[i].path.local.port, bytes_of(c->answers[i].data, c->answers[i].len));
}

static bool watch(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct crowd *c = arg;
    (void)rig;
    if (from != I)
        return false;
    if (!c->have_first) {
        c->first = *d;
        c->have_first = true;
    }
    if (c->typing && d->data[18] == EXCHANGE_TRANSACTION) {
        keep_answer(c, d);
        return true;
    }
    return c->silent && d->data[18] == EXCHANGE_INFORMATIONAL;
}

static void name_member(struct crowd *c, unsigned n, bool access)
{
    char text[64];
    struct connection *member = &c->connections[n];
    *member = c->rig->ends[I].connection; /* shares its key, which it does not own */
    snprintf(text, sizeof text, "c%u.example.org", n);
    assert_int_equal(identity_parse(text, &member->local_id), OK);
    if (access) {
        c->access[n] = *member->access;
        member->access = &c->access[n];
        snprintf(c->access[n].user, sizeof c->access[n].user, "%s-%u", rig_user, n);
    }
    snprintf(text, sizeof text, access ? "0.0.0.0/0 -> 10.2.%u.0/24 via c%u" : "10.1.%u.0/24 -> 10.2.0.0/16 via c%u", n,
             n);
    one_rule(&c->rig->ends[I], text, n + 1, connection_named);
}

/* All members are at end I, and call end R, which takes whoever has the key; a round trip takes 100 ms. */
static struct crowd *crowd_new(uint64_t seed, enum ike_mode mode, bool access)
{
    struct crowd *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->rig = rig_new(seed);
    struct rig_end *ends = c->rig->ends;
    c->rig->network.delay_min_ms = c->rig->network.delay_max_ms = 50;
    ends[I].connection.mode = ends[R].connection.mode = mode;
    if (access)
        rig_use_access(c->rig);
    ends[R].connection.remote = (struct address){0};
    if (access)
        assert_int_equal(range_parse("10.1.0.0/24", &ends[R].connection.access->pool[FAMILY_IPV4]), OK);
    spd_free(&ends[I].spd);
    spd_free(&ends[R].spd);
    for (unsigned n = 0; n < CROWD; n++)
        name_member(c, n, access);
    one_rule(&ends[R], "10.2.0.0/16 -> 10.1.0.0/16 via peer", 1, only_connection);
    ends[I].several = c->connections;
    ends[I].several_count = CROWD;
    c->rig->filter = watch;
    c->rig->filter_arg = c;
    rig_start(c->rig);
    return c;
}

static void crowd_free(struct crowd *c)
{
    assert_int_equal(rig_free(c->rig), 0);
    free(c);
}

static bool all_are_up(const struct crowd *c)
{
    return rig_children(&c->rig->ends[R]) == CROWD && rig_children(&c->rig->ends[I]) == CROWD;
}

/* A stranger's first messages, from one address or from a new one each time. */
static void flood(struct crowd *c)
{
    struct rig_end *victim = &c->rig->ends[R];
    struct path path = {.local = {victim->address, 500}, .remote = {c->rig->ends[I].address, 500}};
    store_u32(path.remote.address.bytes, 0xc6120000 + (c->flood_from_everywhere ? c->flooded : 7));
    store_u64(c->first.data, 0xf100d00000000000 + c->flooded++);
    ike_input(victim->ike, c->rig->now_ms, &path, bytes_of(c->first.data, c->first.len));
}

static bool come_up_under_a_flood(struct crowd *c, unsigned seconds)
{
    for (unsigned ms = 0; ms < seconds * 1000 && !all_are_up(c); ms++) {
        rig_run(c->rig, 1);
        for (unsigned i = 0; i < FLOOD_PER_MS && c->have_first; i++)
            flood(c);
    }
    return all_are_up(c);
}

static void nobody_has_failed(const struct crowd *c)
{
    assert_int_equal(c->rig->ends[I].events[IKE_EVENT_PHASE1_FAILED], 0);
    assert_int_equal(c->rig->ends[R].events[IKE_EVENT_PHASE1_UP], CROWD);
}

static void all_call_at_once_while_a_stranger_floods(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++) {
        struct crowd *c = crowd_new(71, (enum ike_mode)mode, false);
        assert_true(come_up_under_a_flood(c, 20));
        assert_true(c->flooded > 200);
        nobody_has_failed(c);
        rig_run(c->rig, HALF_OPEN_LIFE + SECOND);
        assert_int_equal(rig_sas(&c->rig->ends[R], NULL), CROWD); /* the flood has left nothing */
        crowd_free(c);
    }
}

/* Forged addresses: there are always places, for as long as a round trip takes. */
static void all_call_at_once_while_everybody_floods(void **state)
{
    (void)state;
    struct crowd *c = crowd_new(72, MODE_MAIN, false);
    c->flood_from_everywhere = true;
    assert_true(come_up_under_a_flood(c, 20));
    nobody_has_failed(c);
    crowd_free(c);
}

static void all_log_in_while_a_stranger_floods(void **state)
{
    (void)state;
    struct crowd *c = crowd_new(73, MODE_MAIN, true);
    assert_true(come_up_under_a_flood(c, 20));
    nobody_has_failed(c);
    assert_int_equal(c->rig->ends[R].logins, CROWD);
    crowd_free(c);
}

/* While they type, they are no half-open SAs: not for others of their address either. */
static void people_who_type_their_password_are_no_strangers(void **state)
{
    (void)state;
    struct crowd *c = crowd_new(74, MODE_MAIN, true);
    struct rig_end *server = &c->rig->ends[R];
    c->typing = true;
    rig_run(c->rig, 60 * SECOND);
    assert_int_equal(rig_sas(server, "connecting"), CROWD);
    assert_int_equal(rig_drops(server, IKE_DROP_LIMIT), 0);
    for (unsigned i = 0; i < 4 * HALF_OPEN_PER_ADDRESS; i++) { /* in the name of their address */
        store_u64(c->first.data, 0xf100d00000000000 + i);
        rig_inject(c->rig, R, IKE_PORT, bytes_of(c->first.data, c->first.len));
    }
    assert_int_equal(rig_sas(server, "connecting"), CROWD + HALF_OPEN_PER_ADDRESS);
    done_typing(c);
    rig_run(c->rig, 20 * SECOND);
    assert_true(all_are_up(c));
    nobody_has_failed(c);
    crowd_free(c);
}

static void the_time_for_a_password_ends(void **state)
{
    (void)state;
    struct crowd *c = crowd_new(75, MODE_MAIN, true);
    c->typing = true;
    rig_run(c->rig, CONFIG_LIFE - SECOND);
    assert_int_equal(rig_sas(&c->rig->ends[R], "connecting"), CROWD);
    for (unsigned n = 0; n < CROWD; n++)
        c->connections[n].start = START_NONE; /* they do not try again */
    rig_run(c->rig, 3 * SECOND);
    assert_int_equal(rig_sas(&c->rig->ends[R], NULL), 0);
    assert_int_equal(c->rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
    crowd_free(c);
}

/* The 129th of one address that has the key of the group: told, and it takes nobody's place. */
static void who_has_the_key_of_the_group_cannot_take_all_places(void **state)
{
    (void)state;
    struct crowd *c = crowd_new(76, MODE_MAIN, true);
    struct rig_end *server = &c->rig->ends[R];
    const char *why;
    c->typing = c->silent = true;
    for (unsigned round = 0; round < 3; round++) {
        rig_run(c->rig, 5 * SECOND);
        for (unsigned n = 0; n < CROWD; n++) {
            assert_int_equal(ike_down(c->rig->ends[I].ike, c->rig->now_ms, n, &why), OK);
            assert_int_equal(ike_up(c->rig->ends[I].ike, c->rig->now_ms, n, &why), OK);
        }
    }
    rig_run(c->rig, 5 * SECOND);
    assert_int_equal(rig_sas(server, "connecting"), GUESTS_PER_ADDRESS);
    assert_true(rig_drops(server, IKE_DROP_LIMIT) > 0);
    crowd_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_call_at_once_while_a_stranger_floods),
        cmocka_unit_test(all_call_at_once_while_everybody_floods),
        cmocka_unit_test(all_log_in_while_a_stranger_floods),
        cmocka_unit_test(people_who_type_their_password_are_no_strangers),
        cmocka_unit_test(the_time_for_a_password_ends),
        cmocka_unit_test(who_has_the_key_of_the_group_cannot_take_all_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
