/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to believe: a truth table, each row one thing wrong with a chain that is otherwise right. */
#include "crypto_test.h"

#include "crypto/dn.h"
#include "crypto/suites.h"
#include "crypto/trust.h"
#include "test/pki.h"

static char text[768];
static const struct why why = {text, sizeof text};

/* Made once: a root, an intermediate authority, an end of a tunnel, and strangers. */
static struct {
    struct pki *root, *middle, *end, *stranger;
} pki;

static int make(void **state)
{
    (void)state;
    pki.root = pki_ca("CN=Root", PKI_EC256, NULL);
    pki.middle = pki_ca("CN=Middle", PKI_EC256, pki.root);
    pki.end = pki_end("CN=gw", "DNS:gw.example.org", PKI_EC256, pki.middle);
    pki.stranger = pki_ca("CN=Stranger", PKI_EC256, NULL);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    pki_free(pki.root);
    pki_free(pki.middle);
    pki_free(pki.end);
    pki_free(pki.stranger);
    return 0;
}

static struct trust *trusting(struct pki *ca, uint32_t allow)
{
    struct trust *trust;
    assert_int_equal(trust_new(allow, &trust), OK);
    if (ca != NULL)
        assert_int_equal(trust_add_ca(trust, pki_cert_pem(ca), &why), OK);
    return trust;
}

/* The chain of up to three, NULL ends it. */
static enum status check_at(const struct trust *trust, int64_t when, struct pki *a, struct pki *b, struct pki *c)
{
    struct cert_list list = {0};
    struct pki *const all[] = {a, b, c};
    for (size_t i = 0; i < 3 && all[i] != NULL; i++) {
        struct cert *cert;
        assert_int_equal(cert_read(pki_cert_der(all[i]), &cert), OK);
        assert_int_equal(cert_list_add(&list, cert), OK);
    }
    text[0] = '\0';
    enum status status = trust_check(trust, &list, when, &why);
    cert_list_free(&list);
    return status;
}

static void believed(const struct trust *trust, struct pki *a, struct pki *b, struct pki *c)
{
    if (check_at(trust, PKI_NOW, a, b, c) != OK)
        fail_msg("refused: %s", text);
}

static void refused_at(const struct trust *trust, int64_t when, struct pki *a, struct pki *b, const char *says)
{
    if (check_at(trust, when, a, b, NULL) != ERR_AUTHENTICATION)
        fail_msg("not refused for '%s'", says);
    if (strstr(text, says) == NULL)
        fail_msg("'%s' does not say '%s'", text, says);
}

static void refused(const struct trust *trust, struct pki *a, struct pki *b, const char *says)
{
    refused_at(trust, PKI_NOW, a, b, says);
}

static void test_chains(void **state)
{
    (void)state;
    struct trust *root = trusting(pki.root, 0), *middle = trusting(pki.middle, 0), *nobody = trusting(NULL, 0);
    struct trust *stranger = trusting(pki.stranger, 0), *end = trusting(pki.end, 0);
    believed(root, pki.end, pki.middle, NULL);
    believed(root, pki.end, pki.middle, pki.root); /* the root need not be sent, but may */
    believed(root, pki.end, pki.root, pki.middle); /* in any order behind the first */
    believed(root, pki.end, pki.stranger, pki.middle);
    believed(middle, pki.end, NULL, NULL); /* an intermediate authority as anchor */
    believed(end, pki.end, NULL, NULL);    /* the peer's own certificate as anchor */
    refused(root, pki.end, NULL, "CN=gw was issued by CN=Middle, which ca does not lead to");
    refused(nobody, pki.end, pki.middle, "which ca does not lead to");
    refused(stranger, pki.end, pki.middle, "which ca does not lead to");
    refused(end, pki.middle, NULL, "which ca does not lead to");
    refused(root, pki.stranger, NULL, "CN=Stranger was issued by CN=Stranger");
    struct cert_list none = {0};
    assert_int_equal(trust_check(root, &none, PKI_NOW, &why), ERR_AUTHENTICATION);
    assert_int_equal(trust_cas(root)->count, 1);
    trust_free(root);
    trust_free(middle);
    trust_free(nobody);
    trust_free(stranger);
    trust_free(end);
    trust_free(NULL);
}

/* Another authority of the same name did not sign it. */
static void test_namesake(void **state)
{
    (void)state;
    struct pki *namesake = pki_ca("CN=Middle", PKI_EC256, NULL);
    struct trust *trust = trusting(namesake, 0);
    refused(trust, pki.end, NULL, "two authorities of one name?");
    trust_free(trust);
    pki_free(namesake);
}

static void test_dates(void **state)
{
    (void)state;
    struct trust *trust = trusting(pki.root, 0);
    struct pki_spec spec = {.subject = "CN=old", .kind = PKI_EC256, .from = PKI_NOW - PKI_DAY, .until = PKI_NOW};
    struct pki *brief = pki_issue(&spec, pki.middle, NULL);
    refused_at(trust, PKI_NOW - PKI_DAY - 1, brief, pki.middle, "valid from 2027-01-14 on only");
    assert_int_equal(check_at(trust, PKI_NOW - PKI_DAY, brief, pki.middle, NULL), OK);
    assert_int_equal(check_at(trust, PKI_NOW - 1, brief, pki.middle, NULL), OK);
    refused_at(trust, PKI_NOW + 1, brief, pki.middle, "the certificate of CN=old expired on 2027-01-15; renew it");
    refused_at(trust, 0, pki.end, pki.middle, "is the clock of this host right?");
    spec = (struct pki_spec){.subject = "CN=Old CA",
                             .kind = PKI_EC256,
                             .basic = "critical,CA:TRUE",
                             .from = PKI_NOW - 9 * PKI_DAY,
                             .until = PKI_NOW - PKI_DAY};
    struct pki *old = pki_issue(&spec, pki.root, NULL), *under = pki_end("CN=gw", NULL, PKI_EC256, old);
    refused(trust, under, old, "the CA certificate of CN=Old CA expired");
    pki_free(brief);
    pki_free(old);
    pki_free(under);
    trust_free(trust);
}

static void test_usage(void **state)
{
    (void)state;
    static const struct {
        const char *basic, *usage, *purpose;
        const char *says; /* NULL: believed */
    } table[] = {
        {NULL, NULL, NULL, NULL}, /* nothing is said, so nothing is forbidden */
        {"CA:FALSE", "digitalSignature", NULL, NULL},
        {NULL, "critical,digitalSignature,keyEncipherment", NULL, NULL},
        {NULL, "nonRepudiation", NULL, NULL}, /* RFC 4945 5.1.3.2 */
        {NULL, "keyEncipherment", NULL, "needs digitalSignature"},
        {NULL, "critical,keyAgreement,keyCertSign", NULL, "needs digitalSignature"},
        {NULL, NULL, "serverAuth", NULL},
        {NULL, NULL, "clientAuth", NULL},
        {NULL, NULL, "1.3.6.1.5.5.7.3.17", NULL}, /* ipsecIKE */
        {NULL, NULL, "anyExtendedKeyUsage", NULL},
        {NULL, NULL, "1.3.6.1.5.5.8.2.2", NULL}, /* iKEIntermediate */
        {NULL, NULL, "codeSigning,serverAuth", NULL},
        {NULL, NULL, "codeSigning", "serverAuth, clientAuth or ipsecIKE"},
        {NULL, NULL, "critical,emailProtection,timeStamping", "serverAuth, clientAuth or ipsecIKE"},
        {NULL, "digitalSignature", "codeSigning", "serverAuth, clientAuth or ipsecIKE"},
    };
    struct trust *trust = trusting(pki.root, 0);
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct pki_spec spec = {.subject = "CN=gw",
                                      .kind = PKI_EC256,
                                      .basic = table[i].basic,
                                      .usage = table[i].usage,
                                      .purpose = table[i].purpose};
        struct pki *end = pki_issue(&spec, pki.root, NULL);
        if (table[i].says == NULL)
            believed(trust, end, NULL, NULL);
        else
            refused(trust, end, NULL, table[i].says);
        pki_free(end);
    }
    trust_free(trust);
}

/* What a peer sends as intermediate must be an authority. */
static void test_false_authorities(void **state)
{
    (void)state;
    static const struct pki_spec table[] = {
        {.subject = "CN=False", .kind = PKI_EC256},
        {.subject = "CN=False", .kind = PKI_EC256, .basic = "CA:FALSE"},
        {.subject = "CN=False", .kind = PKI_EC256, .basic = "CA:FALSE", .usage = "keyCertSign"},
        {.subject = "CN=False", .kind = PKI_EC256, .usage = "keyCertSign"},
        {.subject = "CN=False", .kind = PKI_EC256, .basic = "CA:TRUE", .usage = "digitalSignature"},
    };
    struct trust *trust = trusting(pki.root, 0);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct pki *between = pki_issue(&table[i], pki.root, NULL);
        struct pki *end = pki_end("CN=gw", NULL, PKI_EC256, between);
        refused(trust, end, between, "CN=False");
        pki_free(between);
        pki_free(end);
    }
    struct pki *short_path = pki_issue(
        &(struct pki_spec){
            .subject = "CN=Last", .kind = PKI_EC256, .basic = "critical,CA:TRUE,pathlen:0", .usage = "keyCertSign"},
        pki.root, NULL);
    struct pki *below = pki_ca("CN=Below", PKI_EC256, short_path), *end = pki_end("CN=gw", NULL, PKI_EC256, below);
    assert_int_equal(check_at(trust, PKI_NOW, end, below, short_path), ERR_AUTHENTICATION);
    pki_free(end);
    pki_free(below);
    pki_free(short_path);
    trust_free(trust);
}

static void test_strength(void **state)
{
    (void)state;
    const struct pki_spec sha1 = {.subject = "CN=gw", .kind = PKI_EC256, .digest = "SHA1"};
    const struct pki_spec md5 = {.subject = "CN=gw", .kind = PKI_EC256, .digest = "MD5"};
    struct pki *rsa_root = pki_ca("CN=RSA", PKI_RSA2048, NULL), *weak_root = pki_ca("CN=Weak", PKI_RSA1024, NULL);
    struct pki *by_sha1 = pki_issue(&sha1, rsa_root, NULL), *by_md5 = pki_issue(&md5, rsa_root, NULL);
    struct pki *weak = pki_end("CN=weak", NULL, PKI_RSA1024, rsa_root),
               *curve = pki_end("CN=c", NULL, PKI_EC224, rsa_root);
    struct pki *under_weak = pki_end("CN=gw", NULL, PKI_EC256, weak_root);
    struct trust *strict = trusting(rsa_root, 0), *lax = trusting(rsa_root, LEGACY_SHA1_CERT | LEGACY_RSA1024);
    struct trust *almost = trusting(rsa_root, LEGACY_SHA1 | LEGACY_MD5 | LEGACY_3DES); /* these are for proposals */
    struct trust *weak_strict = trusting(weak_root, 0), *weak_lax = trusting(weak_root, LEGACY_RSA1024);
    refused(strict, by_sha1, NULL, "signed with SHA1, which can be forged");
    refused(almost, by_sha1, NULL, "allow = sha1_cert");
    believed(lax, by_sha1, NULL, NULL);
    refused(strict, by_md5, NULL, "signed with MD5");
    refused(lax, by_md5, NULL, "signed with MD5"); /* never */
    refused(strict, weak, NULL, "too weak (1024 bits)");
    believed(lax, weak, NULL, NULL);
    believed(strict, curve, NULL, NULL); /* strong enough; that it is no curve of ours is for cert_key */
    refused(weak_strict, under_weak, NULL, "too weak");
    believed(weak_lax, under_weak, NULL, NULL);
    struct trust *all[] = {strict, lax, almost, weak_strict, weak_lax};
    for (size_t i = 0; i < COUNT(all); i++)
        trust_free(all[i]);
    struct pki *made[] = {rsa_root, weak_root, by_sha1, by_md5, weak, curve, under_weak};
    for (size_t i = 0; i < COUNT(made); i++)
        pki_free(made[i]);
}

static void test_revocation(void **state)
{
    (void)state;
    struct pki *gone = pki_end("CN=gone", NULL, PKI_EC256, pki.middle);
    struct pki *direct = pki_end("CN=direct", NULL, PKI_EC256, pki.root);
    struct trust *trust = trusting(pki.root, 0);
    believed(trust, gone, pki.middle, NULL); /* nobody said otherwise yet */
    assert_int_equal(trust_add_crl(trust, pki_crl_pem(pki.middle, &gone, 1, NULL, 0, 0), &why), OK);
    refused(trust, gone, pki.middle, "the certificate of CN=gone has been revoked by CN=Middle");
    believed(trust, pki.end, pki.middle, NULL); /* of the authorities above it there is no list */
    refused(trust, direct, NULL, "crl has no list of CN=Root");
    refused_at(trust, PKI_NOW + 16 * PKI_DAY, pki.end, pki.middle, "the CRL of CN=Middle was good until 2027-01-30");
    refused_at(trust, PKI_NOW - 16 * PKI_DAY, pki.end, pki.middle, "begins on 2026-12-31 only");
    assert_int_equal(trust_add_crl(trust, pki_crl_pem(pki.root, &pki.middle, 1, NULL, 0, 0), &why), OK);
    refused(trust, pki.end, pki.middle, "CN=Middle has been revoked by CN=Root");
    believed(trust, direct, NULL, NULL);
    trust_free(trust);
    /* A list that somebody else signed in the name of Middle. */
    struct pki *namesake = pki_ca("CN=Middle", PKI_EC256, NULL);
    trust = trusting(pki.root, 0);
    assert_int_equal(trust_add_crl(trust, pki_crl_pem(namesake, NULL, 0, NULL, 0, 0), &why), OK);
    refused(trust, pki.end, pki.middle, "CRL of CN=Middle");
    trust_free(trust);
    pki_free(namesake);
    pki_free(gone);
    pki_free(direct);
}

static void test_bad_crl_files(void **state)
{
    (void)state;
    struct trust *trust = trusting(pki.root, 0), *lax = trusting(pki.root, LEGACY_SHA1_CERT);
    struct pki *rsa = pki_ca("CN=RSA", PKI_RSA2048, NULL);
    assert_int_equal(trust_add_crl(trust, (struct bytes){0}, &why), ERR_MALFORMED);
    assert_int_equal(trust_add_crl(trust, bytes_of("hello", 5), &why), ERR_MALFORMED);
    assert_int_equal(trust_add_crl(trust, bytes_of("\x30\x00\x00", 3), &why), ERR_MALFORMED);
    assert_int_equal(trust_add_crl(trust, pki_cert_pem(pki.root), &why), ERR_MALFORMED);
    assert_non_null(strstr(text, "there is no CRL"));
    assert_int_equal(trust_add_crl(trust, pki_crl_pem(rsa, NULL, 0, "SHA1", 0, 0), &why), ERR_UNSUPPORTED);
    assert_non_null(strstr(text, "allow = sha1_cert"));
    assert_int_equal(trust_add_crl(lax, pki_crl_pem(rsa, NULL, 0, "SHA1", 0, 0), &why), OK);
    assert_int_equal(trust_add_crl(lax, pki_crl_pem(rsa, NULL, 0, "MD5", 0, 0), &why), ERR_UNSUPPORTED);
    pki_free(rsa);
    trust_free(lax);
    trust_free(trust);
}

static void test_limits(void **state)
{
    (void)state;
    struct trust *trust = trusting(pki.root, 0);
    struct cert_list list = {0};
    for (size_t i = 0; i <= CERTS_MAX; i++) {
        struct cert *cert;
        assert_int_equal(cert_read(pki_cert_der(i == 0 ? pki.end : pki.middle), &cert), OK);
        assert_int_equal(cert_list_add(&list, cert), OK);
        enum status right = i == 0 || i == CERTS_MAX ? ERR_AUTHENTICATION : OK;
        assert_int_equal(trust_check(trust, &list, PKI_NOW, &why), right);
    }
    assert_non_null(strstr(text, "1 to 8"));
    cert_list_free(&list);
    trust_free(trust);
}

/* A chain that is too deep: ends at the limit. */
static void test_depth(void **state)
{
    (void)state;
    struct trust *trust = trusting(pki.root, 0);
    struct pki *above[CERTS_MAX];
    struct cert_list list = {0};
    for (size_t n = 0; n < CERTS_MAX; n++) {
        char name[16];
        snprintf(name, sizeof name, "CN=%zu", n);
        above[n] = pki_ca(name, PKI_EC256, n == 0 ? pki.root : above[n - 1]);
    }
    for (size_t depth = 1; depth < CERTS_MAX; depth++) {
        struct pki *end = pki_end("CN=gw", NULL, PKI_EC256, above[depth - 1]);
        for (size_t i = 0; i <= depth; i++) {
            struct cert *cert;
            assert_int_equal(cert_read(pki_cert_der(i == 0 ? end : above[depth - i]), &cert), OK);
            assert_int_equal(cert_list_add(&list, cert), OK);
        }
        assert_int_equal(trust_check(trust, &list, PKI_NOW, &why), depth <= TRUST_DEPTH_MAX ? OK : ERR_AUTHENTICATION);
        cert_list_free(&list);
        pki_free(end);
    }
    for (size_t n = 0; n < CERTS_MAX; n++)
        pki_free(above[n]);
    trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),     cmocka_unit_test(test_namesake),          cmocka_unit_test(test_dates),
        cmocka_unit_test(test_usage),      cmocka_unit_test(test_false_authorities), cmocka_unit_test(test_strength),
        cmocka_unit_test(test_revocation), cmocka_unit_test(test_bad_crl_files),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
