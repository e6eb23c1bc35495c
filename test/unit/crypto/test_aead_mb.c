/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back ends over ipsec-mb, with each of the architectures that this processor has, against the portable ones: same
 * bytes, same verdicts; no byte touched beside the packet (it is assembler: no sanitizer looks into it); no key left.
 */
#include "test/unit/crypto/crypto_test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "crypto/aead_mb.h"
#include "crypto/secret.h"
#include "test/libraries.h"

enum { SUITES_MAX = 160, KEYMAT = 128, TEXT_MAX = 2000, PACKET = TEXT_MAX + 80, SLOTS = 18 };

static struct libraries libraries;

static size_t mb_suites(struct aead_suite out[SUITES_MAX])
{
    size_t n = 0;
    for (size_t e = 0; encr_at(e) != NULL; e++)
        for (size_t k = 0; k == 0 || (k < 3 && encr_at(e)->key_bits[k] != 0); k++)
            for (size_t i = 0; i == 0 || (!encr_at(e)->aead && integ_at(i) != NULL); i++)
                for (int esn = 0; esn < 2; esn++) {
                    struct aead_suite suite = {encr_at(e)->id, encr_at(e)->key_bits[k],
                                               encr_at(e)->aead ? INTEG_NONE : integ_at(i)->id, esn == 1};
                    assert_true(n < SUITES_MAX);
                    if (aead_mb_gcm.supports(&suite) || aead_mb_hmac.supports(&suite) || aead_mb_ccm.supports(&suite) ||
                        aead_mb_chacha.supports(&suite))
                        out[n++] = suite;
                }
    assert_int_equal(n, 2 * (9 + 3 + 6 + 1 + 7 * 5)); /* GCM, GMAC, CCM, ChaCha20; CBC, CTR and NULL by SHA */
    return n;
}

static void fill_keymat(uint8_t keymat[KEYMAT], uint8_t first)
{
    for (size_t i = 0; i < KEYMAT; i++)
        keymat[i] = (uint8_t)(first + i * 11);
}

static struct aead *key_of(const struct aead_library *library, const struct aead_suite *suite)
{
    static struct random random;
    uint8_t keymat[KEYMAT];
    struct aead *aead;
    random = random_system();
    fill_keymat(keymat, 0x91);
    size_t len = esp_keymat_len(suite->encr, suite->key_bits, suite->integ);
    assert_int_equal(aead_new(library, suite, bytes_of(keymat, len), &random, &aead), OK);
    return aead;
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

struct batch {
    struct aead_job jobs[AEAD_BATCH_MAX];
    uint8_t packets[AEAD_BATCH_MAX][PACKET];
};

static struct batch plain, want, got;

static void batch_fill(struct batch *b, const struct aead_shape *shape, size_t n, size_t first_len, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = (first_len + i * shape->block) % (TEXT_MAX + 1) / shape->block * shape->block;
        for (size_t k = 0; k < PACKET; k++)
            b->packets[i][k] = (uint8_t)next(&seed);
        b->jobs[i] = (struct aead_job){
            .esp = b->packets[i], .text_len = (uint32_t)len, .sequence_high = next(&seed) % 3 * 0x01020304};
    }
}

static void compare_seal(struct aead *portable, struct aead *mb, size_t n, const char *who)
{
    aead_seal_given_iv(portable, want.jobs, n);
    aead_seal_given_iv(mb, got.jobs, n);
    for (size_t i = 0; i < n; i++)
        if (!want.jobs[i].ok || !got.jobs[i].ok || memcmp(want.packets[i], got.packets[i], PACKET) != 0)
            fail_msg("%s: job %zu of %zu, text of %u bytes, is sealed otherwise", who, i, n, got.jobs[i].text_len);
}

/* Some forged, anywhere from SPI to ICV; some not aligned. */
static void compare_open(struct aead *portable, struct aead *mb, const struct aead_shape *shape, size_t n,
                         uint32_t seed, const char *who)
{
    bool forged[AEAD_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)AEAD_HEADER + shape->iv + got.jobs[i].text_len + shape->icv;
        uint32_t what = next(&seed) % 4;
        forged[i] = what == 0;
        if (forged[i]) {
            size_t at = next(&seed) % len;
            want.packets[i][at] ^= (uint8_t)(1u << what);
            got.packets[i][at] ^= (uint8_t)(1u << what);
        }
        if (what == 1 && next(&seed) % 8 == 0 && got.jobs[i].text_len > 0) {
            forged[i] = true;
            want.jobs[i].text_len--;
            got.jobs[i].text_len--;
        }
    }
    aead_open(portable, want.jobs, n);
    aead_open(mb, got.jobs, n);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *text = aead_text(&plain.jobs[i], shape);
        bool right = want.jobs[i].ok == !forged[i] && got.jobs[i].ok == !forged[i] &&
                     (forged[i] || memcmp(aead_text(&got.jobs[i], shape), text, got.jobs[i].text_len) == 0);
        size_t end = (size_t)AEAD_HEADER + shape->iv + got.jobs[i].text_len;
        if (!right || memcmp(want.packets[i] + end, got.packets[i] + end, PACKET - end) != 0 ||
            memcmp(want.packets[i], got.packets[i], (size_t)AEAD_HEADER + shape->iv) != 0)
            fail_msg("%s: job %zu of %zu, text of %u bytes, is opened otherwise", who, i, n, got.jobs[i].text_len);
    }
}

static void compare(const struct aead_library *library, const struct aead_suite *suite, uint32_t seed, const char *who)
{
    struct aead *portable = key_of(NULL, suite), *mb = key_of(library, suite);
    struct aead_shape shape;
    assert_int_equal(aead_shape(suite, &shape), OK);
    size_t n = 1;
    for (size_t len = 0; len <= TEXT_MAX; len += n * shape.block, n = n % AEAD_BATCH_MAX + 1, seed++) {
        batch_fill(&plain, &shape, n, len, seed);
        batch_fill(&want, &shape, n, len, seed);
        batch_fill(&got, &shape, n, len, seed);
        compare_seal(portable, mb, n, who);
        compare_open(portable, mb, &shape, n, seed, who);
    }
    for (n = 1; n <= AEAD_BATCH_MAX; n += n < 20 ? 1 : 11, seed++) {
        batch_fill(&plain, &shape, n, next(&seed), seed);
        want = got = plain;
        for (size_t i = 0; i < n; i++) {
            want.jobs[i].esp = want.packets[i];
            got.jobs[i].esp = got.packets[i];
        }
        compare_seal(portable, mb, n, who);
        compare_open(portable, mb, &shape, n, seed, who);
    }
    aead_free(portable);
    aead_free(mb);
}

static void test_same_bytes_and_verdicts(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    for (size_t l = 1; l < libraries.count; l++)
        for (size_t i = 0, n = mb_suites(suites); i < n; i++) {
            char who[AEAD_NOTE + 80];
            (void)snprintf(who, sizeof who, "%s, encr %d of %u bits, integ %d, esn %d, seed %zu", libraries.names[l],
                           (int)suites[i].encr, suites[i].key_bits, (int)suites[i].integ, suites[i].esn, i * 7919);
            compare(libraries.all[l], &suites[i], (uint32_t)i * 7919, who);
        }
}

/* Pages with a forbidden page before and behind each. */
static uint8_t *guarded_pages(size_t page)
{
    uint8_t *all = mmap(NULL, page * (2 * SLOTS + 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    for (size_t i = 0; i < SLOTS; i++)
        assert_int_equal(mprotect(all + page * (2 * i + 1), page, PROT_READ | PROT_WRITE), 0);
    return all;
}

/* Seals and opens packets that begin where their page does, or end where it does. */
static void touch(struct aead *aead, const struct aead_shape *shape, uint8_t *pages, size_t page, size_t n, size_t len,
                  bool at_end)
{
    struct aead_job jobs[SLOTS];
    size_t packet_len = (size_t)AEAD_HEADER + shape->iv + len + shape->icv;
    for (size_t i = 0; i < n; i++) {
        uint8_t *at = pages + page * (2 * i + 1);
        memset(at, (int)i + 1, page);
        jobs[i] = (struct aead_job){.esp = at_end ? at + page - packet_len : at, .text_len = (uint32_t)len};
    }
    aead_seal(aead, jobs, n);
    for (size_t i = 0; i < n; i++)
        assert_true(jobs[i].ok);
    aead_open(aead, jobs, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(jobs[i].ok);
        assert_true(len == 0 || aead_text(&jobs[i], shape)[len - 1] == (uint8_t)(i + 1));
    }
}

static void test_nothing_beside_the_packet_is_touched(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = guarded_pages(page);
    for (size_t l = 1; l < libraries.count; l++)
        for (size_t i = 0, n = mb_suites(suites); i < n; i++) {
            struct aead *aead = key_of(libraries.all[l], &suites[i]);
            struct aead_shape shape;
            assert_int_equal(aead_shape(&suites[i], &shape), OK);
            for (size_t len = 0; len <= 1600; len += shape.block * (len < 160 ? 1u : 29u)) {
                touch(aead, &shape, pages, page, 1, len, false);
                touch(aead, &shape, pages, page, 1, len, true);
                touch(aead, &shape, pages, page, SLOTS, len, false);
                touch(aead, &shape, pages, page, SLOTS, len, true);
            }
            aead_free(aead);
        }
    assert_int_equal(munmap(pages, page * (2 * SLOTS + 1)), 0);
}

static size_t count_of(const void *memory, size_t size, const uint8_t needle[MB_BLOCK])
{
    size_t found = 0;
    const uint8_t *at = memory, *end = at + size;
    while ((at = memmem(at, (size_t)(end - at), needle, MB_BLOCK)) != NULL) {
        found++;
        at++;
    }
    return found;
}

/* Whether any block of these bytes stands anywhere in the engine. */
static size_t left_in(const struct mb_engine *engine, const uint8_t *bytes, size_t len)
{
    size_t found = 0;
    for (size_t i = 0; i + MB_BLOCK <= len; i += MB_BLOCK)
        found += count_of(engine->mgr, engine->mgr_size, bytes + i) + count_of(engine, sizeof *engine, bytes + i);
    return found;
}

static void use_once(const struct aead_library *library, const struct aead_suite *suite, size_t n)
{
    struct aead_shape shape;
    struct aead *aead = key_of(library, suite);
    assert_int_equal(aead_shape(suite, &shape), OK);
    batch_fill(&plain, &shape, n, 160, 1);
    batch_fill(&got, &shape, n, 160, 1);
    aead_seal_given_iv(aead, got.jobs, n);
    aead_open(aead, got.jobs, n);
    for (size_t i = 0; i < n; i++)
        assert_true(got.jobs[i].ok);
    aead_free(aead);
}

/* The keys of the suite, as given and as AES's round keys. Returns the bytes. */
static size_t all_keys(const struct mb_engine *engine, const struct aead_suite *suite, uint8_t *out)
{
    fill_keymat(out, 0x91);
    size_t len = esp_keymat_len(suite->encr, suite->key_bits, suite->integ) / MB_BLOCK * MB_BLOCK;
    if (suite->key_bits == 0)
        return len;
    size_t rounds = (suite->key_bits / 32u + 7) * MB_BLOCK;
    uint8_t encrypt[MB_ROUND_KEYS], decrypt[MB_ROUND_KEYS];
    mb_aes_expand(engine, bytes_of(out, suite->key_bits / 8u), encrypt, decrypt);
    memcpy(out + len, encrypt, rounds);
    memcpy(out + len + rounds, decrypt, rounds);
    return len + 2 * rounds;
}

/* With full and with idle lanes: neither keys, nor round keys, nor text stay behind. (Not looked for: the states of
 * HMAC, whose words lie scattered over the lanes; the library clears them with the rest.) */
static void test_no_key_stays_behind(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t keys[KEYMAT + 2 * MB_ROUND_KEYS];
    for (size_t l = 1; l < libraries.count; l++) {
        const struct mb_engine *engine = libraries.all[l]->engine;
        if (engine == NULL) /* as in use, on a processor that ipsec-mb cannot use */
            continue;
        if ((engine->mgr->features & IMB_FEATURE_SAFE_DATA) == 0) {
            print_message("this build of ipsec-mb does not clear what it leaves behind\n");
            skip();
        }
        for (size_t i = 0, n = mb_suites(suites); i < n; i += 2)
            for (size_t batch = 1; batch <= 20; batch += 19) {
                size_t len = all_keys(engine, &suites[i], keys);
                use_once(libraries.all[l], &suites[i], batch);
                assert_int_equal(left_in(engine, keys, len), 0);
                assert_int_equal(left_in(engine, plain.packets[batch - 1] + 24, 2 * MB_BLOCK), 0);
            }
    }
}

/* The search does find what is there. */
static void test_the_search_for_keys(void **state)
{
    (void)state;
    uint8_t needle[MB_BLOCK];
    for (size_t l = 1; l < libraries.count; l++) {
        struct mb_engine *engine = libraries.all[l]->engine;
        if (engine == NULL)
            continue;
        memset(needle, 0xa7, sizeof needle);
        assert_int_equal(left_in(engine, needle, sizeof needle), 0);
        memcpy(engine->aads[AEAD_BATCH_MAX - 1], needle, sizeof needle);
        assert_int_equal(left_in(engine, needle, sizeof needle), 1);
        memcpy((uint8_t *)engine->mgr + engine->mgr_size - MB_BLOCK - 3, needle, sizeof needle);
        assert_int_equal(left_in(engine, needle, sizeof needle), 2);
        wipe((uint8_t *)engine->mgr + engine->mgr_size - MB_BLOCK - 3, sizeof needle);
        wipe(engine->aads[AEAD_BATCH_MAX - 1], sizeof needle);
    }
}

static void test_engines(void **state)
{
    (void)state;
    const char *why;
    struct mb_engine *engine = mb_engine_new(MB_BEST, &why);
    if (engine == NULL) {
        assert_non_null(why);
        print_message("ipsec-mb cannot serve here: %s\n", why);
        skip();
    }
    assert_null(why);
    assert_true(strncmp(engine->name, "ipsec-mb ", 9) == 0 && strchr(engine->name, '(') != NULL);
    assert_int_equal((uintptr_t)engine->mgr % MB_ALIGN, 0);
    mb_engine_free(engine);
    mb_engine_free(NULL);
    mb_key_free(NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engines),
        cmocka_unit_test(test_same_bytes_and_verdicts),
        cmocka_unit_test(test_nothing_beside_the_packet_is_touched),
        cmocka_unit_test(test_no_key_stays_behind),
        cmocka_unit_test(test_the_search_for_keys),
    };
    libraries_make(&libraries);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    libraries_free(&libraries);
    return failed;
}
