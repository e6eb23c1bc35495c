/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/secret.h"

static void test_refuses_bad_sizes(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    assert_non_null(vault);
    const size_t bad[] = {0, SECRET_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct secret secret = {.data = (uint8_t *)1, .len = 1};
        assert_int_equal(secret_new(vault, bad[i], &secret), ERR_LIMIT);
        assert_null(secret.data);
        assert_int_equal(secret.len, 0);
        secret_free(&secret);
    }
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    struct secret none = {0};
    secret_free(&none);
    secret_free(&none);
    secret_free(NULL);
    vault_free(NULL);
}

static void test_new_is_zeroed_even_when_reused(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    const size_t sizes[] = {1, 16, SECRET_SLOT - 1, SECRET_SLOT, SECRET_SLOT + 1, SECRET_MAX};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct secret secret;
            assert_int_equal(secret_new(vault, sizes[i], &secret), OK);
            assert_int_equal(secret.len, sizes[i]);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(secret.data[k], 0);
            memset(secret.data, 0xa5, sizes[i]);
            assert_int_equal(vault_live(vault), 1);
            secret_free(&secret);
            assert_null(secret.data);
            assert_int_equal(vault_live(vault), 0);
        }
    }
    vault_free(vault);
}

/* The slot stays mapped after the free, so what is left in it can be seen. */
static void test_free_wipes_a_slot(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct secret secret;
    assert_int_equal(secret_new(vault, SECRET_SLOT, &secret), OK);
    uint8_t *slot = secret.data;
    memset(slot, 0xa5, SECRET_SLOT);
    secret_free(&secret);
    uint8_t
        before[sizeof(void *)]; /* the link to the next free slot stands here now, and an address may hold any byte */
    memset(before, 0xa5, sizeof before);
    assert_memory_not_equal(slot, before, sizeof before);
    for (size_t i = sizeof(void *); i < SECRET_SLOT; i++)
        assert_int_equal(slot[i], 0);
    vault_free(vault);
}

static void test_many_do_not_overlap(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    struct vault *vault = vault_new();
    struct secret *secrets = calloc(MANY, sizeof *secrets);
    assert_non_null(secrets);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t mark[SECRET_SLOT / 4];
        for (size_t k = 0; k < COUNT(mark); k++)
            mark[k] = i;
        assert_int_equal(secret_copy(vault, mark, sizeof mark, &secrets[i]), OK);
    }
    assert_int_equal(vault_live(vault), MANY);
    for (uint32_t i = 0; i < MANY; i += 2)
        secret_free(&secrets[i]);
    for (uint32_t i = 1; i < MANY; i += 2)
        for (size_t k = 0; k < SECRET_SLOT; k += 4)
            assert_memory_equal(secrets[i].data + k, &i, sizeof i);
    assert_int_equal(vault_live(vault), MANY / 2);
    for (uint32_t i = 0; i < MANY; i++)
        secret_free(&secrets[i]);
    assert_int_equal(vault_live(vault), 0);
    free(secrets);
    vault_free(vault);
}

static void test_copy_and_bytes(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct secret secret;
    assert_int_equal(secret_copy(vault, "abc", 3, &secret), OK);
    struct bytes bytes = secret_bytes(&secret);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "abc", 3);
    struct secret moved = secret;
    secret = (struct secret){0};
    secret_free(&secret);
    assert_int_equal(vault_live(vault), 1);
    secret_free(&moved);
    vault_free(vault);
}

static void test_wipe_and_equal(void **state)
{
    (void)state;
    uint8_t a[40], b[40];
    memset(a, 7, sizeof a);
    memcpy(b, a, sizeof a);
    assert_true(equal_constant_time(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a * 8; i++) {
        b[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(equal_constant_time(a, b, sizeof a));
        b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_true(equal_constant_time(NULL, NULL, 0));
    wipe(a + 1, sizeof a - 2);
    assert_int_equal(a[0], 7);
    assert_int_equal(a[39], 7);
    for (size_t i = 1; i < 39; i++)
        assert_int_equal(a[i], 0);
    wipe(NULL, 0);
}

static void test_secrets_are_compared(void **state)
{
    (void)state;
    static const char *const texts[] = {"key", "kez", "keys", "ke"};
    struct vault *vault = vault_new();
    struct secret secrets[5] = {0}, same; /* the last is none */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(secret_copy(vault, texts[i], strlen(texts[i]), &secrets[i]), OK);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(secret_equal(&secrets[i], &secrets[k]), i == k);
    assert_int_equal(secret_copy(vault, "key", 3, &same), OK);
    assert_true(secret_equal(&secrets[0], &same));
    secret_free(&same);
    for (size_t i = 0; i < 4; i++)
        secret_free(&secrets[i]);
    vault_free(vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_bad_sizes),
        cmocka_unit_test(test_free_of_nothing),
        cmocka_unit_test(test_new_is_zeroed_even_when_reused),
        cmocka_unit_test(test_free_wipes_a_slot),
        cmocka_unit_test(test_many_do_not_overlap),
        cmocka_unit_test(test_copy_and_bytes),
        cmocka_unit_test(test_wipe_and_equal),
        cmocka_unit_test(test_secrets_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
