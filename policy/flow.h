/* SPDX-License-Identifier: Apache-2.0 */
/* What selectors are compared with: the fields of one inner packet. The door for untrusted packets: what flow_read has
 * accepted may be looked at by offset behind it. */
#ifndef POLICY_FLOW_H
#define POLICY_FLOW_H

#include "base/wire.h"
#include "policy/address.h"

/* The fields of one inner packet that classification sees. */
struct flow {
    struct address source, destination;
    uint8_t protocol; /* the upper layer behind IPv6 extension headers */
    bool has_ports;   /* false for other protocols and for all but the first fragment */
    bool is_fragment; /* any fragment */
    uint16_t source_port, destination_port;
    uint16_t upper;     /* offset of the upper-layer header in the packet; 0 where a later fragment does not have it */
    uint16_t upper_len; /* bytes from there to the end of the packet */
    /* Of a fragment, else 0. The data are those behind the (IPv6: fragment) header, in bytes of the whole packet. */
    uint32_t fragment_id;
    uint16_t fragment_offset, fragment_len;
    bool more_fragments;
};

/*
 * Reads an inner IP packet (untrusted). ERR_MALFORMED: version, header length or total length do not fit the bytes, or
 * the IPv6 extension chain is broken or over 8 headers; a fragment that is empty, reaches beyond 65,535 bytes, is not
 * the last and no multiple of 8 bytes, or is the first and ends before the upper layer begins (RFC 7112). A total
 * length below the given bytes is fine (trailing TFC padding); *packet_len (may be NULL) gets the length that the
 * header tells.
 */
MUST_USE enum status flow_read(struct bytes packet, struct flow *out, size_t *packet_len);

/*
 * True when the packet (whose fields flow_read gave) is an ICMP or ICMPv6 error that quotes a packet (RFC 792, RFC 4443
 * 2.1). *quoted then has the fields of that packet, as it was sent; it may be cut short, so its lengths are not
 * believed: upper (0 where it is not reached) and upper_len tell what is there, fragment_len is 0. An IPv6 chain that
 * breaks off leaves the number of the next extension header as protocol. family 0 in quoted->source: it is an error,
 * but there is too little of its quotation to tell anything.
 */
bool flow_read_quoted(struct bytes packet, const struct flow *flow, struct flow *quoted);

/* An IPv6 fragment, or quotation, that ends inside extension headers: it does not show its protocol. */
bool flow_hides_protocol(const struct flow *f);

/* The same flow seen from the other end: source and destination changed places. */
struct flow flow_reversed(const struct flow *flow);

#endif
