/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/suites.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/openssl.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* clang-format off */
static const struct encr_info encrs[] = {
    {.id = ENCR_AES_GCM_16, .name = "aes", .suffix = "gcm16", .key_bits = {128, 192, 256},
     .block = 4, .salt = 4, .iv = 8, .icv = 16, .aead = true, .counter = true},
    {.id = ENCR_AES_GCM_12, .name = "aes", .suffix = "gcm12", .key_bits = {128, 192, 256},
     .block = 4, .salt = 4, .iv = 8, .icv = 12, .aead = true, .counter = true},
    {.id = ENCR_AES_GCM_8, .name = "aes", .suffix = "gcm8", .key_bits = {128, 192, 256},
     .block = 4, .salt = 4, .iv = 8, .icv = 8, .aead = true, .counter = true},
    {.id = ENCR_CHACHA20_POLY1305, .name = "chacha20poly1305", .suffix = "", .key_bits = {256}, .fixed_key = true,
     .block = 4, .salt = 4, .iv = 8, .icv = 16, .aead = true, .counter = true},
    {.id = ENCR_AES_CBC, .name = "aes", .suffix = "", .key_bits = {128, 192, 256}, .block = 16, .iv = 16},
    {.id = ENCR_AES_CTR, .name = "aes", .suffix = "ctr", .key_bits = {128, 192, 256},
     .block = 4, .salt = 4, .iv = 8, .counter = true},
    {.id = ENCR_AES_CCM_16, .name = "aes", .suffix = "ccm16", .key_bits = {128, 192, 256},
     .block = 4, .salt = 3, .iv = 8, .icv = 16, .aead = true, .counter = true},
    {.id = ENCR_AES_CCM_12, .name = "aes", .suffix = "ccm12", .key_bits = {128, 192, 256},
     .block = 4, .salt = 3, .iv = 8, .icv = 12, .aead = true, .counter = true},
    {.id = ENCR_AES_CCM_8, .name = "aes", .suffix = "ccm8", .key_bits = {128, 192, 256},
     .block = 4, .salt = 3, .iv = 8, .icv = 8, .aead = true, .counter = true},
    {.id = ENCR_NULL_AUTH_AES_GMAC, .name = "aes", .suffix = "gmac", .key_bits = {128, 192, 256},
     .block = 4, .salt = 4, .iv = 8, .icv = 16, .aead = true, .counter = true, .clear = true},
    {.id = ENCR_3DES, .name = "3des", .suffix = "", .key_bits = {192}, .fixed_key = true,
     .block = 8, .iv = 8, .legacy = LEGACY_3DES},
    {.id = ENCR_NULL, .name = "null", .suffix = "", .key_bits = {0}, .fixed_key = true,
     .block = 4, .clear = true, .legacy = LEGACY_NULL},
};

static const struct integ_info integs[] = {
    {.id = INTEG_HMAC_SHA2_256_128, .name = "sha256", .key = 32, .icv = 16},
    {.id = INTEG_HMAC_SHA2_384_192, .name = "sha384", .key = 48, .icv = 24},
    {.id = INTEG_HMAC_SHA2_512_256, .name = "sha512", .key = 64, .icv = 32},
    {.id = INTEG_HMAC_SHA2_256_96,  .name = "sha256_96", .key = 32, .icv = 12, .legacy = LEGACY_SHA256_96},
    {.id = INTEG_HMAC_SHA1_96,      .name = "sha1",   .key = 20, .icv = 12, .legacy = LEGACY_SHA1},
    {.id = INTEG_HMAC_MD5_96,       .name = "md5",    .key = 16, .icv = 12, .legacy = LEGACY_MD5},
};

static const struct prf_info prfs[] = {
    {.id = PRF_HMAC_SHA2_256, .name = "sha256", .len = 32},
    {.id = PRF_HMAC_SHA2_384, .name = "sha384", .len = 48},
    {.id = PRF_HMAC_SHA2_512, .name = "sha512", .len = 64},
    {.id = PRF_HMAC_SHA1,     .name = "sha1",   .len = 20, .legacy = LEGACY_SHA1},
    {.id = PRF_HMAC_MD5,      .name = "md5",    .len = 16, .legacy = LEGACY_MD5},
};

static const struct group_info groups[] = {
    {.id = GROUP_CURVE25519, .name = "x25519", .public_len = 32,   .shared_len = 32},
    {.id = GROUP_ECP256,     .name = "ecp256",     .public_len = 64,   .shared_len = 32},
    {.id = GROUP_ECP384,     .name = "ecp384",     .public_len = 96,   .shared_len = 48},
    {.id = GROUP_ECP521,     .name = "ecp521",     .public_len = 132,  .shared_len = 66},
    {.id = GROUP_MODP2048,   .name = "modp2048",   .public_len = 256,  .shared_len = 256},
    {.id = GROUP_MODP3072,   .name = "modp3072",   .public_len = 384,  .shared_len = 384},
    {.id = GROUP_MODP4096,   .name = "modp4096",   .public_len = 512,  .shared_len = 512},
    {.id = GROUP_MODP6144,   .name = "modp6144",   .public_len = 768,  .shared_len = 768},
    {.id = GROUP_MODP8192,   .name = "modp8192",   .public_len = 1024, .shared_len = 1024},
    {.id = GROUP_MODP1536,   .name = "modp1536",   .public_len = 192,  .shared_len = 192, .legacy = LEGACY_MODP1536},
    {.id = GROUP_MODP1024,   .name = "modp1024",   .public_len = 128,  .shared_len = 128, .legacy = LEGACY_MODP1024},
    {.id = GROUP_MODP768,    .name = "modp768",    .public_len = 96,   .shared_len = 96,  .never = true},
};
/* clang-format on */

static const struct {
    uint32_t bit;
    const char *name;
} legacies[] = {
    {LEGACY_MODP1024, "modp1024"},   {LEGACY_MODP1536, "modp1536"},
    {LEGACY_SHA1, "sha1"},           {LEGACY_MD5, "md5"},
    {LEGACY_3DES, "3des"},           {LEGACY_NULL, "null"},
    {LEGACY_SHA256_96, "sha256_96"}, {LEGACY_RSA1024, "rsa1024"},
    {LEGACY_SHA1_CERT, "sha1_cert"},
};

const struct encr_info *encr_at(size_t i)
{
    return i < COUNT(encrs) ? &encrs[i] : NULL;
}

const struct integ_info *integ_at(size_t i)
{
    return i < COUNT(integs) ? &integs[i] : NULL;
}

const struct prf_info *prf_at(size_t i)
{
    return i < COUNT(prfs) ? &prfs[i] : NULL;
}

const struct group_info *group_at(size_t i)
{
    return i < COUNT(groups) ? &groups[i] : NULL;
}

const struct encr_info *encr_info(unsigned id)
{
    for (size_t i = 0; i < COUNT(encrs); i++)
        if (encrs[i].id == id)
            return &encrs[i];
    return NULL;
}

const struct integ_info *integ_info(unsigned id)
{
    for (size_t i = 0; i < COUNT(integs); i++)
        if (integs[i].id == id)
            return &integs[i];
    return NULL;
}

const struct prf_info *prf_info(unsigned id)
{
    for (size_t i = 0; i < COUNT(prfs); i++)
        if (prfs[i].id == id)
            return &prfs[i];
    return NULL;
}

const struct group_info *group_info(unsigned id)
{
    for (size_t i = 0; i < COUNT(groups); i++)
        if (groups[i].id == id)
            return &groups[i];
    return NULL;
}

bool encr_allows_key(const struct encr_info *info, unsigned key_bits)
{
    /* A fixed size may be left out: 0 then stands for it (struct proposal). */
    if (key_bits == 0)
        return info->fixed_key;
    for (size_t i = 0; i < COUNT(info->key_bits); i++)
        if (info->key_bits[i] == key_bits)
            return true;
    return false;
}

size_t esp_keymat_len(unsigned encr, unsigned key_bits, unsigned integ)
{
    const struct encr_info *cipher = encr_info(encr);
    if (cipher == NULL || !encr_allows_key(cipher, key_bits))
        return 0;
    const struct integ_info *hash = integ_info(integ);
    if (cipher->aead ? integ != INTEG_NONE : hash == NULL)
        return 0;
    if (cipher->fixed_key)
        key_bits = cipher->key_bits[0];
    return key_bits / 8 + cipher->salt + (hash != NULL ? hash->key : 0u);
}

const char *legacy_name(uint32_t bit)
{
    for (size_t i = 0; i < COUNT(legacies); i++)
        if (legacies[i].bit == bit)
            return legacies[i].name;
    return "none";
}

uint32_t legacy_bit(const char *name)
{
    for (size_t i = 0; i < COUNT(legacies); i++)
        if (strcmp(legacies[i].name, name) == 0)
            return legacies[i].bit;
    return 0;
}

uint32_t legacy_at(size_t i)
{
    return i < COUNT(legacies) ? legacies[i].bit : 0;
}

const char *legacy_list(uint32_t mask, const char *between, char *out, size_t out_len)
{
    size_t used = 0;
    if (out_len > 0)
        out[0] = '\0';
    for (size_t i = 0; i < COUNT(legacies); i++) {
        const char *dash = used > 0 ? between : "", *name = legacies[i].name;
        if ((mask & legacies[i].bit) != 0 && used + strlen(dash) + strlen(name) < out_len)
            used += (size_t)snprintf(out + used, out_len - used, "%s%s", dash, name);
    }
    return out;
}

const char *crypto_versions(void)
{
    /* Of the libraries that run, not those that were compiled against: hence text made now, one per thread. */
    static _Thread_local char text[128];
    (void)snprintf(text, sizeof text, "%s, libsodium %s", OpenSSL_version(OPENSSL_VERSION), sodium_version_string());
    return text;
}
