/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/nexthop.h"

#include <errno.h>

#include "tun_test.h"

enum { OURS = 229, NUMBER = 4711 };

static char out[1024];

static void test_a_blackhole_comes_and_goes(void **state)
{
    (void)state;
    struct netlink netlink;
    if (!enter_namespace())
        skip();
    run("ip link set lo up");
    assert_int_equal(netlink_open(&netlink), OK);
    for (int again = 0; again < 2; again++)
        assert_int_equal(nexthop_add_blackhole(&netlink, NUMBER, OURS), 0);
    assert_string_equal(output_of("ip -6 nexthop show | tr -s ' '", out, sizeof out), "id 4711 blackhole proto 229 \n");
    run("ip -6 route add fd01::/64 nhid 4711 table 7");
    nexthop_delete(&netlink, NUMBER, OURS);
    nexthop_delete(&netlink, NUMBER, OURS); /* not there: nothing */
    assert_string_equal(output_of("ip nexthop; ip -6 route show table 7 2>&1 | grep fd01", out, sizeof out), "");
    netlink_close(&netlink);
}

static void test_a_strangers_number_is_left_alone(void **state)
{
    (void)state;
    struct netlink netlink;
    const char *const theirs[] = {"ip -6 nexthop add id 4711 blackhole proto 4",
                                  "ip -6 nexthop add id 4711 dev lo proto 229"};
    if (!enter_namespace())
        skip();
    run("ip link set lo up");
    assert_int_equal(netlink_open(&netlink), OK);
    for (size_t i = 0; i < COUNT(theirs); i++) {
        run(theirs[i]);
        assert_int_equal(nexthop_add_blackhole(&netlink, NUMBER, OURS), -EEXIST);
        nexthop_delete(&netlink, NUMBER, OURS);
        assert_has(output_of("ip nexthop", out, sizeof out), "id 4711");
        run("ip nexthop del id 4711");
    }
    assert_int_equal(nexthop_add_blackhole(&netlink, NUMBER, OURS), 0);
    netlink_close(&netlink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_blackhole_comes_and_goes),
        cmocka_unit_test(test_a_strangers_number_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
