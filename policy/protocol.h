/* SPDX-License-Identifier: Apache-2.0 */
/* Names of IP protocols (IANA, "Assigned Internet Protocol Numbers"), as rules and logs spell them. */
#ifndef POLICY_PROTOCOL_H
#define POLICY_PROTOCOL_H

#include <stdbool.h>

enum {
    PROTOCOL_ANY = 0, /* in a selector; in a packet it is IPv6's hop-by-hop options */
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_DCCP = 33,
    PROTOCOL_ESP = 50,
    PROTOCOL_AH = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_SCTP = 132,
    PROTOCOL_UDPLITE = 136,
    PROTOCOL_TEXT = 16,
};

/* ICMP of an IP version: 4 or 6. */
static inline unsigned protocol_icmp(unsigned version)
{
    return version == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
}

/* A name or a number from 0 to 255; "any" is 0. False when it is neither. */
bool protocol_parse(const char *text, unsigned *number);

/* Protocols whose packets start with a source and a destination port, which selectors may name. */
static inline bool protocol_has_ports(unsigned protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP ||
           protocol == PROTOCOL_DCCP || protocol == PROTOCOL_UDPLITE;
}

/* The name, or the number where it has none. Returns out. */
const char *protocol_print(unsigned number, char out[PROTOCOL_TEXT]);

#endif
