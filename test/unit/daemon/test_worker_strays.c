/* SPDX-License-Identifier: Apache-2.0 */
/* Two workers: what the first one reads, and the SA of the second, to whom it is handed over. */
#include "worker_test.h"

struct two {
    struct world *w;
    struct worker *second;
};

/* The SPI that the peer sends to is of shard 1, and so is the SA. */
static struct two two_of(void **state)
{
    static const struct aead_library *const libraries[2];
    struct two t = {.w = world_of(state)};
    sad_set_shards(t.w->sad, libraries, 2);
    t.second = new_worker(t.w, 1);
    assert_int_equal(ring_new(512 << 10, &t.w->ring), OK);
    install_child(t.w);
    return t;
}

static void end(struct two *t)
{
    worker_free(t->second);
    ring_free(t->w->ring);
    t->w->ring = NULL;
}

static void test_outbound(void **state)
{
    struct two t = two_of(state);
    char text[8];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        host_sends(t.w, "10.2.0.9", text);
    }
    readable(t.w, 1000);
    assert_int_equal(t.w->handed_over, 3);
    assert_null(peer_hears(t.w));
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 3);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        assert_string_equal(peer_hears(t.w), text);
    }
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 0);
    /* counted once, by the one that looked it up */
    assert_int_equal(worker_rules(t.w->worker)[0].packets, 3);
    assert_int_equal(worker_rules(t.second)[0].packets, 0);
    assert_int_equal(sad_by_child(t.w->sad, 7)->out.packets, 3);
    end(&t);
}

static void test_inbound(void **state)
{
    struct two t = two_of(state);
    for (int i = 0; i < 3; i++) {
        const struct packet p = peer_seals(t.w, "hello");
        peer_sends(t.w, t.w->outer, packet_data(&p), p.len);
    }
    assert_int_equal(t.w->handed_over, 3);
    assert_int_equal(sad_by_child(t.w->sad, 7)->in.packets, 0);
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 0), 3);
    assert_int_equal(sad_by_child(t.w->sad, 7)->in.packets, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(host_hears(t.w), "hello");
    end(&t);
}

/* Both ways in one ring: a batch goes in one direction, and all arrives. */
static void test_both_ways_mixed(void **state)
{
    struct two t = two_of(state);
    for (int i = 0; i < 5; i++) {
        const struct packet p = peer_seals(t.w, "in");
        peer_sends(t.w, t.w->outer, packet_data(&p), p.len);
        host_sends(t.w, "10.2.0.9", "out");
        readable(t.w, 1000);
    }
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 10);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(host_hears(t.w), "in");
        assert_string_equal(peer_hears(t.w), "out");
    }
    assert_null(peer_hears(t.w));
    end(&t);
}

/* A packet of our own: 10.1.0.1 to 10.2.0.9, port 53. */
static struct bytes own_packet(void)
{
    static uint8_t udp[] = {0x45, 0, 0, 31, 0,    0, 0x40, 0,  64, 17, 0, 0, 10,  1,   0,  1,
                            10,   2, 0, 9,  0x10, 0, 0,    53, 0,  11, 0, 0, 'o', 'w', 'n'};
    return bytes_of(udp, sizeof udp);
}

/* It takes the way of one from the TUN: the rule counts, the SA seals. */
static void test_packets_of_our_own(void **state)
{
    struct two t = two_of(state);
    worker_send_own(t.second, own_packet(), 1000);
    assert_string_equal(peer_hears(t.w), "own");
    assert_int_equal(worker_rules(t.second)[0].packets, 1);
    assert_true(stray_put(t.w->ring, &(struct stray){.own = true}, own_packet()));
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 1);
    assert_string_equal(peer_hears(t.w), "own");
    assert_int_equal(worker_rules(t.second)[0].packets, 2);
    worker_send_own(t.w->worker, own_packet(), 1000); /* not its SA */
    assert_int_equal(t.w->handed_over, 1);
    assert_null(peer_hears(t.w));
    sad_remove(t.w->sad, 7);
    worker_send_own(t.second, own_packet(), 1000); /* without an SA it stays */
    assert_null(peer_hears(t.w));
    end(&t);
}

/* Only where the SA is marked, and the token is ours: all else is the host's. */
static void test_answers_to_our_own(void **state)
{
    struct two t = two_of(state);
    static const struct {
        bool probed, forged;
    } rows[] = {{false, false}, {true, true}, {false, true}, {true, false}};
    t.w->mark = (struct echo_mark){.token = "a token of ours", .identifier = 77};
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool taken = rows[i].probed && !rows[i].forged;
        t.w->answers = 0;
        sad_by_child(t.w->sad, 7)->probed = rows[i].probed;
        const struct packet p = peer_answers(t.w, rows[i].forged);
        peer_sends(t.w, t.w->outer, packet_data(&p), p.len);
        assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 1);
        assert_int_equal(t.w->answers, taken);
    }
    assert_int_equal(sad_by_child(t.w->sad, 7)->in.packets, COUNT(rows));
    assert_int_equal(t.w->answer.subject, 3);
    assert_int_equal(t.w->answer.sequence, 4);
    assert_true(t.w->answer.nonce == 5);
    end(&t);
}

/* More than a batch: the rest is there for the next call. */
static void test_more_than_a_batch(void **state)
{
    struct two t = two_of(state);
    for (int i = 0; i < WORKER_BATCH + 5; i++) {
        host_sends(t.w, "10.2.0.9", "x");
        readable(t.w, 1000);
    }
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), WORKER_BATCH);
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 5);
    for (int i = 0; i < WORKER_BATCH + 5; i++)
        assert_string_equal(peer_hears(t.w), "x");
    end(&t);
}

/* What waited at the first worker belongs to the second once the SA is there. */
static void test_what_waited_is_handed_over(void **state)
{
    struct two t = two_of(state);
    sad_remove(t.w->sad, 7);
    host_sends(t.w, "10.2.0.9", "early");
    readable(t.w, 1000);
    assert_int_equal(t.w->acquires, 1);
    assert_int_equal(t.w->handed_over, 0);
    install_child(t.w);
    worker_release(t.w->worker, 0, 1100);
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1100), 1);
    assert_string_equal(peer_hears(t.w), "early");
    end(&t);
}

static void test_without_room_it_is_counted(void **state)
{
    struct two t = two_of(state);
    struct ring *ring = t.w->ring;
    t.w->ring = NULL;
    host_sends(t.w, "10.2.0.9", "x");
    readable(t.w, 1000);
    const struct packet p = peer_seals(t.w, "x");
    peer_sends(t.w, t.w->outer, packet_data(&p), p.len);
    assert_int_equal(dropped(t.w, DROP_OUT_HANDOVER), 1);
    assert_int_equal(dropped(t.w, DROP_IN_HANDOVER), 1);
    t.w->ring = ring;
    end(&t);
}

/* An SA that went while its packets lay in the ring. */
static void test_the_sa_is_gone(void **state)
{
    struct two t = two_of(state);
    const struct packet p = peer_seals(t.w, "x");
    peer_sends(t.w, t.w->outer, packet_data(&p), p.len);
    host_sends(t.w, "10.2.0.9", "x");
    readable(t.w, 1000);
    sad_remove(t.w->sad, 7);
    assert_int_equal(worker_take_strays(t.second, t.w->ring, 1000), 2);
    assert_int_equal(worker_drops(t.second)->count[DROP_IN_NO_SA], 1);
    assert_int_equal(t.w->acquires, 1); /* the other waits, and IKE is asked */
    assert_null(peer_hears(t.w));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outbound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_ways_mixed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packets_of_our_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_to_our_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_waited_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_room_it_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_sa_is_gone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
