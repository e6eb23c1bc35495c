/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mtu.h"

#include "daemon_test.h"
#include "policy/ip.h"

/* Outer IPv4 20, UDP 8, ESP 8; then IV, text in whole blocks with 2 bytes of trailer, ICV. */
static void test_suites(void **state)
{
    (void)state;
    const struct {
        const char *esp, *remote;
        enum encap_choice encap;
        uint32_t outer, inner;
    } rows[] = {
        {"aes256gcm16", "192.0.2.2", ENCAP_YES, 1500, 1438},                /* 1500 - 28 - 8 - 8 - 16 = 1440, - 2 */
        {"aes256gcm16", "192.0.2.2", ENCAP_NO, 1500, 1446},                 /* 1448 */
        {"aes256gcm16", "192.0.2.2", ENCAP_AUTO, 1500, 1438},               /* it may become UDP */
        {"aes256gcm16", "2001:db8::2", ENCAP_YES, 1500, 1418},              /* 1420 */
        {"aes256-sha256", "192.0.2.2", ENCAP_YES, 1500, 1422},              /* 1500 - 28 - 8 - 16 - 16 = 1432 -> 1424 */
        {"aes256-sha512", "192.0.2.2", ENCAP_YES, 1500, 1406},              /* 1416 -> 1408 */
        {"aes256gcm16, aes256-sha512", "192.0.2.2", ENCAP_YES, 1500, 1406}, /* the worst counts */
        {"aes256gcm16", "192.0.2.2", ENCAP_YES, 9000, 8938},
        {"aes256gcm16", "192.0.2.2", ENCAP_YES, 300, 238}, /* the TUN has a floor, see below */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct connection c = {.encap = rows[i].encap, .remote = an_address(rows[i].remote)};
        char why[512] = "";
        if (proposal_parse(PROPOSAL_ESP, rows[i].esp, 0, &c.esp, why, sizeof why) != OK)
            fail_msg("%s", why);
        if (mtu_inner(&c, rows[i].outer) != rows[i].inner)
            fail_msg("%s over %u: %u, not %u", rows[i].esp, rows[i].outer, mtu_inner(&c, rows[i].outer), rows[i].inner);
    }
}

static void test_of_tun(void **state)
{
    (void)state;
    const struct {
        uint32_t worst[2], live[2];
        size_t count;
        bool ipv6;
        uint32_t mtu;
    } rows[] = {
        {{1400, 1390}, {0, 0}, 2, false, 1390},       /* nobody is up: the worst case of all */
        {{1400, 1390}, {0, 1438}, 2, false, 1400},    /* up with a better suite: the other counts */
        {{1400, 1390}, {1438, 1430}, 2, false, 1430}, /* both up */
        {{1400, 1390}, {1218, 0}, 2, false, 1218},    /* a path got smaller */
        {{1400, 1390}, {1218, 0}, 2, true, 1280},     /* with IPv6 there is a floor */
        {{500, 1390}, {0, 0}, 2, false, 576},         /* and without it, too */
        {{65000, 0}, {0, 0}, 1, false, MTU_JUMBO},
        {{0, 0}, {0, 0}, 0, false, 1500 - 40 - 8}, /* no connection at all */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t mtu = mtu_of_tun(rows[i].worst, rows[i].live, rows[i].count, rows[i].ipv6);
        if (rows[i].count > 0 ? mtu != rows[i].mtu : mtu > 1500)
            fail_msg("row %zu: %u, not %u", i, mtu, rows[i].mtu);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_of_tun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
