/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/aead.h"
#include "crypto/aead_backend.h"

/* Back ends with one fault each, over OpenSSL's AES-GCM: the self-test must find it. */

static void flip(struct aead_job *job, size_t byte)
{
    job->esp[byte] ^= 1;
}

static void seal_wrong_icv(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.seal(state, jobs, n);
    for (size_t i = 0; i < n; i++)
        flip(&jobs[i], (size_t)AEAD_HEADER + 8 + jobs[i].text_len);
}

static void open_anything(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.open(state, jobs, n);
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = true;
}

static void open_nothing(void *state, struct aead_job *jobs, size_t n)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = false;
}

static void open_to_another_text(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.open(state, jobs, n);
    for (size_t i = 0; i < n; i++)
        if (jobs[i].text_len > 0)
            flip(&jobs[i], AEAD_HEADER + 8);
}

/* What only a batch shows: a lane that is one off. */
static void seal_the_18th_wrong(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.seal(state, jobs, n);
    if (n > 17)
        flip(&jobs[17], AEAD_HEADER + 8);
}

static void open_the_forged_neighbour(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.open(state, jobs, n);
    for (size_t i = n - 1; n > 1 && i > 0; i--)
        jobs[i].ok = jobs[i - 1].ok;
}

static void seal_without_the_high_half(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].sequence_high = 0;
    aead_openssl_gcm.seal(state, jobs, n);
}

static void seal_none_of_a_batch(void *state, struct aead_job *jobs, size_t n)
{
    aead_openssl_gcm.seal(state, jobs, n);
    for (size_t i = 0; i < n && n > 1; i++)
        jobs[i].ok = false;
}

static enum status make_nothing(const struct aead_key *key, void **state)
{
    (void)key;
    *state = NULL;
    return ERR_CRYPTO;
}

static struct aead_backend like_gcm(void)
{
    struct aead_backend backend = aead_openssl_gcm;
    backend.name = "faulty";
    return backend;
}

static void assert_fails(const struct aead_backend *backend, const char *fault)
{
    struct aead_library library = {0};
    if (aead_backend_test(backend, NULL) != ERR_CRYPTO)
        fail_msg("%s was not found", fault);
    aead_library_add(&library, backend);
    assert_int_equal(library.count, 0);
    assert_true(aead_library_failed(&library));
    assert_string_equal(aead_library_note(&library), "faulty failed its self-test with aes-gcm, and is not used there");
}

#define ASSERT_FAILS(member, function)                                                                                 \
    do {                                                                                                               \
        struct aead_backend backend = like_gcm();                                                                      \
        backend.member = function;                                                                                     \
        assert_fails(&backend, #function);                                                                             \
    } while (0)

static void test_faults_are_found(void **state)
{
    (void)state;
    ASSERT_FAILS(make, make_nothing);
    ASSERT_FAILS(seal, seal_wrong_icv);
    ASSERT_FAILS(seal, seal_the_18th_wrong);
    ASSERT_FAILS(seal, seal_without_the_high_half);
    ASSERT_FAILS(seal, seal_none_of_a_batch);
    ASSERT_FAILS(open, open_anything);
    ASSERT_FAILS(open, open_nothing);
    ASSERT_FAILS(open, open_to_another_text);
    ASSERT_FAILS(open, open_the_forged_neighbour);
}

static void test_a_sound_back_end_passes(void **state)
{
    (void)state;
    struct aead_backend backend = like_gcm(); /* by its address not the portable one, so it is compared with that */
    struct aead_library library = {0};
    aead_library_add(&library, &backend);
    assert_int_equal(library.count, 1);
    assert_false(aead_library_failed(&library));
    struct aead_use use;
    assert_true(aead_library_use(&library, 0, &use));
    assert_string_equal(use.suites, "aes-gcm");
    assert_string_equal(use.backend, "faulty");
    assert_true(aead_library_use(&library, 2, &use));
    assert_string_equal(use.backend, "none");
    for (size_t i = 0; i < aead_portable.count; i++)
        assert_int_equal(aead_backend_test(aead_portable.backends[i], NULL), OK);
}

static void assert_served(const struct aead_library *library, bool mb_allowed)
{
    struct aead_use use;
    size_t i = 0;
    for (; aead_library_use(library, i, &use); i++)
        assert_true(strcmp(use.backend, "OpenSSL") == 0 || strcmp(use.backend, "libsodium") == 0 ||
                    (mb_allowed && strcmp(use.backend, "ipsec-mb") == 0));
    assert_true(i > 10);
}

static void test_openssl_means_no_ipsec_mb(void **state)
{
    (void)state;
    char why[AEAD_WHY];
    struct aead_library *library;
    assert_int_equal(aead_library_new(AEAD_OPENSSL, &library, why), OK);
    assert_non_null(strstr(aead_library_note(library), "turned off"));
    assert_false(aead_library_failed(library));
    assert_null(library->engine);
    assert_served(library, false);
    aead_library_free(library);
    assert_served(NULL, false);
    assert_string_equal(aead_library_note(NULL), "");
    aead_library_free(NULL);
}

/* Whether ipsec-mb is there or not: AUTO starts, IPSEC_MB starts with it alone, and both say what they have. */
static void test_auto_and_ipsec_mb_agree(void **state)
{
    (void)state;
    char why[AEAD_WHY];
    struct aead_library *library, *strict = NULL;
    struct aead_use use;
    assert_int_equal(aead_library_new(AEAD_AUTO, &library, why), OK);
    enum status status = aead_library_new(AEAD_IPSEC_MB, &strict, why);
    assert_served(library, true);
    assert_true(aead_library_use(library, 0, &use));
    if (library->engine != NULL) {
        assert_int_equal(status, OK);
        assert_string_equal(use.backend, "ipsec-mb");
        assert_non_null(strstr(aead_library_note(library), "ipsec-mb "));
        assert_false(aead_library_failed(library));
    } else {
        assert_int_equal(status, ERR_UNSUPPORTED);
        assert_null(strict);
        assert_string_equal(use.backend, "OpenSSL");
        assert_non_null(strstr(aead_library_note(library), "ipsec-mb is not used: "));
        assert_non_null(strstr(why, "crypto = ipsec-mb, but "));
        assert_non_null(strstr(why, "crypto = auto"));
    }
    aead_library_free(strict);
    aead_library_free(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_found),
        cmocka_unit_test(test_a_sound_back_end_passes),
        cmocka_unit_test(test_openssl_means_no_ipsec_mb),
        cmocka_unit_test(test_auto_and_ipsec_mb_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
