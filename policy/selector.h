/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic selectors (RFC 4301 4.4.1.1) and the packet fields that they are compared with. */
#ifndef POLICY_SELECTOR_H
#define POLICY_SELECTOR_H

#include "base/wire.h"
#include "policy/address.h"

struct port_range {
    uint16_t first, last; /* 0 to 65535: any */
};

static inline struct port_range port_any(void)
{
    return (struct port_range){0, 65535};
}

/* What one SA or rule covers, seen from us: `local` is behind us, `remote` behind the peer. */
struct selector {
    struct address_range local, remote; /* of one family */
    uint8_t protocol;                   /* IANA number; 0: any */
    struct port_range local_port,
        remote_port; /* any, unless protocol has ports (TCP 6, UDP 17, SCTP 132, DCCP 33, UDP-Lite 136) */
};

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

enum { SELECTOR_TEXT = 256 };

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

/* The same flow seen from the other end: source and destination changed places. */
struct flow flow_reversed(const struct flow *flow);

/* Outbound sense: source is local. A selector with ports matches no packet whose ports are unknown. */
bool selector_matches(const struct selector *s, const struct flow *f);

/* True when the packet does not match, but only because it does not show its ports (a later fragment) or its protocol
 * (an IPv6 fragment or quotation that ends inside extension headers): the whole packet might (RFC 4301 7). */
bool selector_may_match(const struct selector *s, const struct flow *f);

/* selector_matches for a packet that came from the peer: source is remote. */
bool selector_matches_inbound(const struct selector *s, const struct flow *f);

/*
 * May an ICMP error come in by an SA of this selector? (RFC 4301 6.2) Any router behind the peer may have sent it, but
 * it must be about a packet that we may send by that SA, and go to the one who sent that: else the peer could break
 * connections that are not its own, even with an error that the selector covers as a packet. quoted: of
 * flow_read_quoted. Where there is no quotation to speak of, which no host believes, the error counts as a packet like
 * any other. Fragments are refused: an error fits every MTU (RFC 1812 4.3.2.3, RFC 4443 2.4), and other fragments could
 * change the quotation.
 */
bool selector_admits_error(const struct selector *s, const struct flow *error, const struct flow *quoted);

bool selector_has_ports(const struct selector *s);
bool selector_equal(const struct selector *a, const struct selector *b);
bool selector_contains(const struct selector *outer, const struct selector *inner);

/* Protocols whose selectors may name ports. */
bool protocol_has_ports(unsigned protocol);

/* "10.1.0.0/24 -> 10.2.0.0/24", "tcp 10.1.0.0/24 -> 10.3.0.9/32 port 443": the syntax of the ACL. Returns out. */
const char *selector_print(const struct selector *s, char out[SELECTOR_TEXT]);
/* One side: "10.3.0.9/32[tcp/443]", for local_ts and remote_ts of status. */
const char *selector_side_print(const struct selector *s, bool local, char out[SELECTOR_TEXT]);

/* The fields of a selector, one bit each. */
enum {
    FIELD_FAMILY = 1,
    FIELD_PROTOCOL = 2,
    FIELD_LOCAL = 4,
    FIELD_LOCAL_PORT = 8,
    FIELD_REMOTE = 16,
    FIELD_REMOTE_PORT = 32,
};

/* Which fields keep a selector from matching. Both 0: it matches. */
struct selector_fit {
    unsigned differs; /* it matches no such packet */
    unsigned open;    /* it matches some: the selector asks for more than we were told */
};

/*
 * selector_matches with reasons, for a whole packet of which only a part may be known. told: FIELD_PROTOCOL and the
 * ports that flow holds (with has_ports); the addresses are always known.
 */
struct selector_fit selector_explain(const struct selector *s, const struct flow *f, unsigned told);

#endif
