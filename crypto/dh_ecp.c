/* SPDX-License-Identifier: Apache-2.0 */
/* NIST curves: x|y on the wire, the shared secret is x (RFC 5903 7). */
#include "crypto/dh_kind.h"
#include "crypto/openssl.h"

enum { DRAWS_MAX = 128 }; /* a draw is refused with probability 1/2 at worst */

struct ecp_work {
    BN_CTX *ctx;
    const EC_GROUP *curve; /* borrowed */
    EC_POINT *point;
    BIGNUM *scalar, *x, *y;
};

static int curve_of(enum group group)
{
    switch (group) {
    case GROUP_ECP256: return NID_X9_62_prime256v1;
    case GROUP_ECP384: return NID_secp384r1;
    case GROUP_ECP521: return NID_secp521r1;
    default: return NID_undef;
    }
}

static void ecp_done(struct ecp_work *w)
{
    EC_POINT_clear_free(w->point);
    BN_clear_free(w->scalar);
    BN_clear_free(w->x);
    BN_clear_free(w->y);
    BN_CTX_free(w->ctx);
}

static enum status ecp_open(enum group group, void **field)
{
    *field = EC_GROUP_new_by_curve_name(curve_of(group));
    return *field != NULL ? OK : ERR_CRYPTO;
}

static void ecp_close(void *field)
{
    EC_GROUP_free(field);
}

static bool ecp_prepare(struct ecp_work *w, const EC_GROUP *curve)
{
    w->ctx = BN_CTX_secure_new(); /* clears what it lent */
    w->curve = curve;
    w->point = EC_POINT_new(curve);
    w->scalar = BN_secure_new();
    w->x = BN_secure_new();
    w->y = BN_secure_new();
    return w->ctx != NULL && w->point != NULL && w->scalar != NULL && w->x != NULL && w->y != NULL;
}

/* 1 <= scalar < order */
static bool load_scalar(struct ecp_work *w, struct bytes value)
{
    if (BN_bin2bn(value.data, (int)value.len, w->scalar) == NULL)
        return false;
    BN_set_flags(w->scalar, BN_FLG_CONSTTIME);
    return !BN_is_zero(w->scalar) && BN_cmp(w->scalar, EC_GROUP_get0_order(w->curve)) < 0;
}

/* Draws until the value lies below the order: every scalar is equally likely. */
static enum status draw_scalar(struct ecp_work *w, const struct random *random, struct secret *out)
{
    int spare = (int)out->len * 8 - BN_num_bits(EC_GROUP_get0_order(w->curve));
    for (int i = 0; i < DRAWS_MAX; i++) {
        enum status status = random_fill(random, out->data, out->len);
        if (status != OK)
            return status;
        out->data[0] = (uint8_t)(out->data[0] & (0xff >> spare));
        if (load_scalar(w, secret_bytes(out)))
            return OK;
    }
    return ERR_CRYPTO;
}

static enum status ecp_draw(void *field, enum group group, const struct random *random, struct vault *vault,
                            struct secret *out)
{
    struct ecp_work w = {0};
    enum status status = secret_new(vault, group_info(group)->shared_len, out);
    if (status == OK)
        status = ecp_prepare(&w, field) ? draw_scalar(&w, random, out) : ERR_CRYPTO;
    ecp_done(&w);
    return status;
}

/* x, then y when asked for, each left-padded to the size of the field. */
static enum status ecp_store(struct ecp_work *w, int len, uint8_t *x, uint8_t *y)
{
    if (EC_POINT_is_at_infinity(w->curve, w->point) ||
        EC_POINT_get_affine_coordinates(w->curve, w->point, w->x, w->y, w->ctx) != 1)
        return ERR_CRYPTO;
    if (BN_bn2binpad(w->x, x, len) != len || (y != NULL && BN_bn2binpad(w->y, y, len) != len))
        return ERR_CRYPTO;
    return OK;
}

/* RFC 6989 2.3: both coordinates in the field, and the point on the curve. OpenSSL would reduce a larger coordinate. */
static enum status load_peer(struct ecp_work *w, struct bytes peer)
{
    size_t len = peer.len / 2;
    if (BN_bin2bn(peer.data, (int)len, w->x) == NULL || BN_bin2bn(peer.data + len, (int)len, w->y) == NULL)
        return ERR_CRYPTO;
    const BIGNUM *field = EC_GROUP_get0_field(w->curve);
    if (BN_cmp(w->x, field) >= 0 || BN_cmp(w->y, field) >= 0)
        return ERR_MALFORMED;
    if (EC_POINT_set_affine_coordinates(w->curve, w->point, w->x, w->y, w->ctx) != 1 ||
        EC_POINT_is_on_curve(w->curve, w->point, w->ctx) != 1 || EC_POINT_is_at_infinity(w->curve, w->point))
        return ERR_MALFORMED;
    return OK;
}

static enum status ecp_derive(void *field, enum group group, struct bytes private_value, uint8_t *out)
{
    struct ecp_work w = {0};
    size_t len = group_info(group)->shared_len;
    enum status status = ERR_CRYPTO;
    if (ecp_prepare(&w, field)) {
        if (!load_scalar(&w, private_value))
            status = ERR_MALFORMED;
        else if (EC_POINT_mul(w.curve, w.point, w.scalar, NULL, NULL, w.ctx) == 1)
            status = ecp_store(&w, (int)len, out, out + len);
    }
    ecp_done(&w);
    return status;
}

static enum status ecp_agree(void *field, enum group group, struct bytes private_value, struct bytes peer, uint8_t *out)
{
    struct ecp_work w = {0};
    enum status status = ERR_CRYPTO;
    if (!ecp_prepare(&w, field) || !load_scalar(&w, private_value))
        goto out;
    status = load_peer(&w, peer);
    if (status != OK)
        goto out;
    status = ERR_CRYPTO;
    if (EC_POINT_mul(w.curve, w.point, NULL, w.point, w.scalar, w.ctx) == 1)
        status = ecp_store(&w, group_info(group)->shared_len, out, NULL);
out:
    ecp_done(&w);
    return status;
}

const struct dh_kind dh_kind_ecp = {
    .open = ecp_open, .close = ecp_close, .draw = ecp_draw, .derive = ecp_derive, .agree = ecp_agree};
