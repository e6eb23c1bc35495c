/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration in plain words: each choice has its sentence, and no other's; no secret is in any. */
#include "daemon/config_explain.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "explain_test.h"
#include "test/pki.h"

#define PEER  "[connection p]\nremote = 192.0.2.9\n" EXPLAIN_PSK
#define ANY   "[connection p]\nremote = %any\nstart = none\n" EXPLAIN_PSK
#define NAMED "[connection p]\nremote = gw.example.org\n" EXPLAIN_PSK
#define ACL   "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via p\n"

static void who_calls(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL, "We call the peer 192.0.2.9 from the address that the route uses when the first packet",
         "as soon as"},
        {PEER "start = start\n" ACL, "from the address that the route uses as soon as esptun runs", "first packet"},
        {PEER "start = none\n" ACL,
         "The peer 192.0.2.9 calls us at any address of this host; we call only by `esptun up p`", "We call the peer"},
        {PEER "local = 192.0.2.1\nstart = none\n" ACL, "calls us at 192.0.2.1;", NULL},
        {PEER "local = 192.0.2.1\n" ACL, "We call the peer 192.0.2.9 from 192.0.2.1 when", NULL},
        {NAMED ACL,
         "We call the peer gw.example.org from the address that the route uses when the first packet for this tunnel "
         "comes; it may call us too. That name is looked up each time that we start to call; its addresses are tried "
         "in "
         "turn.",
         "any address"},
        {PEER ACL, "it may call us too.", "looked up"},
        {ANY ACL, "We wait at every address of this host for peers that call from any address; we never call.",
         "We call the peer"},
        {ANY "local = 192.0.2.1\n" ACL, "We wait at 192.0.2.1 for", NULL},
    };
    (void)state;
    expect_explained(cases, COUNT(cases));
}

static void what_proves(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL,
         "Phase 1 is IKE version 1 in main mode. Both ends prove themselves by one pre-shared key, which is not "
         "shown. We call ourselves by our address; the peer must call itself by its address.",
         "everybody"},
        {PEER "local_id = gw.example.org\nmode = aggressive\n" ACL,
         "in aggressive mode, which shows both names to everybody on the way.", "main mode"},
        {PEER "local_id = gw.example.org\nremote_id = boss@example.org\n" ACL,
         "We call ourselves gw.example.org; the peer must call itself boss@example.org.", "by its address"},
        {ANY ACL, "the peer may call itself what it likes.", "must call itself"},
    };
    expect_explained(cases, COUNT(cases));
}

static void lives_and_death(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL, "Phase 1 lives for 8 hours, a pair of SAs of phase 2 for 1 hour at most;", NULL},
        {PEER "ike_lifetime = 1d\nlifetime = 90\nlifetime_bytes = 4GiB\nlifetime_packets = 5000\n" ACL,
         "Phase 1 lives for 1 day, a pair of SAs of phase 2 for 90 seconds or 4GiB of data or 5000 packets at most;",
         NULL},
        {PEER "ike_lifetime_bytes = 4MiB\n" ACL,
         "Phase 1 lives for 8 hours or 4MiB of messages, a pair of SAs of phase 2 for 1 hour at most;", NULL},
        {PEER "dpd_delay = 1m\n" ACL, "silent for 1 minute is asked", "never asked"},
        {PEER "dpd_delay = 0\n" ACL, "A silent peer is never asked", "is asked for"},
        {PEER ACL, "When it is gone, we call it again at once;", "next packet"},
        {PEER "dpd_action = trap\n" ACL, "When it is gone, the next packet for this tunnel makes us call", "at once;"},
        {PEER "dpd_action = clear\n" ACL, "When it is gone, nothing happens until", "at once;"},
        {ANY ACL, "When it is gone, its tunnel ends, and it has to call again;", "we call it"},
    };
    expect_explained(cases, COUNT(cases));
}

static void probes(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL, "Whether this gateway counts as ready", "is pinged"},
        {PEER "probe = 10.2.0.1\nprobe_source = 10.1.0.1\n" ACL,
         "10.2.0.1 is pinged through it every 10 seconds, from 10.1.0.1.", "made anew"},
        {PEER "probe = 10.2.0.1\n" ACL, "from an address of this host", "made anew"},
        {PEER "probe = 10.2.0.1\nprobe_failures = 7\nprobe_action = restart\n" ACL,
         "After 7 pings in a row without an answer it counts as down, and the tunnel is ended and made anew.",
         "nothing else happens"},
        {PEER "probe = 10.2.0.1\nstart = trap\n" ACL, "bring the tunnel up, and keep it up", "made anew"},
        {PEER "probe = 10.2.0.1\nstart = start\n" ACL, "nothing else happens", "keep it up"},
    };
    expect_explained(cases, COUNT(cases));
}

static void path_and_readiness(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL, "ESP travels in UDP 4500 always", "protocol 50"},
        {PEER "encap = auto\n" ACL, "ESP travels as IP protocol 50, and in UDP 4500 behind a NAT", "always"},
        {PEER "encap = no\n" ACL, "ESP travels as IP protocol 50 alone", "UDP 4500"},
        {PEER ACL, "does not depend on this connection", "is ready only"},
        {PEER "required = yes\n" ACL, "ready only while this connection is up", "does not depend"},
        {PEER ACL, "by the TUN interface esp0. It leads", "routes = no"},
        {"[gateway]\ntun = vpn7\nroutes = no\nguard = yes\n" PEER ACL,
         "by the TUN interface vpn7. The administrator leads the networks of the rules there (routes = no). The guard",
         "guard = yes would"},
    };
    expect_explained(cases, COUNT(cases));
}

static void proposals(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER "ike = aes256-sha384-ecp384\nesp = aes256gcm16-ecp384\n" ACL,
         "Phase 1, best first: aes256-sha384-ecp384: encryption aes256, hash sha384, group 20 Phase 2, best first: "
         "aes256gcm16-ecp384: encryption aes256gcm16, hash none (the cipher authenticates), PFS group 20",
         "Legacy"},
        {PEER "esp = aes256-sha256-modp2048, aes256-sha256\n" ACL,
         "when we call, we offer those with the group of the first:", NULL},
        {PEER "profile = cisco\n" ACL, "Connection p (profile cisco)", NULL},
        {PEER "profile = cisco\n" ACL, "only this connection may use: modp1024, modp1536, sha1", NULL},
    };
    expect_explained(cases, COUNT(cases));
}

static void rules(void **state)
{
    (void)state;
    const struct explain_case cases[] = {
        {PEER ACL,
         "1. What goes from 10.1.0.0/24 to 10.2.0.0/24 travels in the tunnel p. The end: every other packet is "
         "dropped.",
         "And more"},
        {PEER "[acl]\nbypass = any -> 192.168.0.0/16\n",
         "1. What goes from anywhere (IPv4) to 192.168.0.0/16 passes by", NULL},
        {PEER "[acl]\nprotect = any -> any via p\ndiscard = udp any -> any port 5-9\n",
         "1. What goes from anywhere to anywhere travels in the tunnel p. 2. udp from anywhere to anywhere ports 5 to "
         "9 is "
         "dropped and counted. The end",
         "(IPv"},
        {PEER "[acl]\nprotect = tcp fd00:1::/64 port 22 -> fd00:2::9 via p\n",
         "1. tcp from fd00:1::/64 port 22 to fd00:2::9/128 travels", NULL},
        {PEER ACL, "Warnings: none", "Line"},
        {PEER "profile = gcp-v1\n" ACL, "Warnings Line 1: ike uses legacy algorithms", "Warnings: none"},
    };
    expect_explained(cases, COUNT(cases));
}

/* Beyond a number they are counted, each written rule once. */
static void many_rules(void **state)
{
    (void)state;
    char *ini = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&ini, &len);
    assert_non_null(out);
    fputs(PEER "[acl]\n", out);
    for (unsigned i = 1; i < EXPLAIN_RULES_MAX; i++)
        fprintf(out, "protect = 10.1.0.0/24 -> 10.2.%u.0/24 via p\n", i);
    fputs("bypass = tcp any -> any port 1\n", out);
    fclose(out);
    char *text = explained_text(ini);
    assert_has(text, "40. tcp from anywhere to anywhere port 1 passes by");
    assert_null(strstr(text, "And more"));
    assert_has(text, "10.2.32.0/24 10.1.0.0/24 all and 7 more");
    free(text);
    out = open_memstream(&text, &len);
    assert_non_null(out);
    fprintf(out,
            "%sdiscard = udp any -> any port 2\nbypass = udp any -> any port 3\nprotect = 10.1.0.0/24 -> 10.3.0.0/24 "
            "via p\n"
            "protect = 10.1.0.0/24 -> 10.4.0.0/24 via p\n",
            ini);
    fclose(out);
    char *more = explained_text(text);
    assert_has(more, "And more, which `esptun check` prints: 2 into tunnels, 1 in clear, 1 dropped. The end");
    free(more);
    free(text);
    free(ini);
}

/* Each line fits, but for what cannot be cut. */
static void width(void **state)
{
    (void)state;
    struct loaded l = load_good(PEER "profile = azure-policy\nlifetime_packets = 5000\n" ACL);
    char *text = explained(l.config, &l.errors);
    size_t lines = 0;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1, lines++)
        if (strcspn(line, "\n") > EXPLAIN_WIDTH)
            fail_msg("%.*s", (int)strcspn(line, "\n"), line);
    assert_true(lines > 40);
    free(text);
    unload(&l);
}

/* --- files --- */

static char folder[64];

static void save(const char *name, struct bytes data)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data.data, 1, data.len, out), data.len);
    fclose(out);
    assert_int_equal(chmod(path, 0600), 0);
}

static int make_folder(void **state)
{
    static const char users[] = "alice:$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/esptun-words-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct pki *ca = pki_ca("C=CH, CN=Root", PKI_EC256, NULL);
    struct pki *gw = pki_end("CN=gw", "DNS:gw.example.org", PKI_EC256, ca);
    save("gw.key", pki_key_pem(gw, NULL));
    save("gw.pem", pki_cert_pem(gw));
    save("ca.pem", pki_cert_pem(ca));
    save("users", bytes_of(users, sizeof users - 1));
    save("password", bytes_of("zebra sesame\n", 13));
    pki_free(gw);
    pki_free(ca);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"gw.key", "gw.pem", "ca.pem", "users", "password"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static char *explained_in_folder(const char *ini)
{
    char path[128];
    struct loaded l = {.vault = vault_new()};
    snprintf(path, sizeof path, "%s/test.ini", folder);
    if (config_load_text(path, bytes_of(ini, strlen(ini)), false, l.vault, &l.config, &l.errors) != OK)
        fail_msg("%s", messages(&l));
    char *text = joined(explained(l.config, &l.errors));
    unload(&l);
    return text;
}

static void with_certificates(void **state)
{
    (void)state;
    char *text = explained_in_folder("[connection p]\nremote = 192.0.2.9\nauth = pubkey\nkey = gw.key\ncert = gw.pem\n"
                                     "ca = ca.pem\nlocal_id = gw.example.org\nremote_id = b.example.org\n" ACL);
    assert_has(text, "Both ends prove themselves by certificates, with ECDSA P-256 keys; ours ends on 2");
    assert_has(text, "That of the peer must come from C=CH, CN=Root. We call ourselves gw.example.org;");
    assert_has(text, "authentication certificates, ECDSA P-256 signatures");
    assert_has(
        text,
        "it must trust C=CH, CN=Root its own certificate from C=CH, CN=Root its own identity b.example.org, a name");
    assert_null(strstr(text, "pre-shared"));
    free(text);
}

static void a_server(void **state)
{
    (void)state;
    char *text = explained_in_folder("[connection p]\nremote = %any\nstart = none\nauth = xauth-psk\nusers = users\n"
                                     "pool = 10.9.0.0/24\nsplit = 10.1.0.0/16\n" EXPLAIN_PSK
                                     "[acl]\nprotect = 10.1.0.0/24 -> 10.9.0.0/24 via p\n");
    assert_has(text, "Then the caller logs in with user and password (XAUTH); 1 user may. It is given an address of "
                     "10.9.0.0/24. It is told to send 1 network this way, and else nothing.");
    assert_has(text, "login XAUTH as client,");
    assert_has(text, "address (mode-config) it asks us for one");
    assert_has(text, "the local side narrows");
    assert_null(strstr(text, "argon2"));
    free(text);
}

static void a_client(void **state)
{
    (void)state;
    char *text = explained_in_folder("[connection p]\nremote = 192.0.2.9\nauth = xauth-psk\nxauth_user = carol\n"
                                     "xauth_password_file = password\nmode_config = push\n" EXPLAIN_PSK
                                     "[acl]\nprotect = any -> 10.1.0.0/24 via p\n");
    assert_has(text,
               "Then we log in as carol with a password (XAUTH), and are given an address unasked (mode-config).");
    assert_has(text, "login XAUTH as server,");
    assert_has(text, "address (mode-config) it sets one, unasked");
    assert_has(text, "the remote side narrows");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_calls),
        cmocka_unit_test(what_proves),
        cmocka_unit_test(lives_and_death),
        cmocka_unit_test(probes),
        cmocka_unit_test(path_and_readiness),
        cmocka_unit_test(proposals),
        cmocka_unit_test(rules),
        cmocka_unit_test(many_rules),
        cmocka_unit_test(width),
        cmocka_unit_test(with_certificates),
        cmocka_unit_test(a_server),
        cmocka_unit_test(a_client),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
