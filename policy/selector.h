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
};

enum { SELECTOR_TEXT = 256 };

/*
 * Reads an inner IP packet (untrusted). ERR_MALFORMED: version, header length or total length do not fit the bytes, or
 * the IPv6 extension chain is broken or over 8 headers. A total length below the given bytes is fine (trailing TFC
 * padding); *packet_len (may be NULL) gets the length that the header tells.
 */
MUST_USE enum status flow_read(struct bytes packet, struct flow *out, size_t *packet_len);

/* Outbound sense: source is local. A selector with ports matches no packet whose ports are unknown. */
bool selector_matches(const struct selector *s, const struct flow *f);

/* True when the packet does not match, but only because it does not show its ports (a later fragment) or its protocol
 * (an IPv6 fragment that begins inside extension headers): the whole packet might (RFC 4301 7). */
bool selector_may_match(const struct selector *s, const struct flow *f);

/* selector_matches for a packet that came from the peer: source is remote. */
bool selector_matches_inbound(const struct selector *s, const struct flow *f);

bool selector_equal(const struct selector *a, const struct selector *b);
bool selector_contains(const struct selector *outer, const struct selector *inner);

/* Protocols whose selectors may name ports. */
bool protocol_has_ports(unsigned protocol);

/* "10.1.0.0/24 -> 10.2.0.0/24", "tcp 10.1.0.0/24 -> 10.3.0.9/32 port 443": the syntax of the ACL. Returns out. */
const char *selector_print(const struct selector *s, char out[SELECTOR_TEXT]);
/* One side: "10.3.0.9/32[tcp/443]", for local_ts and remote_ts of status. */
const char *selector_side_print(const struct selector *s, bool local, char out[SELECTOR_TEXT]);

#endif
