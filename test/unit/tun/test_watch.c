/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/watch.h"

#include <net/if.h>
#include <poll.h>

#include "tun_test.h"

enum { OWN_TABLE = 14500, OWN_TABLES = 4 };

static bool make_host(struct watch_routes *watch)
{
    if (!enter_namespace())
        return false;
    run("ip link set lo up && ip link add wan type veth peer name wan1 && ip link add own type veth peer name own1");
    run("for i in wan wan1 own own1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i up; done");
    run("ip addr add 192.0.2.1/24 dev wan");
    *watch = (struct watch_routes){
        .own_table = OWN_TABLE, .own_table_count = OWN_TABLES, .own_device = if_nametoindex("own")};
    assert_int_equal(watch_open(watch), 0);
    return true;
}

/* Until it is quiet. The messages of a command are there when it ends. */
static bool drain_all(struct watch_routes *watch)
{
    struct pollfd poll_fd = {.fd = watch->fd, .events = POLLIN};
    bool changed = false;
    while (poll(&poll_fd, 1, 0) > 0)
        changed |= watch_drain(watch);
    return changed;
}

static void test_what_counts(void **state)
{
    (void)state;
    struct watch_routes watch;
    const struct {
        const char *command;
        bool counts;
    } rows[] = {
        {"true", false},
        {"ip link set wan mtu 1400", true},
        {"ip link set own mtu 1400", false},
        {"ip link set wan1 down", true},
        {"ip link set wan1 up", true},
        {"ip route add 10.9.0.0/24 dev wan", true},
        {"ip route replace 10.9.0.0/24 dev wan mtu 1300", true},
        {"ip route add 10.9.0.0/24 dev wan table 14499", true},
        {"ip route add 10.9.0.0/24 dev wan table 14500", false},
        {"ip route add 10.9.0.0/24 dev wan table 14503", false},
        {"ip route del 10.9.0.0/24 dev wan table 14503", false},
        {"ip route add 10.9.0.0/24 dev wan table 14504", true},
        {"ip route add 10.9.0.0/24 dev wan table 50", true},
        {"ip -6 route add unreachable fd01::/64", true},
        {"ip -6 route add unreachable fd01::/64 table 14502", false},
        {"ip rule add from 192.0.2.1 lookup 50", true},
        {"ip -6 rule add from fd01::1 lookup 50", true},
    };
    if (!make_host(&watch))
        skip();
    for (size_t i = 0; i < COUNT(rows); i++) {
        run(rows[i].command);
        if (drain_all(&watch) != rows[i].counts)
            fail_msg("'%s' should %scount", rows[i].command, rows[i].counts ? "" : "not ");
        assert_false(drain_all(&watch));
    }
    watch_close(&watch);
    watch_close(&watch);
}

/* More than the socket holds, and all of it ours: that something got lost is a change. */
static void test_an_overflow_counts(void **state)
{
    (void)state;
    struct watch_routes watch;
    if (!make_host(&watch))
        skip();
    int small = 4096;
    assert_int_equal(setsockopt(watch.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    run("for i in $(seq 0 250); do echo route add 10.9.$i.0/24 dev wan table 14500; done | ip -batch -");
    assert_true(drain_all(&watch));
    assert_false(drain_all(&watch));
    run("ip link set wan mtu 1400");
    assert_true(drain_all(&watch));
    watch_close(&watch);
}

/* Without the own_ fields everything counts. */
static void test_nothing_is_ours_by_default(void **state)
{
    (void)state;
    struct watch_routes watch, plain = {0};
    if (!make_host(&watch))
        skip();
    assert_int_equal(watch_open(&plain), 0);
    run("ip route add 10.9.0.0/24 dev wan table 14500");
    assert_true(drain_all(&plain));
    run("ip link set own mtu 1400");
    assert_true(drain_all(&plain));
    assert_false(drain_all(&watch));
    watch_close(&plain);
    watch_close(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_an_overflow_counts),
        cmocka_unit_test(test_nothing_is_ours_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
