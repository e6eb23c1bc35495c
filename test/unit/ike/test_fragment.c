/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/fragment.h"

static const uint8_t text[] = "abcdefghijklmnopqrstuvwxyz";

/* One letter a fragment, the last of them tells the total. */
static enum status add(struct fragments *f, unsigned number, bool last)
{
    uint8_t *exact = exact_copy(text + number - 1, 1);
    enum status status = fragments_add(f, number, last ? number : 0, bytes_of(exact, 1));
    free(exact);
    return status;
}

static void joins(const struct fragments *f, const char *expected)
{
    uint8_t out[64];
    struct writer w = writer_of(out, sizeof out);
    assert_true(fragments_are_complete(f));
    fragments_join(f, &w);
    assert_int_equal(writer_finish(&w), OK);
    assert_int_equal(w.len, strlen(expected));
    assert_memory_equal(out, expected, w.len);
}

static void h2009_1574_h2013_6076_b20_empty_number_0_and_over_the_total(void **state)
{
    (void)state;
    struct fragments f = {0};
    assert_int_equal(fragments_add(&f, 0, 0, bytes_of(text, 1)), ERR_MALFORMED);
    assert_int_equal(fragments_add(&f, 1, 0, bytes_of(text, 0)), ERR_MALFORMED);
    assert_int_equal(fragments_add(&f, 3, 2, bytes_of(text, 1)), ERR_MALFORMED);
    assert_int_equal(f.have, 0);
    assert_int_equal(add(&f, 2, true), OK);
    assert_int_equal(add(&f, 3, false), ERR_MALFORMED);
    assert_int_equal(add(&f, 1, false), OK);
    joins(&f, "ab");
    fragments_clear(&f);
}

static void b22_another_total(void **state)
{
    (void)state;
    struct fragments f = {0};
    assert_int_equal(add(&f, 5, false), OK);
    assert_int_equal(add(&f, 4, true), ERR_MALFORMED); /* 5 is there already */
    assert_int_equal(f.total, 0);
    assert_int_equal(add(&f, 6, true), OK);
    assert_int_equal(add(&f, 3, true), ERR_MALFORMED);
    assert_int_equal(add(&f, 7, true), ERR_MALFORMED);
    assert_int_equal(fragments_add(&f, 1, 7, bytes_of(text, 1)), ERR_MALFORMED);
    assert_int_equal(fragments_add(&f, 1, 6, bytes_of(text, 1)), OK); /* version 2 says it each time */
    assert_int_equal(f.have, 3);
    fragments_clear(&f);
}

static void b22_the_same_number_with_other_bytes(void **state)
{
    (void)state;
    struct fragments f = {0};
    assert_int_equal(add(&f, 1, false), OK);
    assert_int_equal(add(&f, 1, false), OK);
    assert_int_equal(fragments_add(&f, 1, 0, bytes_of("x", 1)), ERR_MALFORMED);
    assert_int_equal(fragments_add(&f, 1, 0, bytes_of("ab", 2)), ERR_MALFORMED);
    assert_int_equal(f.have, 1);
    assert_int_equal(f.bytes, 1);
    assert_int_equal(add(&f, 2, true), OK);
    joins(&f, "ab");
    fragments_clear(&f);
}

/* A fragment that came once as a middle one and comes again as the last one tells the total then. */
static void the_last_may_be_told_later(void **state)
{
    (void)state;
    struct fragments f = {0};
    assert_int_equal(add(&f, 1, false), OK);
    assert_int_equal(add(&f, 2, false), OK);
    assert_false(fragments_are_complete(&f));
    assert_int_equal(add(&f, 2, true), OK);
    joins(&f, "ab");
    fragments_clear(&f);
}

/* All orders of four. */
static void any_order(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 256; order++) {
        unsigned seen = 0;
        for (unsigned i = 0; i < 4; i++)
            seen |= 1u << (order >> 2 * i & 3);
        if (seen != 15)
            continue;
        struct fragments f = {0};
        for (unsigned i = 0; i < 4; i++) {
            unsigned number = (order >> 2 * i & 3) + 1;
            assert_false(fragments_are_complete(&f));
            assert_int_equal(add(&f, number, number == 4), OK);
        }
        joins(&f, "abcd");
        fragments_clear(&f);
        assert_int_equal(f.bytes, 0);
        fragments_clear(&f);
    }
}

static void number_and_size_have_limits(void **state)
{
    (void)state;
    static const uint8_t large[IKE_MESSAGE_MAX + 1];
    struct fragments f = {0};
    assert_int_equal(fragments_add(&f, FRAGMENTS_MAX + 1, 0, bytes_of(text, 1)), ERR_LIMIT);
    assert_int_equal(fragments_add(&f, 1, FRAGMENTS_MAX + 1, bytes_of(text, 1)), ERR_LIMIT);
    assert_int_equal(fragments_add(&f, 1, 0, bytes_of(large, sizeof large)), ERR_LIMIT);
    assert_int_equal(fragments_add(&f, 1, 0, bytes_of(large, IKE_MESSAGE_MAX - 1)), OK);
    assert_int_equal(fragments_add(&f, FRAGMENTS_MAX, 0, bytes_of(text, 2)), ERR_LIMIT);
    assert_int_equal(fragments_add(&f, FRAGMENTS_MAX, 0, bytes_of(text, 1)), OK);
    assert_int_equal(fragments_add(&f, 2, 0, bytes_of(text, 1)), ERR_LIMIT);
    assert_int_equal(f.bytes, IKE_MESSAGE_MAX);
    assert_int_equal(f.have, 2);
    fragments_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h2009_1574_h2013_6076_b20_empty_number_0_and_over_the_total),
        cmocka_unit_test(b22_another_total),
        cmocka_unit_test(b22_the_same_number_with_other_bytes),
        cmocka_unit_test(the_last_may_be_told_later),
        cmocka_unit_test(any_order),
        cmocka_unit_test(number_and_size_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
