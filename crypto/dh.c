/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/dh.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/dh_kind.h"

struct dh {
    const struct dh_kind *kind;
    const struct group_info *info;
    void *field; /* of kind->open */
    struct secret private_value;
    uint8_t public_value[]; /* info->public_len */
};

static const struct dh_kind *kind_of(enum group group)
{
    switch (group) {
    case GROUP_MODP1024:
    case GROUP_MODP1536:
    case GROUP_MODP2048:
    case GROUP_MODP3072:
    case GROUP_MODP4096:
    case GROUP_MODP6144:
    case GROUP_MODP8192: return &dh_kind_modp;
    case GROUP_ECP256:
    case GROUP_ECP384:
    case GROUP_ECP521: return &dh_kind_ecp;
    case GROUP_CURVE25519: return &dh_kind_x25519;
    case GROUP_NONE:
    case GROUP_MODP768: break;
    }
    return NULL;
}

static enum status dh_start(enum group group, struct dh **out)
{
    *out = NULL;
    const struct dh_kind *kind = kind_of(group);
    if (kind == NULL)
        return ERR_UNSUPPORTED;
    const struct group_info *info = group_info(group);
    struct dh *dh = calloc(1, sizeof *dh + info->public_len);
    if (dh == NULL)
        return ERR_MEMORY;
    dh->kind = kind;
    dh->info = info;
    enum status status = kind->open != NULL ? kind->open(group, &dh->field) : OK;
    if (status != OK) {
        free(dh);
        return status;
    }
    *out = dh;
    return OK;
}

/* With the private value in place: the public one. On failure dh is gone. */
static enum status dh_finish(struct dh *dh, enum status status, struct dh **out)
{
    if (status == OK)
        status = dh->kind->derive(dh->field, dh->info->id, secret_bytes(&dh->private_value), dh->public_value);
    if (status != OK) {
        dh_free(dh);
        dh = NULL;
    }
    *out = dh;
    return status;
}

enum status dh_new(enum group group, const struct random *random, struct vault *vault, struct dh **out)
{
    enum status status = dh_start(group, out);
    if (status != OK)
        return status;
    struct dh *dh = *out;
    return dh_finish(dh, dh->kind->draw(dh->field, group, random, vault, &dh->private_value), out);
}

enum status dh_new_from_private(enum group group, struct bytes private_value, struct vault *vault, struct dh **out)
{
    enum status status = dh_start(group, out);
    if (status != OK)
        return status;
    struct dh *dh = *out;
    return dh_finish(dh, secret_copy(vault, private_value.data, private_value.len, &dh->private_value), out);
}

void dh_free(struct dh *dh)
{
    if (dh == NULL)
        return;
    secret_free(&dh->private_value);
    if (dh->kind->close != NULL)
        dh->kind->close(dh->field);
    free(dh);
}

struct bytes dh_public(const struct dh *dh)
{
    return bytes_of(dh->public_value, dh->info->public_len);
}

enum status dh_shared(const struct dh *dh, struct bytes peer_public, struct secret *out)
{
    *out = (struct secret){0};
    if (peer_public.len != dh->info->public_len)
        return ERR_MALFORMED;
    enum status status = secret_new(dh->private_value.vault, dh->info->shared_len, out);
    if (status != OK)
        return status;
    status = dh->kind->agree(dh->field, dh->info->id, secret_bytes(&dh->private_value), peer_public, out->data);
    if (status != OK)
        secret_free(out);
    return status;
}

static enum status x25519_draw(void *field, enum group group, const struct random *random, struct vault *vault,
                               struct secret *out)
{
    (void)field;
    (void)group;
    enum status status = secret_new(vault, crypto_scalarmult_SCALARBYTES, out);
    if (status == OK)
        status = random_fill(random, out->data, out->len);
    return status;
}

static enum status x25519_derive(void *field, enum group group, struct bytes private_value, uint8_t *out)
{
    (void)field;
    (void)group;
    if (private_value.len != crypto_scalarmult_SCALARBYTES)
        return ERR_MALFORMED;
    return crypto_scalarmult_base(out, private_value.data) == 0 ? OK : ERR_CRYPTO;
}

/* Fails on the all-zero secret, which a peer's point of low order gives (RFC 8031 3.2, RFC 7748 6.1). */
static enum status x25519_agree(void *field, enum group group, struct bytes private_value, struct bytes peer,
                                uint8_t *out)
{
    (void)field;
    (void)group;
    if (crypto_scalarmult(out, private_value.data, peer.data) != 0 || sodium_is_zero(out, crypto_scalarmult_BYTES))
        return ERR_MALFORMED;
    return OK;
}

const struct dh_kind dh_kind_x25519 = {.draw = x25519_draw, .derive = x25519_derive, .agree = x25519_agree};
