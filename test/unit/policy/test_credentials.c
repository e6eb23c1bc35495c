/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/credentials.h"
#include "test/pki.h"

static char text[768];
static const struct why why = {text, sizeof text};

static struct {
    struct pki *ca, *end, *curve;
} pki;

static int make(void **state)
{
    (void)state;
    pki.ca = pki_ca("CN=Root", PKI_EC256, NULL);
    pki.end = pki_end("C=CH, CN=gw", "DNS:gw.example.org,email:admin@example.org,IP:192.0.2.1,IP:2001:db8::1",
                      PKI_EC384, pki.ca);
    pki.curve = pki_end("CN=gw", "DNS:gw.example.org", PKI_EC224, pki.ca);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    pki_free(pki.ca);
    pki_free(pki.end);
    pki_free(pki.curve);
    return 0;
}

static struct identity an_identity(const char *word)
{
    struct identity id;
    if (identity_parse(word, &id) != OK)
        fail_msg("'%s' should be an identity", word);
    return id;
}

static struct cert *read_cert(struct pki *p)
{
    struct cert *cert;
    assert_int_equal(cert_read(pki_cert_der(p), &cert), OK);
    return cert;
}

static const struct {
    const char *id;
    bool fits;
} names[] = {
    {"other.example.org", false},
    {"gw.example.org", true},
    {"@GW.EXAMPLE.ORG", true},
    {"gw", false}, /* the CN is no name of a host */
    {"keyid:gw.example.org", false},
    {"keyid:C=CH, CN=gw", false},
    {"admin@example.org", true},
    {"ADMIN@example.org", true},
    {"root@example.org", false},
    {"192.0.2.1", true},
    {"192.0.2.2", false},
    {"2001:db8::1", true},
    {"2001:db8::2", false},
    {"@192.0.2.1", false},
    {"C=CH, CN=gw", true},
    {"c=ch,cn=GW", true},
    {"CN=gw", false},
    {"CN=gw, C=CH", false},
    {"C=CH, CN=*", false},
};

static void test_names(void **state)
{
    (void)state;
    struct cert *cert = read_cert(pki.end);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct identity id = an_identity(names[i].id);
        if (credentials_name_fits(cert, &id) != names[i].fits)
            fail_msg("%s", names[i].id);
    }
    struct identity nobody = {.type = ID_NONE};
    assert_false(credentials_name_fits(cert, &nobody));
    for (unsigned type = 12; type < 256; type++) {
        nobody.type = (uint8_t)type;
        assert_false(credentials_name_fits(cert, &nobody));
    }
    cert_free(cert);
}

/* Many certificates have no subject: it is nobody's name. */
static void test_empty_subject(void **state)
{
    (void)state;
    struct pki *blank = pki_issue(&(struct pki_spec){.kind = PKI_EC256}, pki.ca, NULL);
    struct cert *cert = read_cert(blank);
    struct identity id = {.type = ID_DER_ASN1_DN, .len = 2, .data = {0x30, 0x00}};
    assert_true(cert_has_name(cert, CERT_SUBJECT, bytes_of(id.data, id.len)));
    assert_false(credentials_name_fits(cert, &id));
    cert_free(cert);
    pki_free(blank);
}

static enum status check(const struct credentials *c, struct pki *peer, const char *name, struct sign_key **key)
{
    struct cert_list list = {0};
    struct identity id = an_identity(name);
    assert_int_equal(cert_list_add(&list, read_cert(peer)), OK);
    text[0] = '\0';
    enum status status = credentials_check(c, &list, &id, PKI_NOW, key, &why);
    cert_list_free(&list);
    return status;
}

static void test_check(void **state)
{
    (void)state;
    struct credentials *c, *nobody;
    struct sign_key *key;
    assert_int_equal(credentials_new(0, &c), OK);
    assert_int_equal(credentials_new(0, &nobody), OK);
    assert_int_equal(trust_add_ca(c->trust, pki_cert_pem(pki.ca), &why), OK);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(check(c, pki.end, names[i].id, &key), names[i].fits ? OK : ERR_AUTHENTICATION);
        assert_int_equal(key != NULL, names[i].fits);
        if (!names[i].fits)
            assert_has(text, "it is for C=CH, CN=gw; also gw.example.org");
        sign_key_free(key);
    }
    assert_int_equal(check(nobody, pki.end, "gw.example.org", &key), ERR_AUTHENTICATION);
    assert_null(key);
    assert_has(text, "which ca does not lead to");
    assert_int_equal(check(c, pki.curve, "gw.example.org", &key), ERR_AUTHENTICATION);
    assert_null(key);
    assert_has(text, "use P-256");
    assert_int_equal(check(c, pki.end, "gw.example.org", &key), OK);
    assert_int_equal(sign_key_method(key), SIGN_ECDSA_384);
    sign_key_free(key);
    assert_ptr_equal(credentials_share(c), c);
    credentials_free(c);
    assert_int_equal(check(c, pki.end, "gw.example.org", &key), OK); /* it has an owner left */
    sign_key_free(key);
    credentials_free(c);
    credentials_free(nobody);
    credentials_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_empty_subject),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
