/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/cipher.h"

#include <limits.h>

#include "crypto/openssl.h"

static const char *cipher_name(enum encr encr, size_t key_len)
{
    if (encr == ENCR_3DES)
        return key_len == 24 ? "DES-EDE3-CBC" : NULL;
    if (encr != ENCR_AES_CBC)
        return NULL;
    switch (key_len) {
    case 16: return "AES-128-CBC";
    case 24: return "AES-192-CBC";
    case 32: return "AES-256-CBC";
    default: return NULL;
    }
}

static bool run(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, struct bytes key, const uint8_t *iv, uint8_t *data,
                size_t len, int encrypt)
{
    int n = 0;
    return EVP_CipherInit_ex2(ctx, cipher, key.data, iv, encrypt, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_CipherUpdate(ctx, data, &n, data, (int)len) == 1 &&
           (size_t)n == len;
}

static enum status cbc(enum encr encr, struct bytes key, const uint8_t *iv, uint8_t *data, size_t len, int encrypt)
{
    if (encr != ENCR_AES_CBC && encr != ENCR_3DES)
        return ERR_UNSUPPORTED;
    const char *name = cipher_name(encr, key.len);
    if (name == NULL || len % encr_info(encr)->block != 0 || len > INT_MAX)
        return ERR_MALFORMED;
    if (len == 0)
        return OK;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = cipher != NULL && ctx != NULL && run(ctx, cipher, key, iv, data, len, encrypt);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok ? OK : ERR_CRYPTO;
}

enum status cbc_encrypt(enum encr encr, struct bytes key, const uint8_t *iv, uint8_t *data, size_t len)
{
    return cbc(encr, key, iv, data, len, 1);
}

enum status cbc_decrypt(enum encr encr, struct bytes key, const uint8_t *iv, uint8_t *data, size_t len)
{
    return cbc(encr, key, iv, data, len, 0);
}
