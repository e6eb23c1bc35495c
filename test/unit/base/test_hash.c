/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base_test.h"

enum { WORDS = 3 };

static void draw_seed(uint64_t *rng, uint64_t seed[HASH_SEEDS(WORDS)])
{
    for (size_t i = 0; i < HASH_SEEDS(WORDS); i++)
        seed[i] = next_random(rng);
}

/* By hand. */
static void test_the_formula(void **state)
{
    (void)state;
    const uint64_t word = UINT64_C(2) << 32 | 3, seed[] = {UINT64_C(1) << 32, 10, UINT64_C(7) << 32};
    assert_int_equal(HASH_SEEDS(1), 3);
    assert_int_equal(hash_words(seed, &word, 1), 13 + 7); /* ((1 << 32) + 2) * 13 + (7 << 32) */
    assert_int_equal(hash_words(seed + 2, &word, 0), 7);
}

/* Keys of one bit's difference: with each seed, few share a bucket of 2^16, whichever bit it is. */
static void test_each_bit_counts(void **state)
{
    (void)state;
    uint64_t rng = 20, seed[HASH_SEEDS(WORDS)];
    for (unsigned bit = 0; bit < WORDS * 64; bit++) {
        unsigned same = 0;
        for (int round = 0; round < 64; round++) {
            uint64_t one[WORDS] = {next_random(&rng), next_random(&rng), next_random(&rng)},
                     two[WORDS] = {one[0], one[1], one[2]};
            two[bit / 64] ^= UINT64_C(1) << bit % 64;
            draw_seed(&rng, seed);
            same += hash_words(seed, one, WORDS) >> 16 == hash_words(seed, two, WORDS) >> 16;
        }
        assert_true(same <= 1);
    }
}

/* Keys that count upwards, as addresses and ports do, spread over 256 places. */
static void test_neighbours_spread(void **state)
{
    (void)state;
    uint64_t rng = 21, seed[HASH_SEEDS(WORDS)];
    unsigned places[256] = {0};
    draw_seed(&rng, seed);
    for (uint64_t i = 0; i < 256 * 64; i++) {
        const uint64_t key[WORDS] = {5, i, i << 32};
        places[hash_place(hash_words(seed, key, WORDS), 256)]++;
    }
    for (size_t i = 0; i < COUNT(places); i++)
        assert_in_range(places[i], 16, 256);
}

static void test_another_seed_another_hash(void **state)
{
    (void)state;
    uint64_t rng = 22, one[HASH_SEEDS(WORDS)], two[HASH_SEEDS(WORDS)];
    const uint64_t key[WORDS] = {1, 2, 3};
    draw_seed(&rng, one);
    draw_seed(&rng, two);
    assert_int_not_equal(hash_words(one, key, WORDS), hash_words(two, key, WORDS));
}

static void test_places(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 1000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(hash_place(0, sizes[i]), 0);
        assert_int_equal(hash_place(UINT32_MAX, sizes[i]), sizes[i] - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_formula),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_neighbours_spread),
        cmocka_unit_test(test_another_seed_another_hash),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
