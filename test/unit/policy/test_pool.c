/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/pool.h"

#include "test/unit/unit_test.h"

static const uint8_t seed[HASH_SEED] = {1, 2, 3};

static struct identity user(unsigned n)
{
    struct identity id = {.type = ID_KEY_ID};
    id.len = (uint16_t)snprintf((char *)id.data, sizeof id.data, "user%u", n);
    return id;
}

static struct pool *a_pool(const char *range)
{
    struct address_range r = a_range(range);
    struct pool *pool;
    assert_int_equal(pool_new(&r, seed, &pool), OK);
    return pool;
}

static void take(struct pool *pool, unsigned n, const char *expected)
{
    struct identity id = user(n);
    struct address got;
    char text[ADDRESS_TEXT];
    assert_int_equal(pool_take(pool, &id, &got), OK);
    assert_string_equal(address_print(&got, text), expected);
}

static void give_back(struct pool *pool, unsigned n)
{
    struct identity id = user(n);
    pool_give_back(pool, &id);
}

static enum status try_to_take(struct pool *pool, unsigned n)
{
    struct identity id = user(n);
    struct address got;
    return pool_take(pool, &id, &got);
}

static void a_full_pool_gives_nothing(void **state)
{
    (void)state;
    struct pool *pool = a_pool("10.9.0.1-10.9.0.2");
    take(pool, 1, "10.9.0.1");
    take(pool, 2, "10.9.0.2");
    assert_int_equal(try_to_take(pool, 3), ERR_LIMIT);
    take(pool, 1, "10.9.0.1"); /* who has one has it still */
    assert_int_equal(pool_used(pool), 2);
    give_back(pool, 3);
    give_back(pool, 2);
    give_back(pool, 2);
    assert_int_equal(pool_used(pool), 1);
    take(pool, 3, "10.9.0.2");
    assert_int_equal(try_to_take(pool, 2), ERR_LIMIT);
    pool_free(pool);
    pool_free(NULL);
}

static void who_comes_back_has_the_same_address(void **state)
{
    (void)state;
    struct pool *pool = a_pool("10.9.0.0/24");
    for (unsigned n = 1; n <= 254; n++)
        assert_int_equal(try_to_take(pool, n), OK);
    assert_int_equal(try_to_take(pool, 255), ERR_LIMIT);
    for (unsigned n = 254; n >= 1; n--)
        give_back(pool, n);
    for (unsigned n = 254; n >= 1; n--) {
        char expected[ADDRESS_TEXT];
        snprintf(expected, sizeof expected, "10.9.0.%u", n);
        take(pool, n, expected);
    }
    pool_free(pool);
}

static void the_one_who_is_away_longest_loses_it(void **state)
{
    (void)state;
    struct pool *pool = a_pool("10.9.0.1-10.9.0.3");
    take(pool, 1, "10.9.0.1");
    take(pool, 2, "10.9.0.2");
    take(pool, 3, "10.9.0.3");
    give_back(pool, 2);
    give_back(pool, 1);
    give_back(pool, 3);
    take(pool, 4, "10.9.0.2");
    take(pool, 1, "10.9.0.1");
    take(pool, 2, "10.9.0.3");
    pool_free(pool);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        size_t size;
        const char *first;
    } rows[] = {
        {"10.9.0.7", 1, "10.9.0.7"},
        {"10.9.0.6/31", 2, "10.9.0.6"},
        {"10.9.0.4/30", 2, "10.9.0.5"},
        {"10.9.0.0/24", 254, "10.9.0.1"},
        {"10.9.0.0/16", 65534, "10.9.0.1"},
        {"10.0.0.0/8", POOL_LEASES_MAX, "10.0.0.1"},
        {"10.9.0.0-10.9.0.254", 255, "10.9.0.0"},
        {"10.9.0.250-10.9.1.5", 12, "10.9.0.250"},
        {"fd09::7", 1, "fd09::7"},
        {"fd09::/127", 2, "fd09::"},
        {"fd09::/120", 255, "fd09::1"},
        {"fd09::/64", POOL_LEASES_MAX, "fd09::1"},
        {"::/0", POOL_LEASES_MAX, "::1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pool *pool = a_pool(rows[i].range);
        if (pool_size(pool) != rows[i].size)
            fail_msg("%s has %zu, not %zu", rows[i].range, pool_size(pool), rows[i].size);
        take(pool, 1, rows[i].first);
        pool_free(pool);
    }
}

/* Every address once, none outside the range, none twice: over the borders of bytes. */
static void sweep(void **state)
{
    (void)state;
    struct address_range range = a_range("10.9.255.200-10.10.1.10");
    struct pool *pool = a_pool("10.9.255.200-10.10.1.10");
    struct address last = {0};
    for (unsigned n = 0; n < pool_size(pool); n++) {
        struct identity id = user(n);
        struct address got;
        assert_int_equal(pool_take(pool, &id, &got), OK);
        assert_true(range_has(&range, &got));
        assert_true(n == 0 || address_compare(&got, &last) > 0);
        last = got;
    }
    assert_true(address_equal(&last, &range.last));
    assert_int_equal(try_to_take(pool, 999999), ERR_LIMIT);
    pool_free(pool);
}

static void names_of_another_kind_are_others(void **state)
{
    (void)state;
    struct pool *pool = a_pool("10.9.0.0/24");
    struct identity name = user(1);
    struct address a, b;
    assert_int_equal(pool_take(pool, &name, &a), OK);
    name.type = ID_FQDN;
    assert_int_equal(pool_take(pool, &name, &b), OK);
    assert_false(address_equal(&a, &b));
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pool_gives_nothing),
        cmocka_unit_test(who_comes_back_has_the_same_address),
        cmocka_unit_test(the_one_who_is_away_longest_loses_it),
        cmocka_unit_test(sizes),
        cmocka_unit_test(sweep),
        cmocka_unit_test(names_of_another_kind_are_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
