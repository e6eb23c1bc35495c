/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/sa.h"

#include <stdlib.h>

#include "esp/mss.h"
#include "esp/path_mtu.h"
#include "policy/ip.h"

enum {
    TRAILER = 2, /* pad length and next header */
};

static void set_sequence_limits(struct sa *sa)
{
    sa->sequence_hard = sa->esn ? UINT64_MAX : UINT32_MAX;
    sa->sequence_soft = sa->sequence_hard / 100 * SEQUENCE_SOFT_PERCENT;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a; /* 0: no limit */
}

/* What the cipher itself bears (esp/sa.h). */
static void key_limits(const struct child *child, uint8_t icv, uint64_t *bytes, uint64_t *packets)
{
    switch (child->suite.encr) {
    case ENCR_3DES: *bytes = KEY_BYTES_64; break;
    case ENCR_NULL:
    case ENCR_CHACHA20_POLY1305: *bytes = 0; break;
    default: *bytes = KEY_BYTES_128; break;
    }
    *packets = icv <= 8 ? KEY_PACKETS_ICV_64 : 0;
}

static void set_limits(struct sa *sa, const struct child *child)
{
    uint64_t bytes, packets;
    key_limits(child, sa->shape.icv, &bytes, &packets);
    sa->hard_bytes = smaller(child->hard_bytes, bytes);
    sa->soft_bytes = smaller(child->soft_bytes, bytes / 100 * KEY_SOFT_PERCENT);
    sa->hard_packets = smaller(child->hard_packets, packets);
    sa->soft_packets = smaller(child->soft_packets, packets / 100 * KEY_SOFT_PERCENT);
    set_sequence_limits(sa);
}

static enum status set_keys(struct sa *sa, const struct child *child, const struct aead_library *library,
                            const struct random *random)
{
    const struct aead_suite suite = {
        .encr = (enum encr)child->suite.encr,
        .key_bits = child->suite.key_bits,
        .integ = (enum integ)child->suite.integ,
        .esn = child->esn,
    };
    enum status status = aead_shape(&suite, &sa->shape);
    if (status == OK)
        status = aead_new(library, &suite, secret_bytes(&child->key_out), random, &sa->seal);
    if (status == OK)
        status = aead_new(library, &suite, secret_bytes(&child->key_in), random, &sa->open);
    return status;
}

enum status sa_new(const struct child *child, const struct aead_library *library, const struct random *random,
                   struct sa **out)
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
    sa->ports = selector_has_ports(&child->selector);
    sa->tunnel = child->tunnel;

    enum status status = replay_init(&sa->replay, child->replay_window, child->esn);
    if (status == OK)
        status = set_keys(sa, child, library, random);
    if (status == OK)
        sa_set_path_mtu(sa, MTU_DEFAULT);
    if (status != OK) {
        sa_free(sa);
        return status;
    }
    set_limits(sa, child);
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

uint32_t outer_headers(uint8_t family, bool udp)
{
    return (uint32_t)(family == 6 ? IPV6_HEADER : IPV4_HEADER) + (udp ? (uint32_t)UDP_HEADER : 0);
}

uint32_t inner_mtu(const struct aead_shape *shape, uint32_t path_mtu, uint32_t outer_len)
{
    uint64_t fixed = (uint64_t)outer_len + AEAD_HEADER + shape->iv + shape->icv;
    if (path_mtu <= fixed)
        return 0;
    uint32_t text = (uint32_t)(path_mtu - fixed) / shape->block * shape->block;
    return text > TRAILER ? text - TRAILER : 0;
}

void sa_set_path_mtu(struct sa *sa, uint32_t path_mtu)
{
    uint32_t outer = outer_headers(sa->path.remote.address.family, sa->udp);
    sa->path_mtu = path_mtu;
    sa->inner_mtu = inner_mtu(&sa->shape, path_mtu, outer);
    sa->inner_max = inner_mtu(&sa->shape, IP_PACKET_MAX, outer);
}

uint32_t sa_mss_limit(const struct sa *sa, uint8_t family)
{
    switch (sa->tunnel.mss) {
    case MSS_OFF: return 0;
    case MSS_AUTO: return mss_of_mtu(family, sa->inner_mtu);
    default: return sa->tunnel.mss;
    }
}

bool sa_take_soft(struct sa *sa)
{
    if (sa->soft_reported)
        return false;
    bool bytes = sa->soft_bytes != 0 && (sa->in.bytes >= sa->soft_bytes || sa->out.bytes >= sa->soft_bytes);
    bool packets = sa->soft_packets != 0 && (sa->in.packets >= sa->soft_packets || sa->out.packets >= sa->soft_packets);
    /* dead: a hard limit without a soft one must still call for a renewal */
    sa->soft_reported = bytes || packets || sa->sequence >= sa->sequence_soft || sa->dead;
    return sa->soft_reported;
}
