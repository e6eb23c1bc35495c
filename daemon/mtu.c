/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mtu.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include "esp/sa.h"

/* The worst case of a connection: UDP unless it is excluded, IPv6 unless the family is known. */
static uint32_t outer_headers(const struct connection *c)
{
    uint8_t family = c->local.family != 0 ? c->local.family : c->remote.family;
    uint32_t ip = family == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
    return ip + (c->encap == ENCAP_NO ? 0 : (uint32_t)sizeof(struct udphdr));
}

uint32_t mtu_inner(const struct connection *connection, uint32_t outer_mtu)
{
    uint32_t least = outer_mtu;
    for (size_t i = 0; i < connection->esp.count; i++) {
        const struct proposal *p = &connection->esp.items[i];
        struct aead_suite suite = {(enum encr)p->encr, p->key_bits, (enum integ)p->integ, false};
        /* Only the shape of an SA matters here. */
        struct sa sa = {0};
        if (aead_shape(&suite, &sa.shape) != OK)
            continue;
        uint32_t inner = sa_inner_mtu(&sa, outer_mtu, outer_headers(connection));
        if (inner < least)
            least = inner;
    }
    return least;
}

uint32_t mtu_of_tun(const uint32_t *worst, const uint32_t *live, size_t count, bool ipv6)
{
    uint32_t floor = ipv6 ? MTU_TUN_MIN_IPV6 : MTU_TUN_MIN, least = MTU_OUTER_MAX;
    if (count == 0)
        least = mtu_inner(&(struct connection){0}, MTU_OUTER_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        uint32_t one = live[i] != 0 ? live[i] : worst[i];
        if (one < least)
            least = one;
    }
    return least < floor ? floor : least;
}
