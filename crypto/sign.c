/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sign.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/sign_key.h"

static const struct {
    enum sign_method method;
    const char *name;
    const char *curve; /* as OpenSSL calls it */
    enum prf prf;
    size_t half; /* bytes of r, and of s */
} methods[] = {
    {SIGN_RSA, "RSA", NULL, PRF_NONE, 0},
    {SIGN_ECDSA_256, "ECDSA P-256", "prime256v1", PRF_HMAC_SHA2_256, 32},
    {SIGN_ECDSA_384, "ECDSA P-384", "secp384r1", PRF_HMAC_SHA2_384, 48},
    {SIGN_ECDSA_521, "ECDSA P-521", "secp521r1", PRF_HMAC_SHA2_512, 66},
};

enum { METHODS = sizeof methods / sizeof *methods, ECDSA_DER_MAX = 160 };

const char *sign_method_name(enum sign_method method)
{
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "none";
}

enum prf sign_method_prf(enum sign_method method)
{
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].method == method)
            return methods[i].prf;
    return PRF_NONE;
}

static size_t half_of(const struct sign_key *key)
{
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].method == key->method)
            return methods[i].half;
    return 0;
}

/* --- keys --- */

/* An exponent of 1, or an even one, verifies or fails everything (CVE-2017-9022); no real key has one. */
static bool exponent_is_sound(const EVP_PKEY *pkey)
{
    BIGNUM *e = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) && !BN_is_one(e) &&
              BN_num_bits(e) <= 64;
    BN_free(e);
    return ok;
}

static enum status classify_rsa(struct sign_key *key, uint32_t allow, const struct why *why)
{
    bool legacy = (allow & LEGACY_RSA1024) != 0;
    if (key->bits < RSA_BITS_MIN && !(legacy && key->bits >= RSA_BITS_LEGACY))
        return why_refuse(
            why, ERR_UNSUPPORTED, "the RSA key has %u bits, and that is too weak: use one of at least %d%s", key->bits,
            RSA_BITS_MIN, key->bits >= RSA_BITS_LEGACY ? ", or say allow = rsa1024 for this connection" : "");
    if (key->bits > RSA_BITS_MAX)
        return why_refuse(why, ERR_UNSUPPORTED, "the RSA key has %u bits: use one of at most %d", key->bits,
                          RSA_BITS_MAX);
    if (!exponent_is_sound(key->pkey))
        return why_refuse(why, ERR_UNSUPPORTED, "the RSA key has an impossible exponent: make a new key");
    key->method = SIGN_RSA;
    return OK;
}

/* A curve that is written out instead of named could be any (CVE-2020-0601). */
static enum status classify_ec(struct sign_key *key, const struct why *why)
{
    char curve[64] = "";
    size_t len;
    int is_explicit = 1;
    (void)EVP_PKEY_get_group_name(key->pkey, curve, sizeof curve, &len);
    if (EVP_PKEY_get_int_param(key->pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) != 1 ||
        is_explicit != 0)
        return why_refuse(why, ERR_UNSUPPORTED, "the EC key spells its curve out: use one with a named curve");
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].curve != NULL && strcmp(methods[i].curve, curve) == 0) {
            key->method = methods[i].method;
            return OK;
        }
    return why_refuse(why, ERR_UNSUPPORTED, "the EC key is on the curve %s: use P-256, P-384 or P-521", curve);
}

static enum status classify(struct sign_key *key, uint32_t allow, const struct why *why)
{
    int bits = EVP_PKEY_get_bits(key->pkey);
    key->bits = bits > 0 ? (unsigned)bits : 0;
    if (EVP_PKEY_is_a(key->pkey, "RSA"))
        return classify_rsa(key, allow, why);
    if (EVP_PKEY_is_a(key->pkey, "EC"))
        return classify_ec(key, why);
    const char *name = EVP_PKEY_get0_type_name(key->pkey);
    return why_refuse(why, ERR_UNSUPPORTED, "the key is of the kind %s: IKEv1 signs with RSA or ECDSA",
                      name != NULL ? name : "unknown");
}

enum status sign_key_of(EVP_PKEY *pkey, bool has_private, uint32_t allow, struct sign_key **out, const struct why *why)
{
    struct sign_key *key = pkey != NULL ? calloc(1, sizeof *key) : NULL;
    *out = NULL;
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return why_refuse(why, ERR_MEMORY, "out of memory");
    }
    key->pkey = pkey;
    key->has_private = has_private;
    enum status status = classify(key, allow, why);
    if (status != OK) {
        sign_key_free(key);
        return status;
    }
    *out = key;
    return OK;
}

enum status sign_key_read_public(struct bytes der, uint32_t allow, struct sign_key **out, const struct why *why)
{
    const unsigned char *at = der.data;
    *out = NULL;
    EVP_PKEY *pkey = der.len <= INT16_MAX ? d2i_PUBKEY(NULL, &at, (long)der.len) : NULL;
    ERR_clear_error();
    if (pkey == NULL || at != der.data + der.len) {
        EVP_PKEY_free(pkey);
        return why_refuse(why, ERR_MALFORMED, "the public key makes no sense");
    }
    return sign_key_of(pkey, false, allow, out, why);
}

void sign_key_free(struct sign_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey); /* wipes private numbers */
    free(key);
}

enum sign_method sign_key_method(const struct sign_key *key)
{
    return key->method;
}

unsigned sign_key_bits(const struct sign_key *key)
{
    return key->bits;
}

bool sign_key_equal(const struct sign_key *a, const struct sign_key *b)
{
    bool equal = EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    ERR_clear_error();
    return equal;
}

/* --- r and s, between DER and side by side --- */

static bool halves_of_der(const uint8_t *der, size_t der_len, size_t half, uint8_t *out)
{
    const unsigned char *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)half) == (int)half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, (int)half) == (int)half;
    ECDSA_SIG_free(sig);
    return ok;
}

static size_t der_of_halves(struct bytes halves, size_t half, uint8_t der[ECDSA_DER_MAX])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(halves.data, (int)half, NULL), *s = BN_bin2bn(halves.data + half, (int)half, NULL);
    int len = 0;
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* they are the signature's now */
        unsigned char *at = der;
        if (i2d_ECDSA_SIG(sig, NULL) <= ECDSA_DER_MAX)
            len = i2d_ECDSA_SIG(sig, &at);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len > 0 ? (size_t)len : 0;
}

/* --- signing and verifying --- */

/* Without a digest RSA pads the value itself, and ECDSA takes it as it is. */
static bool prepare(EVP_PKEY_CTX *ctx, const struct sign_key *key, bool sign)
{
    if (ctx == NULL || (sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) != 1)
        return false;
    return key->method != SIGN_RSA || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
}

enum status sign_make(const struct sign_key *key, struct bytes value, uint8_t out[SIGNATURE_MAX], size_t *len)
{
    uint8_t raw[SIGNATURE_MAX];
    size_t raw_len = sizeof raw, half = half_of(key);
    *len = 0;
    EVP_PKEY_CTX *ctx = key->has_private ? EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL) : NULL;
    bool ok = prepare(ctx, key, true) && EVP_PKEY_sign(ctx, raw, &raw_len, value.data, value.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (ok && half > 0)
        ok = halves_of_der(raw, raw_len, half, out);
    else if (ok)
        memcpy(out, raw, raw_len);
    ERR_clear_error();
    if (!ok)
        return ERR_CRYPTO;
    *len = half > 0 ? 2 * half : raw_len;
    return OK;
}

enum status sign_check(const struct sign_key *key, struct bytes value, struct bytes signature)
{
    uint8_t der[ECDSA_DER_MAX];
    size_t half = half_of(key);
    if (value.len == 0 || signature.len != (half > 0 ? 2 * half : (key->bits + 7) / 8))
        return ERR_AUTHENTICATION;
    if (half > 0)
        signature = bytes_of(der, der_of_halves(signature, half, der));
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    /* 0 is "wrong" and negative is "broken": only 1 is right (CVE-2013-2944). */
    bool ok = signature.len > 0 && prepare(ctx, key, false) &&
              EVP_PKEY_verify(ctx, signature.data, signature.len, value.data, value.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return ok ? OK : ERR_AUTHENTICATION;
}
