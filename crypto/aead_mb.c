/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead_mb.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/secret.h"

static const struct {
    const char *name;
    uint64_t features; /* that the processor must have */
    void (*start)(IMB_MGR *mgr);
} archs[MB_ARCH_COUNT] = {
    [MB_BEST] = {NULL, IMB_CPUFLAGS_SSE, NULL},
    [MB_SSE] = {"SSE", IMB_CPUFLAGS_SSE, init_mb_mgr_sse},
    [MB_AVX] = {"AVX", IMB_CPUFLAGS_AVX, init_mb_mgr_avx},
    [MB_AVX2] = {"AVX2", IMB_CPUFLAGS_AVX2, init_mb_mgr_avx2},
    [MB_AVX512] = {"AVX512", IMB_CPUFLAGS_AVX512, init_mb_mgr_avx512},
};

void *mb_key_new(size_t size)
{
    void *key = aligned_alloc(MB_ALIGN, size);
    if (key != NULL)
        memset(key, 0, size);
    return key;
}

void mb_key_free(void *key, size_t size)
{
    if (key == NULL)
        return;
    wipe(key, size);
    free(key);
}

static size_t round_up(size_t size)
{
    return (size + MB_ALIGN - 1) / MB_ALIGN * MB_ALIGN;
}

static const char *arch_name(uint32_t used)
{
    switch (used) {
    case IMB_ARCH_SSE: return "SSE";
    case IMB_ARCH_AVX: return "AVX";
    case IMB_ARCH_AVX2: return "AVX2";
    case IMB_ARCH_AVX512: return "AVX512";
    default: return NULL;
    }
}

/* The library tests itself while it starts; it says so since 1.3. Returns what is wrong, or NULL. */
static const char *start(IMB_MGR *mgr, enum mb_arch arch)
{
    if ((mgr->features & archs[arch].features) != archs[arch].features)
        return "this processor lacks the instructions that it needs";
    if (archs[arch].start != NULL)
        archs[arch].start(mgr);
    else
        init_mb_mgr_auto(mgr, NULL);
    if (imb_get_errno(mgr) != 0 || (mgr->features & IMB_FEATURE_SELF_TEST_PASS) == 0)
        return "its own self-test failed";
    return arch_name(mgr->used_arch) == NULL ? "it found no code for this processor" : NULL;
}

/* The manager lives in memory of ours, so that it can be wiped. */
struct mb_engine *mb_engine_new(enum mb_arch arch, const char **why)
{
    *why = "out of memory";
    if (imb_get_version() < IMB_VERSION(1, 3, 0)) {
        *why = "its version is below 1.3";
        return NULL;
    }
    struct mb_engine *engine = mb_key_new(round_up(sizeof *engine));
    if (engine == NULL)
        return NULL;
    engine->mgr_size = round_up(imb_get_mb_mgr_size());
    void *memory = mb_key_new(engine->mgr_size);
    if (memory != NULL) {
        engine->mgr = imb_set_pointers_mb_mgr(memory, 0, 1);
        *why = start(engine->mgr, arch);
    }
    if (*why != NULL) {
        mb_engine_free(engine);
        return NULL;
    }
    (void)snprintf(engine->name, sizeof engine->name, "ipsec-mb %.20s (%s)", imb_get_version_str(),
                   arch_name(engine->mgr->used_arch));
    return engine;
}

void mb_engine_free(struct mb_engine *engine)
{
    if (engine == NULL)
        return;
    mb_key_free(engine->mgr, engine->mgr_size);
    mb_key_free(engine, round_up(sizeof *engine));
}

void mb_aes_expand(const struct mb_engine *engine, struct bytes key, uint8_t *encrypt, uint8_t *decrypt)
{
    switch (key.len) {
    case IMB_KEY_128_BYTES: IMB_AES_KEYEXP_128(engine->mgr, key.data, encrypt, decrypt); break;
    case IMB_KEY_192_BYTES: IMB_AES_KEYEXP_192(engine->mgr, key.data, encrypt, decrypt); break;
    default: IMB_AES_KEYEXP_256(engine->mgr, key.data, encrypt, decrypt); break;
    }
}
