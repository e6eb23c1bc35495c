/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/sa.h"

#include <stdlib.h>

enum { TRAILER = 2 }; /* pad length and next header */

static void set_sequence_limits(struct sa *sa)
{
    sa->sequence_hard = sa->esn ? UINT64_MAX : UINT32_MAX;
    sa->sequence_soft = sa->sequence_hard / 100 * SEQUENCE_SOFT_PERCENT;
}

static enum status set_keys(struct sa *sa, const struct child *child, const struct random *random)
{
    const struct aead_suite suite = {
        .encr = (enum encr)child->suite.encr,
        .key_bits = child->suite.key_bits,
        .integ = (enum integ)child->suite.integ,
        .esn = child->esn,
    };
    enum status status = aead_shape(&suite, &sa->shape);
    if (status == OK)
        status = aead_new(&suite, secret_bytes(&child->key_out), random, &sa->seal);
    if (status == OK)
        status = aead_new(&suite, secret_bytes(&child->key_in), random, &sa->open);
    return status;
}

enum status sa_new(const struct child *child, const struct random *random, struct sa **out)
{
    *out = NULL;
    struct sa *sa = calloc(1, sizeof *sa);
    if (sa == NULL)
        return ERR_MEMORY;
    sa->child_id = child->id;
    sa->rule = child->rule;
    sa->spi_in = child->spi_in;
    sa->spi_out = child->spi_out;
    sa->udp = child->udp;
    sa->esn = child->esn;
    sa->path = child->path;
    sa->selector = child->selector;
    sa->soft_bytes = child->soft_bytes;
    sa->hard_bytes = child->hard_bytes;
    set_sequence_limits(sa);

    enum status status = replay_init(&sa->replay, child->replay_window, child->esn);
    if (status == OK)
        status = set_keys(sa, child, random);
    if (status != OK) {
        sa_free(sa);
        return status;
    }
    *out = sa;
    return OK;
}

void sa_free(struct sa *sa)
{
    if (sa == NULL)
        return;
    aead_free(sa->seal);
    aead_free(sa->open);
    replay_free(&sa->replay);
    wipe(sa, sizeof *sa);
    free(sa);
}

uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len)
{
    uint32_t block = sa->shape.block;
    uint32_t text = (inner_len + TRAILER + block - 1) / block * block;
    return AEAD_HEADER + sa->shape.iv + (text - inner_len) + sa->shape.icv;
}

uint32_t sa_inner_mtu(const struct sa *sa, uint32_t path_mtu, uint32_t outer_len)
{
    uint64_t fixed = (uint64_t)outer_len + AEAD_HEADER + sa->shape.iv + sa->shape.icv;
    if (path_mtu <= fixed)
        return 0;
    uint32_t text = (uint32_t)(path_mtu - fixed) / sa->shape.block * sa->shape.block;
    return text > TRAILER ? text - TRAILER : 0;
}

bool sa_take_soft(struct sa *sa)
{
    if (sa->soft_reported)
        return false;
    bool bytes = sa->soft_bytes != 0 && (sa->in.bytes >= sa->soft_bytes || sa->out.bytes >= sa->soft_bytes);
    /* dead: a hard limit without a soft one must still call for a renewal */
    sa->soft_reported = bytes || sa->sequence >= sa->sequence_soft || sa->dead;
    return sa->soft_reported;
}
