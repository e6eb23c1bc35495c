/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mtu.h"

#include "esp/sa.h"
#include "policy/ip.h"

/* The worst case of a connection: UDP unless it is excluded, IPv6 unless the family is known. */
static uint32_t worst_headers(const struct connection *c)
{
    uint8_t family = c->local.family != 0 ? c->local.family : c->remote.family;
    return outer_headers(family == 4 ? 4 : 6, c->encap != ENCAP_NO);
}

uint32_t mtu_inner(const struct connection *connection, uint32_t outer_mtu)
{
    uint32_t least = outer_mtu;
    for (size_t i = 0; i < connection->esp.count; i++) {
        const struct proposal *p = &connection->esp.items[i];
        struct aead_suite suite = {(enum encr)p->encr, p->key_bits, (enum integ)p->integ, false};
        struct aead_shape shape;
        if (aead_shape(&suite, &shape) != OK)
            continue;
        uint32_t inner = inner_mtu(&shape, outer_mtu, worst_headers(connection));
        if (inner < least)
            least = inner;
    }
    return least;
}

uint32_t mtu_of_tun(const uint32_t *worst, const uint32_t *live, size_t count, bool ipv6)
{
    uint32_t floor = ipv6 ? IPV6_MTU_MIN : IPV4_MTU_MIN, least = MTU_JUMBO;
    if (count == 0)
        least = mtu_inner(&(struct connection){0}, MTU_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        uint32_t one = live[i] != 0 ? live[i] : worst[i];
        if (one < least)
            least = one;
    }
    return least < floor ? floor : least;
}
