/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_test.h"

#include "crypto/cert.h"
#include "crypto/dn.h"
#include "test/pki.h"

static char text[512];
static const struct why why = {text, sizeof text};

static const char alt[] = "DNS:gw.example.org,DNS:*.example.net,email:admin@example.org,IP:192.0.2.1,IP:2001:db8::1";

static struct cert *cert_of_pki(struct pki *pki)
{
    struct cert *cert;
    assert_int_equal(cert_read(pki_cert_der(pki), &cert), OK);
    return cert;
}

/* As memory of the exact size. */
static enum status read_exact(const uint8_t *data, size_t len, struct cert **out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    enum status status = cert_read(bytes_of(copy, len), out);
    free(copy);
    return status;
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    struct pki *pki = pki_end("CN=gw", alt, PKI_EC256, NULL);
    struct bytes der = pki_cert_der(pki);
    struct cert *cert;
    for (size_t len = 0; len < der.len; len++) {
        assert_int_equal(read_exact(der.data, len, &cert), ERR_MALFORMED);
        assert_null(cert);
    }
    uint8_t *longer = calloc(1, CERT_SIZE_MAX + 1);
    assert_non_null(longer);
    memcpy(longer, der.data, der.len);
    assert_int_equal(read_exact(longer, der.len + 1, &cert), ERR_MALFORMED); /* a byte behind it */
    assert_int_equal(read_exact(longer, CERT_SIZE_MAX, &cert), ERR_MALFORMED);
    assert_int_equal(read_exact(longer, CERT_SIZE_MAX + 1, &cert), ERR_LIMIT);
    free(longer);
    pki_free(pki);
}

/* Every byte changed: whatever can still be read can be asked for everything. */
static void test_every_damaged_byte(void **state)
{
    (void)state;
    struct pki *pki = pki_end("CN=gw", alt, PKI_EC256, NULL);
    struct bytes der = pki_cert_der(pki);
    uint8_t *copy = malloc(der.len);
    char names[CERT_NAMES_TEXT];
    assert_non_null(copy);
    for (size_t i = 0; i < der.len; i++)
        for (unsigned change = 1; change < 256; change = change * 3 + 1) {
            struct cert *cert;
            struct sign_key *key;
            memcpy(copy, der.data, der.len);
            copy[i] ^= (uint8_t)change;
            if (read_exact(copy, der.len, &cert) != OK)
                continue;
            cert_names_print(cert, names);
            for (const char *c = names; *c != '\0'; c++)
                assert_true(*c >= 0x20 && *c < 0x7f);
            (void)cert_has_name(cert, CERT_DNS, bytes_of("gw.example.org", 14));
            if (cert_key(cert, 0, &key, &why) == OK)
                sign_key_free(key);
            cert_free(cert);
        }
    free(copy);
    pki_free(pki);
}

static bool has(const struct cert *cert, enum cert_name kind, const char *name)
{
    return cert_has_name(cert, kind, bytes_of(name, strlen(name)));
}

static void test_names(void **state)
{
    (void)state;
    struct pki *pki = pki_end("C=CH, O=Example, CN=gw.example.com", alt, PKI_EC256, NULL);
    struct cert *cert = cert_of_pki(pki);
    static const struct {
        enum cert_name kind;
        const char *name;
        bool has;
    } table[] = {
        {CERT_DNS, "gw.example.org", true},     {CERT_DNS, "GW.Example.ORG", true},
        {CERT_DNS, "gw.example.or", false},     {CERT_DNS, "gw.example.orgg", false},
        {CERT_DNS, "w.example.org", false},     {CERT_DNS, "", false},
        {CERT_DNS, "x.example.net", false},  /* no wildcard */
        {CERT_DNS, "*.example.net", true},   /* but the word itself */
        {CERT_DNS, "gw.example.com", false}, /* the CN is no name of a host */
        {CERT_DNS, "admin@example.org", false}, {CERT_EMAIL, "admin@example.org", true},
        {CERT_EMAIL, "gw.example.org", false},  {CERT_DNS, "192.0.2.1", false},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        if (has(cert, table[i].kind, table[i].name) != table[i].has)
            fail_msg("row %zu: %s", i, table[i].name);
    assert_true(cert_has_name(cert, CERT_ADDRESS, bytes_of("\xc0\x00\x02\x01", 4)));
    assert_false(cert_has_name(cert, CERT_ADDRESS, bytes_of("\xc0\x00\x02\x02", 4)));
    assert_false(cert_has_name(cert, CERT_ADDRESS, bytes_of("\xc0\x00\x02", 3)));
    assert_true(cert_has_name(cert, CERT_ADDRESS, bytes_of("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16)));
    uint8_t dn[128];
    struct writer w = writer_of(dn, sizeof dn);
    assert_int_equal(dn_parse("C=ch, O=EXAMPLE, CN=gw.example.com", &w), OK);
    assert_true(cert_has_name(cert, CERT_SUBJECT, writer_bytes(&w)));
    dn[w.len - 1] ^= 1;
    assert_false(cert_has_name(cert, CERT_SUBJECT, writer_bytes(&w)));
    char names[CERT_NAMES_TEXT];
    assert_string_equal(cert_names_print(cert, names),
                        "C=CH, O=Example, CN=gw.example.com; also gw.example.org, *.example.net, admin@example.org, "
                        "192.0.2.1, 2001:0db8:0000:0000:0000:0000:0000:0001");
    cert_free(cert);
    pki_free(pki);
}

/* "gw.example.org" NUL ".evil.org" (CVE-2009-2408): the letters of another name are overwritten. */
static void test_embedded_nul(void **state)
{
    (void)state;
    static const char wrong[] = "gw.example.orgX.evil.org";
    struct pki *pki = pki_end("CN=gw", "DNS:gw.example.orgX.evil.org", PKI_EC256, NULL);
    struct bytes der = pki_cert_der(pki);
    uint8_t *copy = malloc(der.len);
    assert_non_null(copy);
    memcpy(copy, der.data, der.len);
    uint8_t *at = memmem(copy, der.len, wrong, sizeof wrong - 1);
    assert_non_null(at);
    at[14] = '\0';
    struct cert *cert;
    assert_int_equal(cert_read(bytes_of(copy, der.len), &cert), OK);
    assert_false(has(cert, CERT_DNS, "gw.example.org"));
    assert_false(cert_has_name(cert, CERT_DNS, bytes_of(at, sizeof wrong - 1)));
    char names[CERT_NAMES_TEXT];
    assert_non_null(strstr(cert_names_print(cert, names), "gw.example.org\\x00.evil.org"));
    cert_free(cert);
    free(copy);
    pki_free(pki);
}

static void test_without_names(void **state)
{
    (void)state;
    struct pki *pki = pki_issue(&(struct pki_spec){.subject = NULL, .kind = PKI_EC256}, NULL, NULL);
    struct cert *cert = cert_of_pki(pki);
    char names[CERT_NAMES_TEXT];
    assert_false(has(cert, CERT_DNS, "x"));
    assert_string_equal(cert_names_print(cert, names), "no subject");
    cert_free(cert);
    pki_free(pki);
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t time;
        const char *text;
    } table[] = {
        {0, "1970-01-01"},          {-1, "1969-12-31"},           {86399, "1970-01-01"},
        {86400, "1970-01-02"},      {951782400, "2000-02-29"},    {951868800, "2000-03-01"},
        {1800000000, "2027-01-15"}, {1709164800, "2024-02-29"},   {4107542400, "2100-03-01"},
        {4107456000, "2100-02-28"}, {253402300799, "9999-12-31"},
    };
    char out[CERT_DATE_TEXT];
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(cert_date_print(table[i].time, out), table[i].text);
    struct pki *pki = pki_issue(
        &(struct pki_spec){.subject = "CN=x", .kind = PKI_EC256, .from = 951782400, .until = 4107542400}, NULL, NULL);
    struct cert *cert = cert_of_pki(pki);
    assert_int_equal(cert_not_before(cert), 951782400);
    assert_int_equal(cert_not_after(cert), 4107542400); /* GeneralizedTime */
    cert_free(cert);
    pki_free(pki);
}

/* --- files --- */

struct file {
    uint8_t data[32768];
    size_t len;
};

static void add(struct file *file, struct bytes more)
{
    assert_true(file->len + more.len <= sizeof file->data);
    memcpy(file->data + file->len, more.data, more.len);
    file->len += more.len;
}

static void test_files(void **state)
{
    (void)state;
    struct pki *ca = pki_ca("CN=Root", PKI_EC256, NULL), *own = pki_end("CN=gw", NULL, PKI_EC256, ca);
    struct cert_list list = {0};
    struct file file = {.len = 0};
    add(&file, bytes_of("subject=CN = gw\n", 16)); /* as openssl writes it before */
    add(&file, pki_cert_pem(own));
    add(&file, pki_key_pem(own, NULL)); /* in one file: passed over */
    add(&file, pki_cert_pem(ca));
    assert_int_equal(cert_list_read(bytes_of(file.data, file.len), CERTS_MAX, &list, &why), OK);
    assert_int_equal(list.count, 2);
    assert_true(dn_equal(cert_issuer(list.items[0]), cert_subject(list.items[1])));
    assert_int_equal(cert_list_read(pki_cert_der(ca), CERTS_MAX, &list, &why), OK); /* appends */
    assert_int_equal(list.count, 3);
    assert_int_equal(cert_list_read(bytes_of(file.data, file.len), 4, &list, &why), ERR_LIMIT);
    assert_non_null(strstr(text, "more than 4"));
    cert_list_free(&list);
    assert_int_equal(list.count, 0);
    cert_list_free(&list);
    pki_free(ca);
    pki_free(own);
}

static void test_bad_files(void **state)
{
    (void)state;
    struct pki *ca = pki_ca("CN=Root", PKI_EC256, NULL);
    struct cert_list list = {0};
    static const char damaged[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const struct {
        struct bytes file;
        const char *says;
    } table[] = {
        {{0}, "there is no certificate"},
        {bytes_of("hello", 5), "there is no certificate"},
        {pki_key_pem(ca, NULL), "there is no certificate"},
        {bytes_of(damaged, sizeof damaged - 1), "number 1 makes no sense"},
        {bytes_of("\x30\x03\x02\x01\x00", 5), "number 1 makes no sense"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(cert_list_read(table[i].file, CERTS_MAX, &list, &why), ERR_MALFORMED);
        assert_non_null(strstr(text, table[i].says));
        assert_int_equal(list.count, 0);
    }
    cert_list_free(&list);
    pki_free(ca);
}

static void test_key_inside(void **state)
{
    (void)state;
    struct pki *good = pki_ca("CN=x", PKI_EC384, NULL), *other = pki_ca("CN=x", PKI_ED25519, NULL);
    struct cert *cert = cert_of_pki(good);
    struct sign_key *key;
    assert_int_equal(cert_key(cert, 0, &key, &why), OK);
    assert_int_equal(sign_key_method(key), SIGN_ECDSA_384);
    sign_key_free(key);
    cert_free(cert);
    cert = cert_of_pki(other);
    assert_int_equal(cert_key(cert, 0, &key, &why), ERR_UNSUPPORTED);
    cert_free(cert);
    cert_free(NULL);
    pki_free(good);
    pki_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_every_damaged_byte),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_embedded_nul),
        cmocka_unit_test(test_without_names),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_key_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
