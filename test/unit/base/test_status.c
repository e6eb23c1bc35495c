/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include "base/status.h"

static void test_an_unknown_status_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(status_text((enum status)(ERR_IO + 1)), "unknown status");
    assert_string_equal(status_text((enum status)100), "unknown status");
}

static void test_every_status_has_its_own_text(void **state)
{
    (void)state;
    for (int a = OK; a <= ERR_IO; a++) {
        assert_true(strlen(status_text((enum status)a)) > 0);
        assert_string_not_equal(status_text((enum status)a), "unknown status");
        for (int b = OK; b < a; b++)
            assert_string_not_equal(status_text((enum status)a), status_text((enum status)b));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_unknown_status_has_a_text),
        cmocka_unit_test(test_every_status_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
