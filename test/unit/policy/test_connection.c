/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/connection.h"

static void test_clear_without_a_secret_is_harmless(void **state)
{
    (void)state;
    struct connection c = {0};
    connection_clear(&c);
    connection_clear(&c);
}

static void test_clear_frees_the_secret_once(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    assert_non_null(vault);
    struct connection c = {.name = "branch", .ike_version = 1};
    assert_int_equal(secret_copy(vault, "not a good secret", 17, &c.psk), OK);
    assert_int_equal(vault_live(vault), 1);
    connection_clear(&c);
    assert_int_equal(vault_live(vault), 0);
    assert_null(c.psk.data);
    assert_int_equal(c.psk.len, 0);
    connection_clear(&c);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void test_clear_frees_what_remote_access_adds(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct connection c = {.access = calloc(1, sizeof *c.access)};
    assert_non_null(vault);
    assert_non_null(c.access);
    assert_int_equal(secret_copy(vault, "x", 1, &c.access->password), OK);
    connection_clear(&c);
    assert_null(c.access);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

/* %any, then addresses, then names. */
static void test_order_of_remotes(void **state)
{
    (void)state;
    struct connection c[] = {{.name = "any"},
                             {.remote = an_address("192.0.2.1")},
                             {.remote = an_address("2001:db8::1")},
                             {.remote_name = strdup("a.example.org")},
                             {.remote_name = strdup("gw.example.org")}};
    static const char *const printed[] = {"%any", "192.0.2.1", "2001:db8::1", "a.example.org", "gw.example.org"};
    char text[ADDRESS_TEXT];
    for (size_t i = 0; i < COUNT(c); i++) {
        assert_string_equal(connection_print_remote(&c[i], text), printed[i]);
        assert_int_equal(connection_is_any(&c[i]), i == 0);
        for (size_t k = 0; k < COUNT(c); k++) {
            int order = connection_compare_remote(&c[i], &c[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    for (size_t i = 0; i < COUNT(c); i++) {
        connection_clear(&c[i]);
        assert_null(c[i].remote_name);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_without_a_secret_is_harmless),
        cmocka_unit_test(test_clear_frees_the_secret_once),
        cmocka_unit_test(test_clear_frees_what_remote_access_adds),
        cmocka_unit_test(test_order_of_remotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
