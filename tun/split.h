/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's big packets to those that a network carries: a super-packet of TCP (TSO) or UDP (USO) becomes whole
 * inner packets, with right lengths, sequence numbers, flags and checksums. Pure: bytes in, packets out.
 */
#ifndef TUN_SPLIT_H
#define TUN_SPLIT_H

#include "base/packet.h"
#include "policy/flow.h"
#include "tun/vnet.h"

/* One super-packet on its way. The first four fields are for the caller to read after split_begin. */
struct splitter {
    uint32_t count;   /* of packets that will come: so many sequence numbers to reserve */
    uint32_t largest; /* length of the longest of them; only the last may be shorter */
    uint32_t headers; /* bytes before the payload in each */
    uint32_t next;    /* number of the next one, from 0 */
    struct bytes packet;
    uint32_t segment;           /* payload of each but the last */
    uint32_t upper;             /* offset of the TCP or UDP header */
    uint32_t ip_sum, upper_sum; /* of what all have in common: IPv4's header; pseudo-header and TCP or UDP header */
    bool is_tcp, is_ipv6;
};

/*
 * packet: what followed the header `vnet`, whole; it must stay as it is until the last split_next. flow: what flow_read
 * made of it; bytes behind the length that it read are left out. limit: the longest inner packet that is wanted, 0 for
 * no limit. TCP is then cut smaller than gso_size says, for the receiver sees the same stream; datagrams of UDP are
 * not, so `largest` may be above the limit. A checksum comes out right when the kernel's partial one was, else as wrong
 * as that.
 *
 * ERR_UNSUPPORTED: vnet tells of no segments: the packet is whole, see split_complete. ERR_LIMIT: the limit leaves no
 * room for a byte of payload. ERR_MALFORMED: vnet tells of another protocol or another place of the header than the
 * packet does, a fragment, a TCP header that is short, or a SYN or RST, of which there is one alone.
 */
MUST_USE enum status split_begin(struct splitter *s, struct bytes packet, const struct flow *flow,
                                 const struct vnet *vnet, uint32_t limit);

/*
 * Writes the next packet at the offset of `out`; what lay there is overwritten. False when there is none left, or out
 * has no room for it (then the same one comes next time). Room for `largest` bytes always does; what lies behind it is
 * the tail-room that the caller wants.
 */
bool split_next(struct splitter *s, struct packet *out);

/*
 * Puts the whole checksum in place of the partial one, where vnet says so (gso none). len: as flow_read read it.
 * ERR_MALFORMED, and nothing changed: the places of the sum or of the field are not inside what follows the IP header.
 */
MUST_USE enum status split_complete(uint8_t *packet, size_t len, const struct flow *flow, const struct vnet *vnet);

#endif
