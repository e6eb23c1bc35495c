/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/host.h"

#include "tun_test.h"

enum { MARK = 0x4500 };

/* wide and narrow lead to the same places; what takes narrow is a matter of ip rules. */
static bool make_host(struct netlink *netlink)
{
    if (!enter_namespace())
        return false;
    run("ip link set lo up");
    run("ip link add wide type veth peer name wide1 && ip link add narrow type veth peer name narrow1");
    run("ip link set narrow mtu 1300 && for i in wide wide1 narrow narrow1; do ip link set $i up; done");
    run("ip addr add 192.0.2.1/24 dev wide && ip addr add 192.0.2.11/32 dev wide");
    run("ip addr add 2001:db8::1/64 dev wide nodad && ip addr add 2001:db8::11/128 dev wide nodad");
    run("ip route add default dev narrow table 50 && ip -6 route add default dev narrow table 50");
    assert_int_equal(netlink_open(netlink), OK);
    return true;
}

static struct path a_path(const char *local, uint16_t local_port, const char *remote, uint16_t remote_port)
{
    struct path path = {.local.port = local_port, .remote = {an_address(remote), remote_port}};
    if (local != NULL)
        path.local.address = an_address(local);
    return path;
}

struct row {
    const char *rule, *local, *remote;
    uint16_t local_port, remote_port;
    bool udp;
    uint32_t mtu;
};

static void check(struct netlink *netlink, const struct row *row)
{
    char command[256];
    struct path path = a_path(row->local, row->local_port, row->remote, row->remote_port);
    const char *family = path.remote.address.family == 4 ? "" : "-6";
    (void)snprintf(command, sizeof command, "ip %s rule add %s lookup 50 pref 500", family, row->rule);
    run(command);
    uint32_t mtu = host_route_mtu(netlink, &path, row->udp, MARK);
    (void)snprintf(command, sizeof command, "ip %s rule del pref 500", family);
    run(command);
    if (mtu != row->mtu)
        fail_msg("'%s', from %s: %u, not %u", row->rule, row->local != NULL ? row->local : "any", mtu, row->mtu);
}

static void test_the_route_is_that_of_the_whole_path(void **state)
{
    (void)state;
    struct netlink netlink;
    const struct row rows[] = {
        {"from 192.0.2.1", "192.0.2.1", "192.0.2.2", 4500, 4500, true, 1300},
        {"from 192.0.2.1", "192.0.2.1", "192.0.2.2", 0, 0, false, 1300},
        {"from 192.0.2.1", "192.0.2.11", "192.0.2.2", 4500, 4500, true, 1500},
        /* not this host's: the kernel refuses to say, so it counts as not known */
        {"from 192.0.2.9", "192.0.2.9", "192.0.2.2", 4500, 4500, true, 1500},
        {"from 192.0.2.1", NULL, "192.0.2.2", 4500, 4500, true, 1500},
        {"ipproto udp dport 4500", "192.0.2.1", "192.0.2.2", 4500, 4500, true, 1300},
        {"ipproto udp dport 4500", NULL, "192.0.2.2", 4500, 4500, true, 1300},
        {"ipproto udp dport 4500", "192.0.2.1", "192.0.2.2", 4500, 4501, true, 1500},
        {"ipproto udp dport 4500", "192.0.2.1", "192.0.2.2", 4500, 4500, false, 1500},
        {"ipproto udp sport 4501", "192.0.2.1", "192.0.2.2", 4501, 4500, true, 1300},
        {"ipproto udp sport 4501", "192.0.2.1", "192.0.2.2", 4500, 4501, true, 1500},
        {"fwmark 0x4500", "192.0.2.1", "192.0.2.2", 4500, 4500, true, 1300},
        {"fwmark 0x4501", "192.0.2.1", "192.0.2.2", 4500, 4500, true, 1500},
        {"from 2001:db8::1", "2001:db8::1", "2001:db8::2", 4500, 4500, true, 1300},
        {"from 2001:db8::1", "2001:db8::1", "2001:db8::2", 0, 0, false, 1300},
        {"from 2001:db8::1", "2001:db8::11", "2001:db8::2", 4500, 4500, true, 1500},
        {"from 2001:db8::11", NULL, "2001:db8::2", 4500, 4500, true, 1500},
        {"ipproto udp dport 4500", "2001:db8::1", "2001:db8::2", 4500, 4500, true, 1300},
        {"ipproto udp dport 4500", "2001:db8::1", "2001:db8::2", 4500, 4500, false, 1500},
        /* no way at all */
        {"from 192.0.2.7", "192.0.2.1", "203.0.113.1", 4500, 4500, true, 0},
        {"from 2001:db8::7", "2001:db8::1", "2001:db9::1", 4500, 4500, true, 0},
    };
    if (!make_host(&netlink))
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&netlink, &rows[i]);
    netlink_close(&netlink);
}

static void test_the_route_has_the_last_word_and_icmp_has_none(void **state)
{
    (void)state;
    struct netlink netlink;
    struct path path = a_path("192.0.2.1", 4500, "198.51.100.1", 4500);
    if (!make_host(&netlink))
        skip();
    run("ip route add 198.51.100.0/24 via 192.0.2.2 mtu 1400");
    assert_int_equal(host_route_mtu(&netlink, &path, true, MARK), 1400);
    run("ip route replace 198.51.100.0/24 via 192.0.2.2 mtu 9000");
    assert_int_equal(host_route_mtu(&netlink, &path, true, MARK), 1500);
    run("ip route replace 198.51.100.0/24 via 192.0.2.2");
    run("ip link set wide mtu 1450");
    assert_int_equal(host_route_mtu(&netlink, &path, true, MARK), 1450);
    netlink_close(&netlink);
}

static void test_what_leads_to_an_address(void **state)
{
    (void)state;
    struct netlink netlink;
    if (!make_host(&netlink))
        skip();
    struct address routed = an_address("192.0.2.2"), own = an_address("192.0.2.1"), none = an_address("203.0.113.1");
    assert_true(host_has_route(&netlink, &routed, MARK, 0));
    assert_false(host_has_route(&netlink, &own, MARK, 0)); /* a local route */
    assert_false(host_has_route(&netlink, &none, MARK, 0));
    run("ip route add default via 192.0.2.2");
    assert_false(host_has_route(&netlink, &none, MARK, 0)); /* a default route says nothing */
    netlink_close(&netlink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_route_is_that_of_the_whole_path),
        cmocka_unit_test(test_the_route_has_the_last_word_and_icmp_has_none),
        cmocka_unit_test(test_what_leads_to_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
