/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Packet too big", both ways: told to the sender of an inner packet, and read when a router on the outer path says it
 * of ours (RFC 792, RFC 1191, RFC 4443 3.2, RFC 8201; RFC 4301 8).
 */
#ifndef ESP_ICMP_H
#define ESP_ICMP_H

#include "base/wire.h"
#include "policy/address.h"
#include "policy/flow.h"
#include "policy/ip.h"

enum {
    /* Bytes of what icmp_too_big writes: RFC 4443 2.4 (c) for IPv6; IPV4_MTU_MIN for IPv4 (RFC 1812 4.3.2.3). */
    ICMP_TOO_BIG_MAX = IPV6_MTU_MIN,
};

/*
 * The whole IP packet that tells the sender of `packet` (whole, fields in flow) that only mtu bytes fit: type 3 code 4,
 * or ICMPv6 type 2. Its source is the packet's destination: an address of ours would be a martian on the TUN, and hosts
 * do not look at it. Returns its length; 0 when nothing may be sent: about an ICMP error, a later fragment, to or from
 * what is no single host (RFC 1122 3.2.2, RFC 4443 2.4 (e); an error about multicast IPv6 would be allowed, but could
 * not come from there), or about an IPv4 packet that may be fragmented. The caller limits the rate.
 */
size_t icmp_too_big(struct bytes packet, const struct flow *flow, uint32_t mtu, uint8_t out[ICMP_TOO_BIG_MAX]);

/* What a router said of a packet of ours. Everything in it is unauthenticated. */
struct icmp_claim {
    struct path path; /* of the quoted packet, which we sent: local is its source; ports are 0 for raw ESP */
    uint32_t spi;
    bool udp;
    uint32_t mtu; /* as claimed, 0 from routers older than RFC 1191 */
};

/*
 * message: from the ICMP header on (family 4 or 6), untrusted and whole: the checksum of ICMP is verified here, that of
 * ICMPv6 was by the kernel. OK only for "too big" about ESP, raw or in UDP from or to any port, whose quotation reaches
 * the SPI; whether we have such an SA on such a path is for the caller to look up. ERR_UNSUPPORTED: another message, or
 * about another packet (IKE, a keepalive, a later fragment, other protocols). ERR_MALFORMED: broken or cut too short.
 * Then *out is all zero.
 */
MUST_USE enum status icmp_read_claim(uint8_t family, struct bytes message, struct icmp_claim *out);

#endif
