/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/route.h"

#include "test/unit/log_test.h"
#include "tun_test.h"

static char why[512], out[8192];
static const struct log quiet;

/* A namespace with lo, two veth ends (wan 192.0.2.1, lan 10.1.0.1) and a TUN that is up. */
static bool make_host(struct device *device)
{
    if (!enter_namespace())
        return false;
    run("ip link set lo up && ip link add wan type veth peer name wan1 && ip link add lan type veth peer name lan1");
    run("ip addr add 192.0.2.1/24 dev wan && ip addr add 10.1.0.1/24 dev lan && ip addr add fd01::1/64 dev lan nodad");
    run("for i in wan wan1 lan lan1; do ip link set $i up; done; ip route add default via 192.0.2.254");
    assert_int_equal(device_open("esp0", false, false, device, why, sizeof why), OK);
    assert_int_equal(device_start(device, 1400, true, &quiet, why, sizeof why), OK);
    return true;
}

static struct routes *install(const struct spd *spd, const struct device *device)
{
    struct routes *routes;
    why[0] = '\0';
    if (routes_install(spd, device, &quiet, &routes, why, sizeof why) != OK)
        fail_msg("%s", why);
    return routes;
}

static void assert_goes(const char *query, const char *expected)
{
    char command[256];
    (void)snprintf(command, sizeof command, "ip route get %s 2>&1", query);
    assert_has(output_of(command, out, sizeof out), expected);
}

static void assert_clean(void)
{
    output_of("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip nexthop", out, sizeof out);
    if (strstr(out, "229") != NULL || strstr(out, "1450") != NULL)
        fail_msg("left over: %s", out);
}

static void test_protected_ranges_go_to_the_tun(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "protect fd01::/64 -> fd02::/64 via x"};
    if (!make_host(&device))
        skip();
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_goes("10.2.0.9", "dev esp0");
    assert_goes("10.2.0.9", "src 10.1.0.1");
    assert_goes("10.2.0.9 mark 0x4500", "dev wan");
    assert_goes("fd02::9", "dev esp0");
    assert_goes("fd02::9", "src fd01::1");
    assert_goes("10.3.0.9", "dev wan");
    assert_int_equal(routes_table(routes), ROUTE_TABLE);
    routes_remove(routes);
    assert_clean();
    assert_goes("10.2.0.9", "dev wan");
    spd_free(&spd);
    device_close(&device);
}

static void assert_bound_is_stopped(void)
{
    assert_goes("fd02::9 oif lan", "Invalid argument"); /* how the kernel says "blackhole" */
    assert_goes("fd02::9 oif lan mark 0x4500", "dev lan");
    assert_goes("fd03::9 oif lan", "dev lan");
    assert_goes("fd01::9 oif lan", "dev lan");
    assert_goes("fe80::9 oif lan", "dev lan");
    assert_goes("ff02::9 oif lan", "dev lan");
}

/* A look-up that names an interface, as a socket does that is bound to one. Of IPv4 nothing can be promised. */
static void test_a_bound_socket_meets_no_other_way(void **state)
{
    (void)state;
    struct device device;
    const char *const narrow[] = {"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "protect fd01::/64 -> fd02::/64 via x"};
    const char *const wide[] = {"bypass any -> fd03::/16", "bypass any -> fd01::/64", "protect any -> any via x"};
    if (!make_host(&device))
        skip();
    run("ip -6 route add default via fd01::254");
    assert_goes("fd02::9 oif lan", "via fd01::254");
    struct spd spds[] = {an_spd(narrow, COUNT(narrow)), an_spd(wide, COUNT(wide))};
    for (size_t i = 0; i < COUNT(spds); i++) {
        struct routes *routes = install(&spds[i], &device);
        assert_bound_is_stopped();
        assert_goes("fd02::9 oif esp0", "dev esp0");
        run("ip -6 route add fd05::/64 via fd01::253 dev lan && ip -6 route del fd05::/64");
        /* the process dies; the next start replaces what is left */
        run("ip link del esp0");
        assert_bound_is_stopped();
        device_close(&device);
        assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
        assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
        struct routes *again = install(&spds[COUNT(spds) - 1 - i], &device);
        assert_int_equal(routes_table(again), ROUTE_TABLE);
        assert_bound_is_stopped();
        routes_remove(again);
        assert_clean();
        assert_goes("fd02::9 oif lan", "via fd01::254");
        routes_remove(routes); /* of the crashed one: only its memory is left */
    }
    spd_free(&spds[0]);
    spd_free(&spds[1]);
    device_close(&device);
}

/* Without a nexthop of ours the rest stands, and is said. */
static void test_a_strangers_nexthop_is_left_alone(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"protect fd01::/64 -> fd02::/64 via x"};
    if (!make_host(&device))
        skip();
    run("ip -6 nexthop add id 1157642404 blackhole proto 4");
    assert_int_equal(ROUTE_NEXTHOP + ROUTE_TABLE, 1157642404);
    struct spd spd = an_spd(rules, COUNT(rules));
    char said[LINES_KEPT] = "";
    struct log log = {.level = LOG_WARNING, .sink = keep_line, .arg = said};
    struct routes *routes;
    assert_int_equal(routes_install(&spd, &device, &log, &routes, why, sizeof why), OK);
    assert_has(said, "guard = yes");
    assert_goes("fd02::9", "dev esp0");
    assert_null(strstr(output_of("ip -6 rule", out, sizeof out), "14503:"));
    routes_remove(routes);
    assert_has(output_of("ip nexthop", out, sizeof out), "id 1157642404 blackhole");
    run("ip nexthop del id 1157642404");
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

/* A crash of one that had IPv6 rules; the next has none. */
static void test_what_is_not_wanted_any_more_goes(void **state)
{
    (void)state;
    struct device device;
    const char *const both[] = {"protect fd01::/64 -> fd02::/64 via x", "protect 10.1.0.0/24 -> 10.2.0.0/24 via x"};
    if (!make_host(&device))
        skip();
    struct spd spd = an_spd(both, 2), less = an_spd(both + 1, 1);
    struct routes *crashed = install(&spd, &device), *routes = install(&less, &device);
    assert_null(strstr(output_of("ip -6 rule; ip nexthop; ip -6 route show table all", out, sizeof out), "229"));
    routes_remove(routes);
    assert_clean();
    routes_remove(crashed);
    spd_free(&spd);
    spd_free(&less);
    device_close(&device);
}

/* 0.0.0.0/0 with the peer inside it: our marked packets do not loop; what was decrypted reaches the LAN. */
static void test_a_full_tunnel_has_no_loop(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"bypass any -> 198.51.100.0/24", "protect 10.1.0.0/24 -> 0.0.0.0/0 via x"};
    if (!make_host(&device))
        skip();
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_goes("192.0.2.2", "dev esp0");
    assert_goes("192.0.2.2 mark 0x4500", "dev wan");
    assert_goes("8.8.8.8", "dev esp0");
    assert_goes("8.8.8.8 mark 0x4500", "via 192.0.2.254");
    assert_goes("198.51.100.7", "via 192.0.2.254");
    /* what is attached on our own side stays there */
    assert_goes("10.1.0.5", "dev lan");
    assert_goes("10.1.1.5", "dev esp0");
    run("echo 1 >/proc/sys/net/ipv4/ip_forward");
    assert_goes("10.1.0.5 from 8.8.8.8 iif esp0", "dev lan");
    assert_goes("10.1.0.5 from 8.8.8.8 iif wan", "dev lan");
    assert_goes("8.8.8.8 from 10.1.0.5 iif lan", "dev esp0");
    routes_remove(routes);
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

static void test_a_missing_local_address_is_put_on_the_tun(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"protect 172.16.0.9/32 -> 10.2.0.0/24 via x"};
    if (!make_host(&device))
        skip();
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_has(output_of("ip addr show esp0", out, sizeof out), "172.16.0.9/32");
    assert_goes("10.2.0.9", "src 172.16.0.9");
    routes_remove(routes);
    assert_null(strstr(output_of("ip addr show esp0", out, sizeof out), "172.16.0.9"));
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

static void test_an_address_of_another_host_is_left_to_it(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"protect 10.1.0.9/32 -> 10.2.0.0/24 via x",
                                 "protect 172.16.0.9/32 -> 10.3.0.0/24 via x", "protect fd01::9/128 -> fd02::/64 via x",
                                 "protect fd09::9/128 -> fd03::/64 via x"};
    if (!make_host(&device))
        skip();
    run("ip route add 172.16.0.0/16 via 10.1.0.254 && ip route add fd09::/64 via fd01::254");
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    output_of("ip addr show esp0", out, sizeof out);
    assert_null(strstr(out, "10.1.0.9"));
    assert_null(strstr(out, "172.16.0.9"));
    assert_null(strstr(out, "::9/"));
    assert_goes("10.1.0.9", "dev lan");
    assert_goes("172.16.0.9", "via 10.1.0.254");
    assert_goes("10.2.0.9", "dev esp0");
    assert_goes("fd03::9", "dev esp0");
    routes_remove(routes);
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

/* With a default route over the LAN, or over IPv6: that leads anywhere, and says nothing about who has the address. */
static void test_a_default_route_says_nothing_about_an_address(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"protect 172.16.0.9/32 -> 10.2.0.0/24 via x",
                                 "protect fd09::9/128 -> fd02::/64 via x"};
    if (!make_host(&device))
        skip();
    run("ip -6 route add default via fd01::254");
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_has(output_of("ip addr show esp0", out, sizeof out), "172.16.0.9/32");
    assert_has(out, "fd09::9/128");
    routes_remove(routes);
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

/* A crash leaves the rules; with a persistent TUN the routes too. */
static void test_left_overs_of_a_crash_are_replaced(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"bypass any -> 10.2.7.0/24", "protect 10.1.0.0/24 -> 10.2.0.0/16 via x"};
    if (!make_host(&device))
        skip();
    run("ip tuntap add old0 mode tun && ip link set old0 up && ip route add 10.77.0.0/16 dev old0 table 14500 proto "
        "229");
    run("ip route add throw 10.88.0.0/16 table 14500 proto 229");
    run("ip rule add not fwmark 0x4500 lookup 14500 prio 14502 protocol 229");
    run("ip rule add iif esp0 lookup 14501 prio 14500 protocol 229");
    run("ip rule add iif esp0 lookup main prio 14501 protocol 229");
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_int_equal(routes_table(routes), ROUTE_TABLE);
    output_of("ip route show table 14500", out, sizeof out);
    assert_has(out, "10.2.0.0/16 dev esp0");
    assert_null(strstr(out, "10.77.0.0"));
    assert_null(strstr(out, "10.88.0.0"));
    /* the rule that only an overlap needs */
    assert_null(strstr(output_of("ip rule", out, sizeof out), "14501:"));
    routes_remove(routes);
    assert_clean();
    spd_free(&spd);
    device_close(&device);
}

static const char *const two_families[] = {"protect 10.1.0.0/24 -> 10.2.0.0/24 via x",
                                           "protect fd01::/64 -> fd02::/64 via x"};

/* What a process that dies does to its TUN: it vanishes, or loses its carrier. */
static void test_a_crash_leaves_protected_ranges_unreachable(void **state)
{
    (void)state;
    struct device device;
    if (!make_host(&device))
        skip();
    run("ip -6 route add default via fd01::254");
    struct spd spd = an_spd(two_families, COUNT(two_families));
    struct routes *routes = install(&spd, &device);
    assert_goes("10.2.0.9", "dev esp0");
    assert_goes("fd02::9", "dev esp0");
    run("ip link del esp0");
    assert_goes("10.2.0.9", "No route to host");
    assert_goes("fd02::9", "No route to host");
    assert_goes("10.2.0.9 mark 0x4500", "dev wan");
    assert_goes("10.3.0.9", "dev wan");
    /* another instance does not take over what is left */
    struct device other;
    assert_int_equal(device_open("esp7", false, false, &other, why, sizeof why), OK);
    assert_int_equal(device_start(&other, 1400, true, &quiet, why, sizeof why), OK);
    const char *const elsewhere[] = {"protect 10.1.0.0/24 -> 10.7.0.0/24 via x"};
    struct spd other_spd = an_spd(elsewhere, 1);
    struct routes *other_routes = install(&other_spd, &other);
    assert_int_equal(routes_table(other_routes), ROUTE_TABLE + ROUTE_SLOT_STEP);
    assert_goes("10.2.0.9", "No route to host");
    routes_remove(other_routes);
    assert_goes("10.2.0.9", "No route to host");
    /* the same TUN does, also when an earlier slot is free */
    device_close(&device);
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    struct routes *again = install(&spd, &device);
    assert_int_equal(routes_table(again), ROUTE_TABLE);
    assert_goes("10.2.0.9", "dev esp0");
    assert_goes("fd02::9", "dev esp0");
    routes_remove(again);
    assert_clean();
    assert_goes("10.2.0.9", "dev wan");
    routes_remove(routes); /* of the crashed one: only its memory is left */
    spd_free(&spd);
    spd_free(&other_spd);
    device_close(&other);
    device_close(&device);
}

static void test_our_left_over_is_found_behind_a_free_slot(void **state)
{
    (void)state;
    struct device device;
    if (!make_host(&device))
        skip();
    run("ip rule add lookup main prio 14500");
    struct spd spd = an_spd(two_families, COUNT(two_families));
    struct routes *crashed = install(&spd, &device);
    assert_int_equal(routes_table(crashed), ROUTE_TABLE + ROUTE_SLOT_STEP);
    run("ip rule del prio 14500");
    struct routes *routes = install(&spd, &device);
    assert_int_equal(routes_table(routes), ROUTE_TABLE + ROUTE_SLOT_STEP);
    routes_remove(routes);
    assert_clean();
    routes_remove(crashed);
    spd_free(&spd);
    device_close(&device);
}

static void test_an_attached_tun_without_its_process_is_closed(void **state)
{
    (void)state;
    struct device device;
    if (!make_host(&device))
        skip();
    device_close(&device);
    run("ip tuntap add esp0 mode tun && ip link set esp0 up && ip -6 route add default via fd01::254");
    struct spd spd = an_spd(two_families, COUNT(two_families));
    for (int ignore = 0; ignore < 2; ignore++) {
        run(ignore ? "for f in 4 6; do echo 1 >/proc/sys/net/ipv$f/conf/all/ignore_routes_with_linkdown; done"
                   : "true");
        assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
        assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
        struct routes *routes = install(&spd, &device);
        assert_goes("10.2.0.9", "dev esp0");
        assert_goes("fd02::9", "dev esp0");
        close(device.fd);
        device.fd = -1;
        /* to a device that drops, or, once the kernel has noted the loss of the carrier and minds it, nowhere */
        output_of("ip route get 10.2.0.9 2>&1; ip route get fd02::9 2>&1", out, sizeof out);
        assert_null(strstr(out, "dev wan"));
        assert_null(strstr(out, "dev lan"));
        for (int i = 0; ignore && i < 100 && strstr(out, "esp0") != NULL; i++) {
            usleep(50000);
            output_of("ip route get 10.2.0.9 2>&1; ip route get fd02::9 2>&1", out, sizeof out);
        }
        assert_true(!ignore || strstr(out, "esp0") == NULL);
        run("ip link set esp0 down");
        assert_goes("10.2.0.9", "No route to host");
        assert_goes("fd02::9", "No route to host");
        run("ip link set esp0 up");
        routes_remove(routes);
        assert_clean();
    }
    spd_free(&spd);
}

static void test_instances_side_by_side(void **state)
{
    (void)state;
    struct device one, two;
    const char *const rules1[] = {"protect 10.1.0.0/24 -> 10.2.0.0/24 via x"};
    const char *const rules2[] = {"protect 10.1.0.0/24 -> 10.3.0.0/24 via x"};
    if (!make_host(&one))
        skip();
    assert_int_equal(device_open("esp1", false, false, &two, why, sizeof why), OK);
    assert_int_equal(device_start(&two, 1400, true, &quiet, why, sizeof why), OK);
    run("ip rule add lookup main prio 14504");
    struct spd spd1 = an_spd(rules1, 1), spd2 = an_spd(rules2, 1);
    struct routes *first = install(&spd1, &one);
    struct routes *second = install(&spd2, &two);
    assert_int_equal(routes_table(first), ROUTE_TABLE);
    assert_int_equal(routes_table(second), ROUTE_TABLE + 2 * ROUTE_SLOT_STEP); /* the one between is a stranger's */
    assert_goes("10.2.0.9", "dev esp0");
    routes_remove(first);
    run("ip rule del prio 14504");
    assert_goes("10.3.0.9", "dev esp1");
    routes_remove(second);
    assert_clean();
    spd_free(&spd1);
    spd_free(&spd2);
    device_close(&two);
    device_close(&one);
}

static void test_all_slots_taken(void **state)
{
    (void)state;
    struct device device;
    struct routes *routes;
    const char *const rules[] = {"protect 10.1.0.0/24 -> 10.2.0.0/24 via x"};
    if (!make_host(&device))
        skip();
    run("for i in $(seq 14500 4 14564); do ip rule add lookup main prio $i || exit 1; done");
    struct spd spd = an_spd(rules, COUNT(rules));
    assert_int_equal(routes_install(&spd, &device, &quiet, &routes, why, sizeof why), ERR_LIMIT);
    assert_has(why, "routes = no");
    assert_null(routes);
    spd_free(&spd);
    device_close(&device);
}

static void test_without_protect_rules_nothing_is_installed(void **state)
{
    (void)state;
    struct device device;
    const char *const rules[] = {"bypass any -> any", "discard any -> any"};
    if (!make_host(&device))
        skip();
    struct spd spd = an_spd(rules, COUNT(rules));
    struct routes *routes = install(&spd, &device);
    assert_clean();
    routes_remove(routes);
    spd_free(&spd);
    device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protected_ranges_go_to_the_tun),
        cmocka_unit_test(test_a_bound_socket_meets_no_other_way),
        cmocka_unit_test(test_a_strangers_nexthop_is_left_alone),
        cmocka_unit_test(test_what_is_not_wanted_any_more_goes),
        cmocka_unit_test(test_a_full_tunnel_has_no_loop),
        cmocka_unit_test(test_a_missing_local_address_is_put_on_the_tun),
        cmocka_unit_test(test_an_address_of_another_host_is_left_to_it),
        cmocka_unit_test(test_a_default_route_says_nothing_about_an_address),
        cmocka_unit_test(test_left_overs_of_a_crash_are_replaced),
        cmocka_unit_test(test_a_crash_leaves_protected_ranges_unreachable),
        cmocka_unit_test(test_our_left_over_is_found_behind_a_free_slot),
        cmocka_unit_test(test_an_attached_tun_without_its_process_is_closed),
        cmocka_unit_test(test_instances_side_by_side),
        cmocka_unit_test(test_all_slots_taken),
        cmocka_unit_test(test_without_protect_rules_nothing_is_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
