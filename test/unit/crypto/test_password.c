/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include "crypto_test.h"

static struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

static void what_is_no_hash_of_ours(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "$1$abc$def",
                                      "$argon2id$",
                                      "$argon2id$v=19$m=65536,t=2,p=1$AAAA$AAAA!",
                                      "$2b$12$abcdefghijklmnopqrstuv"};
    static const char *const costly[] = {
        "$argon2id$v=19$m=131072,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8192,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < COUNT(costly); i++)
        assert_false(password_hash_is_sound(costly[i]));
    char longer[PASSWORD_HASH + 2];
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(password_hash_is_sound(bad[i]));
        assert_false(password_verify(bad[i], text("x")));
    }
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_false(password_hash_is_sound(longer));
}

static void sizes_of_passwords(void **state)
{
    (void)state;
    static const uint8_t bytes[PASSWORD_MAX + 1] = {1};
    char hash[PASSWORD_HASH] = "x";
    assert_int_equal(password_hash(bytes_of(bytes, 0), hash), ERR_LIMIT);
    assert_int_equal(password_hash(bytes_of(bytes, sizeof bytes), hash), ERR_LIMIT);
    assert_string_equal(hash, "");
    assert_int_equal(password_hash(bytes_of(bytes, PASSWORD_MAX), hash), OK);
    assert_true(password_verify(hash, bytes_of(bytes, PASSWORD_MAX)));
    assert_false(password_verify(hash, bytes_of(bytes, PASSWORD_MAX - 1)));
    assert_false(password_verify(hash, bytes_of(bytes, sizeof bytes)));
    assert_false(password_verify(hash, bytes_of(bytes, 0)));
}

static void the_right_password_and_no_other(void **state)
{
    (void)state;
    char one[PASSWORD_HASH], two[PASSWORD_HASH];
    assert_int_equal(password_hash(text("open sesame"), one), OK);
    assert_int_equal(password_hash(text("open sesame"), two), OK);
    assert_string_not_equal(one, two); /* salted */
    assert_true(password_hash_is_sound(one));
    assert_true(password_verify(one, text("open sesame")));
    assert_true(password_verify(two, text("open sesame")));
    static const char *const wrong[] = {"open sesam", "open sesame ", "Open sesame"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(password_verify(one, text(wrong[i])));
}

/* As costly as a real one: the same algorithm, memory and passes. */
static void the_hash_of_nobody(void **state)
{
    (void)state;
    char real[PASSWORD_HASH];
    const char *nobody = password_hash_of_nobody();
    assert_true(password_hash_is_sound(nobody));
    assert_false(password_verify(nobody, text("x")));
    assert_int_equal(password_hash(text("x"), real), OK);
    size_t cost = (size_t)(strstr(real, "p=1$") - real);
    assert_memory_equal(real, nobody, cost);
    assert_int_equal(strlen(real), strlen(nobody));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_hash_of_ours),
        cmocka_unit_test(sizes_of_passwords),
        cmocka_unit_test(the_right_password_and_no_other),
        cmocka_unit_test(the_hash_of_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
