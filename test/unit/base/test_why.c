/* SPDX-License-Identifier: Apache-2.0 */
#include "base_test.h"

#include "base/why.h"

static void test_the_reason_fits_every_buffer(void **state)
{
    (void)state;
    for (size_t len = 0; len < 20; len++) {
        char *text = malloc(len > 0 ? len : 1);
        assert_non_null(text);
        struct why why = {text, len};
        assert_int_equal(why_refuse(&why, ERR_LIMIT, "%s %d", "reason", 12345), ERR_LIMIT);
        if (len > 0) {
            assert_true(strlen(text) == (len - 1 < 12 ? len - 1 : 12));
            assert_memory_equal(text, "reason 12345", strlen(text));
        }
        free(text);
    }
}

static void test_a_quoted_word_is_escaped_and_cut_b43(void **state)
{
    (void)state;
    char out[QUOTED_TEXT], absurd[1000];
    assert_string_equal(why_quoted("a\nb\x1b", out), "a\\x0ab\\x1b");
    memset(absurd, 'x', sizeof absurd - 1);
    absurd[sizeof absurd - 1] = '\0';
    why_quoted(absurd, out);
    assert_true(strlen(out) < QUOTED_TEXT);
    assert_string_equal(out + strlen(out) - 3, "...");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reason_fits_every_buffer),
        cmocka_unit_test(test_a_quoted_word_is_escaped_and_cut_b43),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
