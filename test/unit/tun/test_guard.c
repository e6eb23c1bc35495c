/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "test/unit/log_test.h"
#include "tun_test.h"

static char why[512], out[16384], logged[LINES_KEPT];

static const struct log keeper = {.level = LOG_DEBUG, .sink = keep_line, .arg = logged};

static void install(struct guard *guard, const char *tun, const struct spd *spd)
{
    why[0] = '\0';
    if (guard_start(guard, tun, true, spd, &keeper, why, sizeof why) != OK)
        fail_msg("%s", why);
}

/* Every shape of rule, for the real kernel. */
static const char *const all_shapes[] = {
    "bypass any -> 198.51.100.0/24",
    "discard any -> any",
    "protect 10.0.0.0/8 -> 10.2.0.0/24 via x",
    "protect 10.1.0.0-10.1.0.9 -> 10.3.0.1-10.3.0.6 via x",
    "protect tcp 10.1.0.7/32 port 7 -> 10.4.0.0/24 port 80-90 via x",
    "bypass udp fd01::/64 -> fd02::/64 port 53",
    "protect udp fd01::1-fd01::9 -> fd02::/64 port 500 via x",
    "protect icmpv6 fd01::/64 -> fd03::/64 via x",
    "protect sctp any -> any via x",
    "protect any -> any via x",
};

static void test_without_privilege(void **state)
{
    (void)state;
    int result = 0;
    struct guard guard;
    struct spd spd = {0};
    if (!enter_namespace())
        skip();
    pid_t child = fork();
    if (child == 0) {
        if (setuid(65534) != 0)
            _exit(2);
        bool refused = guard_start(&guard, "esp0", true, &spd, &keeper, why, sizeof why) == ERR_IO;
        bool told = strstr(why, "CAP_NET_ADMIN") != NULL && strstr(why, "guard = no") != NULL;
        struct guard_counts counts;
        bool counted = guard_count(&(struct guard){.device = "esp0"}, &counts);
        /* not wanted: what cannot be looked at is left */
        _exit(refused && told && !counted && guard_start(&guard, "esp0", false, &spd, &keeper, why, sizeof why) == OK
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

static int a_tun(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR);
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
    return fd;
}

static void test_a_tun_that_it_cannot_name(void **state)
{
    (void)state;
    struct guard guard;
    struct spd spd = {0};
    char tun[16];
    if (!enter_namespace())
        skip();
    assert_int_equal(guard_start(&guard, "fd:999", true, &spd, &keeper, why, sizeof why), ERR_IO);
    assert_has(why, "no such descriptor");
    (void)snprintf(tun, sizeof tun, "fd:%d", a_tun("a\"b;c"));
    assert_int_equal(guard_start(&guard, tun, true, &spd, &keeper, why, sizeof why), ERR_UNSUPPORTED);
    assert_has(why, "guard = no");
    assert_int_equal(guard_start(&guard, tun, false, &spd, &keeper, why, sizeof why), OK);
    assert_true(enter_namespace());
    assert_int_equal(guard_start(&guard, tun, true, &spd, &keeper, why, sizeof why), ERR_UNSUPPORTED);
    assert_has(why, "another network namespace");
    assert_string_equal(guard.device, "");
}

static void test_every_shape_of_rule_is_taken(void **state)
{
    (void)state;
    struct guard guard;
    struct guard_counts counts = {1, 1};
    if (!enter_namespace())
        skip();
    struct spd spd = an_spd(all_shapes, COUNT(all_shapes));
    install(&guard, "esp0", &spd);
    output_of_success("nft list ruleset", out, sizeof out);
    assert_has(out, "table inet esptun_esp0");
    assert_has(out, "10.3.0.1-10.3.0.6");
    assert_true(guard_count(&guard, &counts));
    assert_int_equal(counts.in_clear, 0);
    assert_int_equal(counts.out_clear, 0);
    spd_free(&spd);
}

static void test_a_restart_replaces_it_and_a_start_without_removes_it(void **state)
{
    (void)state;
    struct guard guard, other;
    struct guard_counts counts;
    const char *const first[] = {"protect any -> 10.7.0.0/24 via x"};
    const char *const second[] = {"protect any -> 10.8.0.0/24 via x"};
    if (!enter_namespace())
        skip();
    struct spd one = an_spd(first, 1), two = an_spd(second, 1);
    install(&guard, "esp0", &one);
    install(&other, "esp-1.x", &one);
    install(&guard, "esp0", &two);
    output_of_success("nft list table inet esptun_esp0", out, sizeof out);
    assert_null(strstr(out, "10.7.0.0"));
    assert_has(out, "10.8.0.0");
    guard_farewell(&guard, &keeper);
    assert_has(logged, "nft delete table inet esptun_esp0'");
    assert_int_equal(guard_start(&guard, "esp0", false, &two, &keeper, why, sizeof why), OK);
    assert_has(logged, "removed");
    assert_false(guard_count(&guard, &counts));
    output_of_success("nft list tables", out, sizeof out);
    assert_null(strstr(out, "esptun_esp0"));
    assert_has(out, "esptun_esp-1.x"); /* of another TUN */
    logged[0] = '\0';
    assert_int_equal(guard_start(&guard, "esp0", false, &two, &keeper, why, sizeof why), OK);
    guard_farewell(&guard, &keeper);
    assert_string_equal(logged, ""); /* nothing was there, nothing is said */
    spd_free(&one);
    spd_free(&two);
}

static void test_what_leaves_in_clear_is_dropped_and_counted(void **state)
{
    (void)state;
    struct guard guard;
    struct guard_counts counts;
    const char *const rules[] = {"bypass any -> 10.2.0.7/32", "protect 192.0.2.1/32 -> 10.2.0.0/24 via x",
                                 "protect 192.0.2.1/32 -> 10.3.0.0/24 via x"};
    if (!enter_namespace())
        skip();
    run("ip link set lo up && ip link add wan type veth peer name wan1 && ip addr add 192.0.2.1/24 dev wan");
    run("ip link set wan up && ip link set wan1 up && ip route add default via 192.0.2.254 && ip neigh add 192.0.2.254 "
        "lladdr 02:00:00:00:00:01 dev wan");
    struct spd spd = an_spd(rules, COUNT(rules));
    install(&guard, "esp0", &spd);
    run("ping -c 2 -i 0.01 -W 0.01 10.2.0.9 >/dev/null 2>&1; ping -c 3 -i 0.01 -W 0.01 10.3.0.9 >/dev/null 2>&1; true");
    assert_true(guard_count(&guard, &counts));
    assert_int_equal(counts.out_clear, 5);
    run("ping -c 2 -i 0.01 -W 0.01 10.2.0.7 >/dev/null 2>&1; ping -c 2 -i 0.01 -W 0.01 10.4.0.9 >/dev/null 2>&1; true");
    run("ping -m 0x4500 -c 2 -i 0.01 -W 0.01 10.2.0.9 >/dev/null 2>&1; true");
    assert_true(guard_count(&guard, &counts));
    assert_int_equal(counts.out_clear, 5);
    assert_int_equal(counts.in_clear, 0);
    spd_free(&spd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_privilege),
        cmocka_unit_test(test_a_tun_that_it_cannot_name),
        cmocka_unit_test(test_every_shape_of_rule_is_taken),
        cmocka_unit_test(test_a_restart_replaces_it_and_a_start_without_removes_it),
        cmocka_unit_test(test_what_leaves_in_clear_is_dropped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
