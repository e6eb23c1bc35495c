/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of packets: they wait, leave, arrive, or are dropped and counted. */
#include "worker_test.h"

#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>

static void test_packets_wait_for_an_sa_and_leave_in_order(void **state)
{
    struct world *w = world_of(state);
    char text[8];
    for (int i = 0; i < 9; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        host_sends(w, "10.2.0.9", text);
    }
    readable(w, 1000);
    assert_int_equal(w->acquires, 1);
    assert_null(peer_hears(w));
    host_sends(w, "10.2.0.9", "9");
    readable(w, 1000 + WAITING_ASK_EVERY_MS);
    assert_int_equal(w->acquires, 2);
    install_child(w);
    worker_release(w->worker, 0, 2500);
    host_sends(w, "10.2.0.9", "x");
    readable(w, 2600);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        assert_string_equal(peer_hears(w), text);
    }
    assert_string_equal(peer_hears(w), "x");
    assert_null(peer_hears(w));
    assert_int_equal(worker_rules(w->worker)[0].packets, 11);
    assert_int_equal(worker_rules(w->worker)[0].bytes, 11 * 29);
}

static void test_waiting_is_bounded_and_ends(void **state)
{
    struct world *w = world_of(state);
    for (int i = 0; i < WAITING_PER_RULE + 5; i++)
        host_sends(w, "10.2.0.9", "x");
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_QUEUE_FULL), 5);
    assert_int_equal(w->acquires, 1);
    assert_int_equal(worker_next(w->worker), 1000 + WAITING_ASK_EVERY_MS);
    worker_expire(w->worker, 1000 + WAITING_LIFE_MS - 1);
    assert_int_equal(w->acquires, 2);
    assert_int_equal(worker_next(w->worker), 1000 + WAITING_LIFE_MS);
    worker_expire(w->worker, 1000 + WAITING_LIFE_MS);
    assert_int_equal(w->acquires, 2);
    assert_true(worker_next(w->worker) == DEADLINE_NEVER);
    assert_int_equal(dropped(w, DROP_OUT_QUEUE_EXPIRED), WAITING_PER_RULE);
    install_child(w);
    worker_release(w->worker, 0, 9000);
    assert_null(peer_hears(w));
}

/* The first IPv4 packet that arrives at the far end of the other interface: its length, 0 when there is none. */
static size_t far_end_hears(int fd, uint8_t *out, size_t capacity)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t len = 0;
    while (poll(&ready, 1, 300) > 0 && (len = recv(fd, out, capacity, 0)) > 0)
        if (len > 34 && load_u16(out + 12) == ETHERTYPE_IP)
            return (size_t)len - 14;
    return 0;
}

static int far_end(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll name = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("far")};
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void test_verdicts(void **state)
{
    struct world *w = world_of(state);
    assert_int_equal(
        system("ip link add wan type veth peer name far && ip link set wan up && ip link set far up && "
               "ip addr add 10.3.0.1/24 dev wan && ip neigh add 10.3.0.9 lladdr 02:00:00:00:00:01 dev wan"),
        0);
    /* past the connected route, into the TUN, as a route of ours would do for unmarked packets */
    assert_int_equal(
        system("ip rule add not fwmark 0x4500 lookup 99 prio 10 && ip route add 10.3.0.9 dev esp0 table 99"), 0);
    int far = far_end();
    host_sends(w, "10.3.0.9", "bypassed");
    host_sends(w, "10.4.0.9", "discarded");
    host_sends(w, "10.5.0.9", "no rule");
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_DISCARD), 1);
    assert_int_equal(dropped(w, DROP_OUT_NO_RULE), 1);
    assert_int_equal(dropped(w, DROP_OUT_BYPASS), 0);
    assert_int_equal(worker_rules(w->worker)[1].packets, 1);
    assert_int_equal(worker_rules(w->worker)[2].packets, 1);
    uint8_t frame[2048];
    assert_int_equal(far_end_hears(far, frame, sizeof frame), 36);
    assert_memory_equal(frame + 42, "bypassed", 8);
    assert_int_equal(frame[14 + 8], 63); /* one hop less */
    close(far);
    assert_int_equal(w->acquires, 0);
}

static void test_inbound_reaches_the_host(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    struct packet p = peer_seals(w, "hello");
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_string_equal(host_hears(w), "hello");
    assert_int_equal(w->moves, 0);
    /* the same again is a replay */
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_int_equal(dropped(w, DROP_IN_REPLAY), 1);
    assert_null(host_hears(w));
}

static void test_what_is_not_esp_of_ours_is_counted_b46(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    peer_sends(w, w->outer, "\xff", 1);
    peer_sends(w, w->outer, "\x01\x02", 2);
    peer_sends(w, w->outer, "", 0);
    peer_sends(w, w->outer, "\0\0\0\0hello", 9);
    peer_sends(w, w->outer, "\0\0\x77\x77\0\0\0\1 no such SPI", 20);
    assert_int_equal(dropped(w, DROP_ENCAP), 2);
    assert_int_equal(w->messages, 1);
    assert_int_equal(dropped(w, DROP_IN_NO_SA), 1);
}

static void test_only_an_authentic_packet_moves_the_peer_b42(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    int elsewhere = bound_socket("127.0.0.3", 12345);
    struct packet p = peer_seals(w, "hello");
    packet_data(&p)[p.len - 1] ^= 1;
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(dropped(w, DROP_IN_AUTH), 1);
    assert_int_equal(w->moves, 0);
    packet_data(&p)[p.len - 1] ^= 1;
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(w->moves, 1);
    const struct endpoint expected = {an_address("127.0.0.3"), 12345};
    assert_true(endpoint_equal(&w->moved_to, &expected));
    close(elsewhere);
}

/* An old packet that somebody held back does not move the peer; the newest does. */
static void test_a_packet_held_back_does_not_move_the_peer_b42(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    int elsewhere = bound_socket("127.0.0.3", 12345);
    uint8_t held[2048];
    struct packet p = peer_seals(w, "held");
    size_t len = p.len;
    memcpy(held, packet_data(&p), len);
    p = peer_seals(w, "newer");
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_string_equal(host_hears(w), "newer");
    peer_sends(w, elsewhere, held, len);
    assert_string_equal(host_hears(w), "held"); /* it is authentic, and in the window */
    assert_int_equal(w->moves, 0);
    p = peer_seals(w, "from elsewhere");
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(w->moves, 1);
    close(elsewhere);
}

/* A route to the peer leads into the TUN and nothing holds our packets off: they are not sealed again. */
static void test_our_own_packets_do_not_go_round(void **state)
{
    struct world *w = world_of(state);
    w->child.path.remote.address = an_address("10.2.0.99"); /* the peer, inside what it protects */
    install_child(w);
    int fd = bound_socket("10.1.0.1", 4500);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PEER_PORT)};
    assert_int_equal(inet_pton(AF_INET, "10.2.0.99", &to.sin_addr), 1);
    uint8_t esp[100] = {0};
    store_u32(esp, SPI_PEER);
    store_u32(esp + 4, 1);
    assert_int_equal(sendto(fd, esp, sizeof esp, 0, (struct sockaddr *)&to, sizeof to), sizeof esp);
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_LOOP), 1);
    store_u32(esp, SPI_PEER + 1); /* somebody else's ESP is traffic like any other */
    assert_int_equal(sendto(fd, esp, sizeof esp, 0, (struct sockaddr *)&to, sizeof to), sizeof esp);
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_LOOP), 1);
    assert_int_equal(sad_by_child(w->sad, w->child.id)->out.packets, 1);
    close(fd);
}

static void test_limits_are_told_and_traffic_stops_b41(void **state)
{
    struct world *w = world_of(state);
    w->child.soft_bytes = 1;
    w->child.hard_bytes = 60;
    install_child(w);
    host_sends(w, "10.2.0.9", "1");
    readable(w, 1000);
    assert_int_equal(w->softs, 1);
    assert_string_equal(peer_hears(w), "1");
    for (int i = 0; i < 5; i++)
        host_sends(w, "10.2.0.9", "2");
    readable(w, 1001);
    assert_int_equal(w->softs, 1);
    assert_int_equal(w->hards, 1);
    /* what came after waits for a new SA, and never leaves in clear */
    while (peer_hears(w) != NULL)
        ;
    host_sends(w, "10.2.0.9", "3");
    readable(w, 1002);
    assert_null(peer_hears(w));
    assert_int_equal(w->acquires, 1);
}

/* --- sizes (RFC 4301 8): the path to the peer carries 700 bytes, the TUN 1400 --- */

static void test_the_end_of_the_tun_is_noticed(void **state)
{
    struct world *w = world_of(state);
    assert_int_equal(system("ip link del esp0"), 0);
    assert_false(worker_device_readable(w->worker, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packets_wait_for_an_sa_and_leave_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_bounded_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbound_reaches_the_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_esp_of_ours_is_counted_b46, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_an_authentic_packet_moves_the_peer_b42, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_packet_held_back_does_not_move_the_peer_b42, setup, teardown),
        cmocka_unit_test_setup_teardown(test_our_own_packets_do_not_go_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_are_told_and_traffic_stops_b41, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_of_the_tun_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
