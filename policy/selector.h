/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic selectors (RFC 4301 4.4.1.1). */
#ifndef POLICY_SELECTOR_H
#define POLICY_SELECTOR_H

#include "policy/flow.h"

struct port_range {
    uint16_t first, last; /* 0 to 65535: any */
};

static inline struct port_range port_any(void)
{
    return (struct port_range){0, 65535};
}

static inline bool port_is_any(struct port_range p)
{
    return p.first == 0 && p.last == 65535;
}

/* What one SA or rule covers, seen from us: `local` is behind us, `remote` behind the peer. */
struct selector {
    struct address_range local, remote; /* of one family */
    uint8_t protocol;                   /* IANA number; 0: any */
    struct port_range local_port,
        remote_port; /* any, unless protocol has ports (TCP 6, UDP 17, SCTP 132, DCCP 33, UDP-Lite 136) */
};

enum { SELECTOR_TEXT = 256 };

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
