/* SPDX-License-Identifier: Apache-2.0 */
/* MODP groups: p is a safe prime, the generator is 2 (RFC 2409 6, RFC 3526). */
#include "crypto/dh_kind.h"
#include "crypto/openssl.h"

/*
 * Exponents have at least twice the bits of the strength that NIST gives the group (SP 800-56A Rev. 3, 5.6.1.1.1 and
 * tables 25 and 26: 112, 128, 152, 176, 200 bits from modp2048 on), rounded up to whole words. The time of a power goes
 * with their length.
 */
static const struct modp {
    enum group id;
    BIGNUM *(*prime)(BIGNUM *bn);
    uint8_t exponent; /* bytes */
} modps[] = {
    {GROUP_MODP1024, BN_get_rfc2409_prime_1024, 32}, {GROUP_MODP1536, BN_get_rfc3526_prime_1536, 32},
    {GROUP_MODP2048, BN_get_rfc3526_prime_2048, 32}, {GROUP_MODP3072, BN_get_rfc3526_prime_3072, 40},
    {GROUP_MODP4096, BN_get_rfc3526_prime_4096, 48}, {GROUP_MODP6144, BN_get_rfc3526_prime_6144, 48},
    {GROUP_MODP8192, BN_get_rfc3526_prime_8192, 56},
};

static const struct modp *modp_of(enum group group)
{
    for (size_t i = 0; i < sizeof modps / sizeof *modps; i++)
        if (modps[i].id == group)
            return &modps[i];
    return NULL;
}

static enum status modp_draw(void *field, enum group group, const struct random *random, struct vault *vault,
                             struct secret *out)
{
    (void)field;
    enum status status = secret_new(vault, modp_of(group)->exponent, out);
    if (status == OK)
        status = random_fill(random, out->data, out->len);
    if (status == OK)
        out->data[0] |= 0x80; /* one length for all, so that the time of the power tells nothing of it */
    return status;
}

/* RFC 6989 2.1, for safe primes: 1 < y < p - 1. Also bounds our own values. */
static bool in_range(const BIGNUM *y, const BIGNUM *p, BIGNUM *scratch)
{
    return BN_copy(scratch, p) != NULL && BN_sub_word(scratch, 1) == 1 && BN_cmp(y, BN_value_one()) > 0 &&
           BN_cmp(y, scratch) < 0;
}

struct field {
    BIGNUM *p;
    BN_MONT_CTX *mont;
};

static void modp_close(void *of)
{
    struct field *field = of;
    if (field == NULL)
        return;
    BN_free(field->p);
    BN_MONT_CTX_free(field->mont);
    OPENSSL_free(field);
}

static enum status modp_open(enum group group, void **out)
{
    struct field *field = OPENSSL_zalloc(sizeof *field);
    BN_CTX *ctx = BN_CTX_new();
    bool ok = field != NULL && ctx != NULL && (field->p = modp_of(group)->prime(NULL)) != NULL &&
              (field->mont = BN_MONT_CTX_new()) != NULL && BN_MONT_CTX_set(field->mont, field->p, ctx) == 1;
    BN_CTX_free(ctx);
    if (!ok)
        modp_close(field);
    *out = ok ? field : NULL;
    return ok ? OK : ERR_CRYPTO;
}

struct modp_work {
    const struct field *field; /* borrowed */
    BN_CTX *ctx;
    BIGNUM *base, *exponent, *result, *scratch;
};

static void modp_done(struct modp_work *w)
{
    BN_CTX_free(w->ctx);
    BN_free(w->base);
    BN_clear_free(w->exponent);
    BN_clear_free(w->result);
    BN_free(w->scratch);
}

static bool modp_prepare(struct modp_work *w, const struct field *field, struct bytes private_value)
{
    w->ctx = BN_CTX_secure_new(); /* clears what it lent */
    w->field = field;
    w->base = BN_new();
    w->exponent = BN_secure_new();
    w->result = BN_secure_new();
    w->scratch = BN_new();
    return w->ctx != NULL && w->base != NULL && w->exponent != NULL && w->result != NULL && w->scratch != NULL &&
           BN_bin2bn(private_value.data, (int)private_value.len, w->exponent) != NULL;
}

/* result = base ^ exponent, left-padded with zeros to the size of p (RFC 2409 5, RFC 2631 2.1.2). */
static enum status modp_power(struct modp_work *w, uint8_t *out)
{
    if (!in_range(w->base, w->field->p, w->scratch))
        return ERR_MALFORMED;
    if (BN_mod_exp_mont_consttime(w->result, w->base, w->exponent, w->field->p, w->ctx, w->field->mont) != 1)
        return ERR_CRYPTO;
    if (!in_range(w->result, w->field->p, w->scratch))
        return ERR_MALFORMED;
    return BN_bn2binpad(w->result, out, BN_num_bytes(w->field->p)) > 0 ? OK : ERR_CRYPTO;
}

static enum status modp_derive(void *field, enum group group, struct bytes private_value, uint8_t *out)
{
    if (private_value.len > group_info(group)->public_len)
        return ERR_MALFORMED;
    struct modp_work w = {0};
    enum status status = ERR_CRYPTO;
    if (modp_prepare(&w, field, private_value) && BN_set_word(w.base, 2) == 1)
        status = modp_power(&w, out);
    modp_done(&w);
    return status;
}

static enum status modp_agree(void *field, enum group group, struct bytes private_value, struct bytes peer,
                              uint8_t *out)
{
    (void)group; /* of the field */
    struct modp_work w = {0};
    enum status status = ERR_CRYPTO;
    if (modp_prepare(&w, field, private_value) && BN_bin2bn(peer.data, (int)peer.len, w.base) != NULL)
        status = modp_power(&w, out);
    modp_done(&w);
    return status;
}

const struct dh_kind dh_kind_modp = {
    .open = modp_open, .close = modp_close, .draw = modp_draw, .derive = modp_derive, .agree = modp_agree};
