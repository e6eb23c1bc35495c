/* SPDX-License-Identifier: Apache-2.0 */
/* What more than one room needs of IP: its numbers (RFC 791, RFC 8200, RFC 768), and the pseudo-header. Protocols have
 * names in protocol.h. */
#ifndef POLICY_IP_H
#define POLICY_IP_H

#include "base/checksum.h"

enum {
    IPV4_HEADER = 20, /* without options */
    IPV6_HEADER = 40,
    IPV4_ADDRESSES = 12, /* where both begin, up to the end of the header */
    IPV6_ADDRESSES = 8,
    UDP_HEADER = 8,
    IP_PACKET_MAX = 65535, /* IPv4, and IPv6 without jumbograms less its header */

    IPV4_MTU_MIN = 576,  /* what every host takes (RFC 791 3.1); links may carry less */
    IPV6_MTU_MIN = 1280, /* what every link carries (RFC 8200 5) */
    MTU_DEFAULT = 1500,  /* Ethernet: where nothing else is known */
    MTU_JUMBO = 9216,    /* the largest that links commonly carry */

    /* Next headers of IPv6 that are no upper layer; with AH (protocol.h) they are all that a chain consists of. */
    NEXT_HOP_BY_HOP = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_DESTINATION = 60,
};

/* Of the pseudo-header that TCP, UDP and ICMPv6 take into their checksums: both addresses of the IP header, protocol,
 * length of the upper layer (RFC 9293 3.1, RFC 768, RFC 8200 8.1). */
static inline uint64_t ip_pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t upper_len)
{
    const uint64_t sum = (uint64_t)upper_len + protocol;
    if (ip[0] >> 4 == 4)
        return checksum_add(sum, ip + IPV4_ADDRESSES, IPV4_HEADER - IPV4_ADDRESSES);
    return checksum_add(sum, ip + IPV6_ADDRESSES, IPV6_HEADER - IPV6_ADDRESSES);
}

#endif
