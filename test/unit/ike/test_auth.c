/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of ike/auth that need no second engine; proofs and their refusal are in test/sim/test_certificates.c. */
#include "test/unit/ike/ike_test.h"

#include "crypto/key_file.h"
#include "ike/auth.h"
#include "test/pki.h"

static struct connection of_kind(enum pki_kind kind)
{
    static char text[256];
    static const struct why why = {text, sizeof text};
    struct connection c = {.ike_version = 1, .auth = AUTH_PUBKEY};
    struct pki *pki = pki_ca("CN=x", kind, NULL);
    assert_int_equal(credentials_new(0, &c.credentials), OK);
    assert_int_equal(
        key_file_read(pki_key_pem(pki, NULL), (struct bytes){0}, 0, &c.credentials->key, &c.credentials->chain, &why),
        OK);
    pki_free(pki);
    return c;
}

static void numbers_of_methods(void **state)
{
    (void)state;
    static const struct {
        enum pki_kind kind;
        uint16_t number;
        uint16_t xauth; /* 0: there is none, and no other may take its place */
    } table[] = {{PKI_RSA2048, 3, 65005}, {PKI_EC256, 9, 0}, {PKI_EC384, 10, 0}, {PKI_EC521, 11, 0}};
    struct access access = {0};
    struct connection psk = {.auth = AUTH_PSK};
    assert_int_equal(auth_number(&psk), 1);
    assert_false(auth_is_signed(&psk));
    psk.access = &access;
    assert_int_equal(auth_number(&psk), 65001);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct connection c = of_kind(table[i].kind);
        assert_true(auth_is_signed(&c));
        assert_int_equal(auth_number(&c), table[i].number);
        c.access = &access;
        assert_true(auth_is_signed(&c));
        assert_int_equal(auth_number(&c), table[i].xauth);
        c.access = NULL;
        connection_clear(&c);
        assert_null(c.credentials);
    }
}

static void words_for_methods(void **state)
{
    (void)state;
    char text[AUTH_TEXT];
    assert_string_equal(auth_print(1, text), "a pre-shared key (1)");
    assert_string_equal(auth_print(3, text), "RSA signatures (3)");
    assert_string_equal(auth_print(10, text), "ECDSA signatures on P-384 (10)");
    assert_string_equal(auth_print(65005, text), "XAUTH with RSA signatures (65005)");
    assert_string_equal(auth_print(0, text), "an unknown method (0)");
    for (unsigned number = 0; number <= UINT16_MAX; number++)
        assert_true(strlen(auth_print((uint16_t)number, text)) < AUTH_TEXT - 1); /* whole */
    struct connection psk = {.auth = AUTH_PSK}, signs = {.auth = AUTH_PUBKEY};
    assert_non_null(strstr(auth_remedy(&psk), "pre-shared keys differ"));
    assert_non_null(strstr(auth_remedy(&signs), "trust our certificate"));
}

/* --- which connection a name belongs to --- */

enum { CONNECTIONS = 6 };

static struct identity an_identity(const char *text)
{
    struct identity id;
    assert_int_equal(identity_parse(text, &id), OK);
    return id;
}

static struct connection of_psk(struct vault *vault, const char *psk, const char *remote, const char *remote_id)
{
    struct connection c = {.ike_version = 1, .auth = AUTH_PSK};
    char why[128];
    assert_int_equal(secret_copy(vault, psk, strlen(psk), &c.psk), OK);
    if (remote != NULL)
        c.remote = an_address(remote);
    if (remote_id != NULL)
        c.remote_id = an_identity(remote_id);
    assert_int_equal(proposal_parse(PROPOSAL_IKE, "aes128-sha256-x25519", 0, &c.ike, why, sizeof why), OK);
    return c;
}

static void names_choose_among_equals(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    char why[128];
    struct connection c[CONNECTIONS] = {
        of_psk(vault, "key", NULL, NULL),                   /* answers: whoever has the key */
        of_psk(vault, "key", NULL, "a.example.org"),        /* 1 */
        of_psk(vault, "KEY", NULL, "b.example.org"),        /* another key: cannot be */
        of_psk(vault, "key", "192.0.2.9", "c.example.org"), /* another address */
        of_psk(vault, "key", NULL, "d.example.org"),        /* another suite, below */
        of_psk(vault, "key", "192.0.2.2", "CN=e"),          /* 5 */
    };
    c[4].ike.count = 0;
    assert_int_equal(proposal_parse(PROPOSAL_IKE, "aes256-sha256-x25519", 0, &c[4].ike, why, sizeof why), OK);
    static const struct {
        const char *name;
        uint32_t connection;
    } table[] = {
        {"a.example.org", 1}, {"A.EXAMPLE.ORG", 1}, {"b.example.org", 0}, {"c.example.org", 0},
        {"d.example.org", 0}, {"CN=e", 5},          {"nobody", 0},        {"192.0.2.2", 0},
    };
    struct ike *ike = calloc(1, sizeof *ike);
    assert_non_null(ike);
    ike->setup.connections = c;
    ike->setup.connection_count = CONNECTIONS;
    const struct path from = {.local = {an_address("192.0.2.1"), 500}, .remote = {an_address("192.0.2.2"), 500}};
    struct ike_sa sa = {.connection = 0, .suite = c[0].ike.items[0]};
    for (size_t i = 0; i < COUNT(table); i++) {
        struct identity id = an_identity(table[i].name);
        assert_int_equal(auth_connection(ike, &sa, &from, &id), table[i].connection);
    }
    struct identity id = an_identity("a.example.org");
    sa.initiator = true; /* an initiator knows whom it called */
    assert_int_equal(auth_connection(ike, &sa, &from, &id), 0);
    sa.initiator = false;
    c[1].encap = ENCAP_NO; /* NAT-D would have been another */
    assert_int_equal(auth_connection(ike, &sa, &from, &id), 0);
    c[1].encap = c[0].encap;
    assert_int_equal(auth_connection(ike, &sa, &from, &id), 1);
    c[1].auth = AUTH_PUBKEY;
    assert_int_equal(auth_connection(ike, &sa, &from, &id), 0);
    for (size_t i = 0; i < CONNECTIONS; i++)
        connection_clear(&c[i]);
    free(ike);
    vault_free(vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_methods),
        cmocka_unit_test(words_for_methods),
        cmocka_unit_test(names_choose_among_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
