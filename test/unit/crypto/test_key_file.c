/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_test.h"

#include "crypto/key_file.h"
#include "test/pki.h"

static char text[512];
static const struct why why = {text, sizeof text};

static const char password[] = "open sesame";

struct ends {
    struct pki *ca, *own;
};

static int make(void **state)
{
    struct ends *ends = calloc(1, sizeof *ends);
    assert_non_null(ends);
    ends->ca = pki_ca("CN=Root", PKI_EC256, NULL);
    ends->own = pki_end("CN=gw", "DNS:gw.example.org", PKI_EC256, ends->ca);
    *state = ends;
    return 0;
}

static int drop(void **state)
{
    struct ends *ends = *state;
    pki_free(ends->ca);
    pki_free(ends->own);
    free(ends);
    return 0;
}

static struct bytes secret(const char *word)
{
    return word != NULL ? bytes_of(word, strlen(word)) : (struct bytes){0};
}

/* Copies into memory of the exact size, so that a sanitizer sees a read behind it. */
static enum status read_exact(struct bytes file, const char *word, struct sign_key **key, struct cert_list *certs)
{
    uint8_t *copy = malloc(file.len > 0 ? file.len : 1);
    assert_non_null(copy);
    if (file.len > 0)
        memcpy(copy, file.data, file.len);
    text[0] = '\0';
    enum status status = key_file_read(bytes_of(copy, file.len), secret(word), 0, key, certs, &why);
    free(copy);
    return status;
}

static void good(struct ends *ends, struct bytes file, const char *word)
{
    struct sign_key *key, *public;
    struct cert_list certs = {0};
    if (read_exact(file, word, &key, &certs) != OK)
        fail_msg("refused: %s", text);
    assert_int_equal(sign_key_read_public(pki_public_der(ends->own), 0, &public, &why), OK);
    assert_true(sign_key_equal(key, public));
    sign_key_free(key);
    sign_key_free(public);
    cert_list_free(&certs);
}

static void bad(struct bytes file, const char *word, enum status status, const char *says)
{
    struct sign_key *key;
    struct cert_list certs = {0};
    assert_int_equal(read_exact(file, word, &key, &certs), status);
    assert_null(key);
    if (strstr(text, says) == NULL)
        fail_msg("'%s' does not say '%s'", text, says);
    cert_list_free(&certs);
}

static void test_every_kind_of_file(void **state)
{
    struct ends *ends = *state;
    good(ends, pki_key_pem(ends->own, NULL), NULL);
    good(ends, pki_key_der(ends->own, NULL), NULL);
    good(ends, pki_key_traditional(ends->own, NULL), NULL);
    good(ends, pki_key_pem(ends->own, password), password);
    good(ends, pki_key_der(ends->own, password), password);
    good(ends, pki_key_traditional(ends->own, password), password);
    good(ends, pki_key_pem(ends->own, NULL), password); /* a password that nobody asks for */
    good(ends, pki_pkcs12(ends->own, &ends->ca, 1, password), password);
    good(ends, pki_pkcs12(ends->own, &ends->ca, 1, NULL), NULL);
    good(ends, pki_pkcs12(ends->own, &ends->ca, 1, ""), NULL);
}

/* Never a prompt, never a guess: a word. */
static void test_encrypted_keys_without_the_password(void **state)
{
    struct ends *ends = *state;
    bad(pki_key_pem(ends->own, password), NULL, ERR_AUTHENTICATION, "write key_password_file = FILE");
    bad(pki_key_der(ends->own, password), NULL, ERR_AUTHENTICATION, "write key_password_file = FILE");
    bad(pki_key_traditional(ends->own, password), NULL, ERR_AUTHENTICATION, "write key_password_file = FILE");
    bad(pki_pkcs12(ends->own, &ends->ca, 1, password), NULL, ERR_AUTHENTICATION, "write key_password_file = FILE");
    bad(pki_key_pem(ends->own, password), "wrong", ERR_AUTHENTICATION, "does not open it");
    bad(pki_key_der(ends->own, password), "wrong", ERR_AUTHENTICATION, "does not open it");
    bad(pki_key_traditional(ends->own, password), "wrong", ERR_AUTHENTICATION, "does not open it");
    bad(pki_pkcs12(ends->own, &ends->ca, 1, password), "wrong", ERR_AUTHENTICATION, "does not open it");
}

static void test_what_is_no_key(void **state)
{
    struct ends *ends = *state;
    bad((struct bytes){0}, NULL, ERR_MALFORMED, "no private key");
    bad(secret("hello"), NULL, ERR_MALFORMED, "no private key");
    bad(pki_cert_pem(ends->own), NULL, ERR_MALFORMED, "no private key");
    bad(pki_cert_der(ends->own), NULL, ERR_MALFORMED, "no private key");
    bad(pki_public_der(ends->own), NULL, ERR_MALFORMED, "no private key");
    struct bytes whole = pki_key_der(ends->own, NULL);
    for (size_t len = 0; len < whole.len; len += 3)
        bad(bytes_of(whole.data, len), NULL, ERR_MALFORMED, "no private key");
    char long_word[2000];
    memset(long_word, 'x', sizeof long_word);
    long_word[sizeof long_word - 1] = '\0';
    bad(pki_key_pem(ends->own, NULL), long_word, ERR_LIMIT, "longer than");
}

static void test_keys_that_are_not_used(void **state)
{
    (void)state;
    struct pki *weak = pki_ca("CN=x", PKI_RSA1024, NULL), *other = pki_ca("CN=x", PKI_ED25519, NULL);
    bad(pki_key_pem(weak, NULL), NULL, ERR_UNSUPPORTED, "too weak");
    bad(pki_key_pem(other, NULL), NULL, ERR_UNSUPPORTED, "RSA or ECDSA");
    pki_free(weak);
    pki_free(other);
}

/* PKCS#12 brings its certificates: that of the key first. */
static void test_certificates_of_pkcs12(void **state)
{
    struct ends *ends = *state;
    struct sign_key *key;
    struct cert_list certs = {0};
    assert_int_equal(read_exact(pki_pkcs12(ends->own, &ends->ca, 1, password), password, &key, &certs), OK);
    assert_int_equal(certs.count, 2);
    struct bytes own = pki_cert_der(ends->own), ca = pki_cert_der(ends->ca);
    assert_int_equal(cert_der(certs.items[0]).len, own.len);
    assert_memory_equal(cert_der(certs.items[0]).data, own.data, own.len);
    assert_memory_equal(cert_der(certs.items[1]).data, ca.data, ca.len);
    sign_key_free(key);
    cert_list_free(&certs);
    certs = (struct cert_list){0};
    assert_int_equal(read_exact(pki_pkcs12(ends->own, NULL, 0, ""), NULL, &key, &certs), OK); /* alone */
    assert_int_equal(certs.count, 1);
    sign_key_free(key);
    cert_list_free(&certs);
    struct pki *many[CERTS_MAX];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = ends->ca;
    bad(pki_pkcs12(ends->own, many, COUNT(many), password), password, ERR_LIMIT, "more than 8 certificates");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_of_file, make, drop),
        cmocka_unit_test_setup_teardown(test_encrypted_keys_without_the_password, make, drop),
        cmocka_unit_test_setup_teardown(test_what_is_no_key, make, drop),
        cmocka_unit_test(test_keys_that_are_not_used),
        cmocka_unit_test_setup_teardown(test_certificates_of_pkcs12, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
