/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include <sodium.h>

#include "crypto/openssl.h"
#include "crypto/secret.h"

_Static_assert((int)HASH_SEED == (int)crypto_shorthash_KEYBYTES, "hash_short is SipHash-2-4");

static const char *digest_name(enum prf prf)
{
    switch (prf) {
    case PRF_HMAC_MD5: return "MD5";
    case PRF_HMAC_SHA1: return "SHA1";
    case PRF_HMAC_SHA2_256: return "SHA2-256";
    case PRF_HMAC_SHA2_384: return "SHA2-384";
    case PRF_HMAC_SHA2_512: return "SHA2-512";
    case PRF_NONE: break;
    }
    return NULL;
}

static bool digest(EVP_MD_CTX *ctx, const EVP_MD *md, const struct bytes *parts, size_t count, uint8_t *out)
{
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            return false;
    return EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

enum status hash_parts(enum prf prf, const struct bytes *parts, size_t count, uint8_t *out)
{
    const char *name = digest_name(prf);
    if (name == NULL)
        return ERR_UNSUPPORTED;
    EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md != NULL && ctx != NULL && digest(ctx, md, parts, count, out);
    if (!ok)
        wipe(out, prf_info(prf)->len);
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return ok ? OK : ERR_CRYPTO;
}

static bool hmac(EVP_MAC_CTX *ctx, const char *name, struct bytes key, const struct bytes *parts, size_t count,
                 uint8_t *out)
{
    char digest_text[16];
    (void)OPENSSL_strlcpy(digest_text, name, sizeof digest_text);
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_text, 0),
                                 OSSL_PARAM_construct_end()};
    /* An empty key is a key (a nonce may be all there is), but a NULL would mean "the key of before". */
    static const uint8_t empty[1];
    if (EVP_MAC_init(ctx, key.len > 0 ? key.data : empty, key.len, params) != 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0 && EVP_MAC_update(ctx, parts[i].data, parts[i].len) != 1)
            return false;
    size_t len = 0;
    return EVP_MAC_final(ctx, out, &len, EVP_MAC_CTX_get_mac_size(ctx)) == 1;
}

enum status prf_parts(enum prf prf, struct bytes key, const struct bytes *parts, size_t count, uint8_t *out)
{
    const char *name = digest_name(prf);
    if (name == NULL)
        return ERR_UNSUPPORTED;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    bool ok = ctx != NULL && hmac(ctx, name, key, parts, count, out);
    if (!ok)
        wipe(out, prf_info(prf)->len);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok ? OK : ERR_CRYPTO;
}

uint64_t hash_short(const uint8_t seed[HASH_SEED], const void *data, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    (void)crypto_shorthash(out, data, len, seed); /* always 0 */
    return (uint64_t)load_u32(out) << 32 | load_u32(out + 4);
}
