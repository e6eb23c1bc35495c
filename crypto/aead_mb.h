/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to crypto/aead*.c: what the back ends over intel-ipsec-mb share. An engine is the library's multi-buffer
 * manager and the working memory of one batch; it belongs to one thread, as the library that owns it does. Making and
 * freeing keys only reads it.
 */
#ifndef CRYPTO_AEAD_MB_H
#define CRYPTO_AEAD_MB_H

#include "crypto/aead_backend.h"
#include "crypto/ipsec_mb.h"

enum { MB_TAG_MAX = 32, MB_BLOCK = 16, MB_ALIGN = 64, MB_NAME = 64 };

/* Which code of ipsec-mb: the best that this processor can, or for tests another. */
enum mb_arch { MB_BEST, MB_SSE, MB_AVX, MB_AVX2, MB_AVX512, MB_ARCH_COUNT };

struct mb_engine {
    IMB_MGR *mgr;
    size_t mgr_size;
    char name[MB_NAME]; /* "ipsec-mb 1.3.0 (AVX512)" */
    bool eager;         /* for tests: no batch is too small for the lanes */
    /* Of the batch at work, by job: */
    IMB_JOB jobs[AEAD_BATCH_MAX];
    IMB_JOB *queue[AEAD_BATCH_MAX];
    uint8_t blocks[AEAD_BATCH_MAX][MB_BLOCK];
    uint8_t aads[AEAD_BATCH_MAX][MB_BLOCK];
    uint8_t tags[AEAD_BATCH_MAX][MB_TAG_MAX];
    uint8_t icvs[AEAD_BATCH_MAX][AEAD_ICV_MAX];
};

/* NULL, with *why a few words: this processor or this version of ipsec-mb cannot serve. */
struct mb_engine *mb_engine_new(enum mb_arch arch, const char **why);
void mb_engine_free(struct mb_engine *engine); /* wipes; NULL is fine */

/* Memory for a key, zeroed, aligned to MB_ALIGN; the size is a multiple of it. mb_key_free wipes; NULL is fine. */
void *mb_key_new(size_t size);
void mb_key_free(void *key, size_t size);

/* The round keys of AES, for encryption and for decryption. */
enum { MB_ROUND_KEYS = 15 * 16 };
void mb_aes_expand(const struct mb_engine *engine, struct bytes key, uint8_t *encrypt, uint8_t *decrypt);

/* A size that is known makes of memcpy a store or two. As a call it takes as long as the cipher of a small packet. */
static inline void mb_copy_icv(uint8_t *to, const uint8_t *from, uint8_t len)
{
    switch (len) {
    case 8: memcpy(to, from, 8); break;
    case 12: memcpy(to, from, 12); break;
    case 16: memcpy(to, from, 16); break;
    case 24: memcpy(to, from, 24); break;
    case 32: memcpy(to, from, 32); break;
    default: memcpy(to, from, len); break;
    }
}

#endif
