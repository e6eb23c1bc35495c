/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/access.h"

#include "test/unit/unit_test.h"

static void a_pool_is_there_or_not(void **state)
{
    (void)state;
    struct access access = {0};
    assert_false(access_has_pool(&access));
    access.pool[FAMILY_IPV6] = a_range("fd09::/64");
    assert_true(access_has_pool(&access));
    access.pool[FAMILY_IPV4] = a_range("10.9.0.0/24");
    access.pool[FAMILY_IPV6] = (struct address_range){0};
    assert_true(access_has_pool(&access));
}

static void freeing_wipes_the_password(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct access *access = calloc(1, sizeof *access);
    assert_non_null(vault);
    assert_non_null(access);
    assert_int_equal(secret_copy(vault, "x", 1, &access->password), OK);
    access_free(access);
    access_free(NULL);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void families_have_their_places(void **state)
{
    (void)state;
    struct address four = an_address("10.0.0.1"), six = an_address("::1"), none = {0};
    assert_int_equal(family_index(&four), FAMILY_IPV4);
    assert_int_equal(family_index(&six), FAMILY_IPV6);
    assert_int_equal(family_index(&none), FAMILY_IPV4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_is_there_or_not),
        cmocka_unit_test(freeing_wipes_the_password),
        cmocka_unit_test(families_have_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
