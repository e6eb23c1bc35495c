/* SPDX-License-Identifier: Apache-2.0 */
/* Super-packets that the TUN does not take: their packets arrive one by one, and it is told once. */
#include "worker_test.h"

#include "test/unit/refusing_kernel.h"
#include "test/unit/tun/offload_test.h"

enum { SEGMENTS = 3, PAYLOAD = 300, PORT = 443, ONE = 2, MANY = 3 }; /* the pieces that writev gets */

static int setup_super(void **state)
{
    int result = setup_with(state, true);
    if (*state != NULL)
        assert_int_equal(system("ip addr add 10.1.0.2/32 dev esp0"), 0);
    return result;
}

/* From 10.2.0.3 to 10.1.0.2: the way back of what `build` makes, which leaves all sums as they are. */
static void peer_sends_segment(struct world *w, const struct recipe *r)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *one = &p;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4500), .sin_addr.s_addr = htonl(0x7f000001)};
    enum drop why;
    p.len = (uint32_t)build(packet_data(&p), r);
    memcpy(packet_data(&p) + 12, "\x0a\x02\x00\x03\x0a\x01\x00\x02", 8);
    esp_seal(w->peer, &one, &why, 1);
    assert_int_equal(why, DROP_NONE);
    assert_int_equal(sendto(w->outer, packet_data(&p), p.len, 0, (struct sockaddr *)&to, sizeof to), p.len);
}

/* One batch: each payload is told by its first byte. */
static void peer_sends_batch(struct world *w, bool udp)
{
    struct recipe r = like(4, udp, PAYLOAD);
    for (unsigned i = 0; i < SEGMENTS; i++, r.sequence += PAYLOAD, r.id++)
        peer_sends_segment(w, &r);
    for (size_t i = 0; i < udp_count(w->udp); i++)
        if (udp_at(w->udp, i)->kind == UDP_NATT)
            worker_socket_readable(w->worker, udp_at(w->udp, i), 0);
}

/* Writes to the TUN that the kernel has taken. */
static unsigned taken(void)
{
    FILE *in = popen("awk '/esp0:/ { print $3 }' /proc/net/dev", "r");
    unsigned found = 0;
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%u", &found), 1);
    (void)pclose(in);
    return found;
}

static void assert_told(const struct world *w, unsigned tcp, unsigned udp, uint64_t lost)
{
    assert_int_equal(w->refused[0], tcp);
    assert_int_equal(w->refused[1], udp);
    assert_int_equal(dropped(w, DROP_IN_DEVICE), lost);
}

static void test_a_kernel_that_takes_them(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    peer_sends_batch(w, false);
    assert_int_equal(taken(), 1);
    assert_told(w, 0, 0, 0);
}

static void refuses_many(const void *arg)
{
    struct world *w = (struct world *)(uintptr_t)arg;
    assert_true(refuse_call(SYS_writev, MANY, UINT32_MAX, EINVAL));
    peer_sends_batch(w, false);
    assert_int_equal(taken(), SEGMENTS);
    assert_told(w, 1, 0, 0);
    assert_int_equal(w->refusal, EINVAL);
    peer_sends_batch(w, false);
    assert_int_equal(taken(), 2 * SEGMENTS);
    assert_told(w, 1, 0, 0); /* it was not tried again */
}

static void test_tcp_goes_one_by_one(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    in_a_child(refuses_many, w);
}

static void assert_datagrams(int fd)
{
    uint8_t got[2 * PAYLOAD];
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        (void)poll(&ready, 1, 1000);
        assert_int_equal(recv(fd, got, sizeof got, 0), PAYLOAD);
        for (uint32_t at = 0; at < PAYLOAD; at++)
            assert_int_equal(got[at], stream_byte(1000 + i * PAYLOAD + at));
    }
    assert_int_equal(recv(fd, got, sizeof got, 0), -1);
}

static void refuses_datagrams(const void *arg)
{
    struct world *w = (struct world *)(uintptr_t)arg;
    int fd = bound_socket("10.1.0.2", PORT);
    assert_true(refuse_call(SYS_writev, MANY, UINT32_MAX, EINVAL));
    for (int i = 0; i < 2; i++) {
        peer_sends_batch(w, true);
        assert_datagrams(fd);
        assert_told(w, 0, 1, 0);
    }
    peer_sends_batch(w, false); /* TCP is another matter: tried, and refused for itself */
    assert_told(w, 1, 1, 0);
    close(fd);
}

static void test_udp_goes_one_by_one(void **state)
{
    struct world *w = world_of(state);
    if (!w->device.udp_segments)
        skip();
    install_child(w);
    in_a_child(refuses_datagrams, w);
}

struct failure {
    struct world *world;
    uint32_t pieces;
    int error;
    unsigned taken, lost;
};

/* The reason is not that they come together: they are tried together again. */
static void fails_twice(const void *arg)
{
    const struct failure *f = arg;
    unsigned before = taken();
    assert_true(refuse_call(SYS_writev, f->pieces, UINT32_MAX, f->error));
    for (unsigned i = 1; i <= 2; i++) {
        peer_sends_batch(f->world, false);
        assert_int_equal(taken() - before, i * f->taken);
        assert_told(f->world, 0, 0, i * f->lost);
    }
}

static void test_other_failures(void **state)
{
    struct world *w = world_of(state);
    const struct failure rows[] = {
        {w, MANY, ENOMEM, SEGMENTS, 0}, /* so much in one piece */
        {w, MANY, EIO, 0, SEGMENTS},    /* the interface is down: for single packets too */
        {w, MANY, EAGAIN, 0, SEGMENTS},
        {w, ONE, EINVAL, 0, SEGMENTS}, /* whatever we write */
    };
    install_child(w);
    for (size_t i = 0; i < COUNT(rows); i++)
        in_a_child(fails_twice, &rows[i]); /* each begins with the counters of the parent: none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_kernel_that_takes_them, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_tcp_goes_one_by_one, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_udp_goes_one_by_one, setup_super, teardown),
        cmocka_unit_test_setup_teardown(test_other_failures, setup_super, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
