/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting an inner IPv4 packet that has no DF into fragments that fit, before they are sealed (RFC 791 3.2, RFC 4301
 * 8.2). A fragment is cut further in the same way. Works on copies: the packet stays as it is.
 */
#ifndef ESP_FRAGMENT_H
#define ESP_FRAGMENT_H

#include "base/packet.h"
#include "base/wire.h"

enum { FRAGMENT_HEADER_MAX = 60 };

struct fragmenter {
    struct bytes header, payload; /* of the packet, borrowed */
    uint32_t sent;                /* payload bytes that are cut off already */
    uint32_t mtu;
    bool done;
    uint8_t later_len; /* of the header of all fragments but the first */
    uint8_t later[FRAGMENT_HEADER_MAX];
};

/*
 * packet: whole, accepted by flow_read, IPv4 without DF; what lies behind its total length is left out. One that fits
 * comes out once, as it is. ERR_UNSUPPORTED: not that packet; ERR_MALFORMED: its lengths do not fit, or it is a
 * fragment that reaches beyond byte 65,535; ERR_LIMIT: mtu leaves no room for 8 bytes of payload behind the header (68
 * always does).
 */
MUST_USE enum status fragment_begin(struct fragmenter *f, struct bytes packet, uint32_t mtu);

/* Writes the next fragment into `out` (its offset is kept; room for mtu bytes must be behind it); false when there is
 * none left, or no room. Options without the copy flag stand in the first fragment alone (RFC 791 3.1). */
bool fragment_next(struct fragmenter *f, struct packet *out);

#endif
