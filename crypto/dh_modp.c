/* SPDX-License-Identifier: Apache-2.0 */
/* MODP groups: p is a safe prime, the generator is 2 (RFC 2409 6, RFC 3526). */
#include "crypto/dh_kind.h"
#include "crypto/openssl.h"

/* Exponents are as long as the second estimate of RFC 3526 8 asks for, rounded up: twice the strength of the group. */
static const struct modp {
    enum group id;
    BIGNUM *(*prime)(BIGNUM *bn);
    uint8_t exponent; /* bytes */
} modps[] = {
    {GROUP_MODP1024, BN_get_rfc2409_prime_1024, 40}, {GROUP_MODP1536, BN_get_rfc3526_prime_1536, 40},
    {GROUP_MODP2048, BN_get_rfc3526_prime_2048, 40}, {GROUP_MODP3072, BN_get_rfc3526_prime_3072, 56},
    {GROUP_MODP4096, BN_get_rfc3526_prime_4096, 64}, {GROUP_MODP6144, BN_get_rfc3526_prime_6144, 72},
    {GROUP_MODP8192, BN_get_rfc3526_prime_8192, 80},
};

static const struct modp *modp_of(enum group group)
{
    for (size_t i = 0; i < sizeof modps / sizeof *modps; i++)
        if (modps[i].id == group)
            return &modps[i];
    return NULL;
}

static enum status modp_draw(enum group group, const struct random *random, struct vault *vault, struct secret *out)
{
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

struct modp_work {
    BN_CTX *ctx;
    BIGNUM *p, *base, *exponent, *result, *scratch;
};

static void modp_done(struct modp_work *w)
{
    BN_CTX_free(w->ctx);
    BN_free(w->p);
    BN_free(w->base);
    BN_clear_free(w->exponent);
    BN_clear_free(w->result);
    BN_free(w->scratch);
}

static bool modp_prepare(struct modp_work *w, enum group group, struct bytes private_value)
{
    w->ctx = BN_CTX_secure_new(); /* clears what it lent */
    w->p = modp_of(group)->prime(NULL);
    w->base = BN_new();
    w->exponent = BN_secure_new();
    w->result = BN_secure_new();
    w->scratch = BN_new();
    return w->ctx != NULL && w->p != NULL && w->base != NULL && w->exponent != NULL && w->result != NULL &&
           w->scratch != NULL && BN_bin2bn(private_value.data, (int)private_value.len, w->exponent) != NULL;
}

/* result = base ^ exponent, left-padded with zeros to the size of p (RFC 2409 5, RFC 2631 2.1.2). */
static enum status modp_power(struct modp_work *w, uint8_t *out)
{
    if (!in_range(w->base, w->p, w->scratch))
        return ERR_MALFORMED;
    if (BN_mod_exp_mont_consttime(w->result, w->base, w->exponent, w->p, w->ctx, NULL) != 1)
        return ERR_CRYPTO;
    if (!in_range(w->result, w->p, w->scratch))
        return ERR_MALFORMED;
    return BN_bn2binpad(w->result, out, BN_num_bytes(w->p)) > 0 ? OK : ERR_CRYPTO;
}

static enum status modp_derive(enum group group, struct bytes private_value, uint8_t *out)
{
    if (private_value.len > group_info(group)->public_len)
        return ERR_MALFORMED;
    struct modp_work w = {0};
    enum status status = ERR_CRYPTO;
    if (modp_prepare(&w, group, private_value) && BN_set_word(w.base, 2) == 1)
        status = modp_power(&w, out);
    modp_done(&w);
    return status;
}

static enum status modp_agree(enum group group, struct bytes private_value, struct bytes peer, uint8_t *out)
{
    struct modp_work w = {0};
    enum status status = ERR_CRYPTO;
    if (modp_prepare(&w, group, private_value) && BN_bin2bn(peer.data, (int)peer.len, w.base) != NULL)
        status = modp_power(&w, out);
    modp_done(&w);
    return status;
}

const struct dh_kind dh_kind_modp = {.draw = modp_draw, .derive = modp_derive, .agree = modp_agree};
