/* SPDX-License-Identifier: Apache-2.0 */
/* What the other end must be set to: our configuration, mirrored. */
#include "daemon/config_partner.h"

#include "explain_test.h"

#define PEER "[connection p]\nremote = 192.0.2.9\nlocal = 192.0.2.1\n" EXPLAIN_PSK
#define ANY  "[connection p]\nremote = %any\nstart = none\n" EXPLAIN_PSK
#define ACL  "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via p\n"

static void peers(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL,
         "p: for the administrator of the other end IKE version 1, main mode its own address 192.0.2.9 address of "
         "its peer 192.0.2.1 authentication pre-shared key; the key itself goes another way, never with this "
         "table its own identity 192.0.2.9, an IPv4 address identity of its peer 192.0.2.1, an IPv4 address "
         "phase 1",
         "login"},
        {PEER "mode = aggressive\n" ACL, "IKE version 1, aggressive mode", NULL},
        {PEER "local_id = gw.example.org\nremote_id = b@example.org\n" ACL,
         "its own identity b@example.org, a user name (user FQDN, e-mail) identity of its peer gw.example.org, a name "
         "(FQDN)",
         NULL},
        {PEER "local_id = keyid:us\nremote_id = C=CH, CN=b\n" ACL,
         "its own identity C=CH, CN=b, a distinguished name (ASN.1 DN) identity of its peer keyid:us, a key ID (group "
         "name)",
         NULL},
        {ANY ACL, "its own address any address of its peer ours, from which we call", NULL},
        {ANY ACL, "its own identity any: its key is what counts identity of its peer the address from which we call",
         NULL},
    };
    expect_explained(cases, COUNT(cases));
}

static void phases(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER "ike = aes256-sha256-modp2048, aes128-sha256-ecp256\nesp = aes256-sha256-modp2048\nlifetime_bytes = "
              "4608000KiB\n" ACL,
         "phase 1, one of aes256-sha256-modp2048: encryption aes256, hash sha256, group 14 aes128-sha256-ecp256: "
         "encryption "
         "aes128, hash sha256, group 19 lifetime of phase 1 28800 seconds phase 2, ESP in tunnel mode, one of "
         "aes256-sha256-modp2048: encryption aes256, hash sha256, PFS group 14 lifetime of phase 2 3600 seconds, "
         "4608000 "
         "kilobytes NAT traversal on",
         NULL},
        {PEER "esp = aes256-sha256\n" ACL, "hash sha256, PFS none", "PFS group"},
        {PEER "encap = auto\n" ACL, "NAT traversal on: UDP 4500 behind NAT, else IP protocol 50", NULL},
        {PEER "encap = no\ndpd_delay = 0\n" ACL, "NAT traversal off: IP protocol 50 dead-peer detection not needed",
         NULL},
    };
    expect_explained(cases, COUNT(cases));
}

static void networks(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL, "protocol 10.2.0.0/24 10.1.0.0/24 all", NULL},
        {PEER "[acl]\nprotect = tcp 10.1.0.0/24 port 22 -> 10.2.0.7 via p\nprotect = udp 10.1.0.0/24 -> 10.2.0.8 port "
              "53 via p\n"
              "bypass = any -> 10.9.0.0/16\n",
         "protocol 10.2.0.7/32 10.1.0.0/24 tcp, our port 22 10.2.0.8/32 10.1.0.0/24 udp, its port 53 Warnings", NULL},
        {PEER "[acl]\nprotect = any -> any via p\n", "protocol 0.0.0.0/0 0.0.0.0/0 all ::/0 ::/0 all", NULL},
        {PEER "[acl]\nbypass = any -> 10.9.0.0/16\n", "networks none: no rule uses this connection yet", "pairs of"},
        /* to each its own rules */
        {PEER "[connection q]\nremote = 192.0.2.8\n" EXPLAIN_PSK
              "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via p\nprotect = 10.1.0.0/24 -> 10.3.0.0/24 via q\n"
              "protect = 10.1.0.0/24 -> 10.4.0.0/24 via p\n",
         "protocol 10.2.0.0/24 10.1.0.0/24 all 10.4.0.0/24 10.1.0.0/24 all q: for", NULL},
        {PEER "[connection q]\nremote = 192.0.2.8\n" EXPLAIN_PSK
              "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via p\nprotect = 10.1.0.0/24 -> 10.3.0.0/24 via q\n",
         "protocol 10.3.0.0/24 10.1.0.0/24 all Warnings", NULL},
    };
    expect_explained(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers),
        cmocka_unit_test(phases),
        cmocka_unit_test(networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
