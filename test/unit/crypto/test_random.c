/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/random.h"

static enum status broken(void *arg, void *out, size_t len)
{
    (void)out;
    (void)len;
    ++*(int *)arg;
    return ERR_CRYPTO;
}

static void test_b45_failure_is_returned(void **state)
{
    (void)state;
    int calls = 0;
    struct random random = {.fill = broken, .arg = &calls};
    uint8_t out[4];
    uint32_t number = 99;
    assert_int_equal(random_fill(&random, out, sizeof out), ERR_CRYPTO);
    assert_int_equal(random_u32(&random, &number), ERR_CRYPTO);
    assert_int_equal(number, 0);
    assert_int_equal(calls, 2);
    assert_int_equal(random_fill(&random, out, 0), OK);
    assert_int_equal(calls, 2);
}

static void test_same_seed_same_stream(void **state)
{
    (void)state;
    struct random_seeded s1, s2, s3;
    struct random a = random_of_seed(&s1, 42), b = random_of_seed(&s2, 42), c = random_of_seed(&s3, 43);
    uint8_t x[100], y[100], z[100];
    for (int i = 0; i < 20; i++) {
        assert_int_equal(random_fill(&a, x, sizeof x), OK);
        assert_int_equal(random_fill(&b, y, sizeof y), OK);
        assert_int_equal(random_fill(&c, z, sizeof z), OK);
        assert_memory_equal(x, y, sizeof x);
        assert_memory_not_equal(x, z, sizeof x);
    }
}

static void test_calls_differ(void **state)
{
    (void)state;
    struct random_seeded seeded;
    const struct random sources[] = {random_of_seed(&seeded, 1), random_system()};
    for (size_t i = 0; i < COUNT(sources); i++) {
        uint64_t last[64];
        for (size_t k = 0; k < COUNT(last); k++) {
            assert_int_equal(random_fill(&sources[i], &last[k], sizeof last[k]), OK);
            for (size_t m = 0; m < k; m++)
                assert_true(last[m] != last[k]);
        }
    }
}

/* Every byte of the buffer is written, and nothing behind it. */
static void test_fills_exactly(void **state)
{
    (void)state;
    struct random_seeded seeded;
    const struct random sources[] = {random_of_seed(&seeded, 7), random_system()};
    for (size_t i = 0; i < COUNT(sources); i++) {
        for (size_t len = 1; len <= 80; len++) {
            uint8_t seen[81] = {0};
            for (int round = 0; round < 8; round++) {
                uint8_t out[81] = {0};
                assert_int_equal(random_fill(&sources[i], out, len), OK);
                assert_int_equal(out[len], 0);
                for (size_t k = 0; k < len; k++)
                    seen[k] |= out[k];
            }
            for (size_t k = 0; k < len; k++)
                assert_int_not_equal(seen[k], 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b45_failure_is_returned),
        cmocka_unit_test(test_same_seed_same_stream),
        cmocka_unit_test(test_calls_differ),
        cmocka_unit_test(test_fills_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
