/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of IP that more than one room needs (RFC 791, RFC 8200, RFC 768). Protocols have names in protocol.h. */
#ifndef POLICY_IP_H
#define POLICY_IP_H

enum {
    IPV4_HEADER = 20, /* without options */
    IPV6_HEADER = 40,
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

#endif
