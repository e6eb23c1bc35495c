/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phase 1 with signatures between two engines, in either mode: every kind of key, a network of lies, and peers that
 * cannot prove who they are: each row has one thing wrong, and neither end may believe the other.
 */
#include "test/sim/certificates.h"

#include <stdio.h>

#include "ike/peer.h"

enum { LOSSY_SEEDS = 150, MINUTE = 60 * SECOND };

/* --- it works --- */

static void test_every_kind_of_key(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < COUNT(families); kind++) {
        struct rig *rig = rig_new(kind + 1);
        equip_both(rig, (enum pki_kind)kind);
        rig_start(rig);
        assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
        const struct ike_sa *sa = craft_sa(rig->ends[R].ike);
        char text[IDENTITY_TEXT];
        assert_string_equal(identity_print(sa->remote_id, text), names[I]);
        assert_null(sa->phase1);
        assert_null(sa->keys.skeyid.data); /* wiped once it was used */
        assert_int_equal(rig_free(rig), 0);
    }
}

/* HASH of a bound signature is made with its own hash, whatever was negotiated (RFC 4754 5). */
static void test_every_hash_with_every_key(void **state)
{
    (void)state;
    static const char *const suites[] = {"aes128-sha256-x25519", "aes128-sha384-x25519", "aes128-sha512-x25519",
                                         "aes128-sha1-x25519", "aes128-md5-x25519"};
    for (unsigned kind = 0; kind < COUNT(families); kind++)
        for (size_t s = 0; s < COUNT(suites); s++) {
            struct rig *rig = rig_new(kind * 10 + s);
            equip_both(rig, (enum pki_kind)kind);
            for (int i = 0; i < RIG_ENDS; i++) {
                char why[256];
                rig->ends[i].connection.ike.count = 0;
                assert_int_equal(
                    proposal_parse(PROPOSAL_IKE, suites[s], ~0u, &rig->ends[i].connection.ike, why, sizeof why), OK);
            }
            rig_start(rig);
            assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
            assert_int_equal(rig_free(rig), 0);
        }
}

/* The names that a certificate may have, each as identity. */
static void test_every_kind_of_name(void **state)
{
    (void)state;
    static const char *const ids[] = {"gw.example.org", "GW.EXAMPLE.ORG",   "admin@example.org", "192.0.2.1",
                                      "2001:db8::7",    "C=CH, CN=gateway", "c=ch,cn=GATEWAY"};
    const struct family *f = &families[PKI_EC256];
    struct pki *end =
        pki_end("C=CH, CN=gateway", "DNS:gw.example.org,email:admin@example.org,IP:192.0.2.1,IP:2001:db8::7", PKI_EC256,
                f->middle);
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct rig *rig = rig_new(i + 1);
        equip_both(rig, PKI_EC256);
        equip(rig, I, credentials_from(end, end, f->middle, f->root), ids[i], names[R]);
        rig->ends[R].connection.remote_id = an_identity(ids[i]);
        rig_start(rig);
        assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
        assert_int_equal(rig_free(rig), 0);
    }
    pki_free(end);
}

/* Loss, repeats, disorder and changed bits. (A certificate made now may be a byte longer than one made then, so a seed
 * gives the same run only within one process.) */
static void test_a_network_of_lies(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LOSSY_SEEDS; seed++) {
        struct rig *rig = rig_new(seed);
        rig->network =
            (struct rig_network){.loss = 200, .repeat = 100, .corrupt = 20, .delay_min_ms = 1, .delay_max_ms = 300};
        equip_both(rig, seed % 10 == 0 ? PKI_RSA2048 : (enum pki_kind)(seed % 3));
        if (seed % 5 == 0)
            rig->ends[R].connection.start = START_START;
        rig_start(rig);
        if (!rig_comes_up(rig, rig_traffic))
            fail_msg("seed %llu: no working pair after ten minutes", (unsigned long long)seed);
        if (rig_free(rig) != 0)
            fail_msg("seed %llu: secrets are alive", (unsigned long long)seed);
    }
}

/* Phase 1 is renewed with certificates too. */
static void test_renewals(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    equip_both(rig, PKI_EC384);
    for (int i = 0; i < RIG_ENDS; i++) {
        rig->ends[i].connection.ike_lifetime_s = 100;
        rig->ends[i].connection.lifetime_s = 60;
    }
    rig_start(rig);
    assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
    for (int i = 0; i < 300; i++) {
        rig_run(rig, SECOND);
        assert_true(rig_both_carry(rig));
    }
    assert_true(rig->ends[I].events[IKE_EVENT_PHASE1_UP] >= 3);
    assert_int_equal(rig_free(rig), 0);
}

/* --- it must not work --- */

/* The initiator tries, and must not come up, nor anything carry data. (A responder that has believed message 5 cannot
 * see that its own message 6 is not believed.) */
static void nobody_believes(struct rig *rig, const char *at_initiator)
{
    rig_start(rig);
    rig_run(rig, 2 * MINUTE);
    for (int i = 0; i < RIG_ENDS; i++)
        assert_int_equal(rig_children(&rig->ends[i]), 0);
    assert_int_equal(rig_sas(&rig->ends[I], "established"), 0);
    assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
    assert_true(rig->ends[I].events[IKE_EVENT_PHASE1_FAILED] >= 1);
    if (strstr(rig->ends[I].why, at_initiator) == NULL)
        fail_msg("'%s' does not say '%s'", rig->ends[I].why, at_initiator);
    assert_int_equal(rig_free(rig), 0);
}

/* One thing is wrong with the end's certificate. at_peer: what the other end says, seen when the other end is the
 * initiator. */
struct wrong {
    struct pki_spec spec;
    const char *says;
    bool by_stranger;
};

static const struct wrong wrongs[] = {
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .until = PKI_NOW - PKI_DAY},
     .says = "CN=end expired on 2027-01-14; renew it"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .from = PKI_NOW + PKI_DAY},
     .says = "valid from 2027-01-16"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org"},
     .says = "was issued by CN=Stranger, which ca does not lead to",
     .by_stranger = true},
    {.spec = {.subject = "CN=end1.example.org", .alt = "DNS:other.example.org"},
     .says = "its certificate does not bear that name: it is for CN=end1.example.org; also other.example.org"},
    {.spec = {.subject = "CN=end1.example.org"}, .says = "does not bear that name"},
    {.spec = {.subject = "CN=end", .alt = "DNS:*.example.org"}, .says = "does not bear that name"},
    {.spec = {.subject = "CN=end", .alt = "email:end1.example.org@example.org"}, .says = "does not bear that name"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .usage = "critical,keyEncipherment"},
     .says = "needs digitalSignature"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .purpose = "codeSigning"}, .says = "ipsecIKE"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .kind = PKI_RSA2048},
     .says = "a key for RSA and ours one for ECDSA P-256"},
    {.spec = {.subject = "CN=end", .alt = "DNS:end1.example.org", .kind = PKI_EC384},
     .says = "a key for ECDSA P-384 and ours one for ECDSA P-256"},
};

/* `bad` is the end with the wrong certificate; the key that signs is of the right kind, so that the method fits. */
static struct rig *rig_with(const struct wrong *wrong, int bad)
{
    const struct family *f = &families[PKI_EC256];
    struct pki_spec spec = wrong->spec;
    char alt[64] = "";
    if (spec.alt != NULL)
        snprintf(alt, sizeof alt, "%s", spec.alt);
    char *number = strstr(alt, "end1");
    if (number != NULL)
        number[3] = (char)('0' + bad);
    spec.alt = spec.alt != NULL ? alt : NULL;
    bool other_key = spec.kind != PKI_EC256;
    struct pki *cert = pki_issue(&spec, wrong->by_stranger ? stranger : f->middle, other_key ? NULL : f->end[bad]);
    struct rig *rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    equip(rig, bad, credentials_from(f->end[bad], cert, wrong->by_stranger ? NULL : f->middle, f->root), names[bad],
          names[1 - bad]);
    pki_free(cert);
    return rig;
}

static void test_a_responder_with_a_bad_certificate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrongs); i++) {
        struct rig *rig = rig_with(&wrongs[i], R);
        nobody_believes(rig, wrongs[i].says);
    }
}

/* At every datagram: the responder, which sees the bad certificate, does not believe it. */
static bool never_up(void *arg, struct rig *rig, int from, struct rig_datagram *datagram)
{
    (void)arg;
    (void)from;
    (void)datagram;
    assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
    return false;
}

static void test_an_initiator_with_a_bad_certificate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrongs); i++) {
        struct rig *rig = rig_with(&wrongs[i], I);
        rig->filter = never_up;
        nobody_believes(rig, "AUTHENTICATION_FAILED: most likely it does not trust our certificate");
    }
}

static void test_a_revoked_peer(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_EC256];
    char text[512];
    const struct why why = {text, sizeof text};
    struct pki *other = pki_end("CN=x", NULL, PKI_EC256, f->middle);
    for (int revoked = 0; revoked <= 1; revoked++) {
        struct rig *rig = rig_new(1);
        struct pki *gone = revoked ? f->end[R] : other;
        equip_both(rig, PKI_EC256);
        assert_int_equal(trust_add_crl(rig->ends[I].connection.credentials->trust,
                                       pki_crl_pem(f->middle, &gone, 1, NULL, 0, 0), &why),
                         OK);
        if (revoked) {
            nobody_believes(rig, "the certificate of CN=end1 has been revoked by CN=Middle");
            continue;
        }
        rig_start(rig);
        assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
        assert_int_equal(rig_free(rig), 0);
    }
    pki_free(other);
}

/* Somebody with a good certificate of the right authority, but of another name. */
static void test_h2015_4171_a_colleague_in_the_name_of_the_peer(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_EC256];
    struct pki *mallory = pki_end("CN=mallory", "DNS:mallory.example.org", PKI_EC256, f->middle);
    struct rig *rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    equip(rig, R, credentials_from(mallory, mallory, f->middle, f->root), names[R], names[I]);
    nobody_believes(rig, "the peer calls itself end1.example.org, and its certificate does not bear that name");
    rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    equip(rig, R, credentials_from(mallory, mallory, f->middle, f->root), "mallory.example.org", names[I]);
    nobody_believes(rig, "INVALID_ID_INFORMATION");
    /* The certificate of the peer, which everyone can have, without its key (2004-0155). */
    rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    equip(rig, R, credentials_from(mallory, f->end[R], f->middle, f->root), names[R], names[I]);
    nobody_believes(rig, "the signature was not made with its key");
    pki_free(mallory);
}

/* One end has a psk, the other certificates: the offer does not fit, and nothing is tried. */
static void test_methods_do_not_mix(void **state)
{
    (void)state;
    for (int i = 0; i < RIG_ENDS; i++) {
        struct rig *rig = rig_new(1);
        const struct family *f = &families[PKI_EC256];
        equip(rig, i, credentials_from(f->end[i], f->end[i], f->middle, f->root), names[i], names[1 - i]);
        rig->ends[1 - i].connection.local_id = an_identity(names[1 - i]); /* the names are no obstacle */
        rig->ends[1 - i].connection.remote_id = an_identity(names[i]);
        nobody_believes(rig, "NO_PROPOSAL_CHOSEN");
    }
    struct rig *rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    const struct family *f = &families[PKI_RSA2048];
    equip(rig, R, credentials_from(f->end[R], f->end[R], f->middle, f->root), names[R], names[I]);
    nobody_believes(rig, "NO_PROPOSAL_CHOSEN");
}

/* Without a clock no certificate is valid. */
static void test_without_a_clock(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    equip_both(rig, PKI_EC256);
    rig->ends[I].unix_time = 0;
    nobody_believes(rig, "is the clock of this host right?");
}

/* --- several connections at a responder: the name decides --- */

struct crowd {
    struct connection connections[3];
    struct spd spd;
};

static int by_name(void *arg, const char *name)
{
    (void)arg;
    return name[0] - '0';
}

static void test_the_name_chooses_the_connection(void **state)
{
    (void)state;
    for (int mine = 0; mine < 3; mine++) {
        struct rig *rig = rig_new(9);
        struct crowd crowd = {0};
        char why[256];
        static const char *const remotes[] = {"someone.example.org", "end0.example.org", "CN=other"};
        equip_both(rig, PKI_EC256);
        for (int i = 0; i < 3; i++) {
            const struct family *f = &families[PKI_EC256];
            crowd.connections[i] = rig->ends[R].connection;
            crowd.connections[i].credentials = credentials_from(f->end[R], f->end[R], f->middle, f->root);
            crowd.connections[i].remote = (struct address){0};
            crowd.connections[i].start = START_NONE;
            crowd.connections[i].remote_id = an_identity(remotes[(i + mine) % 3]);
            snprintf(crowd.connections[i].name, sizeof crowd.connections[i].name, "%d", i);
            char rule[64];
            snprintf(rule, sizeof rule, "10.2.0.0/24 -> 10.1.0.0/24 via %d", i);
            assert_int_equal(spd_add(&crowd.spd, ACTION_PROTECT, rule, (uint32_t)i + 1, by_name, NULL, why, sizeof why),
                             OK);
        }
        rig_start(rig);
        struct ike_setup setup = rig->ends[R].ike->setup;
        ike_free(rig->ends[R].ike);
        setup.connections = crowd.connections;
        setup.connection_count = 3;
        setup.spd = &crowd.spd;
        sad_free(rig->ends[R].sad);
        assert_int_equal(sad_new(crowd.spd.count, NULL, &rig->ends[R].random, &rig->ends[R].sad), OK);
        assert_int_equal(ike_new(&setup, &rig->ends[R].ike), OK);
        rig_run(rig, 5 * SECOND);
        const struct ike_sa *sa = craft_sa(rig->ends[R].ike);
        assert_non_null(sa);
        assert_int_equal(sa->state, SA_ESTABLISHED);
        assert_int_equal(sa->connection, (4 - mine) % 3);
        assert_int_equal(sa->peer->connection, sa->connection);
        ike_free(rig->ends[R].ike);
        rig->ends[R].ike = NULL;
        for (int i = 0; i < 3; i++)
            connection_clear(&crowd.connections[i]);
        spd_free(&crowd.spd);
        assert_int_equal(rig_free(rig), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_key),
        cmocka_unit_test(test_every_hash_with_every_key),
        cmocka_unit_test(test_every_kind_of_name),
        cmocka_unit_test(test_renewals),
        cmocka_unit_test(test_a_responder_with_a_bad_certificate),
        cmocka_unit_test(test_an_initiator_with_a_bad_certificate),
        cmocka_unit_test(test_a_revoked_peer),
        cmocka_unit_test(test_h2015_4171_a_colleague_in_the_name_of_the_peer),
        cmocka_unit_test(test_methods_do_not_mix),
        cmocka_unit_test(test_without_a_clock),
        cmocka_unit_test(test_the_name_chooses_the_connection),
        cmocka_unit_test(test_a_network_of_lies),
    };
    /* Without test_an_initiator_with_a_bad_certificate: whoever initiates aggressive mode is done with message 2, and
     * cannot see that its message 3 is not believed. That is in test_certificates_aggressive.c. */
    const struct CMUnitTest aggressive[] = {
        cmocka_unit_test(test_every_kind_of_key),
        cmocka_unit_test(test_every_hash_with_every_key),
        cmocka_unit_test(test_every_kind_of_name),
        cmocka_unit_test(test_renewals),
        cmocka_unit_test(test_a_responder_with_a_bad_certificate),
        cmocka_unit_test(test_a_revoked_peer),
        cmocka_unit_test(test_h2015_4171_a_colleague_in_the_name_of_the_peer),
        cmocka_unit_test(test_methods_do_not_mix),
        cmocka_unit_test(test_without_a_clock),
        cmocka_unit_test(test_the_name_chooses_the_connection),
        cmocka_unit_test(test_a_network_of_lies),
    };
    int failed = cmocka_run_group_tests_name("main mode", tests, make, drop);
    return failed + cmocka_run_group_tests_name("aggressive mode", aggressive, make_aggressive, drop);
}
