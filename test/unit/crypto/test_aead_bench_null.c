/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/aead.h"
#include "crypto/aead_backend.h"

enum { TEXT = 48, PACKET_MAX = 128 };

struct rig {
    struct aead_shape shape;
    struct random_seeded seeded;
    struct aead_library *library;
    struct random random;
    struct aead *aead;
    struct aead_job job;
    uint8_t packet[PACKET_MAX];
};

/* An AES-256-GCM key and a sealed packet whose text was all 0x11. */
static void rig_start(struct rig *rig)
{
    const struct aead_suite suite = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};
    uint8_t keymat[64] = {7};
    char why[AEAD_WHY];
    *rig = (struct rig){.job = {.text_len = TEXT}};
    rig->job.esp = rig->packet;
    rig->random = random_of_seed(&rig->seeded, 1);
    assert_int_equal(aead_shape(&suite, &rig->shape), OK);
    size_t len = esp_keymat_len(suite.encr, suite.key_bits, suite.integ);
    assert_int_equal(aead_library_new(AEAD_OPENSSL, &rig->library, why), OK);
    assert_int_equal(aead_new(rig->library, &suite, bytes_of(keymat, len), &rig->random, &rig->aead), OK);
    memset(aead_text(&rig->job, &rig->shape), 0x11, TEXT);
    aead_seal(rig->aead, &rig->job, 1);
    assert_true(rig->job.ok);
}

static bool text_is_clear(const struct rig *rig)
{
    const uint8_t *text = aead_text(&rig->job, &rig->shape);
    for (size_t i = 0; i < TEXT; i++)
        if (text[i] != 0x11)
            return false;
    return true;
}

static void test_a_changed_tag_is_refused_in_every_build(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    for (unsigned byte = 0; byte < rig.shape.icv; byte++) {
        aead_icv(&rig.job, &rig.shape)[byte] ^= 0x80;
        struct aead_job job = rig.job;
        uint8_t copy[PACKET_MAX];
        memcpy(copy, rig.packet, sizeof copy);
        job.esp = copy;
        aead_open(rig.aead, &job, 1);
        assert_false(job.ok);
        aead_icv(&rig.job, &rig.shape)[byte] ^= 0x80;
    }
    aead_open(rig.aead, &rig.job, 1);
    assert_true(rig.job.ok);
    assert_true(text_is_clear(&rig));
    aead_free(rig.aead);
    aead_library_free(rig.library);
}

/* The one thing that matters here: what is sealed in clear says so, and what says nothing is encrypted. */
static void test_clear_text_only_with_a_warning(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    assert_true(text_is_clear(&rig) == (aead_danger() != NULL));
#ifdef ESPTUN_BENCH_NULL
    assert_non_null(strstr(aead_danger(), "ENCRYPTS NOTHING"));
#else
    assert_null(aead_danger());
#endif
    aead_free(rig.aead);
    aead_library_free(rig.library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_changed_tag_is_refused_in_every_build),
        cmocka_unit_test(test_clear_text_only_with_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
