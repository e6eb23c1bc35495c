/* SPDX-License-Identifier: Apache-2.0 */
/* Super-packets from the TUN: ten datagrams that the host sends in one call (USO; where the kernel cuts them before the
 * TUN, they come one by one, and all else is the same). Each fares as it would alone. */
#include "worker_test.h"

#include <netinet/udp.h>

enum { PIECES = 10, PIECE = 100, WIRE = 28 + PIECE };

static int setup_super(void **state)
{
    return setup_with(state, true);
}

static void set_option(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof value), 0);
}

static void host_sends_super(struct world *w, const char *address)
{
    char text[PIECES * PIECE];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('0' + i / PIECE);
    set_option(w->inner, IPPROTO_UDP, UDP_SEGMENT, PIECE);
    if (sendto(w->inner, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to) < 0) /* an error may wait for us */
        assert_int_equal(sendto(w->inner, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to), sizeof text);
    set_option(w->inner, IPPROTO_UDP, UDP_SEGMENT, 0);
    readable(w, 1000);
}

/* All of them, in order, whole. */
static void peer_hears_all(struct world *w)
{
    for (int i = 0; i < PIECES; i++) {
        const char *text = peer_hears(w);
        assert_non_null(text);
        assert_int_equal(strlen(text), PIECE);
        assert_int_equal(text[0], '0' + i);
        assert_int_equal(text[PIECE - 1], '0' + i);
    }
    assert_null(peer_hears(w));
}

static void test_each_is_sealed_and_counted(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    host_sends_super(w, "10.2.0.9");
    peer_hears_all(w);
    assert_int_equal(worker_rules(w->worker)[0].packets, PIECES);
    assert_int_equal(worker_rules(w->worker)[0].bytes, PIECES * WIRE);
    assert_int_equal(sad_by_child(w->sad, w->child.id)->out.packets, PIECES);
    assert_int_equal(sad_by_child(w->sad, w->child.id)->out.bytes, PIECES * WIRE);
}

static void test_each_waits_for_an_sa(void **state)
{
    struct world *w = world_of(state);
    host_sends_super(w, "10.2.0.9");
    assert_int_equal(w->acquires, 1);
    assert_null(peer_hears(w));
    install_child(w);
    worker_release(w->worker, 0, 1100);
    peer_hears_all(w);
    assert_int_equal(worker_rules(w->worker)[0].packets, PIECES);
}

static void test_each_meets_a_discard(void **state)
{
    struct world *w = world_of(state);
    host_sends_super(w, "10.4.0.9");
    assert_int_equal(dropped(w, DROP_OUT_DISCARD), PIECES);
    assert_int_equal(worker_rules(w->worker)[2].packets, PIECES);
    assert_int_equal(worker_rules(w->worker)[2].bytes, PIECES * WIRE);
}

/* Datagrams keep their size: without DF each is cut, with it each is refused. */
static void test_each_that_does_not_fit(void **state)
{
    struct world *w = world_of(state);
    struct address peer = an_address("127.0.0.2");
    install_child(w);
    struct sa *sa = sad_by_child(w->sad, w->child.id);
    sad_set_path_mtu(w->sad, &peer, 150); /* less than any path has: so few bytes are two pieces */
    assert_true(sa->inner_mtu < WIRE);
    set_option(w->inner, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    host_sends_super(w, "10.2.0.9");
    assert_int_equal(sa->out.packets, 2 * PIECES);
    set_option(w->inner, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    host_sends_super(w, "10.2.0.9");
    assert_int_equal(sa->out.packets, 2 * PIECES);
    assert_int_equal(dropped(w, DROP_OUT_TOO_BIG), PIECES);
}

/* Of 120 packets that are 50 to a message, the first two messages are full: none is what another left over. */
static void test_messages_are_full(void **state)
{
    enum { LARGE = 1232, SUPERS = 3, EACH = 40 }; /* sealed: 16 + 28 + 1232 + 2 + 2 + 16 = 1296 bytes */
    static char text[EACH * LARGE], message[65536];
    struct world *w = world_of(state);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    if (!w->device.udp_segments)
        skip(); /* they would come one by one */
    install_child(w);
    udp_offload(w->udp, true, false);
    set_option(w->outer, IPPROTO_UDP, UDP_GRO, 1);
    set_option(w->inner, IPPROTO_UDP, UDP_SEGMENT, LARGE);
    assert_int_equal(inet_pton(AF_INET, "10.2.0.9", &to.sin_addr), 1);
    for (int i = 0; i < SUPERS; i++)
        assert_int_equal(sendto(w->inner, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to), sizeof text);
    readable(w, 1000);
    static const int expected[] = {50 * 1296, 50 * 1296, 20 * 1296};
    for (int i = 0; i < SUPERS; i++)
        assert_int_equal(recv(w->outer, message, sizeof message, 0), expected[i]);
    assert_true(recv(w->outer, message, sizeof message, 0) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_sealed_and_counted, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_each_waits_for_an_sa, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_each_meets_a_discard, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_each_that_does_not_fit, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_messages_are_full, setup_super, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
